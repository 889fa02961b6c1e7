//! `status`: where each extension stands, why not, and what cures it; also when the daemon is down.

use std::collections::BTreeMap;
use std::time::Duration;

use extensions_manifest::{Base, ExtensionName};
use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::context::Context;
use super::render::{Answer, Screen, list, span};
use super::stop::Stop;
use super::wishing::Around;
use crate::apply::{
    ExtensionState, PassOutcome, PassReport, Problem, State, Timings, extension_states, layered_by_name,
    with_by_name,
};
use crate::error::Reason;
use crate::host::{Deployment, Host, HostError, Observed};
use crate::report::status::LastPass;
use crate::report::{Condition, ConditionKind, DeploymentStatus, ExtensionStatus, Stage, Status, Truth};

/// Exit code of `--pending-exit-77` when a reboot is pending, as rpm-ostree has it.
const PENDING: u8 = 77;
/// How long a look at the host may take before the kept status has to do.
const LOOK: Duration = Duration::from_secs(5);

/// A status, and when it is shown.
#[derive(Debug)]
pub(super) struct StatusAnswer {
    status: Status,
    now: Timestamp,
    /// Whether it comes from a look at the host and not from a pass.
    looked: bool,
    pending_exit: bool,
}

/// What the daemon, or the last `apply`, found. Where host or wish have moved since, or no pass was made yet, what they
/// say now; where the host cannot be asked, the old word with its age.
///
/// # Errors
/// When there is no status and the host cannot be asked.
pub(super) async fn status(context: &Context, pending_exit: bool) -> Result<StatusAnswer, Stop> {
    let kept = Status::read(&context.settings().state.directory)?;
    let slow = |_| Err(HostError::TimedOut { operation: "looking at the host", limit: LOOK }.into());
    let seen = tokio::time::timeout(LOOK, look(context)).await.unwrap_or_else(slow);
    let (status, looked) = match (kept, seen) {
        (Some(kept), Ok(seen)) if !has_moved(&kept, &seen) => (kept, false),
        (_, Ok(seen)) => (seen, true),
        (Some(kept), Err(_)) => (kept, false),
        (None, Err(stop)) => return Err(stop),
    };
    Ok(StatusAnswer { status, now: context.now, looked, pending_exit })
}

/// Whether deployments or wish are others than in the last pass, as after a reboot. A pass that could not see the host
/// has more to tell than a look.
fn has_moved(kept: &Status, seen: &Status) -> bool {
    let wish = |status: &Status| {
        let wanted = status.extensions.iter().filter(|(_, extension)| extension.desired);
        wanted
            .map(|(name, extension)| (name.clone(), extension.requested_by.clone()))
            .collect::<BTreeMap<_, _>>()
    };
    let host_moved = kept.booted != seen.booted || kept.next != seen.next;
    kept.booted.is_some() && (host_moved || wish(kept) != wish(seen))
}

/// The host and the wish, side by side, without a plan: no payload is fetched for a look.
async fn look(context: &Context) -> Result<Status, Stop> {
    let desired = context.desired()?;
    let observed = context.host().await?.observe().await?;
    let ledger = State::new(&context.settings().state.directory).ledger()?;
    let mut extensions = extension_states(Some(&desired), &ledger, Some(&observed));
    let owner = Around::the_host(context.settings()).owner();
    let outcome = match owner {
        Some(owner) => {
            let by_name = layered_by_name(None, Some(&desired), &observed, &Base::default());
            extensions = with_by_name(extensions, by_name);
            PassOutcome::Observed { owner }
        }
        None => standing(&extensions, &observed),
    };
    let reboot_pending = match &outcome {
        PassOutcome::AwaitingReboot { .. } => true,
        PassOutcome::NothingWanted
        | PassOutcome::Booted { .. }
        | PassOutcome::Staged { .. }
        | PassOutcome::Planned
        | PassOutcome::Observed { .. }
        | PassOutcome::NotDone { .. } => false,
    };
    Ok(Status::of(&PassReport {
        at: context.now,
        outcome,
        owner,
        source_problem: None,
        calls: 0,
        extensions,
        reboot_pending,
        desired: Some(desired),
        payload: None,
        plan: None,
        observed: Some(observed),
        timings: Timings::default(),
    }))
}

/// How the host stands to the wish, as far as a look can tell.
fn standing(extensions: &BTreeMap<ExtensionName, ExtensionState>, observed: &Observed) -> PassOutcome {
    let as_wanted =
        |fact: fn(&ExtensionState) -> bool| extensions.values().all(|state| fact(state) == state.desired);
    let id = |deployment: Option<&Deployment>| deployment.map(|found| found.id.clone()).unwrap_or_default();
    match (as_wanted(|state| state.booted), as_wanted(|state| state.staged)) {
        (true, true) if extensions.values().any(|state| state.desired) => {
            PassOutcome::Booted { deployment: id(observed.booted()) }
        }
        (true, true) => PassOutcome::NothingWanted,
        (false, true) => PassOutcome::AwaitingReboot { deployment: id(observed.pending_or_booted()) },
        (_, false) => PassOutcome::Planned,
    }
}

impl Serialize for StatusAnswer {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.status.serialize(out)
    }
}

impl Answer for StatusAnswer {
    fn text(&self, screen: Screen) -> String {
        let mut text = self.head();
        if !self.status.extensions.is_empty() {
            text += "\n";
            text += &screen
                .table(["EXTENSION", "STAGE", "VERSION", "ASKED FOR BY", "LAYERED PACKAGES"], self.rows());
        }
        text += &self.problems();
        text += "\n";
        text += &self.foot();
        text
    }

    fn exit_code(&self) -> u8 {
        if self.pending_exit && self.status.reboot_pending { PENDING } else { 0 }
    }
}

impl StatusAnswer {
    /// A status that is shown at `now`.
    pub(super) fn new(status: Status, now: Timestamp) -> Self {
        Self { status, now, looked: false, pending_exit: false }
    }

    fn head(&self) -> String {
        let ready = self.status.conditions.iter().find(|condition| condition.kind == ConditionKind::Ready);
        let mut text = match ready {
            Some(Condition { status: Truth::True, message, .. }) => format!("Ready: {message}.\n"),
            Some(Condition { reason, .. }) if self.status.problem().is_some() => {
                format!("Not ready: {reason}, see below.\n")
            }
            // What is left to do stands first, and for once it is not ours.
            Some(Condition { message, .. }) if self.awaits_reboot() => format!("{}.\n", capital(message)),
            Some(Condition { message, .. }) => format!("Not ready: {message}.\n"),
            None => String::new(),
        };
        if self.status.reboot_pending && !self.awaits_reboot() {
            text += "A reboot is pending: it brings what is staged.\n";
        }
        let age = Duration::try_from(self.now.duration_since(self.status.as_of)).unwrap_or_default();
        let age = if age.as_secs() == 0 { "just now".to_owned() } else { format!("{} ago", span(age)) };
        text += &format!("As of {} ({age}).\n", self.status.as_of.strftime("%Y-%m-%d %H:%M:%S UTC"));
        text
    }

    fn rows(&self) -> impl Iterator<Item = [String; 5]> {
        self.status.extensions.iter().map(|(name, extension)| {
            let mut packages: Vec<String> = extension.packages.iter().map(ToString::to_string).collect();
            packages.extend(extension.in_base.iter().map(|nevra| format!("{nevra} (base)")));
            [
                name.to_string(),
                stage(extension.stage).to_owned(),
                extension.version.clone().unwrap_or_else(|| "-".to_owned()),
                list(&extension.requested_by),
                list(packages),
            ]
        })
    }

    /// Each problem once, with all extensions that it keeps from their place.
    fn problems(&self) -> String {
        let whole =
            self.status.problem().map(|problem| Told::of(&problem.reason, &problem.message, &problem.cure));
        let mut told: Vec<Told<'_>> = whole.into_iter().collect();
        for (name, ExtensionStatus { problems, .. }) in &self.status.extensions {
            for problem in problems {
                let this = Told::of(&problem.reason, &problem.message, &problem.cure);
                match told.iter_mut().find(|told| told.message == this.message) {
                    Some(told) => told.concerns.push(name),
                    None => told.push(Told { concerns: vec![name], ..this }),
                }
            }
        }
        told.iter().map(Told::text).collect()
    }

    fn foot(&self) -> String {
        let status = &self.status;
        let mut text = String::new();
        if let Some(payload) = &status.payload {
            let from = payload.requested_by.as_ref().map(|by| format!(" (from {by})")).unwrap_or_default();
            text += &format!("Payload:    {}{from}\n", payload.reference);
            text += "            digests are checked; signatures are not\n";
        }
        text += &status.booted.as_ref().map(|booted| deployment("Booted:     ", booted)).unwrap_or_default();
        text += &status.next.as_ref().map(|next| deployment("Next boot:  ", next)).unwrap_or_default();
        if let Some(Problem { reason, message, .. }) = &status.source_problem {
            text += &format!("Cluster:    {}: {message}; this is what it last wanted\n", reason.code());
        }
        if let Some(transaction) = &status.transaction {
            let title = transaction.title.as_deref().unwrap_or(&transaction.method);
            text += &format!("Running:    {title} (by {})\n", transaction.sender);
        }
        if self.looked {
            text += "Last pass:  none since the host or the wish changed; a look at the host says this\n";
            return text;
        }
        let total = span(status.last_pass.timings.total);
        let LastPass { outcome: ended, calls, .. } = &status.last_pass;
        text +=
            &format!("Last pass:  {}; calls that changed the host: {calls}; took {total}\n", outcome(ended));
        text
    }

    /// Whether nothing but a reboot is missing.
    fn awaits_reboot(&self) -> bool {
        match &self.status.last_pass.outcome {
            PassOutcome::AwaitingReboot { .. } | PassOutcome::Staged { .. } => true,
            PassOutcome::NothingWanted
            | PassOutcome::Booted { .. }
            | PassOutcome::Planned
            | PassOutcome::Observed { .. }
            | PassOutcome::NotDone { .. } => false,
        }
    }
}

/// The text as a sentence begins.
fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// One problem, as it is told.
struct Told<'a> {
    reason: Reason,
    message: &'a str,
    cure: Option<&'a str>,
    concerns: Vec<&'a ExtensionName>,
}

impl<'a> Told<'a> {
    fn of(reason: &Reason, message: &'a str, cure: &'a Option<String>) -> Self {
        Self { reason: *reason, message, cure: cure.as_deref(), concerns: Vec::new() }
    }

    fn text(&self) -> String {
        let mut text = format!("\n{}: {}\n", self.reason.code(), self.message);
        text += &self.cure.map(|cure| format!("  cure: {cure}\n")).unwrap_or_default();
        if !self.concerns.is_empty() {
            text += &format!("  concerns: {}\n", list(&self.concerns));
        }
        text
    }
}

fn deployment(title: &str, deployment: &DeploymentStatus) -> String {
    let version = deployment.version.as_deref().unwrap_or("unknown");
    let layered = deployment.layered.len();
    format!(
        "{title}{}\n            version {version}, {layered} packages layered from files\n",
        deployment.id
    )
}

/// The stage, for people.
pub(super) const fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Active => "active",
        Stage::AfterReboot => "after reboot",
        Stage::LostAtReboot => "lost at reboot",
        Stage::Pending => "pending",
        Stage::Blocked => "blocked",
        Stage::RemovedAtReboot => "removed at reboot",
        Stage::Leftover => "to be removed",
        Stage::Gone => "gone",
    }
}

const fn outcome(outcome: &PassOutcome) -> &'static str {
    match outcome {
        PassOutcome::NothingWanted => "nothing wanted",
        PassOutcome::Booted { .. } => "booted",
        PassOutcome::AwaitingReboot { .. } => "awaiting reboot",
        PassOutcome::Staged { .. } => "staged",
        PassOutcome::Planned => "only looked",
        PassOutcome::Observed { .. } => "only observed",
        PassOutcome::NotDone { .. } => "not done",
    }
}

#[cfg(test)]
mod tests;
