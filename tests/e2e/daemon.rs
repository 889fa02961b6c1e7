//! `run`: it reacts, converges, says so, and stops cleanly.

use proof::images::Payload;
use proof::packages::Release;
use proof::sandbox::Wish;
use proof::wait;

use crate::node::{CONFIG, host_and_payload, nevras, staged, wish};

#[test]
fn a_changed_file_is_staged_without_being_asked_and_the_stop_is_clean() {
    let (host, payload) = host_and_payload();
    let mut daemon = host.agent().set("reconcile", "dwell", "0s").env("WATCHDOG_USEC", "500000").run_daemon();
    daemon.await_ready();
    assert_eq!(host.mutating_calls(), []);

    wish(&host, &["usbguard"], &payload.reference());
    daemon.await_notice("the status to say that a reboot is pending", |notice| {
        notice.starts_with("STATUS=RebootPending")
    });
    assert_eq!(staged(&host), Some(nevras(Release::First, "usbguard")));
    assert_eq!(host.mutating_calls().len(), 1);
    assert!(
        daemon.notices().iter().any(|notice| notice == "WATCHDOG=1") || daemon.log().contains("watchdog")
    );
    assert!(daemon.stop().success());
}

#[test]
fn a_refused_list_is_said_and_a_corrected_one_recovers_without_a_restart() {
    let (host, payload) = host_and_payload();
    wish(&host, &["nonsense"], &payload.reference());
    let mut daemon = host.agent().set("reconcile", "dwell", "0s").run_daemon();
    daemon.await_notice("the refusal", |notice| notice.starts_with("STATUS=") && notice.contains("nonsense"));
    assert_eq!(host.mutating_calls(), []);
    wish(&host, &["sysstat"], &payload.reference());
    wait::until_true("the corrected list to be staged", || {
        staged(&host) == Some(nevras(Release::First, "sysstat"))
    });
    assert!(daemon.stop().success());
}

#[test]
fn a_reordered_or_repeated_list_makes_no_call_at_all() {
    let (host, payload) = host_and_payload();
    wish(&host, &["usbguard", "sysstat"], &payload.reference());
    let mut daemon = host.agent().set("reconcile", "dwell", "0s").run_daemon();
    daemon.await_notice("a reboot to be pending", |notice| notice.starts_with("STATUS=RebootPending"));
    let before = host.mutating_calls().len();
    host.wish(CONFIG, &Wish::extensions(["sysstat", " usbguard ", "usbguard"]).from(&payload.reference()));
    // A change that does count, later: when it has been acted upon, the one before it has been seen.
    wish(&host, &["sysstat"], &payload.reference());
    wait::until_true("the later list to be staged", || {
        staged(&host) == Some(nevras(Release::First, "sysstat"))
    });
    assert_eq!(host.mutating_calls().len(), before + 1);
    assert!(daemon.stop().success());
}

#[test]
fn it_survives_the_death_of_the_daemon_and_of_the_bus_between_passes() {
    let (host, payload) = host_and_payload();
    let mut daemon = host.agent().set("reconcile", "dwell", "0s").run_daemon();
    daemon.await_ready();
    host.kill_daemon();
    wish(&host, &["sysstat"], &payload.reference());
    wait::until_true("sysstat to be staged", || staged(&host) == Some(nevras(Release::First, "sysstat")));
    host.stop_bus();
    host.start_bus();
    wish(&host, &["usbguard"], &Payload::of(Release::First).build().reference());
    wait::until_true("usbguard to be staged", || staged(&host) == Some(nevras(Release::First, "usbguard")));
    assert!(daemon.stop().success());
}

#[test]
fn a_second_agent_on_one_host_is_refused() {
    let (host, payload) = host_and_payload();
    let mut daemon = host.agent().run_daemon();
    daemon.await_ready();
    wish(&host, &["usbguard"], &payload.reference());
    let done = host.agent().apply();
    assert_eq!(done.code(), Some(53), "{done:#?}");
    assert!(done.stderr.contains("AnotherInstance") && done.stderr.contains("cure: "), "{done:#?}");
    assert!(daemon.stop().success());
}
