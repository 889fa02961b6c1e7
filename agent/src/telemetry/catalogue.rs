//! The name, type, labels and meaning of every metric: what is registered and what the page says come from here.

use std::fmt::Write as _;

use prometheus_client::registry::{Metric, Registry};

use crate::rollout::RolloutStep;

/// What stands before every name.
pub const PREFIX: &str = "extensions_agent";

/// One metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// Its name without the prefix and, for counters, without `_total`.
    pub name: &'static str,
    /// How it behaves.
    pub kind: MetricKind,
    /// Its labels; each has few values, see [`Row::doc`].
    pub labels: &'static [&'static str],
    /// What it means, without a full stop: the encoder adds one.
    pub doc: &'static str,
}

/// How a metric behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows.
    Counter,
    /// A value at this moment.
    Gauge,
    /// How often a value fell below each bound.
    Histogram,
}

impl MetricKind {
    /// The type as it is written in the exposition.
    pub const fn as_str(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Histogram => "histogram",
        }
    }
}

impl Row {
    /// The name as it is scraped.
    pub fn scraped(&self) -> String {
        match self.kind {
            MetricKind::Counter => format!("{PREFIX}_{}_total", self.name),
            MetricKind::Gauge | MetricKind::Histogram => format!("{PREFIX}_{}", self.name),
        }
    }
}

/// Registers a metric under the name and the meaning of its row.
pub(super) fn register<M: Metric + Clone>(registry: &mut Registry, row: Row, metric: M) -> M {
    registry.register(row.name, row.doc, metric.clone());
    metric
}

macro_rules! catalogue {
    ($($row:ident = $kind:ident, $name:literal, [$($label:literal),*], $doc:literal;)+) => {
        $(pub(super) const $row: Row =
            Row { name: $name, kind: MetricKind::$kind, labels: &[$($label),*], doc: $doc };)+
        /// Every metric, in the order of the page.
        pub const CATALOGUE: &[Row] = &[$($row,)+];
    };
}

catalogue! {
    EXTENSION_DESIRED = Gauge, "extension_desired", ["extension"],
        "1 for an extension that a MachineConfig asks for, 0 for one that is still on the host";
    EXTENSION_STAGED = Gauge, "extension_staged", ["extension"],
        "1 when the deployment that the next reboot takes has all packages of the extension";
    EXTENSION_BOOTED = Gauge, "extension_booted", ["extension"],
        "1 when the booted deployment has all packages of the extension";
    EXTENSION_INFO = Gauge, "extension_info", ["extension", "package", "version", "arch"],
        "Always 1: a package that the extension has on the booted host, or will have after the reboot, and its version";
    EXTENSION_VERSION = Gauge, "extension_version", ["extension", "version"],
        "Always 1: the version of an extension on the booted host, or after the reboot; that of its payload, else of its package";
    REBOOT_PENDING = Gauge, "reboot_pending", [],
        "1 when a staged deployment waits for a reboot";
    BLOCKED = Gauge, "blocked", ["reason"],
        "1 for the reason why the last pass did not reach what is desired; no series when it did";
    BLOCKED_CLASS = Gauge, "blocked_class", ["class"],
        "1 for what that reason asks for: `retry`, `wait`, `refuse` (a person has to act) or `bug`; no series where none blocks";
    PASSES = Counter, "passes", ["result"],
        "Passes of the loop, by what came of them";
    FAILURES = Counter, "failures", ["reason"],
        "Passes that ended without success, by reason";
    LAST_PASS = Gauge, "last_pass_timestamp_seconds", [],
        "When the last pass ended, in seconds since 1970";
    LAST_SUCCESS = Gauge, "last_success_timestamp_seconds", [],
        "When a pass last ended with the host as desired or staged so, in seconds since 1970";
    PHASE_DURATION = Histogram, "phase_duration_seconds", ["phase"],
        "How long each phase of a pass took";
    CALLS = Counter, "host_calls", [],
        "Calls that change the host: one for each change, none for a pass with nothing to do";
    REQUESTS = Counter, "payload_requests", [],
        "Requests made to registries";
    RECEIVED = Counter, "payload_received_bytes", [],
        "Bytes received from registries";
    WRITTEN = Counter, "store_written_bytes", [],
        "Bytes written to the store";
    CACHE_HITS = Counter, "payload_cache_hits", [],
        "Payloads that were complete in the store, so that no layer was fetched";
    REPORT_WRITES = Counter, "report_writes", [],
        "Statuses written to the NodeExtensions of the node; none while nothing changes";
    REPORT_REWRITES = Counter, "report_rewrites", [],
        "Statuses written again because somebody else had changed or removed them";
    REPORT_FAILURES = Counter, "report_failures", ["reason"],
        "Attempts to write status, Events or annotations that failed, by reason; each is tried again";
    ROLLOUT_STEP = Gauge, "rollout_step", ["step"],
        "1 for the step that the node is at on its way from a staged deployment to a booted one, 0 for the others";
    REBOOTS = Counter, "reboots_requested", [],
        "Reboots that the agent asked for since its state directory was made";
    BUILD_INFO = Gauge, "build_info", ["version"],
        "Always 1: the version of the agent";
}

/// The page `docs/metrics.md`.
pub fn page() -> String {
    let mut text = String::from("# Metrics\n\n");
    text.push_str(
        "Generated from `agent/src/telemetry/catalogue.rs`; a test compares it with what is served.\n\n\
         Served on the unix socket `metrics.socket` under `/metrics`, as OpenMetrics where the scraper accepts it and as \
         plain text otherwise:\n\n\
         ```\ncurl --unix-socket /run/extensions-agent/metrics.promsock http://localhost/metrics\n```\n\n\
         `metrics.listen` serves the same on a loopback address; `metrics.textfile` writes the plain form after each pass, for\n\
         the textfile collector of node-exporter. What is recorded and alerted over many nodes stands in `agent/deploy/monitoring`,\n\
         what to do about it in [runbook.md](runbook.md).\n\n\
         Every label has few values: `extension` at most 128 (64 in a list, and as many leftovers), `package` at most 16 \
         per extension,\n`reason` those of [exit-codes.md](exit-codes.md), `result` and `phase` those named below.\n\n",
    );
    text.push_str("| Metric | Type | Labels | Meaning |\n|---|---|---|---|\n");
    for row in CATALOGUE {
        let labels: Vec<String> = row.labels.iter().map(|label| format!("`{label}`")).collect();
        let (name, kind) = (row.scraped(), row.kind.as_str());
        let _ = writeln!(text, "| `{name}` | {kind} | {} | {} |", labels.join(", "), row.doc);
    }
    text.push_str("\nResults of a pass:\n\n");
    for result in super::PassResult::ALL {
        let _ = writeln!(text, "- `{}`: {}", result.as_str(), result.meaning());
    }
    text.push_str("\nPhases of a pass:\n\n");
    for phase in super::Phase::ALL {
        let _ = writeln!(text, "- `{}`: {}", phase.as_str(), phase.meaning());
    }
    text.push_str("\nSteps of the roll-out:\n\n");
    for step in RolloutStep::ALL {
        let _ = writeln!(text, "- `{}`: {}", step.as_str(), step.meaning());
    }
    text
}
