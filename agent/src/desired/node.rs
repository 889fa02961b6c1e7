//! What a Node object says that the agent acts on. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::machine_config::is_object_name;
use super::object::{Object, decode};
use crate::cluster::GROUP;

/// The prefix of the operator's annotations.
const OPERATOR: &str = "machineconfiguration.openshift.io/";
/// Most annotations of our own that are kept.
const OURS: usize = 64;

/// What a Node object says that the agent acts on. Everything else of it is dropped as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Tells it from another one that had its name before.
    pub uid: String,
    /// Its labels: a pool selects by them.
    pub labels: BTreeMap<String, String>,
    /// The rendered MachineConfig that the operator wants on it.
    pub desired_config: Option<String>,
    /// The rendered MachineConfig that it is said to have.
    pub current_config: Option<String>,
    /// Whether the operator gives it whole images that are built in the cluster.
    pub image_mode: bool,
    /// Whether the scheduler passes it over.
    pub unschedulable: bool,
    /// Its annotations under our own prefix, without the prefix.
    pub ours: BTreeMap<String, String>,
    /// The pool that selects it, where it is known.
    pub pool: Option<PoolView>,
}

/// What a MachineConfigPool says that the agent acts on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolView {
    /// Its name.
    pub name: String,
    /// How many of its nodes may be away at once, as it is written: `1`, `25%`.
    pub max_unavailable: Option<String>,
    /// How many nodes it has, by its status.
    pub machine_count: Option<u64>,
    /// Whether an admin holds its changes back.
    pub paused: bool,
}

#[derive(Deserialize)]
struct Rest {
    spec: Option<Spec>,
}

#[derive(Deserialize)]
struct Spec {
    unschedulable: Option<bool>,
}

/// The Node in `bytes`, and the version of this state of it.
///
/// # Errors
/// When it is not a usable Node, in words that do not repeat its text.
pub fn parse(bytes: &[u8]) -> Result<(NodeView, u64), String> {
    let Object { meta, mut annotations, rest } = decode::<Rest>(bytes)?;
    let desired_config = rendered(&mut annotations, "desiredConfig")?;
    let current_config = rendered(&mut annotations, "currentConfig")?;
    let image = |key| annotations.get(&format!("{OPERATOR}{key}")).is_some_and(|image| !image.is_empty());
    let image_mode = image("desiredImage") || image("currentImage");
    let ours = annotations.into_iter().filter_map(|(key, value)| {
        let name = key.strip_prefix(GROUP)?.strip_prefix('/')?;
        Some((name.to_owned(), value))
    });
    let pool =
        desired_config.as_deref().and_then(pool_of).map(|name| PoolView { name, ..PoolView::default() });
    let view = NodeView {
        name: meta.name,
        uid: meta.uid,
        labels: meta.labels,
        desired_config,
        current_config,
        image_mode,
        unschedulable: rest.spec.and_then(|spec| spec.unschedulable).unwrap_or_default(),
        ours: ours.take(OURS).collect(),
        pool,
    };
    Ok((view, meta.version))
}

/// The name of a rendered MachineConfig in an annotation; it becomes part of a request.
fn rendered(annotations: &mut BTreeMap<String, String>, key: &str) -> Result<Option<String>, String> {
    let Some(name) = annotations.remove(&format!("{OPERATOR}{key}")).filter(|name| !name.is_empty()) else {
        return Ok(None);
    };
    if is_object_name(&name) {
        Ok(Some(name))
    } else {
        Err(format!("its annotation `{OPERATOR}{key}` is no name of a MachineConfig"))
    }
}

/// The pool in `rendered-POOL-HASH`.
fn pool_of(rendered: &str) -> Option<String> {
    let (pool, _) = rendered.strip_prefix("rendered-")?.rsplit_once('-')?;
    (!pool.is_empty()).then(|| pool.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(annotations: &str, spec: &str) -> Result<(NodeView, u64), String> {
        let text = format!(
            r#"{{"kind":"Node","metadata":{{"name":"worker-0","uid":"u","resourceVersion":"7","labels":{{"a":"b"}},
                "annotations":{{{annotations}}}}},"spec":{spec},"status":{{"images":[{{"names":["x"]}}]}}}}"#
        );
        parse(text.as_bytes())
    }

    #[test]
    fn only_what_the_agent_acts_on_is_read() {
        let annotations = r#""machineconfiguration.openshift.io/desiredConfig":"rendered-infra-edge-1234",
            "machineconfiguration.openshift.io/currentConfig":"rendered-infra-edge-0000",
            "machineconfiguration.openshift.io/state":"Done",
            "extensions.agent/owner":"extensions-agent","extensions.agentx/no":"1","other/key":"x""#;
        let (view, version) = node(annotations, r#"{"unschedulable":true}"#).unwrap();
        let expected = NodeView {
            name: "worker-0".to_owned(),
            uid: "u".to_owned(),
            labels: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            desired_config: Some("rendered-infra-edge-1234".to_owned()),
            current_config: Some("rendered-infra-edge-0000".to_owned()),
            image_mode: false,
            unschedulable: true,
            ours: BTreeMap::from([("owner".to_owned(), "extensions-agent".to_owned())]),
            pool: Some(PoolView { name: "infra-edge".to_owned(), ..PoolView::default() }),
        };
        assert_eq!((view, version), (expected, 7));
    }

    #[test]
    fn a_node_of_a_plain_cluster_has_no_operator() {
        let (view, _) = node("", "{}").unwrap();
        assert_eq!((view.desired_config, view.pool, view.image_mode), (None, None, false));
    }

    #[test]
    fn an_image_of_either_kind_is_image_mode_and_an_empty_one_is_none() {
        for (key, value, is) in [
            ("desiredImage", "quay.io/x", true),
            ("currentImage", "quay.io/x", true),
            ("desiredImage", "", false),
        ] {
            let annotation = format!(r#""machineconfiguration.openshift.io/{key}":"{value}""#);
            assert_eq!(node(&annotation, "{}").unwrap().0.image_mode, is, "{key} {value}");
        }
    }

    #[test]
    fn a_name_that_would_become_another_request_is_refused() {
        for name in ["../secrets/x", "a?watch=1", "A", "x/y"] {
            let annotation = format!(r#""machineconfiguration.openshift.io/desiredConfig":"{name}""#);
            let problem = node(&annotation, "{}").unwrap_err();
            assert!(problem.contains("desiredConfig") && !problem.contains(name), "{problem}");
        }
    }
}
