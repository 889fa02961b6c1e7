//! From staged to booted on one node, with a new process for every step: what counts is on disk and on the host.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::super::once;
use super::fake::Node;
use crate::apply::{PassOutcome, PassReport};
use crate::error::Reason;
use crate::plan::tests::wish;
use crate::reconcile::Parts;
use crate::rollout::{self, Coordinator, Means, Moment, RolloutStatus, RolloutStep};
use crate::settings::{RolloutSettings, Strategy};

fn settings(strategy: Strategy) -> RolloutSettings {
    RolloutSettings {
        strategy,
        max_unavailable: 1,
        windows: Some("Sat 22:00 2h".to_owned()),
        drain_limit: Duration::from_secs(3600),
        reboot_limit: Duration::from_secs(900),
        poll: Duration::from_secs(15),
        ..RolloutSettings::default()
    }
}

/// So many minutes after a Saturday at noon.
fn at(minutes: i64) -> Timestamp {
    let noon: Timestamp = "2026-11-21T12:00:00Z".parse().unwrap();
    noon.checked_add(SignedDuration::from_mins(minutes)).unwrap()
}

async fn pass(node: &Node, boot: &str) -> PassReport {
    let lock = node.state.lock().unwrap();
    let nonce = || node.nonce();
    let parts = Parts { locked_in: Some(boot), ..node.parts(&nonce) };
    once(&parts, &lock, &Ok(wish(&["usbguard"]))).await
}

/// One step of a process that has just started.
async fn step(
    node: &Node,
    strategy: Strategy,
    report: &PassReport,
    minutes: i64,
) -> (RolloutStatus, Option<Duration>) {
    let (lock, settings, nonce) = (node.state.lock().unwrap(), settings(strategy), || node.nonce());
    let means = Means {
        host: &node.host,
        state: &node.state,
        lock: &lock,
        directory: node.directory.path(),
        sysroot: node.directory.path(),
        settings: &settings,
        windows: rollout::windows(&settings).unwrap(),
        connection: None,
        node: None,
        nonce: &nonce,
    };
    let mut coordinator = Coordinator::new(means, at(minutes)).unwrap();
    let moment = Moment { now: at(minutes), monotonic: Duration::from_secs(1) };
    let pause = coordinator.advance(report, moment).await;
    let status = coordinator.status().borrow().clone();
    (status, pause)
}

fn finalized(node: &Node) -> usize {
    node.host.world.lock().unwrap().finalized.len()
}

#[tokio::test]
async fn what_was_staged_is_booted_by_one_request_and_nothing_is_left_to_do() {
    let node = Node::new();
    let report = pass(&node, "boot 1").await;
    assert!(matches!(report.outcome, PassOutcome::Staged { .. }), "{:?}", report.outcome);
    for minute in 0..3 {
        let report = if minute == 0 { report.clone() } else { pass(&node, "boot 1").await };
        let (status, pause) = step(&node, Strategy::Immediate, &report, minute).await;
        assert_eq!((status.step, status.problem), (RolloutStep::Rebooting, None));
        assert_eq!((finalized(&node), pause), (1, Some(Duration::from_secs(15))));
    }
    node.host.reboot();
    let report = pass(&node, "boot 2").await;
    assert!(matches!(report.outcome, PassOutcome::Booted { .. }), "{:?}", report.outcome);
    let (status, pause) = step(&node, Strategy::Immediate, &report, 4).await;
    assert_eq!((status.step, pause, finalized(&node)), (RolloutStep::Idle, None, 1));
}

#[tokio::test]
async fn without_a_strategy_and_outside_the_window_nothing_is_rebooted() {
    let node = Node::new();
    let report = pass(&node, "boot 1").await;
    let (status, pause) = step(&node, Strategy::None, &report, 0).await;
    assert_eq!((status.step, pause), (RolloutStep::AwaitingAdmin, None));
    let (status, pause) = step(&node, Strategy::Window, &report, 0).await;
    let reason = status.problem.map(|problem| problem.reason);
    assert_eq!((status.step, reason), (RolloutStep::AwaitingWindow, Some(Reason::OutsideWindow)));
    assert_eq!((pause, finalized(&node)), (Some(Duration::from_secs(10 * 3600)), 0));
    step(&node, Strategy::Window, &report, 600).await;
    assert_eq!(finalized(&node), 1);
}

#[tokio::test]
async fn a_change_that_somebody_else_staged_with_it_is_theirs_to_boot() {
    let node = Node::new();
    pass(&node, "boot 1").await;
    node.host.observed.lock().unwrap().deployments[0].requested_packages = ["vim".to_owned()].into();
    let report = pass(&node, "boot 1").await;
    assert!(matches!(report.outcome, PassOutcome::AwaitingReboot { .. }), "{:?}", report.outcome);
    let (status, _) = step(&node, Strategy::Immediate, &report, 0).await;
    assert_eq!((status.step, finalized(&node)), (RolloutStep::AwaitingAdmin, 0));
}

#[tokio::test]
async fn a_reboot_into_the_old_deployment_is_said_and_tried_again_later() {
    let node = Node::new();
    let report = pass(&node, "boot 1").await;
    step(&node, Strategy::Immediate, &report, 0).await;
    node.host.lose_staged();
    let report = pass(&node, "boot 2").await;
    assert!(matches!(report.outcome, PassOutcome::Staged { .. }), "it is staged again");
    let (status, _) = step(&node, Strategy::Immediate, &report, 1).await;
    let reason = status.problem.map(|problem| problem.reason);
    assert_eq!((reason, finalized(&node)), (Some(Reason::FinalizeFailed), 1));
    step(&node, Strategy::Immediate, &report, 3).await;
    assert_eq!(finalized(&node), 2);
}

#[tokio::test]
async fn a_reboot_that_is_refused_is_said_and_asked_for_again_later() {
    let node = Node::new();
    node.host.world.lock().unwrap().inhibitor = Some("an upgrade of firmware".to_owned());
    let report = pass(&node, "boot 1").await;
    let (status, _) = step(&node, Strategy::Immediate, &report, 0).await;
    let problem = status.problem.unwrap();
    assert_eq!(problem.reason, Reason::FinalizeFailed);
    assert!(problem.message.contains("firmware"), "{}", problem.message);
    step(&node, Strategy::Immediate, &report, 2).await;
    assert_eq!(finalized(&node), 2);
}

#[tokio::test]
async fn a_locked_deployment_that_an_admins_reboot_loses_is_staged_again_without_end() {
    let node = Node::new();
    for boot in 0..9 {
        let report = pass(&node, &format!("boot {boot}")).await;
        assert!(matches!(report.outcome, PassOutcome::Staged { .. }), "boot {boot}: {:?}", report.outcome);
        node.host.lose_staged();
    }
    // Within one boot it is a fight.
    let mut reasons = Vec::new();
    for _ in 0..6 {
        reasons.push(pass(&node, "boot 9").await.reason());
        node.host.lose_staged();
    }
    assert_eq!(reasons.last(), Some(&Some(Reason::StagingLost)), "{reasons:?}");
}
