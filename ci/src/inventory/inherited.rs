//! What a child is handed of its parents: variables, resources and contexts.
//!
//! Decides: their names: `PARENT/NODE`. Must not: let a parent's value replace one of ours, or say a secret. Input:
//! what was inherited. A parent's pods are resources and no hosts: `hosts: all` is the child's own.

use serde_json::{Map, Value, json};

use super::beside;
use crate::buildset::Inherited;
use crate::config::Kind;
use crate::drive::Granted;

/// The returned values as variables, and files by what is known of them. Of two parents the later wins.
pub(super) fn variables(inherited: &[Inherited]) -> Map<String, Value> {
    inherited
        .iter()
        .flat_map(|parent| {
            let values = parent.data.iter().map(|(key, value)| (key.clone(), json!(value)));
            let files = parent.artifacts.iter().map(|(key, artifact)| {
                let size = artifact.size;
                (key.clone(), json!({"image": artifact.image, "sha256": artifact.sha256, "size": size}))
            });
            values.chain(files)
        })
        .collect()
}

/// The parents' nodes, as they stand beside the child's own.
pub(super) fn resources(inherited: &[Inherited]) -> impl Iterator<Item = (String, Value)> + '_ {
    inherited.iter().flat_map(|parent| {
        contexts(std::slice::from_ref(parent)).map(|(name, granted)| {
            let mut resource = Map::from_iter([
                ("namespace".to_owned(), json!(granted.node.namespace)),
                ("context".to_owned(), json!(name)),
                ("build".to_owned(), json!(parent.build)),
            ]);
            match granted.node.kind {
                Kind::Pod => drop(resource.insert("pod".to_owned(), json!(granted.node.pod))),
                Kind::Namespace | Kind::Project => {}
            }
            beside::registry(granted, &mut resource);
            (name, Value::Object(resource))
        })
    })
}

/// The parents' nodes with the names of their contexts.
pub(super) fn contexts(inherited: &[Inherited]) -> impl Iterator<Item = (String, &Granted)> + '_ {
    inherited.iter().flat_map(|parent| {
        parent.granted.iter().map(|granted| (format!("{}/{}", parent.build, granted.node.name), granted))
    })
}
