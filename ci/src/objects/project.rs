//! What a project says of itself before anybody can label it.
//!
//! Decides: the mark in a project's description, and what the credentials of its registry name. Must not: trust either
//! without its author. Input: labels, or annotations and secrets that a cluster shows.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Key, reading};

/// The annotation that holds the description of a project.
pub const DESCRIPTION: &str = "openshift.io/description";
/// The annotation that holds who asked for a project. Only the cluster writes it.
pub const REQUESTER: &str = "openshift.io/requester";

/// A request for a project carries no labels; its description is the only word that is there from the first moment.
const MARKED: [(Key, &str); 3] = [(Key::System, "system"), (Key::Request, "request"), (Key::Node, "node")];

/// The description of a project with these labels.
pub fn description(labels: Option<&BTreeMap<String, String>>) -> String {
    let words =
        MARKED.iter().map(|(key, word)| format!("{word}={}", reading(labels, *key).unwrap_or_default()));
    format!("build-resources {}", words.collect::<Vec<_>>().join(" "))
}

/// The labels that a description stands for; none where it is not one of ours.
pub fn described(text: &str) -> Option<BTreeMap<String, String>> {
    let mut words = text.split(' ');
    if words.next() != Some("build-resources") {
        return None;
    }
    let labels = MARKED.iter().map(|(key, word)| {
        let (name, value) = words.next()?.split_once('=')?;
        (name == *word && !value.is_empty()).then(|| (key.text(), value.to_owned()))
    });
    let labels = labels.collect::<Option<BTreeMap<_, _>>>()?;
    words.next().is_none().then_some(labels)
}

/// The registry that pull credentials of a project are for: the one inside the cluster, where several are named.
pub fn registry(dockercfg: &[u8]) -> Option<String> {
    let hosts: BTreeMap<String, Value> = serde_json::from_slice(dockercfg).ok()?;
    let inside = hosts.keys().find(|host| host.split(':').next().is_some_and(|name| name.ends_with(".svc")));
    inside.or_else(|| hosts.keys().next()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_36_a_description_stands_for_the_labels_and_another_text_for_none() {
        let labels = |system: &str, request: &str, node: &str| {
            BTreeMap::from([
                (Key::System.text(), system.to_owned()),
                (Key::Request.text(), request.to_owned()),
                (Key::Node.text(), node.to_owned()),
            ])
        };
        let ours = labels("ci", "0123456789ab", "one");
        assert_eq!(described(&description(Some(&ours))), Some(ours));
        for other in [
            "",
            "build-resources",
            "build-resources system=ci request=a",
            "build-resources system=ci request=a node=",
            "build-resources system=ci node=a request=b",
            "build-resources system=ci request=a node=b and more",
            "mine: build-resources system=ci request=a node=b",
        ] {
            assert_eq!(described(other), None, "{other}");
        }
    }

    #[test]
    fn row_36_the_registry_is_the_one_inside_the_cluster() {
        let text =
            br#"{"10.0.0.1:5000": {}, "image-registry.openshift-image-registry.svc:5000": {"auth": "x"},
            "image-registry.openshift-image-registry.svc.cluster.local:5000": {}}"#;
        assert_eq!(registry(text).as_deref(), Some("image-registry.openshift-image-registry.svc:5000"));
        assert_eq!(registry(br#"{"registry.example": {}}"#).as_deref(), Some("registry.example"));
        assert_eq!((registry(b"{}"), registry(b"["), registry(b"")), (None, None, None));
    }
}
