//! Nodesets: nodes that are asked for together under one name, and what may be taken instead.
//!
//! Decides: whether a nodeset can be meant. Must not: know what is in use. Input: the top-level `nodesets`.

use serde::Deserialize;
use serde_saphyr::Spanned;

use super::refuse::{Checked, once, refuse};
use super::size::Size;
use super::words::Name;
use super::{Config, Pool};
use crate::request::{NODES, Node};

/// Most alternatives of one nodeset.
const ALTERNATIVES: usize = 10;

/// Nodes under one name, or other nodesets of which the first that can be had is taken.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Nodeset {
    /// Its name.
    pub name: Name,
    /// Its nodes.
    #[serde(default)]
    pub nodes: Vec<Node>,
    /// The nodesets of which one is taken, the one that is tried first first.
    #[serde(default)]
    pub alternatives: Vec<Name>,
}

impl Config {
    /// The nodes of that nodeset, and of each further one that may be taken instead.
    pub fn nodeset(&self, name: &Name) -> Option<Vec<Vec<Node>>> {
        let found = |name: &Name| {
            self.nodesets.iter().map(|nodeset| &nodeset.value).find(|nodeset| nodeset.name == *name)
        };
        let nodeset = found(name)?;
        if nodeset.alternatives.is_empty() {
            return Some(vec![nodeset.nodes.clone()]);
        }
        nodeset.alternatives.iter().map(|name| found(name).map(|one| one.nodes.clone())).collect()
    }
}

/// What these nodes take together in a pool; none where the pool does not offer one of the labels.
pub fn together(pool: &Pool, nodes: &[Node]) -> Option<Size> {
    nodes.iter().try_fold(Size::default(), |sum, node| {
        pool.label(&node.label).map(|label| sum.plus(&Size::of(pool, label)))
    })
}

/// Every rule about nodesets.
pub(super) fn check(config: &Config) -> Checked {
    once(&config.nodesets, "nodesets", |nodeset| &nodeset.name)?;
    for nodeset in &config.nodesets {
        let path = format!("nodesets[{}]", nodeset.value.name);
        match (nodeset.value.nodes.is_empty(), nodeset.value.alternatives.is_empty()) {
            (false, true) => nodes(config, nodeset, &path)?,
            (true, false) => alternatives(config, nodeset, &path)?,
            (true, true) | (false, false) => {
                refuse(nodeset, &path, "it has either `nodes` or `alternatives`".to_owned())?;
            }
        }
    }
    Ok(())
}

fn nodes(config: &Config, at: &Spanned<Nodeset>, path: &str) -> Checked {
    let nodes = &at.value.nodes;
    let path = format!("{path}.nodes");
    if nodes.len() > NODES {
        refuse(at, &path, format!("more than {NODES}"))?;
    }
    for (number, node) in nodes.iter().enumerate() {
        if nodes.iter().take(number).any(|other| other.name == node.name) {
            refuse(at, &path, format!("two nodes are called `{}`", node.name))?;
        }
    }
    let possible = config
        .pools()
        .iter()
        .any(|(_, pool)| together(pool, nodes).is_some_and(|size| size.exceeds(pool).is_none()));
    if possible { Ok(()) } else { refuse(at, &path, "no pool can hold all of it".to_owned()) }
}

fn alternatives(config: &Config, at: &Spanned<Nodeset>, path: &str) -> Checked {
    let path = format!("{path}.alternatives");
    if at.value.alternatives.len() > ALTERNATIVES {
        refuse(at, &path, format!("more than {ALTERNATIVES}"))?;
    }
    for (number, name) in at.value.alternatives.iter().enumerate() {
        let plain = |one: &&Spanned<Nodeset>| one.value.name == *name && !one.value.nodes.is_empty();
        if !config.nodesets.iter().any(|one| plain(&one)) {
            refuse(at, &path, format!("no nodeset with nodes of its own is called `{name}`"))?;
        }
        if at.value.alternatives.iter().take(number).any(|other| other == name) {
            refuse(at, &path, format!("`{name}` occurs twice"))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::GOOD;
    use super::super::{ConfigError, parse};

    const SETS: &str = "\
nodesets:
  - name: pair
    nodes: [{name: a, label: builder}, {name: b, label: space}]
  - name: small
    nodes: [{name: a, label: space}]
  - name: either
    alternatives: [pair, small]
";

    #[test]
    fn row_39_a_nodeset_is_its_nodes_or_the_alternatives_in_their_order() {
        let config = parse(format!("{GOOD}{SETS}").as_bytes()).unwrap();
        let names = |text: &str| {
            let found = config.nodeset(&text.parse().unwrap()).unwrap();
            found
                .iter()
                .map(|nodes| nodes.iter().map(|node| node.label.to_string()).collect())
                .collect::<Vec<Vec<_>>>()
        };
        assert_eq!(names("small"), [["space"]]);
        assert_eq!(names("either"), [vec!["builder", "space"], vec!["space"]]);
        assert!(config.nodeset(&"none".parse().unwrap()).is_none());
    }

    #[test]
    fn row_45_a_nodeset_that_cannot_be_meant_is_refused_with_its_line_and_path() {
        let base = GOOD.lines().count() as u64;
        for ((from, to), line, path, word) in [
            (("label: builder", "label: ghost"), 3, "nodesets[pair].nodes", "no pool"),
            (("{name: b,", "{name: a,"), 3, "nodesets[pair].nodes", "two nodes"),
            (("[pair, small]", "[pair, ghost]"), 7, "nodesets[either].alternatives", "ghost"),
            (("[pair, small]", "[either]"), 7, "nodesets[either].alternatives", "either"),
            (("[pair, small]", "[pair, pair]"), 7, "nodesets[either].alternatives", "twice"),
            (("[pair, small]", "[]"), 6, "nodesets[either]", "either `nodes` or"),
            (("- name: small", "- name: pair"), 4, "nodesets[pair]", "twice"),
            (("    alternatives", "    alternative"), 7, "nodesets[2].alternative", "alternative"),
        ] {
            assert!(SETS.contains(from), "{from}");
            let text = format!("{GOOD}{}", SETS.replacen(from, to, 1));
            match parse(text.as_bytes()).unwrap_err() {
                ConfigError::Wrong { line: found, path: at, problem } => assert!(
                    found == base + line && at == path && problem.contains(word),
                    "{found} {at} {problem}; wanted {} {path} {word}",
                    base + line
                ),
                other @ (ConfigError::Read { .. } | ConfigError::Size) => panic!("{other}"),
            }
        }
    }
}
