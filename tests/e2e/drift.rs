//! The host moves without the agent: updates, rollbacks and clean-ups by other clients, and finalizations that get lost.

use std::collections::BTreeSet;

use proof::images::Payload;
use proof::packages::Release;
use proof::rpmostreed::faults::{Step, Switch};
use proof::sandbox::sysroot::refspec;
use proof::sandbox::{Daemon, Hand, Sandbox, Wish};
use proof::wait;

use crate::node::{CONFIG, apply, booted, deployments, host_and_payload, nevras, staged, wish};

/// A host that runs usbguard of the first release.
fn running() -> (Sandbox, proof::images::Layout) {
    let (host, payload) = host_and_payload();
    apply(&host, &["usbguard"], &payload.reference());
    host.reboot();
    host.agent().apply().expect_success();
    (host, payload)
}

fn hand(host: &Sandbox) -> Hand {
    Hand::at(&host.bus_address())
}

fn daemon(host: &Sandbox) -> Daemon {
    host.agent().set("reconcile", "dwell", "0s").run_daemon()
}

/// The calls of the agent among all that ask for a change.
fn ours(host: &Sandbox) -> usize {
    let title = "initiating-command-line";
    let from_agent =
        |call: &proof::sandbox::Call| call.args.get(1).is_some_and(|options| options.get(title).is_some());
    host.mutating_calls().iter().filter(|call| from_agent(call)).count()
}

#[test]
fn an_update_that_another_client_has_staged_gets_ours_on_top() {
    let (host, _) = host_and_payload();
    hand(&host).rebase(refspec(Release::Second));
    let base = deployments(&host)[0]["checksum"].clone();
    let second = Payload::of(Release::Second).build();
    apply(&host, &["usbguard", "kerberos"], &second.reference());
    assert_eq!((ours(&host), deployments(&host)[0]["base-checksum"].clone()), (1, base));
    host.reboot();
    let both =
        nevras(Release::Second, "usbguard").union(&nevras(Release::Second, "kerberos")).cloned().collect();
    assert_eq!(booted(&host), both);
    host.agent().apply().expect_success();
    assert_eq!(ours(&host), 1);
}

#[test]
fn an_update_that_another_client_stages_on_top_of_ours_changes_nothing_for_us() {
    let (host, _payload) = running();
    hand(&host).rebase(refspec(Release::Second));
    host.agent().apply().expect_success();
    let status = host.agent().run(["status", "-o", "json"]).expect_success().json();
    assert_eq!(
        (&status["rebootPending"], &status["extensions"]["usbguard"]["stage"]),
        (&false.into(), &"active".into()),
        "{status:#}"
    );
    host.reboot();
    host.agent().apply().expect_success();
    assert_eq!((booted(&host), ours(&host)), (nevras(Release::First, "usbguard"), 1));
}

#[test]
fn a_rollback_is_held_until_a_person_runs_apply() {
    let (host, _payload) = running();
    hand(&host).roll_back();
    host.reboot();
    assert_eq!(booted(&host), BTreeSet::new());
    let mut agent = daemon(&host);
    agent.await_notice("the hold", |notice| notice.starts_with("STATUS=") && notice.contains("RolledBack"));
    let metrics = host.metrics();
    assert!(metrics.contains("extensions_agent_blocked{reason=\"RolledBack\"} 1"), "{metrics}");
    assert!(metrics.contains("extensions_agent_extension_booted{extension=\"usbguard\"} 0"), "{metrics}");
    assert!(agent.stop().success());
    assert_eq!(ours(&host), 1, "the rollback was undone");
    host.agent().apply().expect_success();
    assert_eq!((staged(&host), ours(&host)), (Some(nevras(Release::First, "usbguard")), 2));
}

#[test]
fn a_staged_deployment_that_an_admin_drops_is_staged_again_and_not_for_ever() {
    let (host, payload) = host_and_payload();
    wish(&host, &["sysstat"], &payload.reference());
    let mut agent = daemon(&host);
    agent.await_ready();
    for round in 1..=4 {
        let line = format!("extensions_agent_passes_total{{result=\"staged\"}} {round}\n");
        wait::until("it to be staged", || {
            if host.metrics().contains(&line) { Ok(()) } else { Err(agent.log()) }
        });
        hand(&host).drop_pending();
    }
    agent.await_notice("the end of it", |notice| {
        notice.starts_with("STATUS=") && notice.contains("StagingLost")
    });
    let metrics = host.metrics();
    assert!(metrics.contains("extensions_agent_reboot_pending 0"), "{metrics}");
    assert!(metrics.contains("extensions_agent_passes_total{result=\"staged\"} 4\n"), "{metrics}");
    wish(&host, &["usbguard"], &payload.reference());
    wait::until_true("another wish to be staged", || {
        staged(&host) == Some(nevras(Release::First, "usbguard"))
    });
    assert!(agent.stop().success());
}

#[test]
fn a_finalization_that_is_lost_at_each_boot_is_said_and_no_longer_tried() {
    let (host, payload) = host_and_payload();
    wish(&host, &["sysstat"], &payload.reference());
    for boot in 1..=5 {
        let mut agent = daemon(&host);
        let word = if boot < 5 { "RebootPending" } else { "StagingLost" };
        agent.await_notice(word, |notice| notice.starts_with("STATUS=") && notice.contains(word));
        assert!(agent.stop().success());
        host.faults().turn_on(Switch::LoseStagedAtReboot, "");
        host.reboot();
    }
    assert_eq!(ours(&host), 4);
}

#[test]
fn a_package_of_ours_that_an_admin_uninstalls_comes_back_in_one_call() {
    let (host, _payload) = running();
    let usbguard =
        nevras(Release::First, "usbguard").into_iter().find(|nevra| nevra.starts_with("usbguard-1")).unwrap();
    hand(&host).uninstall(&[&usbguard]);
    assert!(!staged(&host).unwrap().contains(&usbguard));
    host.agent().apply().expect_success();
    assert_eq!((staged(&host), ours(&host)), (Some(nevras(Release::First, "usbguard")), 2));
}

#[test]
fn a_reboot_in_the_middle_of_our_transaction_leaves_the_old_system_and_is_made_good() {
    let (host, payload) = host_and_payload();
    wish(&host, &["sysstat"], &payload.reference());
    host.faults().hang_at(Step::Commit);
    let agent = host.agent().start(["apply"]);
    wait::until_true("the transaction to hang", || host.faults().is_hanging_at(Step::Commit));
    agent.kill();
    host.reboot();
    host.faults().clear();
    assert_eq!(booted(&host), BTreeSet::new());
    host.agent().apply().expect_success();
    assert_eq!((staged(&host), ours(&host)), (Some(nevras(Release::First, "sysstat")), 2));
}

#[test]
fn the_realtime_kernel_moves_with_an_update_and_its_payload() {
    let (host, first) = host_and_payload();
    host.wish(CONFIG, &Wish::extensions(["sysstat"]).from(&first.reference()).kernel("realtime"));
    host.agent().apply().expect_success();
    host.reboot();
    hand(&host).rebase(refspec(Release::Second));
    host.agent().apply().expect_success();
    let second = Payload::of(Release::Second).build();
    host.wish(CONFIG, &Wish::extensions(["sysstat"]).from(&second.reference()).kernel("realtime"));
    host.agent().apply().expect_success();
    host.reboot();
    let kernel = proof::packages::kernel_release(Release::Second);
    let packages = host.booted_packages();
    assert!(
        packages.iter().any(|nevra| nevra.starts_with("kernel-rt-core-") && nevra.contains(kernel)),
        "{packages:#?}"
    );
    assert!(!packages.iter().any(|nevra| nevra.starts_with("kernel-core-")), "{packages:#?}");
    assert!(nevras(Release::Second, "sysstat").is_subset(&booted(&host)));
}
