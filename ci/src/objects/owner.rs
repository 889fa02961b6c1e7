//! Whose an object is, and until when: the labels by which everything is found again.
//!
//! Decides: the keys of our labels and annotations. Must not: trust them; who reads them checks. Input: a place.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Place;
use crate::config::{Name, OURS, filled, label_value};

/// A key of our labels and annotations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// The installation. Only what carries ours is ever touched.
    System,
    /// The id of the request.
    Request,
    /// The build; as a label made to fit, as an annotation exact.
    Build,
    /// The buildset, likewise.
    Buildset,
    /// The label that was asked for.
    Label,
    /// What the job calls the node.
    Node,
    /// The cluster.
    Provider,
    /// The pool.
    Pool,
    /// When it ends at the latest, in seconds since 1970.
    Until,
    /// When the cleaner first saw that it may go.
    Condemned,
}

impl Key {
    /// The key as it is written.
    pub fn text(self) -> String {
        let name = match self {
            Key::System => "system",
            Key::Request => "request",
            Key::Build => "build",
            Key::Buildset => "buildset",
            Key::Label => "label",
            Key::Node => "node",
            Key::Provider => "provider",
            Key::Pool => "pool",
            Key::Until => "until",
            Key::Condemned => "condemned",
        };
        format!("{OURS}{name}")
    }
}

/// What an object says under a key of ours.
pub fn reading(map: Option<&BTreeMap<String, String>>, key: Key) -> Option<&str> {
    map.and_then(|map| map.get(&key.text())).map(String::as_str)
}

/// Selects everything of one installation.
pub fn system_selector(system: &Name) -> String {
    format!("{}={system}", Key::System.text())
}

/// Selects everything of one request.
pub fn request_selector(system: &Name, id: &str) -> String {
    format!("{},{}={id}", system_selector(system), Key::Request.text())
}

/// Selects the neighbours: the same buildset where there is one, else the same request.
pub fn build_selector(place: &Place<'_>) -> BTreeMap<String, String> {
    let (key, value) = match &place.request.buildset {
        Some(buildset) => (Key::Buildset, label_value(buildset)),
        None => (Key::Request, place.id.to_owned()),
    };
    BTreeMap::from([(Key::System.text(), place.system.to_string()), (key.text(), value)])
}

/// Selects the pod of one node.
pub(super) fn node_selector(place: &Place<'_>) -> BTreeMap<String, String> {
    let ours = [
        (Key::System, place.system.to_string()),
        (Key::Request, place.id.to_owned()),
        (Key::Node, place.node.name.to_string()),
    ];
    ours.map(|(key, value)| (key.text(), value)).into()
}

/// The metadata of an object in the namespace, and with `namespace` none of the namespace itself.
pub(crate) fn metadata(place: &Place<'_>, name: &str, namespace: Option<&str>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: namespace.map(str::to_owned),
        labels: Some(labels(place)),
        annotations: Some(annotations(place)),
        ..ObjectMeta::default()
    }
}

/// The operator's labels first, so that ours win.
fn labels(place: &Place<'_>) -> BTreeMap<String, String> {
    let mut labels = place.label.labels.clone();
    for (key, text) in &place.label.dynamic_labels {
        let value = filled(text, |name| placeholder(place, name)).unwrap_or_default();
        labels.insert(key.clone(), label_value(&value));
    }
    let until = place.until.as_second().to_string();
    let ours = [
        (Key::System, place.system.to_string()),
        (Key::Request, place.id.to_owned()),
        (Key::Build, label_value(&place.request.build)),
        (Key::Label, place.label.name.to_string()),
        (Key::Node, place.node.name.to_string()),
        (Key::Provider, place.provider.name.to_string()),
        (Key::Pool, place.pool.name.to_string()),
        (Key::Until, until),
    ];
    labels.extend(ours.map(|(key, value)| (key.text(), value)));
    if let Some(buildset) = &place.request.buildset {
        labels.insert(Key::Buildset.text(), label_value(buildset));
    }
    labels.insert("app.kubernetes.io/managed-by".to_owned(), "build-resources".to_owned());
    labels
}

fn annotations(place: &Place<'_>) -> BTreeMap<String, String> {
    let mut annotations = place.label.annotations.clone();
    annotations.insert(Key::Build.text(), place.request.build.clone());
    if let Some(buildset) = &place.request.buildset {
        annotations.insert(Key::Buildset.text(), buildset.clone());
    }
    annotations
}

fn placeholder(place: &Place<'_>, name: &str) -> Option<String> {
    match name {
        "request.id" => Some(place.id.to_owned()),
        "request.build" => Some(place.request.build.clone()),
        "request.buildset" => Some(place.request.buildset.clone().unwrap_or_default()),
        "request.change" => Some(place.request.change.clone().unwrap_or_default()),
        "request.label" => Some(place.label.name.to_string()),
        "request.node" => Some(place.node.name.to_string()),
        _ => None,
    }
}
