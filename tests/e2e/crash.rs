//! Killed at the worst moments: whatever went through is found again, whatever did not is done once.

use proof::images::Layout;
use proof::packages::Release;
use proof::rpmostreed::faults::{Step, Switch};
use proof::sandbox::Sandbox;
use proof::wait;

use crate::node::{booted, host_and_payload, nevras, staged, wish};

/// Starts `apply`, waits until the stand-in hangs at `step`, and kills the agent there.
fn killed_at(step: Step) -> (Sandbox, Layout) {
    let (host, payload) = host_and_payload();
    wish(&host, &["usbguard"], &payload.reference());
    host.faults().hang_at(step);
    let agent = host.agent().start(["apply"]);
    wait::until(&format!("the transaction to hang at {step:?}"), || {
        if host.faults().is_hanging_at(step) { Ok(()) } else { Err(agent.said()) }
    });
    agent.kill();
    (host, payload)
}

/// Applies again and expects the wish to be staged and booted after `transactions` calls in all.
#[track_caller]
fn converges(host: &Sandbox, transactions: usize) {
    host.agent().apply().expect_success();
    let closure = nevras(Release::First, "usbguard");
    assert_eq!(staged(host), Some(closure.clone()));
    assert_eq!(host.mutating_calls().len(), transactions, "{:#?}", host.mutating_calls());
    host.reboot();
    host.agent().apply().expect_success();
    assert_eq!(booted(host), closure);
    assert_eq!(host.mutating_calls().len(), transactions, "the reboot needs no further call");
}

#[test]
fn killed_after_start_the_running_transaction_is_found_again_and_not_repeated() {
    let (host, _payload) = killed_at(Step::Checkout);
    let again = host.agent().start(["apply"]);
    wait::until_true("the agent to find its transaction", || again.said().contains("transaction"));
    host.faults().release(Step::Checkout);
    again.finish().expect_success();
    converges(&host, 1);
}

#[test]
fn killed_when_it_was_staged_but_not_finished_it_is_not_repeated() {
    let (host, _payload) = killed_at(Step::AfterStagedBeforeFinished);
    host.faults().release(Step::AfterStagedBeforeFinished);
    converges(&host, 1);
}

#[test]
fn killed_after_finished_it_is_not_repeated() {
    let (host, _payload) = killed_at(Step::AfterFinished);
    host.faults().release(Step::AfterFinished);
    converges(&host, 1);
}

/// The reply to the call is held back, so the agent dies with its intent written and nothing started: the daemon drops
/// such a transaction by itself, and a second call is right.
#[test]
fn killed_before_start_the_call_is_made_again() {
    let (host, payload) = host_and_payload();
    wish(&host, &["usbguard"], &payload.reference());
    host.faults().turn_on(Switch::DelayReply, "3000");
    let agent = host.agent().start(["apply"]);
    wait::until_true("the call to be made", || {
        host.calls().iter().any(|call| call.member == "UpdateDeployment")
    });
    agent.kill();
    host.faults().turn_off(Switch::DelayReply);
    converges(&host, 2);
}

#[test]
fn a_daemon_that_dies_before_anything_was_staged_is_asked_again_and_the_call_repeated() {
    let (host, payload) = host_and_payload();
    wish(&host, &["usbguard"], &payload.reference());
    host.faults().die_at(Step::Checkout);
    let first = host.agent().apply();
    if first.code() != Some(0) {
        assert!(first.stderr.contains("TransactionLost"), "{first:#?}");
    }
    converges(&host, 2);
}

#[test]
fn a_daemon_that_dies_after_staging_is_asked_and_not_assumed_to_have_failed() {
    let (host, payload) = host_and_payload();
    wish(&host, &["usbguard"], &payload.reference());
    host.faults().die_at(Step::AfterStagedBeforeFinished);
    host.agent().apply().expect_success();
    converges(&host, 1);
}

#[test]
fn a_finalization_that_was_lost_is_noticed_and_staged_again() {
    let (host, payload) = host_and_payload();
    wish(&host, &["usbguard"], &payload.reference());
    host.agent().apply().expect_success();
    host.faults().turn_on(Switch::LoseStagedAtReboot, "");
    host.reboot();
    assert!(booted(&host).is_empty(), "the reboot lost what was staged");
    converges(&host, 2);
}
