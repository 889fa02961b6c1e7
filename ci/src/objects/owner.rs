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
    /// What a pod serves to who is not it: by this a Service finds it.
    Serves,
    /// How often the output of a command was cut off and found to be.
    CutOff,
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
            Key::Serves => "serves",
            Key::CutOff => "cut-off",
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

/// The same as labels.
pub(super) fn request_labels(place: &Place<'_>) -> BTreeMap<String, String> {
    BTreeMap::from([
        (Key::System.text(), place.system.to_string()),
        (Key::Request.text(), place.id.to_owned()),
    ])
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
    labels.extend(dynamic(place).map(|(key, text)| (key, label_value(&text))));
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
    // What does not fit into a label is kept whole here; what the operator says himself wins.
    let mut annotations: BTreeMap<_, _> =
        dynamic(place).filter(|(_, text)| label_value(text) != *text).collect();
    annotations.extend(place.label.annotations.clone());
    annotations.insert(Key::Build.text(), place.request.build.clone());
    if let Some(buildset) = &place.request.buildset {
        annotations.insert(Key::Buildset.text(), buildset.clone());
    }
    annotations
}

/// The dynamic labels with their placeholders filled.
fn dynamic<'a>(place: &'a Place<'_>) -> impl Iterator<Item = (String, String)> + 'a {
    place
        .label
        .dynamic_labels
        .iter()
        .map(|(key, text)| (key.clone(), filled(text, |name| placeholder(place, name)).unwrap_or_default()))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::config::{parse, tests::GOOD};
    use crate::objects::tests::made;

    /// The rule of the API for the value of a label, in other words than ours.
    fn is_value(text: &str) -> bool {
        let plain = |char: char| char.is_ascii_alphanumeric();
        let rest = text.strip_prefix(plain).and_then(|rest| rest.strip_suffix(plain).or(Some(rest)));
        let inner = rest.is_some_and(|rest| rest.chars().all(|char| plain(char) || "-_.".contains(char)));
        text.is_empty() || (text.len() < 64 && inner && text.ends_with(plain))
    }

    /// The rule of the API for a key.
    fn is_key(key: &str) -> bool {
        let (prefix, name) = key.rsplit_once('/').unwrap_or(("example.org", key));
        let small = |char: char| char.is_ascii_lowercase() || char.is_ascii_digit();
        let part = |part: &str| {
            part.starts_with(small)
                && part.ends_with(small)
                && part.chars().all(|char| small(char) || char == '-')
        };
        prefix.len() < 254 && prefix.split('.').all(part) && !name.is_empty() && is_value(name)
    }

    fn any_key() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => "[a-zA-Z0-9]([a-zA-Z0-9._-]{0,70})?",
            2 => "[a-z0-9.-]{1,20}/[a-zA-Z0-9._-]{1,65}",
            1 => "(build-resources|kubernetes.io|x.k8s.io)/[a-z]{1,5}",
            1 => "\\PC{0,10}",
        ]
    }

    fn any_text() -> impl Strategy<Value = String> {
        prop_oneof![
            3 => "[a-zA-Z0-9]?[a-zA-Z0-9._-]{0,70}",
            2 => "\\PC{0,80}",
            1 => r"x\{request\.(build|change|node)\}[/a-z]{0,60}",
        ]
    }

    proptest! {
        #[test]
        fn row_44_whatever_is_accepted_the_api_takes(
            key in any_key(), value in any_text(), text in any_text(), build in "[^\\pC]{1,60}",
        ) {
            let pair = |key: &str, value: &str| serde_json::json!({key: value}).to_string();
            for (list, value) in [("labels", &value), ("dynamic-labels", &text), ("annotations", &text)] {
                let more = format!("{list}: {}", pair(&key, value));
                let good = GOOD.replace("            dynamic-labels: {change: \"{request.change}\"}\n", "");
                let Ok(config) = parse(good.replacen("cpu: 2", &more, 1).as_bytes()) else { continue };
                let meta = made(&config, &build, "builder").network.metadata;
                let (labels, annotations) = (meta.labels.unwrap(), meta.annotations.unwrap());
                for (key, value) in &labels {
                    prop_assert!(is_key(key) && is_value(value), "{key}: {value}");
                }
                prop_assert!(annotations.keys().all(|key| is_key(key)), "{annotations:?}");
                let ours = ["build-resources/", "kubernetes.io/", "k8s.io/"].iter().any(|end| {
                    key.split_inclusive('/').next().is_some_and(|prefix| {
                        prefix.strip_suffix(end).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
                    })
                });
                prop_assert!(!ours, "{key} is reserved");
            }
        }
    }

    #[test]
    fn row_44_what_does_not_fit_into_a_label_is_kept_whole_in_an_annotation() {
        let config = parse(GOOD.as_bytes()).unwrap(); // `change: "{request.change}"`, which is refs/changes/1
        let meta = made(&config, "b", "builder").network.metadata;
        assert_eq!(meta.annotations.unwrap()["change"], "refs/changes/1");
        assert!(meta.labels.unwrap()["change"].starts_with("refs-changes-1-"));
        let short = GOOD.replace("{request.change}", "{request.node}");
        let meta = made(&parse(short.as_bytes()).unwrap(), "b", "builder").network.metadata;
        assert!(!meta.annotations.unwrap().contains_key("change"), "a label says it all");
        assert_eq!(meta.labels.unwrap()["change"], "builder");
    }
}
