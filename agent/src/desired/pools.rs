//! MachineConfigPools → the one pool of a node, and which MachineConfigs it selects. By the operator's own rules. Pure.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::object::{Meta, Object, decode};
use super::selector::{RawSelector, Selector};
use super::{DesiredError, PoolView};
use crate::text::one_line;

/// Longest `maxUnavailable`, in characters.
const COUNT: usize = 32;

/// A MachineConfigPool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// Which state of it this is.
    pub meta: Meta,
    /// What the roll-out needs of it.
    pub view: PoolView,
    /// Whether an operator renders its MachineConfigs into one.
    pub rendered: bool,
    nodes: Option<Selector>,
    configs: Option<Selector>,
}

#[derive(Deserialize)]
struct Rest {
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Spec {
    machine_config_selector: Option<RawSelector>,
    node_selector: Option<RawSelector>,
    max_unavailable: Option<Count>,
    paused: Option<bool>,
    configuration: Option<Configuration>,
}

#[derive(Deserialize)]
struct Configuration {
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Count {
    Number(u32),
    Text(String),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Status {
    machine_count: Option<u64>,
}

/// The MachineConfigPool in `bytes`.
///
/// # Errors
/// When it is not a usable one, in words that do not repeat its text.
pub fn parse(bytes: &[u8]) -> Result<Pool, String> {
    let Object { meta, annotations: _, rest } = decode::<Rest>(bytes)?;
    let spec = rest.spec.ok_or_else(|| "it has no `spec`".to_owned())?;
    let max_unavailable = spec.max_unavailable.map(|count| match count {
        Count::Number(number) => number.to_string(),
        Count::Text(text) => one_line(&text, COUNT),
    });
    let view = PoolView {
        name: meta.name.clone(),
        max_unavailable,
        machine_count: rest.status.and_then(|status| status.machine_count),
        paused: spec.paused.unwrap_or_default(),
    };
    let nodes = spec.node_selector.map(Selector::of).transpose()?;
    let configs = spec.machine_config_selector.map(Selector::of).transpose()?;
    let rendered = spec.configuration.and_then(|rendered| rendered.name).is_some_and(|name| !name.is_empty());
    Ok(Pool { meta, view, rendered, nodes, configs })
}

/// Who a MachineConfig is: its metadata, without the megabytes that it may carry.
///
/// # Errors
/// When it is not an object, in words that do not repeat its text.
pub fn parse_head(bytes: &[u8]) -> Result<Meta, String> {
    decode::<IgnoredAny>(bytes).map(|object| object.meta)
}

impl Pool {
    /// Whether it selects a MachineConfig with these labels.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        self.configs.as_ref().is_some_and(|selector| selector.selects(labels))
    }
}

/// The pool of the node with these labels: a custom one, else `master`, else `worker`.
///
/// # Errors
/// When none selects it, two custom ones do, or a custom one and `master`.
pub fn pool_of<'a>(
    node: &str,
    labels: &BTreeMap<String, String>,
    pools: impl IntoIterator<Item = &'a Pool>,
) -> Result<&'a Pool, DesiredError> {
    let (mut master, mut worker, mut custom) = (None, None, Vec::new());
    for pool in pools {
        if !pool.nodes.as_ref().is_some_and(|selector| selector.selects(labels)) {
            continue;
        }
        match pool.view.name.as_str() {
            "master" => master = Some(pool),
            "worker" => worker = Some(pool),
            _ => custom.push(pool),
        }
    }
    let claims = custom.iter().copied().chain(master).collect::<Vec<_>>();
    match claims.as_slice() {
        [] => worker.ok_or_else(|| DesiredError::NoPool { node: node.to_owned() }),
        [one] => Ok(one),
        many => {
            let mut pools: Vec<String> = many.iter().map(|pool| pool.view.name.clone()).collect();
            pools.sort();
            Err(DesiredError::ManyPools { node: node.to_owned(), pools })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Failure, Reason};

    fn pool(name: &str) -> Pool {
        let text = format!(
            r#"{{"metadata":{{"name":"{name}","uid":"u-{name}"}},"spec":{{
                "nodeSelector":{{"matchLabels":{{"node-role.kubernetes.io/{name}":""}}}},
                "machineConfigSelector":{{"matchExpressions":[{{"key":"role","operator":"In","values":["worker","{name}"]}}]}}}}}}"#
        );
        parse(text.as_bytes()).unwrap()
    }

    fn labels(roles: &[&str]) -> BTreeMap<String, String> {
        roles.iter().map(|role| (format!("node-role.kubernetes.io/{role}"), String::new())).collect()
    }

    #[test]
    fn a_node_has_one_pool_by_the_operators_rules() {
        let pools = ["infra", "master", "worker", "edge"].map(pool);
        let cases: [(&[&str], Result<&str, Reason>); 7] = [
            (&["worker"], Ok("worker")),
            (&["master", "worker"], Ok("master")),
            (&["infra", "worker"], Ok("infra")),
            (&["infra"], Ok("infra")),
            (&["infra", "edge", "worker"], Err(Reason::AmbiguousPool)),
            (&["infra", "master"], Err(Reason::AmbiguousPool)),
            (&["other"], Err(Reason::MissingObject)),
        ];
        for (roles, expected) in cases {
            for pools in [pools.iter().collect::<Vec<_>>(), pools.iter().rev().collect()] {
                let found = pool_of("n", &labels(roles), pools);
                let found = found.map(|pool| pool.view.name.as_str()).map_err(|error| error.reason());
                assert_eq!(found, expected, "{roles:?}");
            }
        }
    }

    #[test]
    fn two_pools_are_named_in_one_order() {
        let pools = ["infra", "edge"].map(pool);
        let error = pool_of("n", &labels(&["infra", "edge"]), &pools).unwrap_err();
        assert_eq!(error.to_string(), "the pools `edge`, `infra` all select the node `n`");
    }

    #[test]
    fn a_pool_selects_machine_configs_by_label_and_without_a_selector_none() {
        let role = |role: &str| BTreeMap::from([("role".to_owned(), role.to_owned())]);
        assert!(pool("infra").selects(&role("worker")) && pool("infra").selects(&role("infra")));
        assert!(!pool("infra").selects(&role("edge")));
        let bare = parse(br#"{"metadata":{"name":"x","uid":"u"},"spec":{}}"#).unwrap();
        assert!(!bare.selects(&role("worker")));
        assert!(pool_of("n", &labels(&["x"]), [&bare]).is_err());
    }

    #[test]
    fn what_the_roll_out_needs_is_read_as_it_is_written() {
        for (text, expected) in [("2", "2"), (r#""25%""#, "25%")] {
            let text = format!(
                r#"{{"metadata":{{"name":"x","uid":"u"}},"spec":{{"paused":true,"maxUnavailable":{text}}},"status":{{"machineCount":3}}}}"#
            );
            let pool = parse(text.as_bytes()).unwrap();
            assert!(!pool.rendered);
            let view = pool.view;
            let expected = PoolView {
                name: "x".to_owned(),
                max_unavailable: Some(expected.to_owned()),
                machine_count: Some(3),
                paused: true,
            };
            assert_eq!(view, expected);
        }
    }
}
