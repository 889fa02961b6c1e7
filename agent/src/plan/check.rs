//! The invariants of a change, one function each, held against the inputs once more before anything is done.
//!
//! None of the code that made the change is used, so a mistake there is found here and not on the host.

use std::collections::{BTreeMap, BTreeSet};

use extensions_manifest::{Nevra, PackageName, closure};
use thiserror::Error;

use super::PlanInputs;
use super::change::Change;
use super::kernel;
use super::resolve::Question;
use crate::error::{Failure, Reason};
use crate::host::LocalPackage;

/// A change that passed every check. Only [`check`] can make one, and only one can be applied.
#[derive(Debug)]
pub struct CheckedPlan(Box<Change>);

impl CheckedPlan {
    /// The change.
    pub fn change(&self) -> &Change {
        &self.0
    }
}

/// A change that breaks an invariant. Always a mistake of ours.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("the plan breaks `{invariant}`: {problem}")]
pub struct Flawed {
    /// The name of the invariant.
    pub invariant: &'static str,
    /// How it is broken.
    pub problem: String,
}

impl Failure for Flawed {
    fn reason(&self) -> Reason {
        Reason::Internal
    }
}

type Invariant = fn(&Change, &PlanInputs<'_>) -> Result<(), String>;

/// Every invariant with its name.
const INVARIANTS: &[(&str, Invariant)] = &[
    ("the start is the deployment that a call starts from", starts_where_a_call_starts),
    ("installed and kept packages are the closure", installed_and_kept_are_the_closure),
    ("every install is a verified package of this payload", installs_are_of_this_payload),
    ("nothing is installed twice", nothing_is_installed_twice),
    ("nothing foreign is uninstalled", nothing_foreign_is_uninstalled),
    ("nothing foreign is lost", nothing_foreign_is_lost),
    ("nothing of ours stays without need", nothing_of_ours_stays_without_need),
    ("one version per name", one_version_per_name),
    ("the expectation is the start with the change made", expectation_follows),
    ("only our own removals are undone", only_our_removals_are_undone),
    ("kernel-devel stands beside the default kernel only", kernel_devel_fits),
    ("the proof holds", proof_holds),
];

/// Holds `change` against every invariant.
///
/// # Errors
/// The first invariant that it breaks.
pub fn check(change: Box<Change>, inputs: &PlanInputs<'_>) -> Result<CheckedPlan, Flawed> {
    for (invariant, holds) in INVARIANTS {
        holds(&change, inputs).map_err(|problem| Flawed { invariant, problem })?;
    }
    Ok(CheckedPlan(change))
}

fn ensure(holds: bool, problem: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(problem()) }
}

fn starts_where_a_call_starts(change: &Change, inputs: &PlanInputs<'_>) -> Result<(), String> {
    ensure(inputs.observed.pending_or_booted() == Some(&change.start), || format!("`{}`", change.start.id))
}

fn installed_and_kept_are_the_closure(change: &Change, _: &PlanInputs<'_>) -> Result<(), String> {
    let there: BTreeSet<&Nevra> = change.install.keys().chain(change.basis.keep.keys()).collect();
    let members = change.basis.resolution.iter().flat_map(|found| found.closure.members().keys());
    let wanted: BTreeSet<&Nevra> = members.collect();
    ensure(there == wanted, || format!("{there:?} is not {wanted:?}"))
}

fn installs_are_of_this_payload(change: &Change, inputs: &PlanInputs<'_>) -> Result<(), String> {
    let offered = |install: &super::Install| {
        inputs.payload.is_some_and(|payload| payload.packages.contains(&install.package))
    };
    match change
        .install
        .iter()
        .find(|(nevra, install)| !offered(install) || **nevra != install.package.get().facts.nevra)
    {
        Some((nevra, _)) => Err(format!("`{nevra}`")),
        None => Ok(()),
    }
}

fn nothing_is_installed_twice(change: &Change, _: &PlanInputs<'_>) -> Result<(), String> {
    let gone: BTreeSet<&Nevra> = change.uninstall.iter().map(|gone| &gone.nevra).collect();
    let there = |nevra: &Nevra| change.start.local_packages.iter().any(|package| package.nevra == *nevra);
    match change.install.keys().find(|nevra| there(nevra) && !gone.contains(nevra)) {
        Some(nevra) => Err(format!("`{nevra}` is layered already and stays")),
        None => Ok(()),
    }
}

fn nothing_foreign_is_uninstalled(change: &Change, inputs: &PlanInputs<'_>) -> Result<(), String> {
    let ours = |gone: &super::Uninstall| {
        let package = LocalPackage { nevra: gone.nevra.clone(), head: Some(gone.head) };
        change.start.local_packages.contains(&package) && inputs.ledger.owns(&package, &change.start)
    };
    match change.uninstall.iter().find(|gone| !ours(gone)) {
        Some(gone) => Err(format!("`{}`", gone.nevra)),
        None => Ok(()),
    }
}

fn nothing_foreign_is_lost(change: &Change, inputs: &PlanInputs<'_>) -> Result<(), String> {
    let foreign = |package: &&LocalPackage| !inputs.ledger.owns(package, &change.start);
    match change
        .start
        .local_packages
        .iter()
        .filter(foreign)
        .find(|package| !change.expected.packages.contains(package))
    {
        Some(package) => Err(format!("`{}`", package.nevra)),
        None => Ok(()),
    }
}

fn nothing_of_ours_stays_without_need(change: &Change, inputs: &PlanInputs<'_>) -> Result<(), String> {
    let resolution = change.basis.resolution.as_ref();
    let needed = |nevra: &Nevra| resolution.is_some_and(|found| found.packages.contains_key(nevra));
    let ours = |package: &&LocalPackage| inputs.ledger.owns(package, &change.start);
    match change.expected.packages.iter().filter(ours).find(|package| !needed(&package.nevra)) {
        Some(package) => Err(format!("`{}`", package.nevra)),
        None => Ok(()),
    }
}

fn one_version_per_name(change: &Change, _: &PlanInputs<'_>) -> Result<(), String> {
    let mut seen: BTreeMap<(&PackageName, &str), &Nevra> = BTreeMap::new();
    for package in &change.expected.packages {
        let nevra = &package.nevra;
        if let Some(other) = seen.insert((nevra.name(), nevra.arch()), nevra)
            && (change.install.contains_key(nevra) || change.install.contains_key(other))
        {
            return Err(format!("`{nevra}` beside `{other}`"));
        }
    }
    Ok(())
}

fn expectation_follows(change: &Change, _: &PlanInputs<'_>) -> Result<(), String> {
    let mut packages = change.start.local_packages.clone();
    for gone in &change.uninstall {
        packages.remove(&LocalPackage { nevra: gone.nevra.clone(), head: Some(gone.head) });
    }
    for (nevra, install) in &change.install {
        packages.insert(LocalPackage { nevra: nevra.clone(), head: Some(install.package.get().head) });
    }
    let mut removals = change.start.base_removals.clone();
    removals.retain(|name| !change.override_reset.contains(name));
    removals.extend(change.override_remove.iter().cloned());
    let expected = &change.expected;
    ensure(expected.packages == packages, || "its packages are others".to_owned())?;
    ensure(expected.removals == removals, || "its removals are others".to_owned())?;
    ensure(expected.base_checksum == change.start.base_checksum, || "its base is another".to_owned())
}

fn only_our_removals_are_undone(change: &Change, inputs: &PlanInputs<'_>) -> Result<(), String> {
    ensure(change.override_reset.is_subset(&inputs.ledger.removals), || {
        format!("{:?}", change.override_reset)
    })
}

fn kernel_devel_fits(_: &Change, inputs: &PlanInputs<'_>) -> Result<(), String> {
    ensure(kernel::devel_beside_another_kernel(inputs).is_none(), || "another is wanted".to_owned())
}

fn proof_holds(change: &Change, inputs: &PlanInputs<'_>) -> Result<(), String> {
    let Some(resolution) = &change.basis.resolution else {
        return ensure(!inputs.wants_anything(), || {
            "something is wanted and nothing was resolved".to_owned()
        });
    };
    let payload = inputs.payload.ok_or("there is no payload")?;
    let question = Question::new(inputs, payload).map_err(|objection| objection.message)?;
    ensure(question.removals == resolution.removals, || "other base packages make way".to_owned())?;
    closure::verify_proof(&resolution.closure, question.offer(), question.base())
        .map_err(|flaw| flaw.to_string())
}
