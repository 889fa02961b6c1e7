//! Keeps new pods away from the node, and lets them come again, if it was us who kept them away.
//!
//! Our mark is an annotation that is written with the cordon in one request: a node that an admin cordoned has none, and
//! stays cordoned.

use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::bounded;
use crate::cluster::{ClusterError, Connection, GROUP, MANAGER};

/// What is written to the node, by what it says now.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Write {
    Nothing,
    Patch(Value),
}

/// Cordons the node and marks the cordon as ours; a node that is cordoned already is left as it is. Safe to repeat.
///
/// # Errors
/// When the API server does not answer, does not allow it, or the node changed at this moment: ask again.
pub(in crate::rollout) async fn cordon(connection: &Connection) -> Result<(), ClusterError> {
    write(connection, cordoned).await
}

/// Takes the cordon away if it has our mark. Safe to repeat.
///
/// # Errors
/// As for [`cordon`].
pub(in crate::rollout) async fn uncordon(connection: &Connection) -> Result<(), ClusterError> {
    write(connection, uncordoned).await
}

async fn write(connection: &Connection, change: fn(&Node) -> Write) -> Result<(), ClusterError> {
    let api: Api<Node> = Api::all(connection.client.clone());
    let name = &connection.node;
    let node = bounded(|| format!("get nodes/{name}"), api.get_opt(name)).await?;
    let Some(node) = node else { return Ok(()) };
    let Write::Patch(patch) = change(&node) else { return Ok(()) };
    let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let patch = Patch::Merge(patch);
    let patched = api.patch(name, &parameters, &patch);
    bounded(|| format!("patch nodes/{name}"), patched).await.map(drop)
}

fn mark() -> String {
    format!("{GROUP}/cordoned")
}

fn is_marked(node: &Node) -> bool {
    node.metadata.annotations.as_ref().is_some_and(|all| all.contains_key(&mark()))
}

fn is_cordoned(node: &Node) -> bool {
    node.spec.as_ref().and_then(|spec| spec.unschedulable).unwrap_or(false)
}

fn cordoned(node: &Node) -> Write {
    if is_cordoned(node) { Write::Nothing } else { Write::Patch(patch(node, json!("true"), json!(true))) }
}

fn uncordoned(node: &Node) -> Write {
    if is_marked(node) { Write::Patch(patch(node, Value::Null, Value::Null)) } else { Write::Nothing }
}

/// It names the version that was read: what an admin does at the same moment is not overwritten.
fn patch(node: &Node, mark_as: Value, unschedulable: Value) -> Value {
    json!({
        "metadata": {
            "resourceVersion": node.metadata.resource_version,
            "annotations": {mark(): mark_as},
        },
        "spec": {"unschedulable": unschedulable},
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(cordoned: bool, marked: bool) -> Node {
        let annotations = if marked { json!({"extensions.agent/cordoned": "true"}) } else { json!({}) };
        serde_json::from_value(json!({
            "metadata": {"name": "a", "resourceVersion": "7", "annotations": annotations},
            "spec": {"unschedulable": cordoned},
        }))
        .unwrap()
    }

    #[test]
    fn only_our_own_cordon_is_taken_away() {
        for (is_cordoned, is_marked, cordons, uncordons) in [
            (false, false, true, false),
            (true, false, false, false),
            (true, true, false, true),
            // An admin took the cordon away and left our mark.
            (false, true, true, true),
        ] {
            let node = node(is_cordoned, is_marked);
            let writes = |write: Write| write != Write::Nothing;
            assert_eq!(
                (writes(cordoned(&node)), writes(uncordoned(&node))),
                (cordons, uncordons),
                "cordoned {is_cordoned}, marked {is_marked}"
            );
        }
    }

    #[test]
    fn cordon_and_mark_are_one_write_on_the_version_that_was_read() {
        let expected = json!({
            "metadata": {"resourceVersion": "7", "annotations": {"extensions.agent/cordoned": "true"}},
            "spec": {"unschedulable": true},
        });
        assert_eq!(cordoned(&node(false, false)), Write::Patch(expected));
        let expected = json!({
            "metadata": {"resourceVersion": "7", "annotations": {"extensions.agent/cordoned": null}},
            "spec": {"unschedulable": null},
        });
        assert_eq!(uncordoned(&node(true, true)), Write::Patch(expected));
    }
}
