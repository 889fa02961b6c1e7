//! Keeps as many nodes ready as each label wants.
//!
//! Decides: which are missing, and which are not wanted any more. Must not: take one from a request that has it. Input: the
//! configuration, and the records.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream;
use tracing::{info, warn};

use super::run::Run;
use crate::cleanup::Scope;
use crate::config::{Asked, Label, Pool, Provider};
use crate::drive::{Desk, Stocked, Stop, stock_id};
use crate::error::{Failure, chain};
use crate::state::{Listing, Record, Spot};

/// Most nodes that are made at a time.
const WIDTH: usize = 4;
/// How long the stock is left alone after a pass, and after one that could not fill it: doubled each time, up to the second.
const REST: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// At the latest then the stock is looked at, whatever the views say.
const SAFETY: Duration = Duration::from_secs(600);

/// One place in the stock.
#[derive(Clone, Copy)]
struct Slot<'a> {
    provider: &'a Provider,
    pool: &'a Pool,
    label: &'a Label,
    asked: &'a Asked,
    number: u64,
}

/// Every place of this part, by the id of the record that fills it.
fn slots<'a>(desk: &Desk<'a>, scope: &Scope) -> BTreeMap<String, Slot<'a>> {
    let mut all = BTreeMap::new();
    for asked in desk.config.labels.iter().map(|one| &one.value) {
        let Some((provider, pool, label)) = desk.config.stock_pool(&asked.name) else { continue };
        if !scope.has(&provider.name) {
            continue;
        }
        let spot = Spot { provider: provider.name.clone(), pool: pool.name.clone() };
        for number in 0..asked.min_ready {
            let id = stock_id(&desk.config.system, &spot, &asked.name, number);
            all.insert(id, Slot { provider, pool, label, asked, number });
        }
    }
    all
}

/// What is to be done about the stock.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Plan {
    /// Records that are not wanted any more: another configuration, or too many.
    pub(super) surplus: Vec<String>,
    /// Places that nothing fills.
    pub(super) missing: Vec<String>,
}

impl Plan {
    fn is_empty(&self) -> bool {
        *self == Plan::default()
    }
}

/// What there is to do in this part.
pub(super) fn plan(desk: &Desk<'_>, scope: &Scope, listing: &Listing) -> Plan {
    let slots = slots(desk, scope);
    let current = |record: &Record, meaning: &str| {
        let slot = slots.get(&record.id);
        slot.is_some_and(|slot| desk.meaning(slot.provider, slot.pool, slot.label) == meaning)
    };
    let covered = listing.records.iter().filter(|record| desk.covered(scope, record));
    let surplus = covered.filter(|one| one.free_stock().is_some_and(|stock| !current(one, &stock.meaning)));
    let surplus = surplus.map(|record| record.id.clone()).collect();
    let filled: BTreeSet<&str> = listing.records.iter().map(|record| record.id.as_str()).collect();
    let missing = slots.keys().filter(|id| !filled.contains(id.as_str())).cloned().collect();
    Plan { surplus, missing }
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Kept {
    /// Nodes that are ready now.
    pub(super) made: usize,
    /// Places for which there is no room.
    pub(super) without_room: usize,
    /// What went wrong.
    pub(super) failures: Vec<Stop>,
}

/// Lets go of what is not wanted, and makes what is missing.
pub(super) async fn keep(desk: &Desk<'_>, scope: &Scope, plan: &Plan) -> Kept {
    let mut kept = Kept::default();
    for id in &plan.surplus {
        kept.failures.extend(desk.let_stock_go(id).await.err());
    }
    let slots = slots(desk, scope);
    let missing = plan.missing.iter().filter_map(|id| slots.get(id).copied());
    let mut made = stream::iter(missing)
        .map(|slot| desk.stock_up((slot.provider, slot.pool), slot.asked, slot.number))
        .buffer_unordered(WIDTH);
    while let Some(one) = made.next().await {
        match one {
            Ok(Stocked::Made) => kept.made += 1,
            Ok(Stocked::There) => {}
            Ok(Stocked::NoRoom) => kept.without_room += 1,
            Err(stop) => kept.failures.push(stop),
        }
    }
    kept
}

impl Run<'_> {
    /// Keeps the stock until the stop.
    pub(super) async fn keep_stock(&self) {
        let mut news = self.changes.subscribe();
        let mut rest = REST.0;
        while !self.stop.is_cancelled() {
            let scope = Scope::Of(self.mine());
            let listing = self.views.listing();
            let plan = listing.map(|listing| plan(self.desk, &scope, &listing)).unwrap_or_default();
            if plan.is_empty() {
                rest = REST.0;
                self.next(&mut news, SAFETY).await;
                continue;
            }
            let desk = self.patient();
            let kept = tokio::select! {
                // What is dropped is left as by a kill: its time runs out.
                kept = keep(&desk, &scope, &plan) => kept,
                () = self.stop.cancelled() => return,
            };
            for stop in &kept.failures {
                self.metrics.failed(stop.reason());
                warn!(error = chain(stop), "a node could not be kept ready");
            }
            if kept.made > 0 {
                info!(nodes = kept.made, "kept ready");
            }
            let well = kept.failures.is_empty() && kept.without_room == 0;
            rest = if well { REST.0 } else { (rest * 2).min(REST.1) };
            self.wait(rest).await;
        }
    }
}

#[cfg(test)]
mod tests;
