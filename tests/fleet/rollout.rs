//! Reboots in a pool: one after the other, around a node that dies, and held up by a pod.

use proof::fleet::{Event, FleetNode};
use proof::sandbox::Agent;
use proof::wait;

use crate::stage::{Pool, shared};

#[test]
fn two_nodes_stage_at_once_and_reboot_one_after_the_other() {
    let pool = Pool::new(shared(), "turns");
    let nodes = [pool.node(0, "cluster"), pool.node(1, "cluster")];
    pool.wish(&["usbguard"]);
    for node in &nodes {
        pool.until_all(node, "booted", &["usbguard"]);
        pool.until("the node to rest", node, |found| found["status"]["rollout"]["step"] == "Idle");
        assert!(!cordoned(&pool, node), "what was cordoned takes pods again");
        assert_eq!(pool.record.count(node.name(), Event::Down), 1);
    }
    assert_eq!(pool.record.most_away(), 1, "never both: {:#?}", pool.record.all());
}

#[test]
fn a_node_that_dies_with_its_slot_frees_it() {
    let pool = Pool::new(shared(), "dies");
    let short =
        |agent: Agent| agent.set("rollout", "strategy", "cluster").set("rollout", "reboot-limit", "5s");
    let dying = pool.node_with(0, short);
    dying.hang_in_reboot(true);
    pool.wish(&["usbguard"]);
    wait::until("the first node to go down with its slot", || {
        if pool.record.away().is_empty() { Err(dying.log()) } else { Ok(()) }
    });
    let other = pool.node_with(1, short);
    pool.until_all(&other, "booted", &["usbguard"]);
    assert!(!dying.is_running(), "the first one never came back");
}

#[test]
fn a_pod_that_may_not_be_evicted_is_named_and_the_drain_goes_on_when_it_may() {
    let pool = Pool::new(shared(), "drained");
    let node = pool.node(0, "cluster");
    pool.cluster.apply(
        "apiVersion: policy/v1\nkind: PodDisruptionBudget\nmetadata: {name: drained}\n\
         spec: {minAvailable: 1, selector: {matchLabels: {app: drained}}}\n",
    );
    // No controller counts here; one that has says that no pod may be spared.
    let counted = r#"{"status":{"observedGeneration":1,"disruptionsAllowed":0,"currentHealthy":1,"desiredHealthy":1,"expectedPods":1}}"#;
    pool.cluster
        .kubectl(&["patch", "pdb", "drained", "--subresource=status", "--type=merge", "-p", counted])
        .expect_success();
    pool.cluster.apply(&format!(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: drained\n  labels: {{app: drained}}\n  ownerReferences:\n  \
         - {{apiVersion: apps/v1, kind: ReplicaSet, name: drained, controller: true, \
         uid: 00000000-0000-0000-0000-000000000001}}\nspec:\n  nodeName: {}\n  terminationGracePeriodSeconds: 0\n  \
         containers: [{{name: c, image: example/none}}]\n",
        node.name()
    ));
    // No kubelet runs it here; a pod that is not running may be evicted whatever its budget says.
    let running = r#"{"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}}"#;
    pool.cluster
        .kubectl(&["patch", "pod", "drained", "--subresource=status", "-p", running])
        .expect_success();
    pool.wish(&["usbguard"]);
    pool.until("the drain to name the pod", &node, |found| {
        let rollout = &found["status"]["rollout"];
        rollout["step"] == "Draining"
            && rollout["message"].as_str().is_some_and(|text| text.contains("drained"))
    });
    pool.until_condition(&node, "RebootPending", ("True", "DrainBlocked"));
    assert!(cordoned(&pool, &node));
    assert!(pool.record.away().is_empty(), "no reboot over the pod's head");

    pool.cluster.kubectl(&["delete", "pdb", "drained"]).expect_success();
    pool.until_all(&node, "booted", &["usbguard"]);
    pool.until("the node to rest", &node, |found| found["status"]["rollout"]["step"] == "Idle");
    assert!(!cordoned(&pool, &node));
    let pods = pool.cluster.get_json(&["pods", "-l", "app=drained"]);
    assert_eq!(pods["items"].as_array().map(Vec::len), Some(0), "the pod was evicted before the reboot");
}

fn cordoned(pool: &Pool<'_>, node: &FleetNode) -> bool {
    pool.cluster.get_json(&["node", node.name()])["spec"]["unschedulable"] == true
}
