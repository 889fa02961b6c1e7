//! How often the cluster was told, and how often it could not be.

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::catalogue::{self, register};
use super::labels::ReasonLabel;
use crate::error::Reason;

/// Counters of what is written to the cluster.
#[derive(Debug)]
pub struct Reporting {
    writes: Counter,
    rewrites: Counter,
    failures: Family<ReasonLabel, Counter>,
}

impl Reporting {
    pub(super) fn new(all: &mut Registry) -> Self {
        let reporting = Self {
            writes: register(all, catalogue::REPORT_WRITES, Counter::default()),
            rewrites: register(all, catalogue::REPORT_REWRITES, Counter::default()),
            failures: register(all, catalogue::REPORT_FAILURES, Family::default()),
        };
        for reason in [Reason::ClusterUnavailable, Reason::ClusterForbidden] {
            let _ = reporting.failures.get_or_create(&ReasonLabel { reason: reason.code() });
        }
        reporting
    }

    /// A status was written.
    pub fn wrote(&self) {
        self.writes.inc();
    }

    /// Somebody else had changed or removed it.
    pub fn rewrote(&self) {
        self.rewrites.inc();
    }

    /// It could not be written, and is tried again.
    pub fn failed(&self, reason: Reason) {
        self.failures.get_or_create(&ReasonLabel { reason: reason.code() }).inc();
    }
}
