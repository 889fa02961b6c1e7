//! All metrics in one value that is passed to whoever has facts.

use std::collections::BTreeMap;
use std::sync::{PoisonError, RwLock, RwLockWriteGuard};

use extensions_manifest::{ExtensionName, limits};
use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::catalogue::{self, register};
use super::grouping::Grouping;
use super::labels::{
    ExtensionLabel, PackageLabels, PhaseLabel, ReasonLabel, ResultLabel, StepLabel, VersionLabel,
};
use super::reporting::Reporting;
use crate::apply::{ExtensionState, PassOutcome, PassReport, Timings};
use crate::error::{Class, Reason};
use crate::rollout::RolloutStep;

/// Most packages of one extension that get a series of their own.
const PACKAGES_PER_EXTENSION: usize = 16;
/// Bounds of the duration buckets, in seconds: from a pass with nothing to do to a slow transaction.
const SECONDS: [f64; 12] = [0.01, 0.05, 0.25, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 180.0, 600.0, 1800.0];

macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $meaning:literal])+ $variant:ident = $word:literal,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($(#[doc = $meaning])+ $variant,)+ }

        impl $name {
            /// All of them, in the order of the page.
            pub const ALL: &'static [$name] = &[$($name::$variant,)+];

            /// The label value.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }

            /// What it means.
            pub const fn meaning(self) -> &'static str {
                match self { $($name::$variant => concat!($($meaning,)+).trim_ascii(),)+ }
            }
        }
    };
}

words! {
    /// What came of a pass.
    PassResult {
        /// Nothing is wanted and nothing of ours is layered.
        NothingWanted = "nothing-wanted",
        /// The host runs what is wanted.
        Booted = "booted",
        /// What is wanted was staged before and waits for a reboot.
        AwaitingReboot = "awaiting-reboot",
        /// This pass staged it.
        Staged = "staged",
        /// The pass only said what it would do.
        Planned = "planned",
        /// Somebody else owns the extensions of this host; the pass only looked.
        Observed = "observed",
        /// What is wanted cannot be had; a person has to change something.
        Refused = "refused",
        /// Something else on the host has to end first.
        Waiting = "waiting",
        /// It failed and is tried again.
        Failed = "failed",
    }
}

words! {
    /// A part of a pass that is timed.
    Phase {
        /// The whole pass.
        Pass = "pass",
        /// Asking the host, and settling what an earlier run left open.
        Observe = "observe",
        /// Fetching and verifying the payload, or finding it in the store.
        Payload = "payload",
        /// Deciding and checking.
        Plan = "plan",
        /// Waiting for transactions of others.
        Wait = "wait",
        /// Opening files, the transaction, and confirming it.
        Apply = "apply",
    }
}

impl PassResult {
    /// What came of the pass that ended so.
    pub const fn of(outcome: &PassOutcome) -> Self {
        match outcome {
            PassOutcome::NothingWanted => PassResult::NothingWanted,
            PassOutcome::Booted { .. } => PassResult::Booted,
            PassOutcome::AwaitingReboot { .. } => PassResult::AwaitingReboot,
            PassOutcome::Staged { .. } => PassResult::Staged,
            PassOutcome::Planned => PassResult::Planned,
            PassOutcome::Observed { .. } => PassResult::Observed,
            PassOutcome::NotDone { problem } => match problem.class {
                Class::Refuse => PassResult::Refused,
                Class::Wait => PassResult::Waiting,
                Class::Retry | Class::Bug => PassResult::Failed,
            },
        }
    }
}

/// How the metrics are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// OpenMetrics 1.0, what Prometheus asks for.
    OpenMetrics,
    /// The older plain text, what `promtool check metrics` and textfile collectors read.
    Plain,
}

/// Every metric of the agent.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    // Written while several series change together, read while they are encoded: a scrape never sees half a change.
    whole: RwLock<()>,
    desired: Family<ExtensionLabel, Gauge>,
    staged: Family<ExtensionLabel, Gauge>,
    booted: Family<ExtensionLabel, Gauge>,
    info: Family<PackageLabels, Gauge>,
    grouping: Grouping,
    reboot_pending: Gauge,
    blocked: Family<ReasonLabel, Gauge>,
    passes: Family<ResultLabel, Counter>,
    failures: Family<ReasonLabel, Counter>,
    last_pass: Gauge,
    last_success: Gauge,
    durations: Family<PhaseLabel, Histogram, fn() -> Histogram>,
    requests: Counter,
    received: Counter,
    written: Counter,
    cache_hits: Counter,
    calls: Counter,
    /// What is written to the cluster.
    pub reporting: Reporting,
    rollout_step: Family<StepLabel, Gauge>,
    reboots: Counter,
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics in which nothing has happened yet. Counters with a closed label start at zero, so that a first failure is
    /// an increase and not a new series.
    pub fn new() -> Self {
        let mut all = Registry::with_prefix(catalogue::PREFIX);
        let all = &mut all;
        let build: Family<VersionLabel, Gauge> = register(all, catalogue::BUILD_INFO, Family::default());
        build.get_or_create(&VersionLabel { version: env!("CARGO_PKG_VERSION") }).set(1);
        let metrics = Self {
            desired: register(all, catalogue::EXTENSION_DESIRED, Family::default()),
            staged: register(all, catalogue::EXTENSION_STAGED, Family::default()),
            booted: register(all, catalogue::EXTENSION_BOOTED, Family::default()),
            info: register(all, catalogue::EXTENSION_INFO, Family::default()),
            grouping: Grouping::new(all),
            reboot_pending: register(all, catalogue::REBOOT_PENDING, Gauge::default()),
            blocked: register(all, catalogue::BLOCKED, Family::default()),
            passes: register(all, catalogue::PASSES, Family::default()),
            failures: register(all, catalogue::FAILURES, Family::default()),
            last_pass: register(all, catalogue::LAST_PASS, Gauge::default()),
            last_success: register(all, catalogue::LAST_SUCCESS, Gauge::default()),
            durations: register(
                all,
                catalogue::PHASE_DURATION,
                Family::new_with_constructor(seconds as fn() -> _),
            ),
            requests: register(all, catalogue::REQUESTS, Counter::default()),
            received: register(all, catalogue::RECEIVED, Counter::default()),
            written: register(all, catalogue::WRITTEN, Counter::default()),
            cache_hits: register(all, catalogue::CACHE_HITS, Counter::default()),
            calls: register(all, catalogue::CALLS, Counter::default()),
            reporting: Reporting::new(all),
            rollout_step: register(all, catalogue::ROLLOUT_STEP, Family::default()),
            reboots: register(all, catalogue::REBOOTS, Counter::default()),
            registry: std::mem::take(all),
            whole: RwLock::new(()),
        };
        metrics.rollout(RolloutStep::Idle, 0);
        for result in PassResult::ALL {
            let _ = metrics.passes.get_or_create(&ResultLabel { result: result.as_str() });
        }
        for reason in Reason::ALL {
            let _ = metrics.failures.get_or_create(&ReasonLabel { reason: reason.code() });
        }
        metrics
    }

    /// Counts what one pass found and did. Scraping it twice between two passes gives the same.
    pub fn record(&self, report: &PassReport) {
        let _whole = self.changing();
        // A pass that could not ask the host knows nothing new of it: what was seen last stays, and `blocked` says why.
        if report.observed.is_some() || report.problem().is_none() {
            self.extensions(&report.extensions);
            self.grouping.versions(&report.extensions);
            self.reboot_pending.set(report.reboot_pending.into());
        }
        self.calls.inc_by(report.calls.into());
        if let Some(fetch) = report.payload.as_ref().map(|payload| payload.fetch) {
            self.requests.inc_by(fetch.requests);
            self.received.inc_by(fetch.bytes_received);
            self.written.inc_by(fetch.bytes_written);
            self.cache_hits.inc_by(fetch.cached.into());
        }
        self.passes.get_or_create(&ResultLabel { result: PassResult::of(&report.outcome).as_str() }).inc();
        self.last_pass.set(report.at.as_second());
        self.blocked.clear();
        self.grouping.blocked(report.reason().map(Reason::class));
        if let Some(reason) = report.reason() {
            let label = ReasonLabel { reason: reason.code() };
            self.failures.get_or_create(&label).inc();
            self.blocked.get_or_create(&label).set(1);
        } else {
            self.last_success.set(report.at.as_second());
        }
        self.timings(&report.timings);
    }

    /// Takes over the step that the roll-out is at, and how many reboots it asked for so far.
    pub fn rollout(&self, step: RolloutStep, reboots: u64) {
        let _whole = self.changing();
        for each in RolloutStep::ALL {
            let label = StepLabel { step: each.as_str() };
            self.rollout_step.get_or_create(&label).set((*each == step).into());
        }
        self.reboots.inc_by(reboots.saturating_sub(self.reboots.get()));
    }

    /// Remembers when an earlier run of the agent last succeeded, so that a restart is not an alarm.
    pub fn succeeded_before(&self, at: jiff::Timestamp) {
        self.last_success.set(at.as_second());
    }

    /// Replaces what is known of the extensions; those that are not in `states` lose their series.
    fn extensions(&self, states: &BTreeMap<ExtensionName, ExtensionState>) {
        self.desired.clear();
        self.staged.clear();
        self.booted.clear();
        self.info.clear();
        // What is desired is bounded by its source; leftovers on the host could double it.
        for (name, state) in states.iter().take(2 * limits::EXTENSIONS) {
            let label = ExtensionLabel { extension: name.to_string() };
            self.desired.get_or_create(&label).set(state.desired.into());
            self.staged.get_or_create(&label).set(state.staged.into());
            self.booted.get_or_create(&label).set(state.booted.into());
            let there = if state.staged || state.booted { PACKAGES_PER_EXTENSION } else { 0 };
            for package in state.packages.iter().take(there) {
                let labels = PackageLabels {
                    extension: name.to_string(),
                    package: package.name().to_string(),
                    version: package.evr().to_string(),
                    arch: package.arch().to_owned(),
                };
                self.info.get_or_create(&labels).set(1);
            }
        }
    }

    /// A step that was not taken has no time.
    fn timings(&self, timings: &Timings) {
        let Timings { observe, payload, plan, wait, apply, total } = *timings;
        let phases = [
            (Phase::Pass, total),
            (Phase::Observe, observe),
            (Phase::Payload, payload),
            (Phase::Plan, plan),
            (Phase::Wait, wait),
            (Phase::Apply, apply),
        ];
        for (phase, span) in phases.into_iter().filter(|(_, span)| !span.is_zero()) {
            self.durations.get_or_create(&PhaseLabel { phase: phase.as_str() }).observe(span.as_secs_f64());
        }
    }

    fn changing(&self) -> RwLockWriteGuard<'_, ()> {
        // It guards no data, so nothing can be broken behind it.
        self.whole.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// The text that is served.
    pub fn encode(&self, format: Format) -> String {
        let _whole = self.whole.read().unwrap_or_else(PoisonError::into_inner);
        let mut written = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode(&mut written, &self.registry);
        match format {
            Format::OpenMetrics => written,
            Format::Plain => plain(&written),
        }
    }
}

/// OpenMetrics → plain text. They differ in three things that we use: a counter is declared with its suffix, there is
/// no end mark, and there are no units.
fn plain(openmetrics: &str) -> String {
    let counters: Vec<&str> = openmetrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(openmetrics.len() + 64);
    for line in openmetrics.lines() {
        if line == "# EOF" || line.starts_with("# UNIT ") {
            continue;
        }
        let mut parts = line.splitn(4, ' ');
        let (mark, word, name) = (parts.next(), parts.next(), parts.next());
        match (mark, word, name, parts.next()) {
            (Some("#"), Some(word @ ("HELP" | "TYPE")), Some(name), Some(rest))
                if counters.contains(&name) =>
            {
                text.push_str(&format!("# {word} {name}_total {rest}"));
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
