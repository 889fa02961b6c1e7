//! 3 · *decide*: what to do, if anything.
//!
//! Decides: the one change that takes the host from what is layered to what is wanted, or why there is none. Must not:
//! read a file, a clock or a bus; everything it needs is an argument. Input: the wish, the payload, what the host says,
//! its base and the ledger of what is ours.

mod change;
mod check;
mod describe;
mod document;
mod explain;
mod forecast;
mod kernel;
mod ledger;
mod obstacle;
mod refusal;
mod resolve;
mod skew;
#[cfg(test)]
pub(crate) mod tests;

use std::collections::{BTreeMap, BTreeSet};

use extensions_manifest::{Base, ExtensionName};

use crate::desired::Desired;
use crate::error::Reason;
use crate::host::{Deployment, Observed};
use crate::payload::Payload;
use crate::settings;

pub use change::{Basis, Change, Expected, Install, Uninstall};
pub use check::{CheckedPlan, Flawed, check};
pub use describe::document;
pub use document::{
    API_VERSION, Decision, InstallLine, KeepLine, PayloadLine, PlanDocument, StartLine, UninstallLine,
};
pub use explain::explain;
pub use forecast::{
    ExtensionForecast, Forecast, ForecastGroup, ForecastNode, Next, NodeLine, Outcome, forecast,
};
pub use kernel::core as kernel_core;
pub use ledger::{Aim, Ledger, Owned, Retired, Share, Staging};
pub use refusal::{Objection, Refusal};
pub use resolve::Resolution;
pub use skew::{BaseBuild, Skew, SkewInputs, skew};

/// Everything that a decision depends on.
#[derive(Debug, Clone, Copy)]
pub struct PlanInputs<'a> {
    /// What is wanted.
    pub desired: &'a Desired,
    /// What is offered. Not needed where nothing is wanted, so that removal works without a registry.
    pub payload: Option<&'a Payload>,
    /// What the host says.
    pub observed: &'a Observed,
    /// The base of the deployment that a call would start from ([`Observed::pending_or_booted`]).
    pub base: &'a Base,
    /// What is ours.
    pub ledger: &'a Ledger,
    /// What judging skew takes.
    pub skew: SkewInputs<'a>,
}

/// What to do: at most one change.
#[derive(Debug, Clone)]
pub enum Plan {
    /// The host has what is wanted; only the ledger may have to learn of it.
    Nothing(Box<Basis>),
    /// One transaction gets it there.
    Change(Box<Change>),
    /// It cannot be had as things are.
    Refuse(Refusal),
}

impl PlanInputs<'_> {
    /// Whether there is anything to resolve.
    pub fn wants_anything(&self) -> bool {
        wants_anything(self.desired)
    }

    /// The MachineConfigs that asked for these extensions, or for the kernel that counts as one.
    fn requested_by(&self, extensions: &BTreeSet<ExtensionName>) -> BTreeSet<String> {
        let kernel = kernel::name(self.desired.kernel_type);
        let for_kernel = extensions.iter().any(|extension| Some(extension.as_str()) == kernel);
        let asked =
            extensions.iter().filter_map(|extension| self.desired.extensions.get(extension)).flatten();
        asked.chain(self.desired.kernel_type_from.iter().filter(|_| for_kernel)).cloned().collect()
    }
}

/// Whether anything is wanted that needs a payload.
pub fn wants_anything(desired: &Desired) -> bool {
    !desired.extensions.is_empty() || kernel::name(desired.kernel_type).is_some()
}

/// The wanted extensions with the MachineConfigs that asked for each; a kernel that is not the base's own counts as one.
pub fn wanted(desired: &Desired) -> BTreeMap<ExtensionName, BTreeSet<String>> {
    let kernel = kernel::name(desired.kernel_type).and_then(|name| name.parse().ok());
    let kernel = kernel.map(|name| (name, desired.kernel_type_from.iter().cloned().collect()));
    desired.extensions.clone().into_iter().chain(kernel).collect()
}

/// Decides what to do. Equal inputs give equal plans.
pub fn plan(inputs: &PlanInputs<'_>) -> Plan {
    match decide(inputs) {
        Ok(change) if change.is_empty() => Plan::Nothing(Box::new(change.basis)),
        Ok(change) => Plan::Change(Box::new(change)),
        Err(objections) => match Refusal::of(objections) {
            Some(refusal) => Plan::Refuse(refusal),
            // A resolver that refuses without saying why is ours to mend.
            None => Plan::Refuse(Refusal::from(objection(Reason::Internal, "no plan and no reason for it"))),
        },
    }
}

fn decide(inputs: &PlanInputs<'_>) -> Result<Change, Vec<Objection>> {
    let start = start(inputs.observed).map_err(|objection| vec![objection])?;
    let skew = refused_skew(inputs, start);
    let resolution = match (resolve::resolve(inputs), skew) {
        (Ok(resolution), None) => resolution,
        (Ok(_), Some(skew)) => return Err(vec![skew]),
        (Err(mut objections), skew) => {
            objections.extend(skew);
            return Err(objections);
        }
    };
    change::change(inputs, start, resolution)
}

/// The skew that the settings do not allow.
fn refused_skew(inputs: &PlanInputs<'_>, start: &Deployment) -> Option<Objection> {
    match inputs.skew.policy {
        settings::Skew::Refuse => skew::of(inputs, start).map(|found| skew::objection(inputs, &found)),
        settings::Skew::Allow => None,
    }
}

/// What should be looked at although it stands in nobody's way.
fn warnings(inputs: &PlanInputs<'_>) -> Vec<Objection> {
    let Ok(start) = start(inputs.observed) else { return Vec::new() };
    match inputs.skew.policy {
        settings::Skew::Refuse => Vec::new(),
        settings::Skew::Allow => {
            skew::of(inputs, start).map(|found| skew::objection(inputs, &found)).into_iter().collect()
        }
    }
}

/// The deployment that a call starts from: the pending one, on which calls accumulate, else the booted one.
fn start(observed: &Observed) -> Result<&Deployment, Objection> {
    let Some((start, booted)) = observed.pending_or_booted().zip(observed.booted()) else {
        return Err(objection(
            Reason::NotAnOstreeHost,
            "the host is not booted from a deployment, so there is nothing to layer on",
        ));
    };
    if start.osname == booted.osname {
        Ok(start)
    } else {
        let text = format!(
            "the next boot takes `{}` of another stateroot than the booted `{}`, and nothing is layered on it",
            start.id, booted.id
        );
        Err(objection(Reason::ForeignDeployment, &text))
    }
}

fn objection(reason: Reason, message: &str) -> Objection {
    Objection {
        reason,
        message: message.to_owned(),
        cure: reason.cure().map(str::to_owned),
        extensions: BTreeSet::new(),
        requested_by: BTreeSet::new(),
    }
}
