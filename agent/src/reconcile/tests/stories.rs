//! Passes on a host that behaves, is busy, fails or lies.

use std::collections::BTreeSet;

use super::fake::{Deed, Node};
use crate::apply::PassOutcome;
use crate::error::Reason;
use crate::host::{Deployment, LocalPackage};
use crate::plan::tests::{
    LIBQB, LIBQB_NEWER, PACEMAKER, PROTOBUF, USBGUARD, USBGUARD_NEWER, deployment, local, next_release, wish,
};

fn closure() -> BTreeSet<LocalPackage> {
    [LIBQB, PROTOBUF, USBGUARD].map(|text| local(text, "one")).into()
}

fn staged(outcome: &PassOutcome) -> bool {
    matches!(outcome, PassOutcome::Staged { .. })
}

#[tokio::test]
async fn a_refusal_makes_no_call() {
    let node = Node::new();
    let report = node.pass(&wish(&["nope"])).await;
    assert_eq!(report.reason(), Some(Reason::UnknownExtension));
    assert_eq!((report.calls, node.host.calls().len()), (0, 0));
    assert!(!report.reboot_pending && report.extensions.values().all(|state| !state.staged));
}

#[tokio::test]
async fn more_packages_than_the_bus_carries_are_refused_before_the_call() {
    let mut node = Node::new();
    node.host.descriptors = 2;
    let report = node.pass(&wish(&["usbguard"])).await;
    assert_eq!((report.reason(), report.calls), (Some(Reason::TooManyPackagesForBus), 0));
    assert_eq!(node.state.intent().unwrap(), None);
}

#[tokio::test]
async fn an_unreachable_payload_makes_no_call_and_removal_needs_none() {
    let node = Node::new();
    assert!(staged(&node.pass(&wish(&["usbguard"])).await.outcome));
    *node.source.payload.lock().unwrap() = None;
    let report = node.pass(&wish(&["usbguard", "two-node-ha"])).await;
    assert_eq!((report.reason(), report.calls), (Some(Reason::PayloadUnavailable), 0));
    assert!(staged(&node.pass(&wish(&[])).await.outcome));
    assert!(node.next().is_empty());
}

#[tokio::test]
async fn an_extension_goes_from_wish_to_booted_in_one_call() {
    let node = Node::new();
    let report = node.pass(&wish(&["usbguard"])).await;
    assert_eq!(report.outcome, PassOutcome::Staged { deployment: "staged-1".to_owned() });
    assert_eq!(node.next(), closure());
    assert_eq!((report.calls, report.reboot_pending), (1, true));
    let state = &report.extensions[&"usbguard".parse().unwrap()];
    assert!(state.desired && state.staged && !state.booted);
    assert_eq!(state.version.as_deref(), Some("1.0-1"));

    node.host.reboot();
    let report = node.pass(&wish(&["usbguard"])).await;
    assert_eq!(report.outcome, PassOutcome::Booted { deployment: "staged-1".to_owned() });
    assert!(report.extensions[&"usbguard".parse().unwrap()].booted && !report.reboot_pending);
    assert_eq!((node.host.calls().len(), node.loads()), (1, 1));
}

#[tokio::test]
async fn a_pass_with_nothing_to_do_fetches_nothing_and_calls_nothing() {
    let node = Node::new();
    assert_eq!(node.pass(&wish(&[])).await.outcome, PassOutcome::NothingWanted);
    assert_eq!(node.loads(), 0);
    node.pass(&wish(&["usbguard"])).await;
    let report = node.pass(&wish(&["usbguard"])).await;
    assert_eq!(report.outcome, PassOutcome::AwaitingReboot { deployment: "staged-1".to_owned() });
    assert_eq!((report.calls, node.host.calls().len(), node.loads()), (0, 1, 1));
}

#[tokio::test]
async fn removal_is_one_call_and_leaves_the_base_pristine() {
    let node = Node::new();
    node.pass(&wish(&["usbguard"])).await;
    node.host.reboot();
    assert!(staged(&node.pass(&wish(&[])).await.outcome));
    assert!(node.next().is_empty());
    let report = node.pass(&wish(&[])).await;
    assert_eq!(report.outcome, PassOutcome::AwaitingReboot { deployment: "staged-2".to_owned() });
    let state = &report.extensions[&"usbguard".parse().unwrap()];
    assert!(!state.desired && !state.staged && state.booted);
    node.host.reboot();
    let report = node.pass(&wish(&[])).await;
    assert_eq!(report.outcome, PassOutcome::NothingWanted);
    assert_eq!((node.host.calls().len(), report.extensions.len()), (2, 0));
}

#[tokio::test]
async fn a_newer_payload_replaces_everything_in_one_call() {
    let node = Node::new();
    node.pass(&wish(&["usbguard"])).await;
    node.host.reboot();
    node.offer(next_release());
    let mut newer = wish(&["usbguard"]);
    newer.payload = newer.payload.map(|text| text.replace("registry.test", "other.test"));
    assert!(staged(&node.pass(&newer).await.outcome));
    assert_eq!(node.next(), [LIBQB_NEWER, PROTOBUF, USBGUARD_NEWER].map(|text| local(text, "two")).into());
    assert_eq!(node.host.calls().len(), 2);
}

#[tokio::test]
async fn a_shared_dependency_is_kept_when_one_of_two_extensions_goes() {
    let node = Node::new();
    node.pass(&wish(&["usbguard", "two-node-ha"])).await;
    node.host.reboot();
    node.pass(&wish(&["two-node-ha"])).await;
    assert_eq!(node.next(), [LIBQB, PACEMAKER].map(|text| local(text, "one")).into());
    assert_eq!(node.host.calls()[1].uninstall, [PROTOBUF, USBGUARD].map(str::to_owned).into());
}

#[tokio::test]
async fn a_package_of_an_admin_survives_everything_we_do() {
    let admins = local("htop-3.0-1.x86_64", "an admin's");
    let node = Node::having(std::slice::from_ref(&admins));
    for extensions in [&["usbguard"][..], &["usbguard", "two-node-ha"], &["two-node-ha"], &[]] {
        node.pass(&wish(extensions)).await;
        node.host.reboot();
        assert!(node.next().contains(&admins));
    }
    assert_eq!(node.next(), BTreeSet::from([admins]));
}

#[tokio::test]
async fn a_lost_staging_is_noticed_and_staged_again() {
    let node = Node::new();
    node.pass(&wish(&["usbguard"])).await;
    node.host.lose_staged();
    assert!(staged(&node.pass(&wish(&["usbguard"])).await.outcome));
    assert_eq!((node.next(), node.host.calls().len()), (closure(), 2));
}

#[tokio::test]
async fn somebody_elses_transaction_is_waited_for_and_the_plan_made_anew() {
    let node = Node::new();
    let admins = local("htop-3.0-1.x86_64", "an admin's");
    let theirs = Deployment { staged: true, ..deployment("theirs", std::slice::from_ref(&admins)) };
    node.host.is_busy("install htop", Some(theirs));
    node.host.will(&[Deed::Busy]);
    let report = node.pass(&wish(&["usbguard"])).await;
    assert!(staged(&report.outcome), "{:?}", report.outcome);
    let mut expected = closure();
    expected.insert(admins);
    assert_eq!(node.next(), expected);
    assert_eq!(report.plan.unwrap().start.unwrap().deployment, "theirs");
}

#[tokio::test]
async fn a_host_that_stays_busy_is_left_alone_after_a_few_tries() {
    let node = Node::new();
    node.host.will(&vec![Deed::Busy; 50]);
    let report = node.pass(&wish(&["usbguard"])).await;
    assert_eq!(report.reason(), Some(Reason::TransactionInProgress));
    assert!(report.calls < 10);
    assert_eq!(node.state.intent().unwrap(), None);
}

#[tokio::test]
async fn a_call_that_was_joined_to_anothers_is_not_believed() {
    let node = Node::new();
    node.host.will(&[Deed::Join { staged: false }]);
    let report = node.pass(&wish(&["usbguard"])).await;
    assert!(staged(&report.outcome));
    let calls = node.host.calls();
    assert_eq!(calls.len(), 2);
    assert_ne!(calls[0].nonce, calls[1].nonce);
}

#[tokio::test]
async fn what_anothers_equal_call_has_staged_is_theirs() {
    let node = Node::new();
    node.host.will(&[Deed::Join { staged: true }]);
    let report = node.pass(&wish(&["usbguard"])).await;
    assert_eq!(report.outcome, PassOutcome::AwaitingReboot { deployment: "staged-1".to_owned() });
    node.pass(&wish(&[])).await;
    assert_eq!((node.next(), node.host.calls().len()), (closure(), 1));
}

#[tokio::test]
async fn success_without_a_deployment_is_not_success() {
    let node = Node::new();
    node.host.will(&[Deed::Pretend]);
    let report = node.pass(&wish(&["usbguard"])).await;
    assert_eq!((report.reason(), report.calls), (Some(Reason::NotConfirmed), 1));
    assert!(report.problem().unwrap().message.contains(LIBQB), "{:?}", report.problem());
    assert!(staged(&node.pass(&wish(&["usbguard"])).await.outcome));
}

#[tokio::test]
async fn a_failed_and_a_cancelled_transaction_end_the_pass_and_close_the_intent() {
    for (deed, reason) in
        [(Deed::Fail, Reason::TransactionFailed), (Deed::Cancel, Reason::TransactionCancelled)]
    {
        let node = Node::new();
        node.host.will(&[deed]);
        let report = node.pass(&wish(&["usbguard"])).await;
        assert_eq!((report.reason(), report.calls), (Some(reason), 1));
        assert_eq!(node.state.intent().unwrap(), None);
    }
}

#[tokio::test]
async fn a_preview_calls_nothing_writes_nothing_and_needs_no_lock() {
    let node = Node::new();
    let _held = node.state.lock().unwrap();
    let before: Vec<_> =
        std::fs::read_dir(node.directory.path()).unwrap().map(|e| e.unwrap().path()).collect();
    let report = node.preview(&wish(&["usbguard"])).await;
    assert_eq!(report.outcome, PassOutcome::Planned);
    assert_eq!(report.plan.unwrap().install.len(), 3);
    let after: Vec<_> =
        std::fs::read_dir(node.directory.path()).unwrap().map(|e| e.unwrap().path()).collect();
    assert_eq!((before, node.host.calls().len()), (after, 0));
    assert_eq!(node.preview(&wish(&["nope"])).await.reason(), Some(Reason::UnknownExtension));
}

#[tokio::test]
async fn a_second_instance_is_turned_away() {
    let node = Node::new();
    let held = node.state.lock().unwrap();
    let refused = node.state.lock().unwrap_err();
    assert_eq!(crate::error::Failure::reason(&refused), Reason::AnotherInstance);
    drop(held);
    node.state.lock().unwrap();
}

#[tokio::test]
async fn a_tag_is_looked_at_each_time_and_calls_nothing_when_it_means_the_same() {
    let node = Node::new();
    let mut tagged = wish(&["usbguard"]);
    tagged.payload = Some("registry.test/extensions:latest".to_owned());
    node.pass(&tagged).await;
    let report = node.pass(&tagged).await;
    assert_eq!((node.loads(), report.calls), (2, 0));
    assert_eq!(report.outcome, PassOutcome::AwaitingReboot { deployment: "staged-1".to_owned() });
}

#[tokio::test]
async fn an_extension_that_an_admin_has_completely_is_never_called_for_and_leaves_no_trace() {
    let all: Vec<LocalPackage> = closure().into_iter().collect();
    let node = Node::having(&all);
    let report = node.pass(&wish(&["usbguard"])).await;
    assert_eq!(report.outcome, PassOutcome::Booted { deployment: "booted".to_owned() });
    assert_eq!(node.pass(&wish(&["usbguard"])).await.calls, 0);
    assert_eq!(node.loads(), 1);
    let report = node.pass(&wish(&[])).await;
    assert_eq!((report.outcome, report.extensions.len()), (PassOutcome::NothingWanted, 0));
    assert_eq!((node.next(), node.host.calls().len()), (closure(), 0));
}
