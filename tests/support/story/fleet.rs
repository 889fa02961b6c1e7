//! The fleet, told on a real API server: one MachineConfig, two nodes, and never both away.

use std::time::Instant;

use proof::cluster::Cluster;
use proof::fleet::{Event, FleetNode, Transitions, pool};
use proof::images::Payload;
use proof::packages::Release;
use proof::registry::Registry;
use proof::sandbox::{Sandbox, Wish};
use proof::wait::{until, until_true};
use serde_json::Value;

use crate::story::{heading, say, under};

/// The MachineConfig of the story.
const WISH: &str = "50-worker-usbguard";
/// The nodes of the story.
const NODES: [&str; 2] = ["worker-0", "worker-1"];

/// Tells the story; panics where it does not go as told.
pub(crate) fn tell() {
    let start = Instant::now();
    heading("a cluster and a registry");
    let cluster = Cluster::start();
    say(&format!(
        "API server  https://{} (etcd, kube-apiserver, RBAC, admission policies)",
        cluster.address()
    ));
    cluster.install();
    cluster.apply(&pool("worker", "1"));
    say("applied     kubectl apply -k agent/deploy/overlays/plain, and a pool with maxUnavailable 1");
    let registry = Registry::start();
    let payload = registry.push(&Payload::of(Release::First).build(), "release/rhel-coreos-extensions");
    say(&format!("payload     {payload}"));

    heading("two sandbox hosts join, each with a token that is bound to its Node");
    let record = Transitions::default();
    let nodes = NODES.map(|name| join(&cluster, &registry, name, &record));
    shown(&cluster, &["get", "nodes"]);
    for name in NODES {
        until(&format!("{name} to tell of itself"), || condition(&cluster, name, "Ready", "True"));
    }

    heading("before");
    extensions(&cluster);

    heading("an admin asks for usbguard");
    let wish = Wish::extensions(["usbguard"]).from(&payload).document(WISH);
    say(&wish);
    cluster.apply(&wish);
    say(&format!("$ kubectl apply -f {WISH}.yaml"));

    heading("during: both have staged it, one reboots");
    for node in &nodes {
        until_true(&format!("{} to stage it", node.name()), || !node.host().mutating_calls().is_empty());
    }
    until_true("the first node to go away", || record.all().iter().any(|line| line.event == Event::Down));
    extensions(&cluster);
    shown(&cluster, &["get", "leases", "--namespace", "extensions-agent"]);
    shown(&cluster, &["get", "nodes"]);

    heading("after: one after the other has booted it");
    for count in 1..=NODES.len() {
        until_true(&format!("node {count} to boot it"), || {
            nodes.iter().filter(|node| record.count(node.name(), Event::Up) > 0).count() >= count
        });
    }
    for node in &nodes {
        until(&format!("{} to be done", node.name()), || done(&cluster, node));
    }
    extensions(&cluster);
    shown(&cluster, &["get", "nodes"]);
    let admin = cluster.admin_kubeconfig().to_str().unwrap();
    let fleet = nodes[0].agent().run(["fleet", "--kubeconfig", admin]).expect_success().stdout;
    say(&format!("\n$ extensions-agent fleet\n{fleet}"));

    heading("summary");
    summary(&nodes, &record, start);
}

/// A host that reaches the registry becomes a node.
fn join(cluster: &Cluster, registry: &Registry, name: &str, record: &Transitions) -> FleetNode {
    let host = Sandbox::start();
    host.use_registry(registry);
    let node = FleetNode::join_with(cluster, host, (name, "worker"), record, |agent| {
        agent.set("rollout", "strategy", "cluster")
    });
    say(&format!("{name}    {}", node.host().dir().display()));
    node
}

/// What was recorded, and what must be true of it.
fn summary(nodes: &[FleetNode], record: &Transitions, start: Instant) {
    let lines = record.all();
    let begin = lines.first().map_or(start, |line| line.at);
    let told = lines.iter().map(|line| {
        format!("{:6.1} s  {:10} {:?}", line.at.duration_since(begin).as_secs_f64(), line.node, line.event)
    });
    under("transitions", told);
    for node in nodes {
        let calls = node.host().mutating_calls();
        let members: Vec<&str> = calls.iter().map(|call| call.member.as_str()).collect();
        under(node.name(), [members.join(", ")]);
        let updates = members.iter().filter(|member| **member == "UpdateDeployment").count();
        assert_eq!(updates, 1, "one transaction on {}", node.name());
        assert_eq!(record.count(node.name(), Event::Down), 1, "one reboot of {}", node.name());
    }
    assert_eq!(record.most_away(), 1, "never both were away: {lines:#?}");
    under("never both", ["at most 1 of 2 nodes was away at any time"]);
    say(&format!(
        "took         {:.1} s; rpm-ostreed was a stand-in, all else is real",
        start.elapsed().as_secs_f64()
    ));
}

/// Whether the node has booted the package, says so, and takes pods again.
fn done(cluster: &Cluster, node: &FleetNode) -> Result<(), String> {
    condition(cluster, node.name(), "Ready", "True")?;
    let found = cluster.get_json(&["node", node.name()]);
    if found.pointer("/spec/unschedulable") == Some(&Value::Bool(true)) {
        return Err("it is cordoned".to_owned());
    }
    if node.has_booted("usbguard-1") { Ok(()) } else { Err("usbguard is not booted".to_owned()) }
}

/// Whether a node's object has this condition.
fn condition(cluster: &Cluster, node: &str, kind: &str, status: &str) -> Result<(), String> {
    let said = cluster.kubectl(&["get", "nodeextensions", node, "-o", "json"]);
    if !said.status.success() {
        return Err(said.stderr);
    }
    let found = said.json();
    let conditions = found.pointer("/status/conditions").and_then(Value::as_array);
    let text = |condition: &Value, key: &str| condition.get(key).and_then(Value::as_str).map(str::to_owned);
    let fits = |condition: &Value| {
        text(condition, "type").as_deref() == Some(kind)
            && text(condition, "status").as_deref() == Some(status)
    };
    if conditions.is_some_and(|all| all.iter().any(fits)) { Ok(()) } else { Err(format!("{found:#}")) }
}

/// The main table of this story.
fn extensions(cluster: &Cluster) {
    shown(cluster, &["get", "nodeextensions"]);
}

/// Runs `kubectl` as the admin would, and shows what it says.
fn shown(cluster: &Cluster, args: &[&str]) {
    say(&format!("\n$ kubectl {}", args.join(" ")));
    let said = cluster.kubectl(args).expect_success();
    say(said.stdout.trim_end());
}
