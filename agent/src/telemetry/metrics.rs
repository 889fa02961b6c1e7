//! All metrics in one value that is passed to whoever has facts.

use std::sync::{PoisonError, RwLock, RwLockWriteGuard};
use std::time::{Duration, Instant};

use extensions_manifest::{ExtensionName, Nevra, limits};
use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

use super::catalogue::{self, Row};
use crate::error::Reason;

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
        /// The host has what is desired; nothing was called and nothing fetched.
        Unchanged = "unchanged",
        /// A deployment was staged and waits for a reboot.
        Staged = "staged",
        /// What is desired cannot be had; a person has to change something.
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
        /// Asking the host what it has.
        Observe = "observe",
        /// Fetching and verifying the payload, or finding it in the store.
        Fetch = "fetch",
        /// Resolving and checking the plan.
        Plan = "plan",
        /// The transaction of rpm-ostree.
        Apply = "apply",
        /// Comparing the new deployment with the plan.
        Confirm = "confirm",
    }
}

/// What is known of one extension.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExtensionState {
    /// Its name.
    pub name: ExtensionName,
    /// Whether a MachineConfig asks for it.
    pub desired: bool,
    /// Whether the next boot has it.
    pub staged: bool,
    /// Whether the running system has it.
    pub booted: bool,
    /// Its packages on the booted host, or in the staged deployment.
    pub packages: Vec<Nevra>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ExtensionLabel {
    extension: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PackageLabels {
    extension: String,
    package: String,
    version: String,
    arch: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabel {
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct VersionLabel {
    version: &'static str,
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
}

fn seconds() -> Histogram {
    Histogram::new(SECONDS)
}

fn register<M: Metric + Clone>(registry: &mut Registry, row: Row, metric: M) -> M {
    registry.register(row.name, row.doc, metric.clone());
    metric
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
            registry: std::mem::take(all),
            whole: RwLock::new(()),
        };
        for result in PassResult::ALL {
            let _ = metrics.passes.get_or_create(&ResultLabel { result: result.as_str() });
        }
        for reason in Reason::ALL {
            let _ = metrics.failures.get_or_create(&ReasonLabel { reason: reason.code() });
        }
        metrics
    }

    /// Replaces what is known of the extensions; those that are not in `states` lose their series.
    pub fn extensions(&self, states: &[ExtensionState]) {
        let _whole = self.changing();
        self.desired.clear();
        self.staged.clear();
        self.booted.clear();
        self.info.clear();
        // What is desired is bounded by its source; leftovers on the host could double it.
        for state in states.iter().take(2 * limits::EXTENSIONS) {
            let label = ExtensionLabel { extension: state.name.to_string() };
            self.desired.get_or_create(&label).set(state.desired.into());
            self.staged.get_or_create(&label).set(state.staged.into());
            self.booted.get_or_create(&label).set(state.booted.into());
            for package in state.packages.iter().take(PACKAGES_PER_EXTENSION) {
                let labels = PackageLabels {
                    extension: state.name.to_string(),
                    package: package.name().to_string(),
                    version: package.evr().to_string(),
                    arch: package.arch().to_owned(),
                };
                self.info.get_or_create(&labels).set(1);
            }
        }
    }

    /// Whether a staged deployment waits for a reboot.
    pub fn reboot_pending(&self, pending: bool) {
        self.reboot_pending.set(pending.into());
    }

    /// Counts a pass that ended `at` seconds since 1970, with the reason where it did not succeed.
    pub fn pass(&self, result: PassResult, reason: Option<Reason>, at: i64) {
        let _whole = self.changing();
        self.passes.get_or_create(&ResultLabel { result: result.as_str() }).inc();
        self.last_pass.set(at);
        self.blocked.clear();
        match reason {
            Some(reason) => {
                let label = ReasonLabel { reason: reason.code() };
                self.failures.get_or_create(&label).inc();
                self.blocked.get_or_create(&label).set(1);
            }
            None => {
                self.last_success.set(at);
            }
        }
    }

    /// Counts what a look at the payload cost.
    pub fn fetched(&self, requests: u64, received: u64, written: u64, cached: bool) {
        self.requests.inc_by(requests);
        self.received.inc_by(received);
        self.written.inc_by(written);
        self.cache_hits.inc_by(cached.into());
    }

    /// Times a phase until the guard is dropped, whichever way the phase ends.
    pub fn time(&self, phase: Phase) -> Timer {
        let histogram = self.durations.get_or_create_owned(&PhaseLabel { phase: phase.as_str() });
        Timer { histogram, started: Instant::now() }
    }

    /// Counts a phase that took `span`.
    pub fn took(&self, phase: Phase, span: Duration) {
        self.durations.get_or_create(&PhaseLabel { phase: phase.as_str() }).observe(span.as_secs_f64());
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

/// Observes its age when it is dropped.
#[derive(Debug)]
pub struct Timer {
    histogram: Histogram,
    started: Instant,
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.histogram.observe(self.started.elapsed().as_secs_f64());
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
