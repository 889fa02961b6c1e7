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
    /// The base of the deployment that ran what is wanted while it was decided anew for another one.
    #[serde(default)]
    pub ran_on: Option<String>,
    /// Every package that has to be layered, whoever layered it.
    pub packages: BTreeSet<LocalPackage>,
    /// Base packages that have to be away (kernel swap).
    pub removals: BTreeSet<String>,
    /// The same by extension.
    pub extensions: BTreeMap<ExtensionName, Share>,
}

/// The last change that was staged: what tells a lost one, and a host that somebody took back to before it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Staging {
    /// The wish it answered.
    pub generation: Sha256Digest,
    /// The payload it came from; none when nothing was wanted.
    pub payload: Option<Sha256Digest>,
    /// The base it was made on.
    pub base_checksum: String,
    /// The deployments that were there before it.
    pub before: BTreeSet<String>,
    /// How often it was staged since something that came of it was booted, or since a person asked for it.
    pub times: u32,
    /// The boot in which it was staged with its finalization locked; none once that was asked for, or when it never was
    /// locked. A reboot that comes before the roll-out loses it, which is no fight.
    #[serde(default)]
    pub locked_in: Option<String>,
}

impl Aim {
    /// Whether a name that a base meets is met by this one.
    pub fn is_proved_on(&self, base_checksum: &str) -> bool {
        self.base_checksum == base_checksum || self.ran_on.as_deref() == Some(base_checksum)
    }
}

impl Staging {
    /// Whether `other` is the same change once more.
    pub fn repeats(&self, other: &Staging) -> bool {
        (self.generation, self.payload, &self.base_checksum)
            == (other.generation, other.payload, &other.base_checksum)
    }
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
    /// The last change that was staged.
    #[serde(default)]
    pub staging: Option<Staging>,
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
        let same_base = |aim: &Aim| aim.base_checksum == deployment.base_checksum;
        self.aim.as_ref().is_some_and(same_base) && self.is_carried(generation, deployment)
    }

    /// Whether `deployment` has everything that the wish of `generation` comes to, on whatever base: as good as met for
    /// what runs already, for its base was proved when it was layered. A name that is met by a base counts on that base only.
    pub fn is_had(&self, generation: Sha256Digest, deployment: &Deployment) -> bool {
        let proved = |aim: &Aim| {
            aim.is_proved_on(&deployment.base_checksum)
                || aim.extensions.values().all(|share| share.in_base.is_empty())
        };
        self.aim.as_ref().is_some_and(proved) && self.is_carried(generation, deployment)
    }

    /// Whether `deployment` has every package that the wish of `generation` has layered, and nothing of ours beside.
    fn is_carried(&self, generation: Sha256Digest, deployment: &Deployment) -> bool {
        let Some(aim) = &self.aim else { return false };
        let ours_beside = deployment
            .local_packages
            .iter()
            .any(|package| self.owns(package, deployment) && !aim.packages.contains(package));
        let mut removals_there = self.removals.intersection(&deployment.base_removals);
        aim.generation == generation
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

    /// The deployment that somebody went back to, past what was staged for the wish of `generation`: it is older than
    /// that, is what the next boot takes, lacks what is wanted, and a newer one that has it is still there.
    pub fn gone_back<'a>(
        &self,
        generation: Sha256Digest,
        observed: &'a Observed,
    ) -> Option<(&'a Deployment, &'a Deployment)> {
        let staging = self.staging.as_ref().filter(|staging| staging.generation == generation)?;
        let next = observed.pending_or_booted()?;
        let has = |deployment: &Deployment| match &self.aim {
            Some(_) => self.is_carried(generation, deployment),
            None => !self.has_any_on(deployment),
        };
        let newer = |deployment: &&Deployment| !staging.before.contains(&deployment.id) && has(deployment);
        let newer = observed.deployments.iter().find(newer)?;
        (staging.before.contains(&next.id) && !has(next)).then_some((next, newer))
    }

    /// The package of ours that `deployment` may or may not have: its name and version are there, which file it is cannot
    /// be told.
    pub fn in_doubt<'a>(&self, deployment: &'a Deployment) -> Option<&'a Nevra> {
        let unknown = deployment.local_packages.iter().filter(|package| package.head.is_none());
        let retired = self.retired.iter().filter(|retired| retired.deployments.contains(&deployment.id));
        let ours: BTreeSet<&Nevra> = self
            .owned
            .iter()
            .chain(retired.map(|retired| &retired.package))
            .map(|owned| &owned.nevra)
            .collect();
        unknown.map(|package| &package.nevra).find(|nevra| ours.contains(nevra))
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
                // One that cannot be told from ours may be ours, and nothing is forgotten on a doubt.
                .any(|package| {
                    package.nevra == owned.nevra && package.head.is_none_or(|head| head == owned.head)
                })
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
        if let Some(staging) = &mut next.staging
            && !staging.before.contains(&booted.id)
        {
            staging.times = 0;
        }
        next
    }
}
