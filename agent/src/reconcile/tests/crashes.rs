//! The agent or the daemon dies at every step; the next pass ends in the same place, without a second transaction where
//! the first went through.

use std::collections::BTreeSet;

use super::fake::{Deed, Node};
use crate::apply::PassOutcome;
use crate::host::{Deployment, LocalPackage};
use crate::plan::tests::{LIBQB, PROTOBUF, USBGUARD, deployment, local, wish};

fn closure() -> BTreeSet<LocalPackage> {
    [LIBQB, PROTOBUF, USBGUARD].map(|text| local(text, "one")).into()
}

#[tokio::test]
async fn dying_before_the_call_was_started_plans_anew() {
    let node = Node::new();
    node.host.will(&[Deed::Hang { started: false, staged: false }]);
    node.pass_and_die(&wish(&["usbguard"])).await;
    assert!(node.state.intent().unwrap().is_some_and(|intent| !intent.started));
    let report = node.pass(&wish(&["usbguard"])).await;
    assert!(matches!(report.outcome, PassOutcome::Staged { .. }), "{:?}", report.outcome);
    assert_eq!((node.next(), node.state.intent().unwrap()), (closure(), None));
}

#[tokio::test]
async fn dying_while_it_runs_waits_for_it_and_adopts_it() {
    let node = Node::new();
    node.host.will(&[Deed::Hang { started: true, staged: false }]);
    node.pass_and_die(&wish(&["usbguard"])).await;
    let packages: Vec<LocalPackage> = closure().into_iter().collect();
    let came = Deployment { staged: true, ..deployment("came", &packages) };
    node.host.world.lock().unwrap().at_idle.push_back(came);
    let report = node.pass(&wish(&["usbguard"])).await;
    assert_eq!(report.outcome, PassOutcome::AwaitingReboot { deployment: "came".to_owned() });
    assert_eq!((report.calls, node.host.calls().len()), (0, 1));
    assert_eq!(node.state.ledger().unwrap().owned.len(), 3);
}

#[tokio::test]
async fn dying_after_it_was_staged_adopts_it_without_a_second_call() {
    for reboot in [false, true] {
        let node = Node::new();
        node.host.will(&[Deed::Hang { started: true, staged: true }]);
        node.pass_and_die(&wish(&["usbguard"])).await;
        if reboot {
            node.host.reboot();
        }
        let report = node.pass(&wish(&["usbguard"])).await;
        let deployment = "staged-1".to_owned();
        let expected = if reboot {
            PassOutcome::Booted { deployment }
        } else {
            PassOutcome::AwaitingReboot { deployment }
        };
        assert_eq!(report.outcome, expected);
        assert_eq!((report.calls, node.host.calls().len()), (0, 1));
        // And it is ours: it can be removed again.
        node.pass(&wish(&[])).await;
        assert!(node.next().is_empty());
    }
}

#[tokio::test]
async fn a_call_that_ran_leaves_its_packages_ours_even_when_somebody_went_on_from_there() {
    let node = Node::new();
    node.host.will(&[Deed::Hang { started: true, staged: true }]);
    node.pass_and_die(&wish(&["usbguard"])).await;
    let admins = local("htop-3.0-1.x86_64", "an admin's");
    node.host.observed.lock().unwrap().deployments[0].local_packages.insert(admins.clone());
    node.pass(&wish(&[])).await;
    assert_eq!(node.next(), BTreeSet::from([admins]));
}

#[tokio::test]
async fn a_daemon_that_died_is_asked_and_not_assumed() {
    for (staged, calls) in [(true, 1), (false, 2)] {
        let node = Node::new();
        node.host.will(&[Deed::Lose { staged }]);
        let report = node.pass(&wish(&["usbguard"])).await;
        assert!(report.problem().is_none(), "{:?}", report.outcome);
        assert_eq!((node.next(), node.host.calls().len()), (closure(), calls));
    }
}

#[tokio::test]
async fn an_unrelated_transaction_after_a_crash_is_not_taken_for_ours() {
    let node = Node::new();
    node.host.will(&[Deed::Hang { started: false, staged: false }]);
    node.pass_and_die(&wish(&["usbguard"])).await;
    // Somebody installs the very same files while nobody of ours is there: theirs, although they look like ours.
    let packages: Vec<LocalPackage> = vec![local(LIBQB, "one")];
    node.host.is_busy("install libqb", Some(Deployment { staged: true, ..deployment("theirs", &packages) }));
    node.pass(&wish(&["usbguard"])).await;
    assert_eq!(node.next(), closure());
    node.pass(&wish(&[])).await;
    assert_eq!(node.next(), BTreeSet::from([local(LIBQB, "one")]));
}

#[tokio::test]
async fn a_damaged_ledger_makes_everything_foreign_and_is_put_aside() {
    let node = Node::new();
    node.pass(&wish(&["usbguard"])).await;
    std::fs::write(node.directory.path().join("ledger.json"), "{}").unwrap();
    let report = node.pass(&wish(&[])).await;
    assert_eq!((report.outcome, report.calls), (PassOutcome::NothingWanted, 0));
    assert_eq!(node.next(), closure());
    assert!(node.directory.path().join("ledger.damaged").exists());
}

#[tokio::test]
async fn a_state_that_cannot_be_written_stops_the_pass_before_the_call() {
    let node = Node::new();
    // A directory in the place of the file fails for every user, root too.
    std::fs::create_dir_all(node.directory.path().join("intent.new").join("x")).unwrap();
    let report = node.pass(&wish(&["usbguard"])).await;
    assert_eq!((report.reason(), report.calls), (Some(crate::error::Reason::StateUnusable), 0));
}
