//! Many nodes → a few counts. Pure.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::read::{FleetNode, Found, Standing};
use crate::error::Reason;
use crate::plan::API_VERSION;
use crate::report::resource::{NodeCondition, NodeConditionKind, NodeExtension, NodeExtensionsStatus};
use crate::report::{Stage, Truth};

/// Most nodes that are named for one line.
const NAMED: usize = 5;

/// The extensions of a fleet.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Fleet {
    /// Always `extensions.agent/v1`.
    pub api_version: &'static str,
    /// Always `Fleet`.
    pub kind: &'static str,
    /// Nodes that report.
    pub nodes: usize,
    /// Those that run what is wanted.
    pub ready: usize,
    /// Those that wait for a reboot.
    pub reboot_pending: usize,
    /// Those that are stuck.
    pub stuck: usize,
    /// Nodes whose object says nothing that this version can read.
    pub silent: Group,
    /// Whether there are more nodes than were read.
    pub more: bool,
    /// How many nodes have an extension at which version and stage.
    pub extensions: Vec<FleetExtension>,
    /// What keeps nodes from their place.
    pub problems: Vec<FleetProblem>,
}

/// Some nodes.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct Group {
    /// How many.
    pub nodes: usize,
    /// The first few of them, where they need a look.
    pub named: Vec<String>,
}

/// One extension, at one version and stage, in one pool.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct FleetExtension {
    /// The pool, where one is known.
    pub pool: Option<String>,
    /// The extension.
    pub extension: String,
    /// Its version, once known.
    pub version: Option<String>,
    /// Where it is on its way.
    pub stage: Stage,
    /// The nodes; named unless they are where they should be.
    #[serde(flatten)]
    pub group: Group,
}

/// One thing that keeps nodes from their place.
#[derive(Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::cli) struct FleetProblem {
    /// What it is, in one word.
    pub reason: String,
    /// The extension that it concerns; none where it is the whole node.
    pub extension: Option<String>,
    /// The pool, where one is known.
    pub pool: Option<String>,
    /// In words, as the first of the nodes says it.
    pub message: String,
    /// What would cure it.
    pub cure: Option<String>,
    /// The nodes.
    #[serde(flatten)]
    pub group: Group,
}

impl Group {
    fn add(&mut self, node: &str, named: bool) {
        self.nodes += 1;
        if named && self.named.len() < NAMED {
            self.named.push(node.to_owned());
        }
    }
}

impl Fleet {
    /// The counts of what was found.
    pub(in crate::cli) fn of(found: &Found) -> Self {
        let count =
            |has: fn(&Standing) -> bool| found.nodes.values().filter(|node| has(&node.standing)).count();
        let mut silent = Group::default();
        found.silent.iter().for_each(|name| silent.add(name, true));
        Self {
            api_version: API_VERSION,
            kind: "Fleet",
            nodes: found.nodes.len(),
            ready: count(|standing| standing.ready),
            reboot_pending: count(|standing| standing.reboot_pending),
            stuck: count(|standing| standing.problem.is_some()),
            silent,
            more: found.more,
            extensions: extensions(&found.nodes),
            problems: problems(&found.nodes),
        }
    }
}

fn extensions(nodes: &BTreeMap<String, FleetNode>) -> Vec<FleetExtension> {
    let mut groups: BTreeMap<_, (Stage, Group)> = BTreeMap::new();
    for (name, node) in nodes {
        for NodeExtension { name: extension, version, stage, .. } in &node.extensions {
            // The stages have an order of their own: that of their declaration.
            let key = (node.pool.clone(), extension.clone(), version.clone(), *stage as u8);
            let (_, group) = groups.entry(key).or_insert_with(|| (*stage, Group::default()));
            group.add(name, *stage != Stage::Active);
        }
    }
    let row = |((pool, extension, version, _), (stage, group))| FleetExtension {
        pool,
        extension,
        version,
        stage,
        group,
    };
    groups.into_iter().map(row).collect()
}

/// Those of extensions, and those of whole nodes where no extension has one of that reason. The most frequent first.
fn problems(nodes: &BTreeMap<String, FleetNode>) -> Vec<FleetProblem> {
    let mut found: BTreeMap<_, FleetProblem> = BTreeMap::new();
    let mut add = |name: &str, pool: &Option<String>, extension: Option<&str>, told: Told<'_>| {
        let key = (told.reason.to_owned(), extension.map(str::to_owned), pool.clone());
        let problem = found.entry(key).or_insert_with(|| FleetProblem {
            reason: told.reason.to_owned(),
            extension: extension.map(str::to_owned),
            pool: pool.clone(),
            message: told.message.to_owned(),
            cure: told.cure.map(str::to_owned),
            group: Group::default(),
        });
        problem.group.add(name, true);
    };
    for (name, node) in nodes {
        let mut of_extensions = Vec::new();
        for extension in &node.extensions {
            let Some(reason) = extension.reason.as_deref() else { continue };
            let message = extension.message.as_deref().unwrap_or_default();
            let told = Told { reason, message, cure: extension.cure.as_deref() };
            add(name, &node.pool, Some(&extension.name), told);
            of_extensions.push(reason);
        }
        if let Some((reason, message)) = &node.standing.problem
            && !of_extensions.contains(&reason.as_str())
        {
            add(name, &node.pool, None, Told { reason, message, cure: None });
        }
    }
    let mut problems: Vec<FleetProblem> = found.into_values().collect();
    problems.sort_by_key(|problem| std::cmp::Reverse(problem.group.nodes));
    problems
}

#[derive(Clone, Copy)]
struct Told<'a> {
    reason: &'a str,
    message: &'a str,
    cure: Option<&'a str>,
}

impl Standing {
    pub(super) fn of(status: &NodeExtensionsStatus) -> Self {
        let answer = |kind| status.condition(kind).filter(|found| found.status == Truth::True);
        let held = |condition: &&NodeCondition| {
            // A reboot that waits for its turn is no problem; one that is held up for a reason of ours is.
            Reason::ALL.iter().any(|reason| reason.code() == condition.reason)
        };
        let degraded = answer(NodeConditionKind::Degraded);
        let problem = degraded.or(answer(NodeConditionKind::RebootPending).filter(held));
        Self {
            ready: answer(NodeConditionKind::Ready).is_some(),
            reboot_pending: status.reboot_pending,
            problem: problem.map(|found| (found.reason.clone(), found.message.clone())),
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::report::resource::tests::{at, at_step, booted, refused, staged};
    use crate::report::resource::{Told as NodeTold, build};
    use crate::rollout::RolloutStep;

    pub(in crate::cli::fleet) fn node(told: &NodeTold) -> FleetNode {
        let mut status = build(told, None, at(1));
        status.pool = Some("worker".to_owned());
        FleetNode::from(status)
    }

    /// Seven nodes run it, one waits for a reboot, one is held up in it, and two are refused.
    pub(in crate::cli::fleet) fn sample() -> Found {
        let mut found = Found { silent: vec!["old".to_owned()], ..Found::default() };
        for number in 0..7 {
            found.nodes.insert(format!("a{number}"), node(&booted()));
        }
        found.nodes.insert("b0".to_owned(), node(&staged()));
        let held = crate::report::resource::tests::problem(Reason::DrainBlocked);
        let rollout = Some(at_step(RolloutStep::Draining, Some(held)));
        found.nodes.insert("c0".to_owned(), node(&NodeTold { rollout, ..staged() }));
        for name in ["d0", "d1"] {
            found.nodes.insert(name.to_owned(), node(&refused(Reason::UnmetRequirement)));
        }
        found
    }

    #[test]
    fn nodes_are_counted_and_named_only_where_they_need_a_look() {
        let fleet = Fleet::of(&sample());
        let counts = (fleet.nodes, fleet.ready, fleet.reboot_pending, fleet.stuck, fleet.silent.nodes);
        assert_eq!(counts, (11, 7, 2, 3, 1));
        let rows: Vec<_> = fleet.extensions.iter().map(|row| (row.stage, row.group.nodes)).collect();
        assert_eq!(rows, [(Stage::Active, 7), (Stage::AfterReboot, 2), (Stage::Blocked, 2)]);
        assert_eq!(fleet.extensions[0].group.named, Vec::<String>::new());
        assert_eq!(fleet.extensions[2].group.named, ["d0", "d1"]);
    }

    #[test]
    fn a_problem_is_told_once_for_all_its_nodes_and_not_again_for_the_node_as_a_whole() {
        let fleet = Fleet::of(&sample());
        let told: Vec<_> = fleet
            .problems
            .iter()
            .map(|problem| (problem.reason.as_str(), problem.extension.as_deref(), problem.group.nodes))
            .collect();
        assert_eq!(told, [("UnmetRequirement", Some("usbguard"), 2), ("DrainBlocked", None, 1)]);
    }

    #[test]
    fn only_a_few_of_many_are_named() {
        let mut found = Found::default();
        for number in 0..1000 {
            found.nodes.insert(format!("n{number:04}"), node(&refused(Reason::NoPayload)));
        }
        let fleet = Fleet::of(&found);
        assert_eq!((fleet.problems[0].group.nodes, fleet.problems[0].group.named.len()), (1000, NAMED));
    }
}
