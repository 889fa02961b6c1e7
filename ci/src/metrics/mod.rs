//! What the controller counts, for Prometheus.
//!
//! Decides: names, labels and their bounds. Must not: hold a label value that is not configured, or a secret. Input: records
//! and reports.

mod server;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry};

pub use server::{ListenError, bind, serve};

use crate::cleanup::Report;
use crate::config::Config;
use crate::error::Reason;
use crate::state::{Listing, Phase, Record};

/// Bounds of the buckets, in seconds: from a warm node to an image that comes slowly.
const SECONDS: [f64; 12] = [0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 900.0];
/// Stands for what is not configured any more.
const OTHER: &str = "other";
/// Stands for no pool.
const NONE: &str = "none";
const PHASES: [Phase; 4] = [Phase::Waiting, Phase::Making, Phase::Ready, Phase::Releasing];

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct RequestLabels {
    label: String,
    pool: String,
    phase: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProviderLabel {
    provider: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabel {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ResultLabel {
    result: &'static str,
}

/// What came of a new configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reload {
    /// It is in force.
    Taken,
    /// It is wrong; the one before stays in force.
    Refused,
}

impl Reload {
    const fn as_str(self) -> &'static str {
        match self {
            Reload::Taken => "taken",
            Reload::Refused => "refused",
        }
    }
}

/// Every metric of the controller.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    // Several series change together; nobody scrapes half a change.
    whole: Mutex<()>,
    requests: Family<RequestLabels, Gauge>,
    waiting: Gauge,
    held: Gauge,
    warm: Gauge,
    ready: Histogram,
    retried: Counter,
    leaked: Counter,
    deleted: Counter,
    adopted: Counter,
    idle: Counter,
    cut_off: Counter,
    terminating: Family<ProviderLabel, Gauge>,
    up: Family<ProviderLabel, Gauge>,
    errors: Family<ReasonLabel, Counter>,
    reloads: Family<ResultLabel, Counter>,
}

fn register<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register(name, help, metric.clone());
    metric
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Metrics in which nothing has happened yet. Counters start at zero, so that a first failure is an increase.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("build_resources");
        let mut metrics = Metrics::registered(&mut registry);
        metrics.registry = registry;
        for reason in Reason::ALL {
            let _ = metrics.errors.get_or_create(&ReasonLabel { reason: reason.code() });
        }
        for result in [Reload::Taken, Reload::Refused] {
            let _ = metrics.reloads.get_or_create(&ResultLabel { result: result.as_str() });
        }
        metrics
    }

    #[rustfmt::skip] // a table: one line a metric
    fn registered(all: &mut Registry) -> Self {
        Metrics {
            requests: register(all, "requests", "Nodes that builds have asked for, by label, pool and phase", Family::default()),
            waiting: register(all, "waiting_requests", "Requests that no pool has room for yet", Gauge::default()),
            held: register(all, "held_requests", "Builds that people hold for looking at", Gauge::default()),
            warm: register(all, "warm_nodes", "Nodes that are kept ready before anybody asks", Gauge::default()),
            ready: register(all, "ready_seconds", "Time from a request to its nodes being ready", Histogram::new(SECONDS)),
            retried: register(all, "retried_nodes", "Nodes that were made anew because they did not become usable", Counter::default()),
            leaked: register(all, "leaked_namespaces", "Namespaces of ours that belonged to no record when they were first seen so", Counter::default()),
            deleted: register(all, "deleted_namespaces", "Namespaces whose deletion the cleaner asked for", Counter::default()),
            adopted: register(all, "adopted_requests", "Requests that were finished after their driver had died", Counter::default()),
            idle: register(all, "idle_requests", "Builds that were let go because they left their namespaces empty", Counter::default()),
            cut_off: register(all, "cut_off_outputs", "Times that the output of a command was cut off and found to be", Counter::default()),
            terminating: register(all, "terminating_namespaces", "Namespaces that are going away, as the last pass saw them", Family::default()),
            up: register(all, "provider_up", "1 when the provider answered the last pass, 0 when it did not", Family::default()),
            errors: register(all, "api_errors", "Passes that a cluster refused or did not answer, by reason", Family::default()),
            reloads: register(all, "config_reloads", "New configurations, by what came of them", Family::default()),
            registry: Registry::default(),
            whole: Mutex::new(()),
        }
    }

    /// Replaces what is known of the requests.
    pub fn requests(&self, config: &Config, listing: &Listing, held: usize, warm: usize) {
        let _whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        self.requests.clear();
        for (labels, count) in counted(config, listing) {
            self.requests.get_or_create(&labels).set(count);
        }
        let waiting = listing.records.iter().filter(|one| one.body.stock.is_none());
        let waiting = waiting.filter(|one| one.body.phase == Phase::Waiting).count();
        let number = |count: usize| i64::try_from(count).unwrap_or(i64::MAX);
        self.waiting.set(number(waiting));
        self.held.set(number(held));
        self.warm.set(number(warm));
    }

    /// A request became ready after so many seconds.
    pub fn became_ready(&self, seconds: f64) {
        self.ready.observe(seconds);
    }

    /// Nodes were made anew.
    pub fn retried(&self, nodes: u64) {
        self.retried.inc_by(nodes);
    }

    /// A request was taken up after its driver had died, and is ready.
    pub fn adopted(&self) {
        self.adopted.inc();
    }

    /// Output of commands was cut off so often.
    pub fn cut_off(&self, times: u64) {
        self.cut_off.inc_by(times);
    }

    /// What a pass over these providers did. `leaked` are the namespaces that belonged to no record at all.
    pub fn cleaned<'a>(&self, report: &Report, providers: impl Iterator<Item = &'a str>) {
        let _whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        self.leaked.inc_by(number(report.leaked));
        self.deleted.inc_by(number(report.deleted.len()));
        self.idle.inc_by(number(report.idle.len()));
        for provider in providers {
            let label = ProviderLabel { provider: provider.to_owned() };
            self.up.get_or_create(&label).set((!report.away.contains_key(provider)).into());
            let going = report.terminating.get(provider).copied().unwrap_or(0);
            self.terminating.get_or_create(&label).set(i64::try_from(going).unwrap_or(i64::MAX));
        }
    }

    /// A cluster refused, or did not answer.
    pub fn failed(&self, reason: Reason) {
        self.errors.get_or_create(&ReasonLabel { reason: reason.code() }).inc();
    }

    /// What came of a new configuration.
    pub fn reloaded(&self, result: Reload) {
        self.reloads.get_or_create(&ResultLabel { result: result.as_str() }).inc();
    }

    /// The text that Prometheus reads.
    pub fn encode(&self) -> String {
        let _whole = self.whole.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out = String::new();
        let _ = text::encode(&mut out, &self.registry); // writing to a String cannot fail
        plain(&out)
    }
}

/// OpenMetrics to the older text that every tool reads: a counter is declared with its suffix, and there is no end mark.
fn plain(text: &str) -> String {
    let counters: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter")).collect();
    let mut out = String::with_capacity(text.len() + 256);
    for line in text.lines().filter(|line| *line != "# EOF") {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next(), words.next()) {
            (Some("#"), Some(what), Some(name), Some(rest)) if counters.contains(name) => {
                out.push_str(&format!("# {what} {name}_total {rest}\n"));
            }
            _ => {
                out.push_str(line);
                out.push('\n');
            }
        }
    }
    out
}

/// Nodes by label, pool and phase. Every configured label has all its series, so that none comes and goes.
fn counted(config: &Config, listing: &Listing) -> BTreeMap<RequestLabels, i64> {
    let mut all = BTreeMap::new();
    for (provider, pool) in config.pools() {
        for label in &pool.labels {
            for phase in PHASES {
                let pool = format!("{}/{}", provider.name, pool.name);
                all.insert(
                    RequestLabels { label: label.value.name.to_string(), pool, phase: phase.as_str() },
                    0,
                );
            }
        }
    }
    for record in listing.records.iter().filter(|record| record.body.stock.is_none()) {
        let pool = pool(config, record);
        for node in &record.body.request.nodes {
            let known = config.labels.iter().any(|label| label.value.name == node.label);
            let label = if known { node.label.to_string() } else { OTHER.to_owned() };
            let labels = RequestLabels { label, pool: pool.clone(), phase: record.body.phase.as_str() };
            *all.entry(labels).or_insert(0) += 1;
        }
    }
    all
}

fn pool(config: &Config, record: &Record) -> String {
    match &record.body.spot {
        Some(spot) if config.pool(&spot.provider, &spot.pool).is_some() => {
            format!("{}/{}", spot.provider, spot.pool)
        }
        Some(_) => OTHER.to_owned(),
        None => NONE.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{parse, tests::GOOD};
    use crate::state::Spot;
    use crate::state::tests::record;

    #[test]
    fn row_46_the_text_has_every_counter_and_only_configured_label_values() {
        let config = parse(GOOD.as_bytes()).unwrap();
        let metrics = Metrics::new();
        let mut strange = record("b");
        strange.body.request.nodes[1].label = "no-longer-there".parse().unwrap();
        strange.body.spot = Some(Spot { provider: "gone".parse().unwrap(), pool: "main".parse().unwrap() });
        let listing = Listing { records: vec![record("a"), strange], ..Listing::default() };
        metrics.requests(&config, &listing, 1, 2);
        let report = Report { leaked: 3, deleted: vec!["x".to_owned()], ..Report::default() };
        metrics.cleaned(&report, ["east"].into_iter());
        metrics.failed(Reason::Denied);
        metrics.became_ready(0.3);
        let text = metrics.encode();
        for line in [
            "build_resources_requests{label=\"builder\",pool=\"none\",phase=\"waiting\"} 1",
            "build_resources_requests{label=\"builder\",pool=\"other\",phase=\"waiting\"} 1",
            "build_resources_requests{label=\"other\",pool=\"other\",phase=\"waiting\"} 1",
            "build_resources_requests{label=\"space\",pool=\"east/main\",phase=\"ready\"} 0",
            "build_resources_waiting_requests 2",
            "build_resources_held_requests 1",
            "build_resources_leaked_namespaces_total 3",
            "build_resources_deleted_namespaces_total 1",
            "build_resources_retried_nodes_total 0",
            "build_resources_cut_off_outputs_total 0",
            "build_resources_api_errors_total{reason=\"denied\"} 1",
            "build_resources_provider_up{provider=\"east\"} 1",
            "build_resources_ready_seconds_count 1",
            "# TYPE build_resources_leaked_namespaces_total counter",
        ] {
            assert!(text.lines().any(|one| one == line), "{line}\n{text}");
        }
        assert!(!text.contains("no-longer-there") && !text.contains("EOF"));
    }
}
