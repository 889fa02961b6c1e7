//! `status`: where each extension stands, why not, and what cures it; also when the daemon is down.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

use super::context::Context;
use super::render::{Answer, Screen, list, span};
use super::stop::Stop;
use crate::apply::{PassOutcome, PassReport, State, Timings, extension_states};
use crate::host::Host;
use crate::report::{DeploymentStatus, ExtensionStatus, Stage, Status};

/// Exit code of `--pending-exit-77` when a reboot is pending, as rpm-ostree has it.
const PENDING: u8 = 77;

/// A status, and when it is shown.
#[derive(Debug)]
pub(super) struct StatusAnswer {
    status: Status,
    now: Timestamp,
    pending_exit: bool,
}

/// What the daemon, or the last `apply`, found; without either, what the host says now.
///
/// # Errors
/// When there is no status and the host cannot be asked.
pub(super) async fn status(context: &Context, pending_exit: bool) -> Result<StatusAnswer, Stop> {
    let status = match Status::read(&context.settings().state.directory)? {
        Some(status) => status,
        None => look(context).await?,
    };
    Ok(StatusAnswer { status, now: context.now, pending_exit })
}

/// The host and the wish, side by side, without a plan: no payload is fetched for a look.
async fn look(context: &Context) -> Result<Status, Stop> {
    let desired = context.desired()?;
    let observed = context.host().await?.observe().await?;
    let ledger = State::new(&context.settings().state.directory).ledger()?;
    let report = PassReport {
        at: context.now,
        outcome: PassOutcome::Planned,
        calls: 0,
        extensions: extension_states(Some(&desired), &ledger, Some(&observed)),
        reboot_pending: false,
        desired: Some(desired),
        payload: None,
        plan: None,
        observed: Some(observed),
        timings: Timings::default(),
    };
    Ok(Status::of(&report))
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
        Self { status, now, pending_exit: false }
    }

    fn head(&self) -> String {
        let ready = self.status.conditions.first();
        let (reason, message) =
            ready.map_or(("Unknown", "no pass was made yet"), |c| (&c.reason, &c.message));
        let age = self.now.duration_since(self.status.as_of);
        let age =
            Duration::try_from(age).map_or_else(|_| "now".to_owned(), |age| format!("{} ago", span(age)));
        let mut text = format!("{reason}: {message}\n");
        if self.status.reboot_pending {
            text += "A reboot is pending: it brings what is wanted.\n";
        }
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

    /// Each problem once, with all extensions that it keeps from their place; first those of the whole pass.
    fn problems(&self) -> String {
        let mut told: BTreeMap<(&str, &str), (Option<&String>, Vec<&str>)> = BTreeMap::new();
        if let Some(problem) = self.status.problem() {
            told.insert((problem.reason.code(), &problem.message), (problem.cure.as_ref(), Vec::new()));
        }
        for (name, ExtensionStatus { problems, .. }) in &self.status.extensions {
            for problem in problems {
                let entry = told
                    .entry((problem.reason.code(), &problem.message))
                    .or_insert((problem.cure.as_ref(), Vec::new()));
                entry.1.push(name.as_str());
            }
        }
        let mut text = String::new();
        for ((reason, message), (cure, names)) in told {
            text += &format!("\n{reason}: {message}\n");
            text += &cure.map(|cure| format!("  cure: {cure}\n")).unwrap_or_default();
            if !names.is_empty() {
                text += &format!("  concerns: {}\n", names.join(", "));
            }
        }
        text
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
        if let Some(transaction) = &status.transaction {
            let title = transaction.title.as_deref().unwrap_or(&transaction.method);
            text += &format!("Running:    {title} (by {})\n", transaction.sender);
        }
        let total = span(status.last_pass.timings.total);
        text += &format!(
            "Last pass:  {}, {} calls, {total}\n",
            outcome(&status.last_pass.outcome),
            status.last_pass.calls
        );
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

const fn stage(stage: Stage) -> &'static str {
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
        PassOutcome::NotDone { .. } => "not done",
    }
}
