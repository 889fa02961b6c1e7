//! Evicts the pods of the node, through the eviction API alone: disruption budgets are the API server's to judge.
//!
//! Decides: which pods have to go. Those of DaemonSets, static ones and finished ones stay. A pod that nothing would make
//! anew is never evicted: its owner has to move it, and the drain says its name. Data in an `emptyDir` goes with its pod.

use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{EvictParams, ListParams};

use super::bounded;
use crate::cluster::{ClusterError, Connection};
use crate::text::one_line;

/// Most pods that are looked at in one step; a node has a few hundred at most.
const PODS: u32 = 1000;
/// Most evictions in one step.
const EVICTIONS: usize = 16;

/// How far the drain is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rollout) struct Drained {
    /// Pods that are still there and have to go, and what they wait for; no pod: the drain is done.
    pub(in crate::rollout) waiting: Vec<String>,
    /// Whether one of them may not be evicted.
    pub(in crate::rollout) blocked: bool,
}

/// What becomes of one pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// It may stay.
    Stays,
    /// It is on its way out.
    Leaving,
    /// It is to be evicted.
    Goes,
    /// Nothing would make it anew.
    Unmanaged,
}

/// One step: asks for the eviction of what has to go. Safe to repeat.
///
/// # Errors
/// When the API server does not answer or does not allow it.
pub(in crate::rollout) async fn drain(connection: &Connection) -> Result<Drained, ClusterError> {
    let all: Api<Pod> = Api::all(connection.client.clone());
    let here = ListParams::default().fields(&format!("spec.nodeName={}", connection.node)).limit(PODS);
    let listed = bounded(|| format!("list pods of nodes/{}", connection.node), all.list(&here)).await?;
    let more = listed.metadata.continue_.as_ref().is_some_and(|token| !token.is_empty());
    let mut drained = Drained { waiting: Vec::new(), blocked: false };
    let mut evictions = 0;
    for pod in &listed.items {
        let name = title(pod);
        match fate(pod) {
            Fate::Stays => {}
            Fate::Leaving => drained.waiting.push(format!("`{name}` (is ending)")),
            Fate::Unmanaged => {
                drained.blocked = true;
                drained
                    .waiting
                    .push(format!("`{name}` (no controller would make it anew: move or delete it)"));
            }
            Fate::Goes if evictions >= EVICTIONS => drained.waiting.push(format!("`{name}` (is next)")),
            Fate::Goes => {
                evictions += 1;
                match evict(connection, pod).await? {
                    Evicted::Gone => {}
                    Evicted::Leaving => drained.waiting.push(format!("`{name}` (is ending)")),
                    Evicted::Blocked(why) => {
                        drained.blocked = true;
                        drained.waiting.push(format!("`{name}` ({why})"));
                    }
                }
            }
        }
    }
    if more {
        drained.waiting.push("pods that were not listed yet".to_owned());
    }
    Ok(drained)
}

enum Evicted {
    Gone,
    Leaving,
    Blocked(String),
}

async fn evict(connection: &Connection, pod: &Pod) -> Result<Evicted, ClusterError> {
    let namespace = pod.metadata.namespace.clone().unwrap_or_default();
    let name = pod.metadata.name.clone().unwrap_or_default();
    let api: Api<Pod> = Api::namespaced(connection.client.clone(), &namespace);
    let operation = || format!("evict pods/{namespace}/{name}");
    match bounded(operation, api.evict(&name, &EvictParams::default())).await {
        Ok(_) => Ok(Evicted::Leaving),
        Err(error) => match error.code() {
            Some(404) => Ok(Evicted::Gone),
            // 429: a disruption budget forbids it now. 500: more than one budget selects the pod, which the API server
            // refuses to judge.
            Some(429 | 500) => Ok(Evicted::Blocked(one_line(&error.to_string(), 256))),
            Some(_) | None => Err(error),
        },
    }
}

fn title(pod: &Pod) -> String {
    let metadata = &pod.metadata;
    let part = |part: &Option<String>| one_line(part.as_deref().unwrap_or_default(), 253);
    format!("{}/{}", part(&metadata.namespace), part(&metadata.name))
}

fn fate(pod: &Pod) -> Fate {
    let metadata = &pod.metadata;
    let is_static =
        metadata.annotations.as_ref().is_some_and(|all| all.contains_key("kubernetes.io/config.mirror"));
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    let controller = metadata.owner_references.iter().flatten().find(|owner| owner.controller == Some(true));
    let of_daemon_set = controller.is_some_and(|owner| owner.kind == "DaemonSet");
    if is_static || of_daemon_set || matches!(phase, Some("Succeeded" | "Failed")) {
        Fate::Stays
    } else if metadata.deletion_timestamp.is_some() {
        Fate::Leaving
    } else if controller.is_none() {
        Fate::Unmanaged
    } else {
        Fate::Goes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_pod_has_its_fate() {
        let owner = |kind: &str| json!([{"kind": kind, "name": "o", "uid": "u", "apiVersion": "apps/v1", "controller": true}]);
        let static_pod = json!({"kubernetes.io/config.mirror": "x"});
        let table = [
            (json!({"ownerReferences": owner("ReplicaSet")}), "Running", Fate::Goes),
            (json!({"ownerReferences": owner("ReplicaSet")}), "Pending", Fate::Goes),
            (json!({"ownerReferences": owner("Job")}), "Succeeded", Fate::Stays),
            (json!({"ownerReferences": owner("DaemonSet")}), "Running", Fate::Stays),
            (json!({"ownerReferences": owner("Node"), "annotations": static_pod}), "Running", Fate::Stays),
            (
                json!({"ownerReferences": owner("ReplicaSet"), "deletionTimestamp": "2026-11-25T12:00:00Z"}),
                "Running",
                Fate::Leaving,
            ),
            (json!({}), "Running", Fate::Unmanaged),
            (json!({}), "Failed", Fate::Stays),
        ];
        for (metadata, phase, expected) in table {
            let pod: Pod =
                serde_json::from_value(json!({"metadata": metadata, "status": {"phase": phase}})).unwrap();
            assert_eq!(fate(&pod), expected, "{pod:?}");
        }
    }
}
