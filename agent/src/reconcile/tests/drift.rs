//! The host moves without us: rollbacks, lost stagings, updates by another client, origins that cannot be read.

use std::sync::Arc;

use super::super::once;
use super::fake::{Deed, Node};
use crate::apply::{PassOutcome, PassReport};
use crate::desired::{Desired, DesiredError};
use crate::error::Reason;
use crate::host::{Deployment, LocalPackage};
use crate::plan::tests::{LIBQB, PROTOBUF, USBGUARD, deployment, local, wish};
use crate::reconcile::Parts;

/// A node that runs usbguard, with the deployment before it as its rollback.
async fn running() -> Node {
    let node = Node::new();
    node.pass(&wish(&["usbguard"])).await;
    node.host.reboot();
    assert!(matches!(node.pass(&wish(&["usbguard"])).await.outcome, PassOutcome::Booted { .. }));
    node
}

/// `rpm-ostree rollback` and, where said, the reboot into it.
fn roll_back(node: &Node, reboot: bool) {
    let mut observed = node.host.observed.lock().unwrap();
    observed.deployments.swap(0, 1);
    for (place, deployment) in observed.deployments.iter_mut().enumerate().filter(|_| reboot) {
        deployment.booted = place == 0;
    }
}

async fn insisting(node: &Node, wish: &Desired) -> PassReport {
    let lock = node.state.lock().unwrap();
    let nonce = || node.nonce();
    once(&Parts { insist: true, ..node.parts(&nonce) }, &lock, &Ok(wish.clone())).await
}

#[tokio::test]
async fn a_rollback_is_not_undone_until_the_wish_changes_or_a_person_insists() {
    for reboot in [false, true] {
        let node = running().await;
        roll_back(&node, reboot);
        for _ in 0..3 {
            let report = node.pass(&wish(&["usbguard"])).await;
            assert_eq!((report.reason(), node.host.calls().len()), (Some(Reason::RolledBack), 1));
            let state = &report.extensions[&"usbguard".parse().unwrap()];
            assert_eq!((state.desired, state.staged, state.booted), (true, false, !reboot));
        }
        let report = if reboot {
            insisting(&node, &wish(&["usbguard"])).await
        } else {
            node.pass(&wish(&["two-node-ha"])).await
        };
        assert!(matches!(report.outcome, PassOutcome::Staged { .. }), "{:?}", report.outcome);
    }
}

#[tokio::test]
async fn a_rolled_back_removal_is_not_made_again() {
    let node = running().await;
    node.pass(&wish(&[])).await;
    node.host.reboot();
    assert_eq!(node.pass(&wish(&[])).await.outcome, PassOutcome::NothingWanted);
    roll_back(&node, true);
    assert_eq!(node.pass(&wish(&[])).await.reason(), Some(Reason::RolledBack));
    assert_eq!(node.host.calls().len(), 2);
}

#[tokio::test]
async fn a_chosen_deployment_of_once_is_left_to_the_next_boot() {
    let node = running().await;
    {
        // An entry of the boot menu, for this boot only: the order stays.
        let mut observed = node.host.observed.lock().unwrap();
        (observed.deployments[0].booted, observed.deployments[1].booted) = (false, true);
    }
    let report = node.pass(&wish(&["usbguard"])).await;
    assert!(matches!(report.outcome, PassOutcome::AwaitingReboot { .. }), "{:?}", report.outcome);
    assert!(report.reboot_pending);
}

#[tokio::test]
async fn what_is_lost_each_time_is_not_staged_for_ever() {
    let node = Node::new();
    for _ in 0..4 {
        let report = node.pass(&wish(&["usbguard"])).await;
        assert!(matches!(report.outcome, PassOutcome::Staged { .. }), "{:?}", report.outcome);
        node.host.lose_staged();
    }
    for _ in 0..3 {
        let report = node.pass(&wish(&["usbguard"])).await;
        assert_eq!((report.reason(), report.calls), (Some(Reason::StagingLost), 0));
        assert!(!report.reboot_pending && report.extensions.values().all(|state| !state.staged));
    }
    // Another wish is another matter, and a person may insist.
    assert!(node.pass(&wish(&["two-node-ha"])).await.problem().is_none());
    node.host.lose_staged();
    assert!(insisting(&node, &wish(&["usbguard"])).await.problem().is_none());
}

#[tokio::test]
async fn a_boot_that_took_what_was_staged_ends_the_count() {
    let node = Node::new();
    for _ in 0..3 {
        node.pass(&wish(&["usbguard"])).await;
        node.host.lose_staged();
    }
    node.pass(&wish(&["usbguard"])).await;
    node.host.reboot();
    node.pass(&wish(&["usbguard"])).await;
    assert_eq!(node.state.ledger().unwrap().staging.map(|staging| staging.times), Some(0));
}

#[tokio::test]
async fn another_client_that_takes_ours_out_again_and_again_is_not_fought_for_ever() {
    let node = running().await;
    let mut calls = 0;
    for _ in 0..12 {
        let bare = Deployment { staged: true, ..deployment("theirs", &[]) };
        {
            let mut observed = node.host.observed.lock().unwrap();
            observed.deployments.retain(|deployment| !deployment.staged);
            observed.deployments.insert(0, bare);
        }
        calls += node.pass(&wish(&["usbguard"])).await.calls;
    }
    assert_eq!(calls, 4);
    assert_eq!(node.pass(&wish(&["usbguard"])).await.reason(), Some(Reason::StagingLost));
}

#[tokio::test]
async fn an_update_that_another_client_staged_on_top_of_ours_keeps_what_runs_active() {
    let node = running().await;
    {
        let mut observed = node.host.observed.lock().unwrap();
        let ours = observed.deployments[0].clone();
        let update = Deployment {
            id: "update".to_owned(),
            base_checksum: "c".to_owned(),
            booted: false,
            staged: true,
            ..ours
        };
        observed.deployments.insert(0, update);
    }
    for _ in 0..2 {
        let report = node.pass(&wish(&["usbguard"])).await;
        assert_eq!(report.outcome, PassOutcome::Booted { deployment: "staged-1".to_owned() });
        assert!(!report.reboot_pending && report.calls == 0);
    }
    node.host.reboot();
    let report = node.pass(&wish(&["usbguard"])).await;
    assert_eq!(report.outcome, PassOutcome::Booted { deployment: "update".to_owned() });
    // And back: the older release has it too, so that there is nothing to hold.
    roll_back(&node, true);
    let report = node.pass(&wish(&["usbguard"])).await;
    assert_eq!(report.outcome, PassOutcome::Booted { deployment: "staged-1".to_owned() });
    assert_eq!(node.host.calls().len(), 1);
}

#[tokio::test]
async fn while_an_origin_cannot_be_read_nothing_of_ours_is_said_to_be_gone() {
    let node = running().await;
    let blind = |node: &Node| {
        let mut observed = node.host.observed.lock().unwrap();
        let packages = std::mem::take(&mut observed.deployments[0].local_packages);
        observed.deployments[0].local_packages =
            packages.into_iter().map(|package| LocalPackage { head: None, ..package }).collect();
    };
    let seen = node.host.observed.lock().unwrap().clone();
    blind(&node);
    let report = node.pass(&wish(&[])).await;
    assert_eq!((report.reason(), report.calls), (Some(Reason::BaseUnreadable), 0));
    *node.host.observed.lock().unwrap() = seen;
    node.pass(&wish(&[])).await;
    node.host.lose_staged();
    blind(&node);
    assert_eq!(node.pass(&wish(&[])).await.reason(), Some(Reason::BaseUnreadable));
    assert_eq!(node.state.ledger().unwrap().owned.len(), 3, "nothing is forgotten on a doubt");
}

/// Back to what is booted: the booted deployment looks like the aim, but was there before.
#[tokio::test]
async fn a_call_back_to_what_is_booted_that_never_ran_claims_nothing() {
    let admins: Vec<LocalPackage> = [LIBQB, PROTOBUF, USBGUARD].map(|text| local(text, "one")).into();
    let node = Node::having(&admins);
    let bare = Deployment { staged: true, ..deployment("bare", &[]) };
    node.host.observed.lock().unwrap().deployments.insert(0, bare);
    node.host.will(&[Deed::Hang { started: false, staged: false }]);
    node.pass_and_die(&wish(&["usbguard"])).await;
    node.host.lose_staged();
    node.pass(&wish(&["usbguard"])).await;
    node.pass(&wish(&[])).await;
    assert_eq!((node.next().len(), node.host.calls().len()), (3, 1), "the admin's packages stay");
}

#[tokio::test]
async fn a_document_that_cannot_be_read_makes_nothing_else_unknown() {
    let node = Node::new();
    node.pass(&wish(&["usbguard"])).await;
    let lock = node.state.lock().unwrap();
    let broken = Arc::new(DesiredError::Limit { path: "x".into(), what: "documents", limit: 0 });
    let report = once(&node.parts(&|| node.nonce()), &lock, &Err(broken)).await;
    assert!(report.problem().is_some() && report.reboot_pending);
    let state = &report.extensions[&"usbguard".parse().unwrap()];
    assert!(state.desired && state.staged && !state.booted);
}

/// A staged deployment is taken apart while we look at it.
#[tokio::test]
async fn a_host_in_motion_is_let_come_to_rest_before_anything_is_decided() {
    let node = running().await;
    let ours = node.host.observed.lock().unwrap().deployments[0].clone();
    let back = Deployment { id: "back".to_owned(), booted: false, staged: true, ..ours };
    node.host
        .observed
        .lock()
        .unwrap()
        .deployments
        .insert(0, Deployment { staged: true, ..deployment("bare", &[]) });
    node.host.is_busy("cleanup", Some(back));
    let report = node.pass(&wish(&["usbguard"])).await;
    assert!(matches!(report.outcome, PassOutcome::Booted { .. }), "{:?}", report.outcome);
    assert_eq!((report.calls, node.host.world.lock().unwrap().waits), (0, 1));
}

#[tokio::test]
async fn what_only_the_next_base_has_is_not_said_to_run() {
    let node = Node::new();
    let update =
        Deployment { staged: true, base_checksum: "with usbguard".to_owned(), ..deployment("update", &[]) };
    node.host.observed.lock().unwrap().deployments.insert(0, update);
    for _ in 0..2 {
        let report = node.pass(&wish(&["usbguard"])).await;
        assert_eq!(report.outcome, PassOutcome::AwaitingReboot { deployment: "update".to_owned() });
        let state = &report.extensions[&"usbguard".parse().unwrap()];
        assert_eq!((state.staged, state.booted, report.reboot_pending, report.calls), (true, false, true, 0));
    }
    node.host.reboot();
    let report = node.pass(&wish(&["usbguard"])).await;
    assert_eq!(report.outcome, PassOutcome::Booted { deployment: "update".to_owned() });
    assert!(report.extensions[&"usbguard".parse().unwrap()].booted && !report.reboot_pending);
}
