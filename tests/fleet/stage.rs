//! What every story of the fleet starts from: a pool of its own on an API server, a payload, and ways to look.

use std::sync::OnceLock;

use proof::cluster::Cluster;
use proof::fleet::{FleetNode, Transitions, pool};
use proof::images::{Layout, Payload};
use proof::packages::Release;
use proof::sandbox::{Agent, Sandbox, Wish};
use proof::wait;
use serde_json::Value;

/// A pool of nodes with its MachineConfig. Its name is its own, so that stories can share one API server.
pub(crate) struct Pool<'a> {
    pub(crate) cluster: &'a Cluster,
    pub(crate) name: &'static str,
    pub(crate) record: Transitions,
    payload: Layout,
}

/// The API server that stories share, with the project's manifests applied.
pub(crate) fn shared() -> &'static Cluster {
    static INSTALLED: OnceLock<()> = OnceLock::new();
    let cluster = Cluster::shared();
    INSTALLED.get_or_init(|| cluster.install());
    cluster
}

impl<'a> Pool<'a> {
    /// A pool of which one node may be away at a time.
    #[track_caller]
    pub(crate) fn new(cluster: &'a Cluster, name: &'static str) -> Self {
        cluster.apply(&pool(name, "1"));
        Pool { cluster, name, record: Transitions::default(), payload: Payload::of(Release::First).build() }
    }

    /// Asks for these extensions, as an admin with `kubectl` does.
    #[track_caller]
    pub(crate) fn wish(&self, extensions: &[&str]) {
        let wish =
            Wish::extensions(extensions.iter().copied()).role(self.name).from(&self.payload.reference());
        self.cluster.apply(&wish.document(&format!("50-{}", self.name)));
    }

    /// A node of this pool whose agent runs with this strategy.
    #[track_caller]
    pub(crate) fn node(&self, number: u32, strategy: &str) -> FleetNode {
        self.node_with(number, |agent| agent.set("rollout", "strategy", strategy))
    }

    /// A node of this pool with further settings, at the pace of a test.
    #[track_caller]
    pub(crate) fn node_with(&self, number: u32, settings: impl FnOnce(Agent) -> Agent) -> FleetNode {
        self.join(Sandbox::start(), number, settings)
    }

    /// The same with a host that was prepared.
    #[track_caller]
    pub(crate) fn join(
        &self,
        host: Sandbox,
        number: u32,
        settings: impl FnOnce(Agent) -> Agent,
    ) -> FleetNode {
        let name = format!("{}-{number}", self.name);
        FleetNode::join_with(self.cluster, host, (&name, self.name), &self.record, |agent| {
            let paced = agent
                .set("reconcile", "backoff-initial", "200ms")
                .set("reconcile", "backoff-limit", "1s")
                .set("rollout", "poll", "200ms");
            settings(paced)
        })
    }

    /// The NodeExtensions of a node; null where there is none.
    #[track_caller]
    pub(crate) fn resource(&self, node: &FleetNode) -> Value {
        let args = ["get", "nodeextensions", node.name(), "-o", "json", "--ignore-not-found"];
        let found = self.cluster.kubectl(&args).expect_success();
        if found.stdout.trim().is_empty() { Value::Null } else { found.json() }
    }

    /// Waits until the object of this node is as it should be, and gives it.
    #[track_caller]
    pub(crate) fn until(&self, what: &str, node: &FleetNode, fits: impl Fn(&Value) -> bool) -> Value {
        wait::until(what, || {
            let found = self.resource(node);
            if fits(&found) { Ok(found) } else { Err(format!("{found:#}\n{}", node.log())) }
        })
    }

    /// Waits until a condition of this node has that status and reason, and gives the object.
    #[track_caller]
    pub(crate) fn until_condition(&self, node: &FleetNode, kind: &str, wanted: (&str, &str)) -> Value {
        self.until(&format!("{kind} of {} to be {wanted:?}", node.name()), node, |found| {
            let (status, reason, _) = condition(found, kind);
            (status.as_str(), reason.as_str()) == wanted
        })
    }

    /// Waits until exactly these extensions are staged, or booted, for this node.
    #[track_caller]
    pub(crate) fn until_all(&self, node: &FleetNode, fact: &str, wanted: &[&str]) -> Value {
        self.until(&format!("{wanted:?} to be {fact} on {}", node.name()), node, |found| {
            let all = found["status"]["extensions"].as_array().cloned().unwrap_or_default();
            let have = |name: &str| all.iter().any(|one| one["name"] == name && one[fact] == true);
            let count = all.iter().filter(|one| one[fact] == true).count();
            count == wanted.len() && wanted.iter().all(|name| have(name))
        })
    }
}

/// One condition of a NodeExtensions: its status, reason and message.
pub(crate) fn condition(resource: &Value, kind: &str) -> (String, String, String) {
    let found = entry(&resource["status"]["conditions"], "type", kind);
    let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"), text("message"))
}

/// One extension in a NodeExtensions.
pub(crate) fn extension(resource: &Value, name: &str) -> Value {
    entry(&resource["status"]["extensions"], "name", name)
}

fn entry(list: &Value, key: &str, value: &str) -> Value {
    list.as_array().and_then(|all| all.iter().find(|one| one[key] == value)).cloned().unwrap_or_default()
}

/// How many passes the agents of this node have ended, by their logs.
pub(crate) fn passes(node: &FleetNode) -> usize {
    node.log().lines().filter(|line| line.contains("result=")).count()
}

/// The reasons of all Events about a node, repeated as often as they were made.
#[track_caller]
pub(crate) fn events(cluster: &Cluster, node: &FleetNode) -> Vec<String> {
    let list = cluster.get_json(&["events.events.k8s.io", "-A"]);
    let items = list["items"].as_array().cloned().unwrap_or_default();
    let of_node = items.iter().filter(|event| event["regarding"]["name"] == node.name());
    of_node.map(|event| event["reason"].as_str().unwrap_or_default().to_owned()).collect()
}
