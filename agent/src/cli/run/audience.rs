//! Everybody who is told: of each step as it happens, and of each pass when it is over.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::watch;

use crate::apply::{PassReport, Step};
use crate::cli::progress::{plain, waiting};
use crate::desired::NodeView;
use crate::error::{Failure as _, chain};
use crate::host;
use crate::report::publish::Publisher;
use crate::report::resource::Told;
use crate::report::{Notifier, Status};
use crate::rollout::RolloutStatus;
use crate::settings::Settings;
use crate::telemetry::{Metrics, PassResult, textfile};

/// Says on the status line what a pass waits for.
pub(super) fn announce(notifier: &Notifier, step: Step) {
    match step {
        Step::Observing => tracing::debug!("asking the host"),
        Step::Recovering { nonce } => {
            tracing::info!(nonce, "an earlier run was interrupted; looking what became of it")
        }
        Step::Waiting { title } => {
            tracing::info!(title, "waiting for another transaction");
            notifier.status(&waiting(title.as_deref()));
        }
        Step::Fetching(at) => {
            notifier.status(&format!("fetching layer {}/{} of the payload", at.layer, at.layers))
        }
        Step::ReadingBase => tracing::debug!("reading the base's package database"),
        Step::Planned(plan) => tracing::info!(
            decision = ?plan.decision,
            install = plan.install.len(),
            uninstall = plan.uninstall.len(),
            bytes = plan.bytes,
            "planned"
        ),
        Step::Opening { nevra } => tracing::debug!(%nevra, "checking a package"),
        Step::Calling { files } => tracing::debug!(files, "calling rpm-ostree"),
        Step::Transaction(host::Progress::Task(task)) => {
            let task = plain(&task);
            tracing::info!(task, "rpm-ostree");
            notifier.status(&format!("rpm-ostree: {task}"));
        }
        Step::Transaction(host::Progress::Message(message)) => {
            tracing::debug!(message = plain(&message), "rpm-ostree")
        }
        Step::Transaction(host::Progress::Percent(text, percent)) => {
            tracing::trace!(text = plain(&text), percent, "rpm-ostree");
        }
        Step::Confirming => notifier.status("comparing the new deployment with the plan"),
    }
}

/// Everybody who is told how a pass ended.
pub(super) struct Audience<'a> {
    pub(super) settings: &'a Settings,
    pub(super) metrics: &'a Metrics,
    pub(super) notifier: &'a Notifier,
    pub(super) publisher: Option<&'a Publisher>,
    pub(super) node: Option<watch::Receiver<Option<NodeView>>>,
    pub(super) rollout: watch::Receiver<RolloutStatus>,
    pub(super) reboots: Arc<AtomicU64>,
}

impl Audience<'_> {
    /// For the textfile collector, where the settings name a file. An agent that nobody can scrape still does its work.
    fn write_textfile(&self) {
        let Some(path) = &self.settings.metrics.textfile else { return };
        if let Err(error) = textfile::write(path, self.metrics) {
            tracing::warn!(error = %chain(&error), cure = error.cure(), "the metrics file was not written");
        }
    }

    /// Tells everybody how a pass ended.
    pub(super) fn tell(&self, report: PassReport, pause: Duration) {
        let rollout = self.rollout.borrow().clone();
        self.metrics.record(&report);
        self.metrics.rollout(rollout.step, self.reboots.load(Ordering::Relaxed));
        self.write_textfile();
        let status = Status::of(&report);
        if let Err(error) = status.write(&self.settings.state.directory) {
            tracing::warn!(error = %chain(&error), "the status was not kept");
        }
        let result = PassResult::of(&report.outcome).as_str();
        let millis = u64::try_from(report.timings.total.as_millis()).unwrap_or(u64::MAX);
        let headline = status.headline();
        match report.problem() {
            None => {
                let reboot_pending = report.reboot_pending;
                tracing::info!(result, calls = report.calls, reboot_pending, millis, "pass");
                self.notifier.status(&headline);
            }
            Some(problem) => {
                let (reason, cure) = (problem.reason.code(), problem.cure.as_deref());
                let again = pause.as_secs();
                tracing::warn!(result, reason, cure, again, millis, "{}", problem.message);
                self.notifier.status(&format!("{headline}; again in {again} s"));
            }
        }
        if let Some(publisher) = self.publisher {
            let node = self.node.as_ref().and_then(|node| node.borrow().clone());
            let config = report.desired.as_ref().and_then(|desired| desired.rendered.clone());
            publisher.tell(Told { status, config, node, rollout: Some(rollout), owner: report.owner });
        }
    }
}
