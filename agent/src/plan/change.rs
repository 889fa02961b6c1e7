//! Wanted minus layered: what to install, remove and replace, in one call.
//!
//! A call starts from the pending deployment where there is one, so that is what is compared. Only what the ledger says
//! is ours is ever uninstalled; a package of an admin that is the very file we want counts as there and stays theirs.

use std::collections::{BTreeMap, BTreeSet};

use extensions_manifest::{ExtensionName, Nevra, Sha256Digest};
use serde::{Deserialize, Serialize};

use super::PlanInputs;
use super::ledger::{Aim, Ledger, Owned, Staging};
use super::obstacle;
use super::refusal::Objection;
use super::resolve::Resolution;
use crate::error::Reason;
use crate::host::{Deployment, LocalPackage};
use crate::rpm::{Package, Verified};

/// A package to install.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Install {
    /// The package, verified.
    pub package: Verified<Package>,
    /// The package of ours that it replaces.
    pub replaces: Option<Nevra>,
}

/// A package of ours to uninstall.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Uninstall {
    /// Which package.
    pub nevra: Nevra,
    /// Its header digest.
    pub head: Sha256Digest,
    /// What takes its place.
    pub replaced_by: Option<Nevra>,
}

/// What the deployment must be once the change is made: exactly this, or it is not confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Expected {
    /// The commit of its base; layering does not move it.
    pub base_checksum: String,
    /// Every package that is layered from a file, ours and others'.
    pub packages: BTreeSet<LocalPackage>,
    /// Every base package that is removed, by us and by others.
    pub removals: BTreeSet<String>,
}

/// One change, in one transaction.
#[derive(Debug, Clone)]
pub struct Change {
    /// Packages to install, by NEVRA.
    pub install: BTreeMap<Nevra, Install>,
    /// Packages to uninstall.
    pub uninstall: Vec<Uninstall>,
    /// Base packages to remove.
    pub override_remove: BTreeSet<String>,
    /// Base packages to bring back.
    pub override_reset: BTreeSet<String>,
    /// The deployment that it starts from.
    pub start: Deployment,
    /// What must come of it.
    pub expected: Expected,
    /// What is behind it.
    pub basis: Basis,
}

/// What a decision rests on, whether it is a change or nothing.
#[derive(Debug, Clone)]
pub struct Basis {
    /// What is wanted, resolved; none when nothing is.
    pub resolution: Option<Resolution>,
    /// Wanted packages that are layered already, and whether they are ours.
    pub keep: BTreeMap<Nevra, bool>,
    /// The ledger once the host has what was decided.
    pub ledger: Ledger,
}

impl Expected {
    /// Whether `deployment` is exactly that.
    pub fn is(&self, deployment: &Deployment) -> bool {
        deployment.base_checksum == self.base_checksum
            && deployment.local_packages == self.packages
            && deployment.base_removals == self.removals
    }
}

impl Change {
    /// Whether there is anything to do at all.
    pub(super) fn is_empty(&self) -> bool {
        self.install.is_empty()
            && self.uninstall.is_empty()
            && self.override_remove.is_empty()
            && self.override_reset.is_empty()
    }
}

/// What is on the start, seen from what is wanted.
#[derive(Default)]
struct Comparison {
    install: BTreeMap<Nevra, Install>,
    keep: BTreeMap<Nevra, bool>,
    uninstall: BTreeMap<LocalPackage, Uninstall>,
    objections: Vec<Objection>,
}

/// Compares what is wanted with what the call would start from.
pub(super) fn change(
    inputs: &PlanInputs<'_>,
    start: &Deployment,
    resolution: Option<Resolution>,
) -> Result<Change, Vec<Objection>> {
    let mut found = Comparison::default();
    let none = BTreeMap::new();
    let wanted = resolution.as_ref().map_or(&none, |resolution| &resolution.packages);
    for package in wanted.values() {
        compare(&mut found, inputs, start, &Wanted::new(package, resolution.as_ref()));
    }
    if let Some(doubtful) = inputs.ledger.in_doubt(start).filter(|doubtful| !wanted.contains_key(doubtful)) {
        found.objections.push(undecided(start, doubtful));
    }
    for layered in &start.local_packages {
        let (Some(head), true) = (layered.head, inputs.ledger.owns(layered, start)) else { continue };
        if !found.keep.contains_key(&layered.nevra) {
            let gone = Uninstall { nevra: layered.nevra.clone(), head, replaced_by: None };
            found.uninstall.entry(layered.clone()).or_insert(gone);
        }
    }
    if !found.objections.is_empty() {
        return Err(found.objections);
    }
    let removals = resolution.as_ref().map(|found| found.removals.clone()).unwrap_or_default();
    let override_remove: BTreeSet<String> = removals.difference(&start.base_removals).cloned().collect();
    let made = inputs.ledger.removals.intersection(&start.base_removals);
    let override_reset: BTreeSet<String> = made.filter(|name| !removals.contains(*name)).cloned().collect();
    let expected = Expected {
        base_checksum: start.base_checksum.clone(),
        packages: packages_after(start, &found),
        removals: start.base_removals.difference(&override_reset).chain(&override_remove).cloned().collect(),
    };
    let mut ledger = next_ledger(inputs, &found, resolution.as_ref(), start);
    ledger.removals.extend(override_remove.iter().cloned());
    let payload = resolution.as_ref().map(|found| found.payload);
    let mut change = Change {
        install: found.install,
        uninstall: found.uninstall.into_values().collect(),
        override_remove,
        override_reset,
        start: start.clone(),
        expected,
        basis: Basis { resolution, keep: found.keep, ledger },
    };
    if !change.is_empty() {
        change.basis.ledger.staging = Some(staging(inputs, start, payload));
    }
    Ok(change)
}

/// The record of staging this change, counted on from the last time where it is the same once more.
fn staging(inputs: &PlanInputs<'_>, start: &Deployment, payload: Option<Sha256Digest>) -> Staging {
    let mut staging = Staging {
        generation: inputs.desired.generation(),
        payload,
        base_checksum: start.base_checksum.clone(),
        before: inputs.observed.deployments.iter().map(|deployment| deployment.id.clone()).collect(),
        times: 1,
        locked_in: None,
    };
    if let Some(last) = inputs.ledger.staging.as_ref().filter(|last| last.repeats(&staging)) {
        staging.times = last.times.saturating_add(1);
    }
    staging
}

/// One wanted package, and who wants it.
struct Wanted<'a> {
    nevra: &'a Nevra,
    package: &'a Verified<Package>,
    extensions: BTreeSet<ExtensionName>,
}

impl<'a> Wanted<'a> {
    fn new(package: &'a Verified<Package>, resolution: Option<&Resolution>) -> Self {
        let nevra = &package.get().facts.nevra;
        let member = resolution.and_then(|found| found.closure.members().get(nevra));
        Self {
            nevra,
            package,
            extensions: member.map(|member| member.extensions.clone()).unwrap_or_default(),
        }
    }

    fn objection(&self, inputs: &PlanInputs<'_>, reason: Reason, message: String, cure: String) -> Objection {
        Objection {
            reason,
            message,
            cure: Some(cure),
            requested_by: inputs.requested_by(&self.extensions),
            extensions: self.extensions.clone(),
        }
    }
}

/// Holds one wanted package against the start.
fn compare(found: &mut Comparison, inputs: &PlanInputs<'_>, start: &Deployment, wanted: &Wanted<'_>) {
    let nevra = wanted.nevra;
    let mut replaces = None;
    let mut blocked = Vec::new();
    for layered in start.local_packages.iter().filter(|layered| same_slot(&layered.nevra, nevra)) {
        let ours = inputs.ledger.owns(layered, start);
        match layered.head {
            Some(there) if layered.nevra == *nevra && there == wanted.package.get().head => {
                found.keep.insert(nevra.clone(), ours);
                return;
            }
            Some(head) if ours => {
                replaces = Some(layered.nevra.clone());
                let replaced_by = Some(nevra.clone());
                let gone = Uninstall { nevra: layered.nevra.clone(), head, replaced_by };
                found.uninstall.insert(layered.clone(), gone);
            }
            Some(_) => blocked.push(foreign(inputs, wanted, &layered.nevra)),
            None => blocked.push(unreadable(inputs, start, wanted)),
        }
    }
    if start.requested_packages.contains(nevra.name().as_str()) {
        blocked.push(from_a_repository(inputs, wanted));
    }
    found.objections.append(&mut blocked);
    found.install.insert(nevra.clone(), Install { package: wanted.package.clone(), replaces });
}

/// Whether the two cannot be layered side by side: one name, and architectures that meet.
fn same_slot(left: &Nevra, right: &Nevra) -> bool {
    let meets = left.arch() == right.arch() || left.arch() == "noarch" || right.arch() == "noarch";
    left.name() == right.name() && meets
}

fn packages_after(start: &Deployment, found: &Comparison) -> BTreeSet<LocalPackage> {
    let installed = found.install.values().map(|install| {
        let package = install.package.get();
        LocalPackage { nevra: package.facts.nevra.clone(), head: Some(package.head) }
    });
    let stays = start.local_packages.iter().filter(|package| !found.uninstall.contains_key(package));
    stays.cloned().chain(installed).collect()
}

/// The ledger once the host has what is wanted. What is on its way out stays ours until that has been booted, because
/// a staged deployment can be lost and the old one, with our packages in it, be back.
fn next_ledger(
    inputs: &PlanInputs<'_>,
    found: &Comparison,
    resolution: Option<&Resolution>,
    start: &Deployment,
) -> Ledger {
    let mut ledger = inputs.ledger.clone();
    let leaving = std::mem::take(&mut ledger.owned).into_iter().chain(
        // What is ours on the start by an older record (a rollback was booted) is ours by the current one from here on.
        start.local_packages.iter().filter_map(|package| inputs.ledger.find(package, start)).cloned(),
    );
    let mut owned: BTreeMap<(Nevra, Sha256Digest), Owned> =
        leaving.map(|owned| ((owned.nevra.clone(), owned.head), Owned { leaving: true, ..owned })).collect();
    let Some(resolution) = resolution else {
        ledger.owned = owned.into_values().collect();
        ledger.aim = None;
        return ledger;
    };
    let mut packages = BTreeSet::new();
    for (nevra, package) in &resolution.packages {
        let package = package.get();
        packages.insert(LocalPackage { nevra: nevra.clone(), head: Some(package.head) });
        let member = resolution.closure.members().get(nevra);
        let extensions = member.map(|member| member.extensions.clone()).unwrap_or_default();
        if found.keep.get(nevra) != Some(&false) {
            let ours = Owned {
                nevra: nevra.clone(),
                head: package.head,
                file: package.file,
                payload: resolution.payload,
                extensions,
                leaving: false,
            };
            owned.insert((nevra.clone(), package.head), ours);
        }
    }
    ledger.owned = owned.into_values().collect();
    ledger.aim = Some(Aim {
        generation: inputs.desired.generation(),
        payload: Some(resolution.payload),
        base_checksum: start.base_checksum.clone(),
        ran_on: inputs
            .observed
            .booted()
            .filter(|booted| inputs.ledger.is_had(inputs.desired.generation(), booted))
            .map(|booted| booted.base_checksum.clone()),
        packages,
        removals: resolution.removals.clone(),
        extensions: resolution.shares.clone(),
    });
    ledger
}

fn foreign(inputs: &PlanInputs<'_>, wanted: &Wanted<'_>, there: &Nevra) -> Objection {
    let nevra = wanted.nevra;
    let who = obstacle::names(&wanted.extensions);
    let cure =
        format!("run `rpm-ostree uninstall {there}`, or use a payload with the very file that is layered");
    let (reason, message) = if nevra == there {
        let text =
            format!("{who} needs `{nevra}`, which is layered with other content, and not by the agent");
        (Reason::LayeredContentDiffers, text)
    } else {
        let text = format!("{who} needs `{nevra}`, and `{there}` is layered, but not by the agent");
        (Reason::VersionConflict, text)
    };
    wanted.objection(inputs, reason, message, cure)
}

fn from_a_repository(inputs: &PlanInputs<'_>, wanted: &Wanted<'_>) -> Objection {
    let (nevra, name) = (wanted.nevra, wanted.nevra.name());
    let who = obstacle::names(&wanted.extensions);
    let message =
        format!("{who} needs `{nevra}`, and `{name}` is layered from a repository, not by the agent");
    let cure = format!("run `rpm-ostree uninstall {name}`");
    wanted.objection(inputs, Reason::VersionConflict, message, cure)
}

/// A package that would have to go if it is ours, and stay if it is not.
fn undecided(start: &Deployment, doubtful: &Nevra) -> Objection {
    let (name, id) = (doubtful.name(), &start.id);
    Objection {
        reason: Reason::BaseUnreadable,
        message: format!(
            "whether the layered `{name}` is the agent's cannot be told: the origin of `{id}` is unread"
        ),
        cure: Some(READ_ORIGINS.to_owned()),
        extensions: BTreeSet::new(),
        requested_by: BTreeSet::new(),
    }
}

const READ_ORIGINS: &str = "let the agent read the origin files below `/ostree/deploy`";

fn unreadable(inputs: &PlanInputs<'_>, start: &Deployment, wanted: &Wanted<'_>) -> Objection {
    let (name, id) = (wanted.nevra.name(), &start.id);
    let message =
        format!("which file the layered `{name}` is cannot be told: the origin of `{id}` is unread");
    wanted.objection(inputs, Reason::BaseUnreadable, message, READ_ORIGINS.to_owned())
}
