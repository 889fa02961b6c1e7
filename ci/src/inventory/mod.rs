//! What a job is handed: an inventory for Ansible, and a kubeconfig that holds its own credentials and nobody else's.
//!
//! Decides: the names of hosts, contexts and variables. Must not: talk to a cluster. Input: a ready record and what was
//! granted for it.

mod beside;
mod inherited;
mod kubeconfig;
mod write;

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Map, Value, json};

pub use kubeconfig::kubeconfig;
pub use write::{InventoryError, write};

use crate::buildset::Inherited;
use crate::config::{Kind, Name, Pool};
use crate::drive::Granted;
use crate::objects::CONTAINER;
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

/// The inventory. A pod is a host; a namespace is none, but stands among the resources like every node. `kubeconfig` is
/// where the kubeconfig will lie.
pub fn inventory(handover: &Handover<'_>, kubeconfig: &Path) -> Value {
    let mut hosts = Map::new();
    let mut resources = Map::new();
    for granted in handover.granted {
        let node = &granted.node;
        let label = handover.pool.label(&node.label);
        let mut resource = Map::from_iter([
            ("namespace".to_owned(), json!(node.namespace)),
            ("context".to_owned(), json!(context(&node.name))),
        ]);
        if let Some(registry) = &granted.registry {
            let said = json!({"host": registry.host, "pull-secret": registry.pull_secret});
            resource.insert("registry".to_owned(), said);
        }
        beside::registry(granted, &mut resource);
        match node.kind {
            Kind::Pod => {
                resource.insert("pod".to_owned(), json!(node.pod));
                let python = label.and_then(|label| label.python_path.as_deref()).unwrap_or("auto");
                let shell = label.and_then(|label| label.shell_type.as_deref()).unwrap_or("sh");
                let mut host = json!({
                    "ansible_host": node.pod,
                    "ansible_connection": "kubernetes.core.kubectl",
                    "ansible_kubectl_kubeconfig": kubeconfig.display().to_string(),
                    "ansible_kubectl_context": context(&node.name),
                    "ansible_kubectl_namespace": node.namespace,
                    "ansible_kubectl_pod": node.pod,
                    "ansible_kubectl_container": CONTAINER,
                    "ansible_python_interpreter": python,
                    "ansible_shell_type": shell,
                    "nodepool": facts(handover, &node.label),
                });
                beside::over_ssh(granted, kubeconfig, &mut host);
                hosts.insert(node.name.to_string(), host);
            }
            Kind::Namespace | Kind::Project => {}
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
