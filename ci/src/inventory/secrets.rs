//! What a job is told in confidence: what its parents returned as secrets, and what opens registries.
//!
//! Decides: where each stands. Must not: say anything that is not secret. Input: a handover. It is written to a file of its own,
//! which only its owner reads.

use serde_json::{Map, Value, json};

use super::Handover;

/// The secrets, by the build that they are of; none where there are none. Those of registries stand in `registry`, by node.
pub(super) fn secrets(handover: &Handover<'_>) -> Option<Value> {
    let returned = handover.inherited.iter().map(|parent| (parent.build.clone(), json!(parent.secrets)));
    let mut all: Map<String, Value> = returned.collect();
    let build = &handover.record.body.request.build;
    let own = (build, handover.granted);
    let parents = handover.inherited.iter().map(|parent| (&parent.build, parent.granted.as_slice()));
    for (build, granted) in parents.chain([own]) {
        let registries: Map<String, Value> = granted
            .iter()
            .filter_map(|one| Some((one.node.name.to_string(), one.beside.registry.as_ref()?)))
            .map(|(node, access)| (node, json!({"user": access.user, "password": access.password})))
            .collect();
        let of_build = all.entry(build.clone()).or_insert_with(|| json!({}));
        if let Some(of_build) = of_build.as_object_mut().filter(|_| !registries.is_empty()) {
            of_build.insert("registry".to_owned(), Value::Object(registries));
        }
    }
    all.retain(|_, secrets| secrets.as_object().is_some_and(|secrets| !secrets.is_empty()));
    (!all.is_empty()).then_some(Value::Object(all))
}
