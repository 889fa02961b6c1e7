//! Would these nodes' extensions resolve against the release that they are about to be upgraded to?
//!
//! Where the next base is known, each closure is proved on it. Where it is not, whatever neither the payload nor a
//! member provides is taken as the base's to provide, and is listed: the answer is then *offered*, not *resolves*.

use std::collections::{BTreeMap, BTreeSet};

use extensions_manifest::closure;
use extensions_manifest::dependency::{Capability, Requirement};
use extensions_manifest::package::BasePackage;
use extensions_manifest::{Base, ExtensionName, Nevra, Obstacle};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::{API_VERSION, PayloadLine};
use super::refusal::Objection;
use super::resolve::Question;
use super::skew::SkewInputs;
use super::{Ledger, PlanInputs, describe, kernel, obstacle};
use crate::desired::{Desired, KernelType};
use crate::host::Observed;
use crate::payload::Payload;

/// How often the list of what the base has to provide may grow; each round follows what the last one uncovered.
const ROUNDS: usize = 16;

/// A node as the cluster tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForecastNode {
    /// Its name.
    pub name: String,
    /// The pool that selects it.
    pub pool: Option<String>,
    /// Its architecture, in rpm's words.
    pub arch: String,
    /// The kernel that is wanted.
    pub kernel_type: KernelType,
    /// The extensions that are wanted.
    pub extensions: BTreeSet<ExtensionName>,
}

/// What the next release has for one architecture.
#[derive(Debug, Clone)]
pub enum Next<'a> {
    /// A payload and, where a host that runs the release has told it, the base.
    Payload {
        /// The payload.
        payload: &'a Payload,
        /// The base.
        base: Option<&'a Base>,
    },
    /// Nothing, for this reason.
    Nothing(Objection),
}

/// How it would go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It cannot be had.
    Blocked,
    /// The payload has all of it but for what the base has to provide, and that base is not known.
    Offered,
    /// It was proved complete on the next base.
    Resolves,
}

/// How it would go for one extension.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtensionForecast {
    /// In one word.
    pub outcome: Outcome,
    /// What stands in its way.
    pub problems: Vec<Objection>,
}

/// A node, as a line of a forecast.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct NodeLine {
    /// The pool that selects it.
    pub pool: Option<String>,
    /// Its name.
    pub name: String,
}

/// Nodes that want the same on the same architecture, and how it would go for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForecastGroup {
    /// The worst of its extensions.
    pub outcome: Outcome,
    /// The architecture.
    pub arch: String,
    /// The kernel that is wanted.
    pub kernel_type: KernelType,
    /// The nodes.
    pub nodes: BTreeSet<NodeLine>,
    /// Each extension; a kernel that is not the base's own counts as one.
    pub extensions: BTreeMap<ExtensionName, ExtensionForecast>,
    /// What the next base has to provide, as rpm writes it; empty where the base is known.
    pub needed_of_base: BTreeSet<String>,
}

/// How an upgrade to the next release would go for a fleet. Equal inputs give equal bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Forecast {
    /// Always `extensions.agent/v1`.
    pub api_version: String,
    /// Always `Forecast`.
    pub kind: String,
    /// The payload for each architecture that has one.
    pub payloads: BTreeMap<String, PayloadLine>,
    /// How many nodes were asked about.
    pub nodes: usize,
    /// How many of them would be blocked.
    pub blocked: usize,
    /// The groups, those that would be blocked first.
    pub groups: Vec<ForecastGroup>,
    /// What makes the answer weaker than it looks.
    pub warnings: Vec<Objection>,
}

impl Forecast {
    /// The JSON schema of the document.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Forecast)
    }
}

/// What a group has in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Key<'a> {
    arch: &'a str,
    kernel: &'static str,
    extensions: &'a BTreeSet<ExtensionName>,
}

/// Says for each node how it would go. `next` has an entry for every architecture; one without counts as blocked by
/// `missing`.
pub fn forecast(nodes: &[ForecastNode], next: &BTreeMap<String, Next<'_>>, missing: &Objection) -> Forecast {
    let mut groups: BTreeMap<Key<'_>, Vec<&ForecastNode>> = BTreeMap::new();
    for node in nodes {
        let kernel = kernel::name(node.kernel_type).unwrap_or_default();
        let key = Key { arch: &node.arch, kernel, extensions: &node.extensions };
        groups.entry(key).or_default().push(node);
    }
    let nothing = Next::Nothing(missing.clone());
    let groups = groups.into_values().filter_map(|members| {
        let first = members.first()?;
        let (extensions, needed_of_base) = judge(first, next.get(&first.arch).unwrap_or(&nothing));
        let nodes = members.iter().map(|node| NodeLine { pool: node.pool.clone(), name: node.name.clone() });
        Some(ForecastGroup {
            outcome: extensions.values().map(|one| one.outcome).min().unwrap_or(Outcome::Resolves),
            arch: first.arch.clone(),
            kernel_type: first.kernel_type,
            nodes: nodes.collect(),
            extensions,
            needed_of_base,
        })
    });
    let mut groups: Vec<ForecastGroup> = groups.collect();
    groups.sort_by_key(|group| group.outcome);
    let blocked = groups.iter().filter(|group| group.outcome == Outcome::Blocked);
    let payloads = next.iter().filter_map(|(arch, next)| match next {
        Next::Payload { payload, .. } => Some((arch.clone(), describe::payload(payload))),
        Next::Nothing(_) => None,
    });
    Forecast {
        api_version: API_VERSION.to_owned(),
        kind: "Forecast".to_owned(),
        payloads: payloads.collect(),
        nodes: groups.iter().map(|group| group.nodes.len()).sum(),
        blocked: blocked.map(|group| group.nodes.len()).sum(),
        groups,
        warnings: Vec::new(),
    }
}

type Verdicts = (BTreeMap<ExtensionName, ExtensionForecast>, BTreeSet<String>);

fn judge(node: &ForecastNode, next: &Next<'_>) -> Verdicts {
    let swap: Option<ExtensionName> = kernel::name(node.kernel_type).and_then(|name| name.parse().ok());
    let all: BTreeSet<ExtensionName> = node.extensions.iter().cloned().chain(swap.clone()).collect();
    let (blocked, needed, good) = match next {
        Next::Nothing(objection) => {
            let blocked = all.iter().map(|name| (name.clone(), BTreeSet::from([objection.clone()])));
            (blocked.collect(), BTreeSet::new(), Outcome::Blocked)
        }
        Next::Payload { payload, base } => {
            let (blocked, needed) = Trial { node, payload, base: *base, swap }.run();
            (blocked, needed, if base.is_some() { Outcome::Resolves } else { Outcome::Offered })
        }
    };
    let mut blocked: BTreeMap<ExtensionName, BTreeSet<Objection>> = blocked;
    let extensions = all.into_iter().map(|name| {
        let problems: Vec<Objection> = blocked.remove(&name).unwrap_or_default().into_iter().collect();
        let outcome = if problems.is_empty() { good } else { Outcome::Blocked };
        (name, ExtensionForecast { outcome, problems })
    });
    (extensions.collect(), needed)
}

/// One group held against one payload.
struct Trial<'a> {
    node: &'a ForecastNode,
    payload: &'a Payload,
    base: Option<&'a Base>,
    /// The name that the wanted kernel goes by.
    swap: Option<ExtensionName>,
}

impl Trial<'_> {
    /// Resolves all that is wanted; what is in the way is taken out, so that the others get an answer of their own.
    fn run(&self) -> (BTreeMap<ExtensionName, BTreeSet<Objection>>, BTreeSet<String>) {
        let mut wish = self.wish();
        let mut blocked: BTreeMap<ExtensionName, BTreeSet<Objection>> = BTreeMap::new();
        // Each round takes out at least one name.
        while super::wants_anything(&wish) {
            let objections = match self.attempt(&wish) {
                Ok(needed) => return (blocked, needed),
                Err(objections) => objections,
            };
            let left: BTreeSet<ExtensionName> = super::wanted(&wish).into_keys().collect();
            let named = objections.iter().flat_map(|objection| &objection.extensions);
            let mut blamed: BTreeSet<ExtensionName> =
                named.filter(|name| left.contains(*name)).cloned().collect();
            if blamed.is_empty() {
                blamed = left;
            }
            for name in blamed {
                let own = |objection: &&Objection| {
                    objection.extensions.is_empty() || objection.extensions.contains(&name)
                };
                let own = objections.iter().filter(own).cloned();
                blocked.entry(name.clone()).or_default().extend(own);
                if Some(&name) == self.swap.as_ref() {
                    wish.kernel_type = KernelType::Default;
                }
                wish.extensions.remove(&name);
            }
        }
        (blocked, BTreeSet::new())
    }

    fn wish(&self) -> Desired {
        let extensions = self.node.extensions.iter().map(|name| (name.clone(), BTreeSet::new()));
        Desired {
            extensions: extensions.collect(),
            kernel_type: self.node.kernel_type,
            kernel_type_from: None,
            payload: None,
            payload_from: None,
            os_image: None,
            rendered: None,
        }
    }

    /// What the base has to provide, where it is not known; or what is in the way.
    fn attempt(&self, wish: &Desired) -> Result<BTreeSet<String>, Vec<Objection>> {
        let observed = Observed { deployments: Vec::new(), transaction: None, arch: self.node.arch.clone() };
        let (unknown, ledger) = (Base::default(), Ledger::default());
        let inputs = PlanInputs {
            desired: wish,
            payload: Some(self.payload),
            observed: &observed,
            base: self.base.unwrap_or(&unknown),
            ledger: &ledger,
            skew: SkewInputs::default(),
        };
        if let Some(objection) = kernel::devel_beside_another_kernel(&inputs) {
            return Err(vec![objection]);
        }
        let question = Question::new(&inputs, self.payload).map_err(|mut objection| {
            // Nothing but the kernel is asked for here.
            objection.extensions.extend(self.swap.clone());
            vec![objection]
        })?;
        let answer = match self.base {
            Some(_) => {
                closure::resolve(&question.wanted, question.offer(), question.base()).map(|_| BTreeSet::new())
            }
            None => Assumed::default().resolve(&question),
        };
        answer.map_err(|found| {
            found.into_iter().map(|obstacle| obstacle::objection(obstacle, &inputs)).collect()
        })
    }
}

/// What a base that is not known is taken to have.
#[derive(Default)]
struct Assumed {
    needed: BTreeSet<String>,
    provides: Vec<Capability>,
    packages: Vec<BasePackage>,
    files: BTreeSet<String>,
}

impl Assumed {
    /// Resolves on what is assumed, and assumes what is missing, until nothing is. What the payload itself has in a
    /// version that does not do is no matter of the base.
    fn resolve(mut self, question: &Question<'_>) -> Result<BTreeSet<String>, Vec<Obstacle>> {
        for _ in 0..ROUNDS {
            let found = match closure::resolve(&question.wanted, question.offer(), &self.base()) {
                Ok(_) => return Ok(self.needed),
                Err(found) => found,
            };
            let before = self.needed.len();
            let hard: Vec<Obstacle> =
                found.into_iter().filter(|obstacle| !self.assume(obstacle, question.offer().arch)).collect();
            if !hard.is_empty() {
                return Err(hard);
            }
            if self.needed.len() == before {
                // A condition that no single capability meets: it is listed, and the base decides.
                break;
            }
        }
        Ok(self.needed)
    }

    /// Takes what is missing for the base's; false where that cannot be.
    fn assume(&mut self, obstacle: &Obstacle, arch: &str) -> bool {
        match obstacle {
            Obstacle::Unsatisfied { requirement, near, .. } if near.is_empty() => {
                self.needed.insert(requirement.clone());
                match Requirement::try_from(requirement.clone()) {
                    Ok(Requirement::Plain(capability)) if capability.is_path() => {
                        self.files.insert(capability.name().to_owned());
                    }
                    Ok(wanted) => self.provides.extend(wanted.capabilities().into_iter().cloned()),
                    // It came out of a package that was read, so it is one.
                    Err(_) => {}
                }
                true
            }
            Obstacle::BaseMismatch { base_package, base: None, payload, .. } => {
                self.needed.insert(format!("{base_package} = {payload}"));
                let nevra: Option<Nevra> = format!("{base_package}-{payload}.{arch}").parse().ok();
                self.packages.extend(nevra.map(BasePackage::new));
                true
            }
            Obstacle::Unsatisfied { .. }
            | Obstacle::BaseMismatch { .. }
            | Obstacle::UnknownExtension { .. }
            | Obstacle::NotForHosts { .. }
            | Obstacle::OtherArchitecture { .. }
            | Obstacle::PackageMissing { .. }
            | Obstacle::OtherVersionInBase { .. }
            | Obstacle::Conflict { .. }
            | Obstacle::SeveralVersions { .. }
            | Obstacle::TooComplex { .. }
            | Obstacle::DuplicateNevra { .. } => false,
        }
    }

    fn base(&self) -> Base {
        let stand_in = "the-next-base-0-0.noarch"
            .parse::<Nevra>()
            .ok()
            .map(|nevra| BasePackage { provides: self.provides.clone(), ..BasePackage::new(nevra) });
        Base { packages: self.packages.iter().cloned().chain(stand_in).collect(), files: self.files.clone() }
    }
}
