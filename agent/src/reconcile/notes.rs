//! What a pass has found so far; becomes its report, however it ends.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use extensions_manifest::ExtensionName;

use super::Clock;
use crate::apply::{
    ExtensionState, FetchSummary, PassOutcome, PassReport, PayloadSummary, Problem, Timings,
    extension_states, with_by_name,
};
use crate::desired::Desired;
use crate::host::{Deployment, LocalPackage, Observed};
use crate::owner::Owner;
use crate::payload::{FetchStats, Payload};
use crate::plan::{Ledger, PlanDocument};

/// The parts of a pass that take time.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Observe,
    Payload,
    Plan,
    Wait,
    Apply,
}

pub(super) struct Notes<'a> {
    clock: &'a dyn Clock,
    begun: Duration,
    pub(super) desired: Option<Desired>,
    pub(super) payload: Option<PayloadSummary>,
    pub(super) plan: Option<PlanDocument>,
    pub(super) observed: Option<Observed>,
    pub(super) ledger: Ledger,
    /// What somebody else layered by name, where somebody else owns the extensions.
    pub(super) by_name: BTreeMap<ExtensionName, ExtensionState>,
    pub(super) owner: Option<Owner>,
    pub(super) source_problem: Option<Problem>,
    pub(super) calls: AtomicU32,
    timings: Timings,
}

impl<'a> Notes<'a> {
    pub(super) fn new(clock: &'a dyn Clock) -> Self {
        Self {
            clock,
            begun: clock.monotonic(),
            desired: None,
            payload: None,
            plan: None,
            observed: None,
            ledger: Ledger::default(),
            by_name: BTreeMap::new(),
            owner: None,
            source_problem: None,
            calls: AtomicU32::new(0),
            timings: Timings::default(),
        }
    }

    /// The time on the clock, to be given back to [`Notes::took`].
    pub(super) fn start(&self) -> Duration {
        self.clock.monotonic()
    }

    pub(super) fn took(&mut self, part: Part, start: Duration) {
        let timings = &mut self.timings;
        let total = match part {
            Part::Observe => &mut timings.observe,
            Part::Payload => &mut timings.payload,
            Part::Plan => &mut timings.plan,
            Part::Wait => &mut timings.wait,
            Part::Apply => &mut timings.apply,
        };
        *total = total.saturating_add(self.clock.monotonic().saturating_sub(start));
    }

    pub(super) fn loaded(&mut self, payload: &Payload, arch: &str, stats: FetchStats) {
        self.payload = Some(PayloadSummary {
            reference: payload.pinned.to_string(),
            digest: payload.pinned.digest(),
            version: payload.labels.version.clone(),
            packages: payload.packages.len(),
            offers: payload.map.offered(arch),
            fetch: FetchSummary {
                requests: stats.requests,
                bytes_received: stats.bytes_received,
                bytes_written: stats.bytes_written,
                cached: stats.cached,
            },
        });
    }

    pub(super) fn report(mut self, outcome: Result<PassOutcome, Problem>) -> PassReport {
        self.timings.total = self.clock.monotonic().saturating_sub(self.begun);
        let observed = self.observed.as_ref();
        let outcome = outcome.unwrap_or_else(|problem| PassOutcome::NotDone { problem });
        // What is wanted may be in the next boot without a package of ours: the new base has it, or an admin layered it.
        let waits = matches!(outcome, PassOutcome::AwaitingReboot { .. } | PassOutcome::Staged { .. });
        let ours = extension_states(self.desired.as_ref(), &self.ledger, observed);
        let extensions = with_by_name(ours, self.by_name);
        let moves = |state: &ExtensionState| state.staged != state.booted;
        let theirs = self.owner.is_some() && extensions.values().any(moves);
        PassReport {
            at: self.clock.now(),
            outcome,
            owner: self.owner,
            source_problem: self.source_problem,
            calls: self.calls.load(Ordering::Relaxed),
            extensions,
            reboot_pending: waits
                || theirs
                || observed.is_some_and(|observed| reboot_pending(&self.ledger, observed)),
            desired: self.desired,
            payload: self.payload,
            plan: self.plan,
            observed: self.observed,
            timings: self.timings,
        }
    }
}

/// Whether the next boot takes other packages of ours than the host runs.
fn reboot_pending(ledger: &Ledger, observed: &Observed) -> bool {
    let ours = |deployment: &Deployment| {
        let packages = deployment.local_packages.iter().filter(|package| ledger.owns(package, deployment));
        let removals = ledger.removals.intersection(&deployment.base_removals);
        (
            packages.cloned().collect::<BTreeSet<LocalPackage>>(),
            removals.cloned().collect::<BTreeSet<String>>(),
        )
    };
    let (next, booted) = (observed.pending_or_booted(), observed.booted());
    next.zip(booted).is_some_and(|(next, booted)| next.id != booted.id && ours(next) != ours(booted))
}
