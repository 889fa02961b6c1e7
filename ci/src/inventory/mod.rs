//! What a job is handed: an inventory for Ansible, and a kubeconfig that holds its own credentials and nobody else's.
//!
//! Decides: the names of hosts, contexts and variables. Must not: talk to a cluster. Input: a ready record and what was
//! granted for it.

mod beside;
mod inherited;
mod kubeconfig;
mod secrets;
mod write;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

pub use kubeconfig::kubeconfig;
pub use write::{InventoryError, write};

use crate::buildset::Inherited;
use crate::config::{Kind, Name, Pool};
use crate::drive::{Granted, Node};
use crate::ssh;
use crate::state::Record;

/// Everything that the files of one build say.
#[derive(Debug)]
pub struct Handover<'a> {
    /// The record.
    pub record: &'a Record,
    /// The pool that it lies in.
    pub pool: &'a Pool,
    /// What was granted for each node.
    pub granted: &'a [Granted],
    /// What is asked for a token instead of the granted one, which then stands nowhere.
    pub plugin: Option<Plugin>,
    /// What the builds left that it inherits from.
    pub inherited: &'a [Inherited],
    /// How `ssh` calls this program.
    pub client: &'a ssh::Client,
}

/// How a kubeconfig asks us for a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plugin {
    /// This program.
    pub program: String,
    /// Its settings. No secret.
    pub arguments: Vec<String>,
}

/// The inventory. Each container of a pod is a host; a namespace is none, but stands among the resources like every node.
/// `kubeconfig` is where the kubeconfig will lie.
pub fn inventory(handover: &Handover<'_>, kubeconfig: &Path) -> Value {
    let mut hosts = Map::new();
    let mut resources = Map::new();
    for granted in handover.granted {
        let node = &granted.node;
        let mut resource = Map::from_iter([
            ("namespace".to_owned(), json!(node.namespace)),
            ("context".to_owned(), json!(context(&node.name))),
        ]);
        if let Some(registry) = &granted.registry {
            let said = json!({"host": registry.host, "pull-secret": registry.pull_secret});
            resource.insert("registry".to_owned(), said);
        }
        beside::registry(granted, &mut resource);
        beside::entrance(granted, &mut resource);
        if node.kind == Kind::Pod {
            resource.insert("pod".to_owned(), json!(node.pod));
            resource.insert("containers".to_owned(), json!(node.containers));
        }
        for (name, container) in host_names(handover, node) {
            hosts.insert(name, host(handover, granted, container, kubeconfig));
        }
        resources.insert(node.name.to_string(), Value::Object(resource));
    }
    resources.extend(inherited::resources(handover.inherited));
    let request = &handover.record.body.request;
    let zuul = json!({"build": request.build, "buildset": request.buildset, "resources": resources});
    let mut vars = inherited::variables(handover.inherited);
    vars.insert("zuul".to_owned(), zuul);
    json!({"all": {"hosts": hosts, "vars": vars}})
}

/// What the containers of a node are called as hosts: the machine like the node, every other one `NODE-CONTAINER`; where
/// that is the name of another host, `NODE.CONTAINER`, which no node can be called.
fn host_names<'a>(handover: &Handover<'_>, node: &'a Node) -> Vec<(String, &'a str)> {
    let taken = |wanted: &str| {
        let others = handover.granted.iter().filter(|other| other.node.name != node.name);
        others.into_iter().any(|other| {
            let name = other.node.name.as_str();
            let beside = other.node.containers.iter().skip(1);
            name == wanted || beside.into_iter().any(|one| format!("{name}-{one}") == wanted)
        })
    };
    let called = |(at, container): (usize, &'a String)| {
        let usual = format!("{}-{container}", node.name);
        let name = match at {
            0 => node.name.to_string(),
            _ if taken(&usual) => format!("{}.{container}", node.name),
            _ => usual,
        };
        (name, container.as_str())
    };
    node.containers.iter().enumerate().map(called).collect()
}

fn host(handover: &Handover<'_>, granted: &Granted, container: &str, kubeconfig: &Path) -> Value {
    let node = &granted.node;
    let label = handover.pool.label(&node.label);
    let python = label.and_then(|label| label.python_path.as_deref()).unwrap_or("auto");
    let shell = label.and_then(|label| label.shell_type.as_deref()).unwrap_or("sh");
    let mut host = json!({
        "ansible_host": node.pod,
        "ansible_connection": "kubernetes.core.kubectl",
        "ansible_kubectl_kubeconfig": kubeconfig.display().to_string(),
        "ansible_kubectl_context": context(&node.name),
        "ansible_kubectl_namespace": node.namespace,
        "ansible_kubectl_pod": node.pod,
        "ansible_kubectl_container": container,
        "ansible_python_interpreter": python,
        "ansible_shell_type": shell,
        "nodepool": facts(handover, &node.label),
    });
    if node.containers.first().is_some_and(|machine| machine == container) {
        beside::over_ssh(granted, kubeconfig, &mut host); // the server is in the machine
    }
    host
}

/// The context of a node in the kubeconfig.
fn context(node: &Name) -> String {
    node.to_string()
}

fn facts(handover: &Handover<'_>, label: &Name) -> Value {
    let spot = handover.record.body.spot.as_ref();
    let attributes: &BTreeMap<String, String> = &handover.pool.node_attributes;
    json!({
        "label": label,
        "provider": spot.map(|spot| &spot.provider),
        "pool": spot.map(|spot| &spot.pool),
        "attributes": attributes,
    })
}

#[cfg(test)]
mod tests;
