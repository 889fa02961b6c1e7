//! From staged to booted: the agent finalizes what it staged, and the host comes up in it.

use proof::fleetlock::FleetLockServer;
use proof::packages::Release;
use proof::sandbox::{Agent, Sandbox};
use proof::wait;

use crate::node::{booted, deployments, host_and_payload, nevras, staged, wish};

fn immediate(host: &Sandbox) -> Agent {
    let agent = host.agent().set("reconcile", "dwell", "0s").set("rollout", "poll", "200ms");
    agent.set("rollout", "strategy", "immediate")
}

fn calls_of(host: &Sandbox, member: &str) -> usize {
    host.mutating_calls().iter().filter(|call| call.member == member).count()
}

#[test]
fn what_is_wanted_is_staged_locked_finalized_once_and_booted() {
    let (host, payload) = host_and_payload();
    wish(&host, &["usbguard"], &payload.reference());
    let mut daemon = immediate(&host).run_daemon();
    daemon.await_ready();
    wait::until_true("the reboot to be requested", || host.faults().reboot_requested());
    let calls = host.mutating_calls();
    let base = deployments(&host)[0]["base-checksum"].clone();
    assert_eq!(calls.len(), 2, "{calls:#?}");
    assert_eq!(
        (calls[0].member.as_str(), calls[1].member.as_str()),
        ("UpdateDeployment", "FinalizeDeployment")
    );
    assert_eq!(calls[0].args[1]["lock-finalization"], true, "{:#?}", calls[0]);
    assert_eq!(calls[1].args[0]["checksum"], base, "{:#?}", calls[1]);
    assert!(daemon.stop().success());

    host.reboot();
    assert_eq!(booted(&host), nevras(Release::First, "usbguard"));
    let mut daemon = immediate(&host).run_daemon();
    daemon.await_notice("the node to be ready", |notice| notice.starts_with("STATUS=Booted"));
    let metrics = wait::until("the step to be idle", || {
        let text = host.metrics();
        if text.contains("rollout_step{step=\"Idle\"} 1") { Ok(text) } else { Err(text) }
    });
    assert!(metrics.contains("reboots_requested_total 1"), "{metrics}");
    assert_eq!(calls_of(&host, "FinalizeDeployment"), 1);
    assert!(daemon.stop().success());
}

#[test]
fn an_agent_that_dies_after_it_asked_for_the_reboot_does_not_ask_again() {
    let (host, payload) = host_and_payload();
    wish(&host, &["usbguard"], &payload.reference());
    let daemon = immediate(&host).run_daemon();
    wait::until_true("the reboot to be requested", || host.faults().reboot_requested());
    daemon.kill();
    let mut daemon = immediate(&host).run_daemon();
    daemon.await_notice("a pass", |notice| notice.starts_with("STATUS=RebootPending"));
    assert!(daemon.stop().success());
    assert_eq!(calls_of(&host, "FinalizeDeployment"), 1);
}

#[test]
fn by_default_an_admin_reboots_and_what_is_staged_is_not_locked() {
    let (host, payload) = host_and_payload();
    wish(&host, &["usbguard"], &payload.reference());
    let mut daemon = host.agent().set("reconcile", "dwell", "0s").run_daemon();
    daemon.await_notice("a reboot to be pending", |notice| notice.starts_with("STATUS=RebootPending"));
    assert!(daemon.stop().success());
    assert_eq!(staged(&host), Some(nevras(Release::First, "usbguard")));
    assert_eq!(calls_of(&host, "FinalizeDeployment"), 0);
    host.reboot();
    assert_eq!(booted(&host), nevras(Release::First, "usbguard"));
}

#[test]
fn a_fleetlock_server_is_asked_until_it_grants_and_thanked_after_the_reboot() {
    let (host, payload) = host_and_payload();
    let server = FleetLockServer::start();
    std::fs::create_dir_all(host.sysroot().join("etc")).unwrap();
    std::fs::write(host.sysroot().join("etc/machine-id"), "0123456789abcdef0123456789abcdef\n").unwrap();
    wish(&host, &["usbguard"], &payload.reference());
    let locked = immediate(&host)
        .set("rollout", "strategy", "fleetlock")
        .set("rollout", "fleetlock-url", server.url())
        .set("rollout", "pool", "edge");
    let mut daemon = locked.run_daemon();
    daemon.await_ready();
    wait::until_true("the server to be asked again and again", || server.count("/v1/pre-reboot") > 2);
    assert!(!host.faults().reboot_requested(), "no reboot without a slot");
    server.grant(true);
    wait::until_true("the reboot to be requested", || host.faults().reboot_requested());
    assert!(daemon.stop().success());
    assert_eq!(server.count("/v1/steady-state"), 0, "the slot is kept over the reboot");

    host.reboot();
    let mut daemon = locked.run_daemon();
    daemon.await_notice("the node to be ready", |notice| notice.starts_with("STATUS=Booted"));
    wait::until_true("the slot to be given back", || server.count("/v1/steady-state") == 1);
    assert!(daemon.stop().success());
    for question in server.asked() {
        assert!(question.marked, "the protocol's header is missing: {question:?}");
        assert_eq!(question.client["group"], "edge");
        let id = question.client["id"].as_str().unwrap_or_default();
        assert!(
            id.len() >= 32 && id != "0123456789abcdef0123456789abcdef",
            "no raw machine id: {question:?}"
        );
    }
}

#[test]
fn a_closed_window_holds_the_reboot_and_says_when_it_opens() {
    let (host, payload) = host_and_payload();
    wish(&host, &["usbguard"], &payload.reference());
    // A window of one minute, on the day before yesterday of whichever week this is.
    let day =
        jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::UTC).yesterday().unwrap().yesterday().unwrap();
    let window = format!("{} 12:00 1m", day.strftime("%a"));
    let closed =
        immediate(&host).set("rollout", "strategy", "window").set("rollout", "windows", window.as_str());
    let mut daemon = closed.run_daemon();
    daemon.await_ready();
    wait::until("the node to wait for its window", || {
        let text = host.metrics();
        if text.contains("rollout_step{step=\"AwaitingWindow\"} 1") { Ok(()) } else { Err(text) }
    });
    daemon.await_notice("a reboot to be pending", |notice| notice.starts_with("STATUS=RebootPending"));
    assert!(daemon.log().contains("AwaitingWindow"), "{}", daemon.log());
    assert!(daemon.stop().success());
    assert_eq!(calls_of(&host, "FinalizeDeployment"), 0);
    assert!(!host.faults().reboot_requested());
}
