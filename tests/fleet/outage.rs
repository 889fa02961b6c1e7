//! The API server goes away, forgets, is fought over, or is an old one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use proof::cluster::Cluster;
use proof::rpmostreed::faults::Step;
use proof::wait;

use crate::stage::{Pool, events, passes, shared};

#[test]
fn an_install_goes_on_without_the_api_server_and_nothing_is_told_twice() {
    let cluster = Cluster::start();
    cluster.install();
    let pool = Pool::new(&cluster, "away");
    let node = pool.node(0, "none");
    pool.wish(&["sysstat"]);
    pool.until_all(&node, "staged", &["sysstat"]);

    node.host().faults().hang_at(Step::Import);
    pool.wish(&["usbguard"]);
    wait::until_true("the transaction to be under way", || node.host().faults().is_hanging_at(Step::Import));
    cluster.kill_api_server();
    // Every watch from before is told 410 when the server is back.
    cluster.compact_etcd();
    node.host().faults().release(Step::Import);
    wait::until("usbguard to be staged without an API server", || {
        let status = node.agent().run(["status", "-o", "json"]);
        let staged = status.json()["extensions"]["usbguard"]["staged"] == true;
        if staged { Ok(()) } else { Err(status.stdout) }
    });
    cluster.restart_api_server();
    pool.until_all(&node, "staged", &["usbguard"]);
    // An edit after the compaction is seen all the same.
    pool.wish(&["usbguard", "kerberos"]);
    pool.until_all(&node, "staged", &["usbguard", "kerberos"]);
    let told = events(&cluster, &node);
    let staged = told.iter().filter(|reason| *reason == "Staged").count();
    assert_eq!(staged, 3, "one Event for each list that was staged: {told:?}");
}

#[test]
fn a_storm_of_other_writers_loses_neither_their_words_nor_ours() {
    const WRITERS: usize = 4;
    let pool = Pool::new(shared(), "storm");
    let node = pool.node(0, "none");
    pool.wish(&["usbguard"]);
    pool.until_all(&node, "staged", &["usbguard"]);
    let calm = AtomicBool::new(false);
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (calm, name) = (&calm, node.name());
            scope.spawn(move || storm(writer, name, calm));
        }
        for list in [&["usbguard", "sysstat"][..], &["sysstat"], &["kerberos"], &["kerberos", "usbguard"]] {
            pool.wish(list);
            pool.until_all(&node, "staged", list);
        }
        calm.store(true, Ordering::SeqCst);
    });
    let found = pool.resource(&node);
    for writer in 0..WRITERS {
        let annotation = &found["metadata"]["annotations"][format!("storm.example/{writer}")];
        assert!(annotation.is_string(), "the writers' own words are kept: {found}");
    }
    pool.wish(&["sysstat"]);
    let last = pool.until_all(&node, "staged", &["sysstat"]);
    assert_eq!(last["status"]["rebootPending"], true, "what others wrote into our status is put right");
}

/// Writes annotations, which are anybody's, and into the status, which is ours.
fn storm(writer: usize, node: &str, calm: &AtomicBool) {
    let mut number = 0;
    while !calm.load(Ordering::SeqCst) {
        number += 1;
        let words = format!(r#"{{"metadata":{{"annotations":{{"storm.example/{writer}":"{number}"}}}}}}"#);
        let patch = ["patch", "nodeextensions", node, "--type=merge", "-p"];
        shared().kubectl(&[&patch[..], &[&words]].concat()).expect_success();
        let lie = [r#"{"status":{"rebootPending":false}}"#, "--subresource=status"];
        shared().kubectl(&[&patch[..], &lie].concat()).expect_success();
    }
}

#[test]
fn an_api_server_that_lags_is_not_followed() {
    let cluster = Cluster::start();
    cluster.install();
    let pool = Pool::new(&cluster, "lagging");
    let node = pool.node_with(0, |agent| agent.set("reconcile", "interval", "1s"));
    pool.wish(&["usbguard"]);
    pool.until_all(&node, "staged", &["usbguard"]);
    let old = cluster.twin();
    pool.wish(&["sysstat"]);
    pool.until_all(&node, "staged", &["sysstat"]);
    let calls = node.host().mutating_calls();

    // The agent comes up anew and finds the old server: nothing tells it but what it has kept.
    node.stop_agent();
    node.relay().lead_to(Some(old.address()));
    node.start_agent();
    wait::until("the agent to say that its data is old", || {
        let said = node.agent().run(["status", "-o", "json"]).stdout;
        if said.contains("StaleClusterData") { Ok(()) } else { Err(format!("{said}\n{}", node.log())) }
    });
    let before = passes(&node);
    wait::until_true("three more passes", || passes(&node) >= before + 3);
    assert_eq!(node.host().mutating_calls(), calls, "no call for older data");

    node.relay().lead_to(Some(cluster.address()));
    pool.wish(&["kerberos"]);
    pool.until_all(&node, "staged", &["kerberos"]);
    // While it runs, it is led astray once more.
    let calls = node.host().mutating_calls();
    node.relay().lead_to(Some(old.address()));
    let before = passes(&node);
    wait::until_true("three more passes", || passes(&node) >= before + 3);
    assert_eq!(node.host().mutating_calls(), calls, "no call for older data");
}
