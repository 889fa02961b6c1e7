//! Passes on a host whose extensions somebody else owns: they tell everything and change nothing.

use std::fs;
use std::sync::Arc;

use super::super::{Parts, once};
use super::fake::Node;
use crate::apply::{PassOutcome, PassReport, Problem};
use crate::desired::{DesiredError, Latest};
use crate::error::{Class, Reason};
use crate::host::Deployment;
use crate::owner::Owner;
use crate::plan::tests::{booted, deployment, wish};

async fn looking(node: &Node, owner: Owner, wish: &Latest) -> PassReport {
    let nonce = || node.nonce();
    let lock = node.state.lock().unwrap();
    once(&Parts { owner: &|| Some(owner), ..node.parts(&nonce) }, &lock, wish).await
}

/// The machine-config-daemon has layered usbguard by name, and staged it without.
fn layered_by_the_daemon(node: &Node) {
    let mut observed = booted(&[]);
    observed.deployments[0].requested_packages.insert("usbguard".to_owned());
    let next = Deployment { staged: true, ..deployment("without", &[]) };
    observed.deployments.insert(0, next);
    *node.host.observed.lock().unwrap() = observed;
}

#[tokio::test]
async fn an_onlooker_calls_nobody_and_writes_nothing() {
    let node = Node::new();
    for names in [&["usbguard"][..], &["nope"], &[]] {
        let report = looking(&node, Owner::MachineConfigDaemon, &Ok(wish(names))).await;
        assert_eq!(report.outcome, PassOutcome::Observed { owner: Owner::MachineConfigDaemon }, "{names:?}");
        assert_eq!((report.calls, report.owner), (0, Some(Owner::MachineConfigDaemon)));
        assert!(!report.reboot_pending);
    }
    assert!(node.host.calls().is_empty());
    let files: Vec<_> =
        fs::read_dir(node.directory.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
    assert_eq!(files, ["lock"]);
}

#[tokio::test]
async fn an_onlooker_tells_what_the_daemon_layered_by_name() {
    let node = Node::new();
    layered_by_the_daemon(&node);
    let report = looking(&node, Owner::MachineConfigDaemon, &Ok(wish(&["usbguard"]))).await;
    let state = &report.extensions[&"usbguard".parse().unwrap()];
    assert!(state.desired && !state.staged && state.booted, "{state:?}");
    assert!(report.reboot_pending && report.plan.is_some());
    // The same without a payload: our own table knows the packages.
    *node.source.payload.lock().unwrap() = None;
    let report = looking(&node, Owner::MachineConfigDaemon, &Ok(wish(&[]))).await;
    let state = &report.extensions[&"usbguard".parse().unwrap()];
    assert!(!state.desired && !state.staged && state.booted, "{state:?}");
    assert_eq!(report.reason(), None);
}

#[tokio::test]
async fn a_wish_that_cannot_be_read_is_told_beside_what_is_layered() {
    let node = Node::new();
    layered_by_the_daemon(&node);
    let unread: Latest = Err(Arc::new(DesiredError::NotAskedYet));
    let report = looking(&node, Owner::ImageMode, &unread).await;
    assert_eq!((report.reason(), report.owner), (Some(Reason::ClusterUnavailable), Some(Owner::ImageMode)));
    assert!(report.extensions[&"usbguard".parse().unwrap()].booted);
}

#[tokio::test]
async fn a_source_that_is_away_is_told_and_stops_nothing() {
    let node = Node::new();
    let away = Problem {
        reason: Reason::ClusterUnavailable,
        class: Class::Retry,
        message: "no route".to_owned(),
        cure: None,
    };
    let told = away.clone();
    let nonce = || node.nonce();
    let lock = node.state.lock().unwrap();
    let away_now = move || Some(told.clone());
    let parts = Parts { source_problem: &away_now, ..node.parts(&nonce) };
    let report = once(&parts, &lock, &Ok(wish(&["usbguard"]))).await;
    assert_eq!((report.source_problem, report.calls), (Some(away), 1));
    assert!(matches!(report.outcome, PassOutcome::Staged { .. }));
}
