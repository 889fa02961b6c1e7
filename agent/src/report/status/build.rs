//! The report of a pass → [`Status`]. Pure.

use extensions_manifest::{ExtensionName, Sha256Digest};

use super::{
    Condition, ConditionKind, DeploymentStatus, ExtensionProblem, ExtensionStatus, LastPass, PayloadStatus,
    Stage, Status, Truth,
};
use crate::apply::{ExtensionState, PassOutcome, PassReport, Problem};
use crate::desired::Desired;
use crate::host::{Deployment, Observed};
use crate::payload::{Identifier, Reference};
use crate::plan::{API_VERSION, Objection};

impl Status {
    /// What `report` says of the node.
    pub fn of(report: &PassReport) -> Self {
        let observed = report.observed.as_ref();
        let next = observed.and_then(|observed| observed.pending_or_booted().filter(|next| !next.booted));
        Self {
            api_version: API_VERSION.to_owned(),
            kind: "Status".to_owned(),
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            as_of: report.at,
            conditions: conditions(report),
            wish: report.desired.as_ref().map(Desired::generation),
            kernel_type: report.desired.as_ref().map(|desired| desired.kernel_type),
            arch: observed.map(|observed| observed.arch.clone()),
            extensions: report
                .extensions
                .iter()
                .map(|(name, state)| (name.clone(), extension(name, state, report)))
                .collect(),
            reboot_pending: report.reboot_pending,
            payload: payload(report),
            booted: observed.and_then(Observed::booted).map(deployment),
            next: next.map(deployment),
            transaction: observed.and_then(|observed| observed.transaction.clone()),
            source_problem: report.source_problem.clone(),
            last_pass: LastPass {
                outcome: report.outcome.clone(),
                calls: report.calls,
                timings: report.timings,
            },
        }
    }
}

fn conditions(report: &PassReport) -> Vec<Condition> {
    let known = report.desired.is_some() && report.observed.is_some();
    let (reason, message) = match &report.outcome {
        PassOutcome::NothingWanted => {
            ("NothingWanted", "no extension is wanted and none is layered".to_owned())
        }
        PassOutcome::Booted { .. } => ("Booted", "the running system has what is wanted".to_owned()),
        PassOutcome::AwaitingReboot { .. } | PassOutcome::Staged { .. } => {
            ("RebootPending", "reboot to finish: the next boot has what is wanted".to_owned())
        }
        PassOutcome::Planned => (
            "OnlyLooked",
            "the service, or `extensions-agent apply`, has yet to stage what is wanted".to_owned(),
        ),
        PassOutcome::Observed { owner } => {
            ("Observed", format!("only observed, because {}; {}", owner.because(), owner.cure()))
        }
        PassOutcome::NotDone { problem } => (problem.reason.code(), problem.message.clone()),
    };
    let as_wanted = |fact: fn(&ExtensionState) -> bool| {
        let all = report.extensions.values().all(|state| fact(state) == state.desired);
        if all { Truth::True } else { Truth::False }
    };
    let (ready, staged) = match &report.outcome {
        PassOutcome::NothingWanted | PassOutcome::Booted { .. } => (Truth::True, Truth::True),
        PassOutcome::AwaitingReboot { .. } | PassOutcome::Staged { .. } => (Truth::False, Truth::True),
        PassOutcome::Observed { .. } if known => {
            (as_wanted(|state| state.booted), as_wanted(|state| state.staged))
        }
        PassOutcome::Observed { .. } => (Truth::Unknown, Truth::Unknown),
        PassOutcome::Planned | PassOutcome::NotDone { .. } if !known => (Truth::Unknown, Truth::Unknown),
        PassOutcome::Planned | PassOutcome::NotDone { .. } => (Truth::False, Truth::False),
    };
    let condition =
        |kind, status| Condition { kind, status, reason: reason.to_owned(), message: message.clone() };
    vec![condition(ConditionKind::Ready, ready), condition(ConditionKind::Staged, staged)]
}

fn extension(name: &ExtensionName, state: &ExtensionState, report: &PassReport) -> ExtensionStatus {
    let there = state.desired == state.staged;
    let problems = if there { Vec::new() } else { problems(name, report) };
    ExtensionStatus {
        stage: Stage::of(state, !problems.is_empty()),
        desired: state.desired,
        staged: state.staged,
        booted: state.booted,
        version: state.version.clone(),
        requested_by: state.requested_by.clone(),
        packages: state.packages.clone(),
        in_base: state.in_base.clone(),
        problems,
    }
}

/// What the plan objects to in this extension; else what stopped the whole pass.
fn problems(name: &ExtensionName, report: &PassReport) -> Vec<ExtensionProblem> {
    let objections = report.plan.iter().flat_map(|plan| &plan.refusals);
    let own: Vec<ExtensionProblem> = objections
        .filter(|objection| objection.extensions.contains(name))
        .map(ExtensionProblem::from)
        .collect();
    if own.is_empty() { report.problem().map(ExtensionProblem::from).into_iter().collect() } else { own }
}

impl From<&Objection> for ExtensionProblem {
    fn from(objection: &Objection) -> Self {
        let Objection { reason, message, cure, .. } = objection.clone();
        Self { reason, message, cure }
    }
}

impl From<&Problem> for ExtensionProblem {
    fn from(problem: &Problem) -> Self {
        let Problem { reason, message, cure, .. } = problem.clone();
        Self { reason, message, cure }
    }
}

impl Stage {
    fn of(state: &ExtensionState, blocked: bool) -> Self {
        match (state.desired, state.staged, state.booted) {
            (true, true, true) => Stage::Active,
            (true, true, false) => Stage::AfterReboot,
            (true, false, true) => Stage::LostAtReboot,
            (true, false, false) if blocked => Stage::Blocked,
            (true, false, false) => Stage::Pending,
            (false, true, _) => Stage::Leftover,
            (false, false, true) => Stage::RemovedAtReboot,
            (false, false, false) => Stage::Gone,
        }
    }
}

fn payload(report: &PassReport) -> Option<PayloadStatus> {
    let desired = report.desired.as_ref();
    let requested_by = desired.and_then(|desired| desired.payload_from.clone());
    let looked_at = report.payload.as_ref().map(|payload| PayloadStatus {
        reference: payload.reference.clone(),
        digest: Some(payload.digest),
        version: payload.version.clone(),
        requested_by: requested_by.clone(),
    });
    let named = || {
        let text = desired?.payload.clone()?;
        let (reference, digest) = spelled(text);
        Some(PayloadStatus { reference, digest, version: None, requested_by: requested_by.clone() })
    };
    looked_at.or_else(named)
}

/// The name of a payload that was not looked at, spelled as one that was; the digest where it names one.
fn spelled(text: String) -> (String, Option<Sha256Digest>) {
    let Ok(reference) = text.parse::<Reference>() else { return (text, None) };
    let digest = match &reference {
        Reference::Registry { identifier: Identifier::Digest(digest), .. } => Some(*digest),
        Reference::Registry { identifier: Identifier::Tag(_), .. }
        | Reference::OciLayout { .. }
        | Reference::Directory { .. } => None,
    };
    (reference.to_string(), digest)
}

fn deployment(deployment: &Deployment) -> DeploymentStatus {
    DeploymentStatus {
        id: deployment.id.clone(),
        base_checksum: deployment.base_checksum.clone(),
        version: deployment.version.clone(),
        layered: deployment.local_packages.iter().map(|package| package.nevra.clone()).collect(),
    }
}
