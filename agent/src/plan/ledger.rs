//! What is ours on the host: the packages that the agent layered, for whom, and what the last decision aimed at.
//!
//! The host is the truth; the ledger only tells ours from foreign. A package is ours when the ledger knows its NEVRA
//! *and* its header digest, so an admin's package of the same name stays the admin's. What the ledger does not know is
//! foreign and never uninstalled.

use std::collections::{BTreeMap, BTreeSet};

use extensions_manifest::{ExtensionName, Nevra, Sha256Digest};
use serde::{Deserialize, Serialize};

use crate::host::{Deployment, LocalPackage, Observed};

/// One package that the agent layered.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Owned {
    /// Which package.
    pub nevra: Nevra,
    /// Its header digest, which tells it from any other file of the same name.
    pub head: Sha256Digest,
    /// The digest of the whole file.
    pub file: Sha256Digest,
    /// The payload it came from.
    pub payload: Sha256Digest,
    /// The extensions that need it, or needed it last.
    pub extensions: BTreeSet<ExtensionName>,
    /// Whether it is on its way out: removed in what was decided last, but not known to be gone from the booted
    /// deployment.
    pub leaving: bool,
}

/// A package that the booted deployment no longer has, but older deployments (a rollback) still do.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retired {
    /// Which package.
    pub package: Owned,
    /// The deployments in which it is ours; in any other it is somebody else's.
    pub deployments: BTreeSet<String>,
}

/// What one extension comes to on this host.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Share {
    /// The version to show for it: that of the first package its map names.
    pub version: Option<String>,
    /// The packages it needs layered, its own and shared ones.
    pub packages: BTreeSet<Nevra>,
    /// The packages it names that the base has already.
    pub in_base: BTreeSet<Nevra>,
}

/// What the last decision aimed at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Aim {
    /// [`crate::desired::Desired::generation`] of the wish it answered.
    pub generation: Sha256Digest,
    /// The payload it was resolved in; none when nothing was wanted.
    pub payload: Option<Sha256Digest>,
    /// The base it was proved on.
    pub base_checksum: String,
    /// Every package that has to be layered, whoever layered it.
    pub packages: BTreeSet<LocalPackage>,
    /// Base packages that have to be away (kernel swap).
    pub removals: BTreeSet<String>,
    /// The same by extension.
    pub extensions: BTreeMap<ExtensionName, Share>,
}

/// The record of what is ours. An empty one owns nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Ledger {
    /// What the agent layered, sorted.
    pub owned: BTreeSet<Owned>,
    /// What it has removed since, as long as an older deployment has it.
    pub retired: BTreeSet<Retired>,
    /// Base packages that the agent removed (kernel swap).
    pub removals: BTreeSet<String>,
    /// What the last decision aimed at, once the host was seen to have it.
    pub aim: Option<Aim>,
}

impl Ledger {
    /// Whether `package`, as it lies in `deployment`, was layered by the agent.
    pub fn owns(&self, package: &LocalPackage, deployment: &Deployment) -> bool {
        self.find(package, deployment).is_some()
    }

    /// The record of `package` as it lies in `deployment`, if the agent layered it.
    pub fn find(&self, package: &LocalPackage, deployment: &Deployment) -> Option<&Owned> {
        let same = |owned: &Owned| owned.nevra == package.nevra && Some(owned.head) == package.head;
        let retired = || {
            self.retired.iter().find_map(|retired| {
                (retired.deployments.contains(&deployment.id) && same(&retired.package))
                    .then_some(&retired.package)
            })
        };
        self.owned.iter().find(|owned| same(owned)).or_else(retired)
    }

    /// Whether `deployment` has exactly what the wish of `generation` needs, as decided before: nothing to resolve anew.
    ///
    /// A changed base asks for a new decision, because the proof was made on the old one.
    pub fn is_met(&self, generation: Sha256Digest, deployment: &Deployment) -> bool {
        let Some(aim) = &self.aim else { return false };
        let ours_beside = deployment
            .local_packages
            .iter()
            .any(|package| self.owns(package, deployment) && !aim.packages.contains(package));
        let mut removals_there = self.removals.intersection(&deployment.base_removals);
        aim.generation == generation
            && aim.base_checksum == deployment.base_checksum
            && aim.packages.is_subset(&deployment.local_packages)
            && aim.removals.is_subset(&deployment.base_removals)
            && removals_there.all(|name| aim.removals.contains(name))
            && !ours_beside
    }

    /// Whether anything of ours is on `deployment`.
    pub fn has_any_on(&self, deployment: &Deployment) -> bool {
        deployment.local_packages.iter().any(|package| self.owns(package, deployment))
            || self.removals.intersection(&deployment.base_removals).next().is_some()
    }

    /// The ledger after the booted deployment was seen to be what was aimed at: what it no longer has is kept only for
    /// the older deployments that still have it, and forgotten when the last of them is gone.
    ///
    /// Safe to repeat: a settled ledger settles to itself.
    #[must_use]
    pub fn settled(&self, observed: &Observed) -> Ledger {
        let Some(booted) = observed.booted() else { return self.clone() };
        let mut next = self.clone();
        let has = |deployment: &Deployment, owned: &Owned| {
            deployment
                .local_packages
                .iter()
                .any(|package| package.nevra == owned.nevra && package.head == Some(owned.head))
        };
        let leaving = |owned: &&Owned| owned.leaving && !has(booted, owned) && observed.staged().is_none();
        for owned in self.owned.iter().filter(leaving) {
            next.owned.remove(owned);
            let holders = observed.deployments.iter().filter(|deployment| has(deployment, owned));
            let deployments = holders.map(|deployment| deployment.id.clone()).collect();
            next.retired.insert(Retired { package: owned.clone(), deployments });
        }
        let there: BTreeSet<&String> = observed.deployments.iter().map(|deployment| &deployment.id).collect();
        next.retired = next
            .retired
            .into_iter()
            .map(|mut retired| {
                retired.deployments.retain(|id| there.contains(id));
                retired
            })
            .filter(|retired| !retired.deployments.is_empty())
            .collect();
        if observed.staged().is_none() {
            let wanted = self.aim.as_ref().map(|aim| aim.removals.clone()).unwrap_or_default();
            next.removals.retain(|name| wanted.contains(name) || booted.base_removals.contains(name));
        }
        next
    }
}
