//! The cleaner: takes away what nobody wants any more, and finishes what a dead process began.
//!
//! Decides: nothing itself; `fate` does, from values. Must not: touch what does not carry our system's label, or delete
//! anything at its first sighting. Input: all holders of our system, and all records. A provider that is away is told
//! of and left out; the others are cleaned.

mod act;
mod fate;
mod idle;
mod look;
mod report;

use std::collections::{BTreeMap, BTreeSet};

pub use fate::{Fate, fate, marked_since};
pub(crate) use look::within;
pub use report::Report;

use crate::config::{Name, Provider};
use crate::drive::{Desk, Found, Stop};
use crate::error::chain;
use crate::objects::{Key, reading};
use crate::state::{Listing, Phase, Record, StateError};

/// Most namespaces of one provider that are going away at a time. A namespace controller takes ten at once; more would only
/// fill its queue before what others delete.
pub const WINDOW: usize = 50;

/// Which part of the work is done: that of some providers, or all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of it.
    All,
    /// That of these providers.
    Of(BTreeSet<Name>),
}

impl Scope {
    /// Whether this provider is part of it.
    pub fn has(&self, provider: &Name) -> bool {
        match self {
            Scope::All => true,
            Scope::Of(some) => some.contains(provider),
        }
    }

    /// Whether this record is part of it. One without a place is the affair of whoever has the first provider.
    pub fn covers(&self, record: &Record, providers: &[&Provider]) -> bool {
        let known = |name: &Name| providers.iter().any(|one| one.name == *name);
        let at = record.body.spot.as_ref().map(|spot| &spot.provider).filter(|name| known(name));
        at.or(providers.first().map(|one| &one.name)).is_none_or(|name| self.has(name))
    }
}

/// What one pass shall do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    /// Only say what would be done.
    pub dry: bool,
    /// Of which providers.
    pub scope: Scope,
    /// Leave the requests alone whose driver died over them: somebody else takes them up.
    pub spare_orphans: bool,
}

impl Desk<'_> {
    /// One pass over everything. With `dry` it only says what it would do.
    ///
    /// # Errors
    /// When the records cannot be had; what was done until then is sound. A provider that refuses or is away is named in the
    /// report.
    pub async fn clean(&self, dry: bool) -> Result<Report, Stop> {
        self.clean_part(&Task { dry, scope: Scope::All, spare_orphans: false }).await
    }

    /// One pass over a part.
    ///
    /// # Errors
    /// As [`Desk::clean`].
    pub async fn clean_part(&self, task: &Task) -> Result<Report, Stop> {
        let (dry, scope) = (task.dry, &task.scope);
        let mut report = Report::default();
        // Holders first: a holder is made only after its record, so one that has none now had lost it before.
        let seen = self.look(scope, &mut report).await;
        let listing = self.store.list().await?;
        report.odd = listing.odd.iter().map(|error| chain(error)).collect();
        let listing =
            if dry { listing } else { self.let_go_of_the_idle(listing, scope, &mut report).await? };
        report.driven = listing.records.iter().filter(|one| self.is_driven(one)).count();
        let dying = if dry { BTreeMap::new() } else { self.claim_lapsed(&listing, task).await? };
        for (provider, found) in &seen {
            let now = (self.clock)();
            let confirm = self.config.leases.confirm.get();
            let going = found.iter().filter(|one| one.is_going()).count();
            report.terminating.insert(provider.to_string(), going);
            report.leaked += found.iter().filter(|one| is_leaked(one, &listing)).count();
            let fates = found.iter().map(|one| (one, fate(&one.meta, &listing, now, confirm))).collect();
            self.carry_out(provider, fates, dry, &mut report).await;
        }
        self.forget(dying, scope, &mut report).await?;
        if !dry {
            report.pruned = self.prune(scope).await?;
            report.ended = self.forget_buildsets(&listing).await?;
        }
        Ok(report)
    }

    fn is_driven(&self, record: &Record) -> bool {
        record.holder.as_ref().is_some_and(|holder| *holder != self.me) && !record.lapsed((self.clock)())
    }

    pub(crate) fn covered(&self, scope: &Scope, record: &Record) -> bool {
        let providers: Vec<&Provider> = self.config.providers.iter().map(|one| &one.value).collect();
        scope.covers(record, &providers)
    }

    /// Takes over every record that nobody wants, so that no new driver takes up what is about to be deleted.
    async fn claim_lapsed(&self, listing: &Listing, task: &Task) -> Result<BTreeMap<String, Record>, Stop> {
        let now = (self.clock)();
        let longest = self.config.leases.duration.get();
        let mut dying = BTreeMap::new();
        for record in listing.records.iter().filter(|record| self.covered(&task.scope, record)) {
            if record.is_let_go() {
                dying.insert(record.id.clone(), record.clone());
                continue;
            }
            if !listing.over(record, now) || (task.spare_orphans && record.is_orphaned(now, longest)) {
                continue;
            }
            let mut record = record.clone();
            record.body.phase = Phase::Releasing;
            record.body.held = None;
            record.holder = None;
            match self.store.write(&record).await {
                Ok(record) => drop(dying.insert(record.id.clone(), record)),
                Err(StateError::Overtaken(_)) => {} // somebody wants it after all
                Err(error) => return Err(error.into()),
            }
        }
        Ok(dying)
    }

    /// Forgets the dying records of which nothing is left, by a look that is later than their taking over: a holder may have
    /// been made after the first one.
    async fn forget(
        &self,
        dying: BTreeMap<String, Record>,
        scope: &Scope,
        report: &mut Report,
    ) -> Result<(), Stop> {
        if dying.is_empty() {
            return Ok(());
        }
        let seen = self.look(scope, report).await;
        let held: BTreeSet<&str> = seen
            .values()
            .flatten()
            .filter_map(|found| reading(found.meta.labels.as_ref(), Key::Request))
            .collect();
        for (id, record) in &dying {
            let away = record.spots().any(|spot| report.is_away(&spot.provider));
            if away || held.contains(id.as_str()) {
                continue;
            }
            // Ours first: a driver that takes it up anew would lose the room that is given back here.
            match self.write(record.clone()).await {
                Ok(record) => self.finish(&record).await?,
                Err(Stop::State(StateError::Overtaken(_))) => continue,
                Err(stop) => return Err(stop),
            }
            report.finished.push(record.body.request.build.clone());
        }
        Ok(())
    }

    /// Drops reservations of requests that are gone.
    async fn prune(&self, scope: &Scope) -> Result<usize, Stop> {
        let mut pruned = 0;
        for (provider, pool) in self.config.pools().into_iter().filter(|(one, _)| scope.has(&one.name)) {
            let mut ledger = self.store.ledger(&provider.name, &pool.name).await?;
            if ledger.entries.is_empty() {
                continue;
            }
            let listing = self.store.list().await?; // after the ledger: see `Ledger::prune`
            let dropped = ledger.prune(&listing.living);
            if dropped > 0 && self.store.put(&provider.name, &pool.name, &ledger).await? {
                pruned += dropped;
            }
        }
        Ok(pruned)
    }
}

/// Whether a holder that is not marked yet belongs to no record.
fn is_leaked(found: &Found, listing: &Listing) -> bool {
    let meta = &found.meta;
    let id = reading(meta.labels.as_ref(), Key::Request);
    meta.deletion_timestamp.is_none()
        && reading(meta.annotations.as_ref(), Key::Condemned).is_none()
        && !listing.records.iter().any(|record| Some(record.id.as_str()) == id)
}

impl Report {
    fn is_away(&self, provider: &Name) -> bool {
        self.away.contains_key(provider.as_str())
    }

    fn away(&mut self, provider: &Name, error: &Stop) {
        self.away.insert(provider.to_string(), chain(error));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{parse, tests::GOOD};
    use crate::state::{Spot, tests::record};

    #[test]
    fn row_06_each_record_is_the_affair_of_exactly_one_provider() {
        let config = parse(GOOD.as_bytes()).unwrap();
        let providers: Vec<&Provider> = config.providers.iter().map(|one| &one.value).collect();
        let east: Name = "east".parse().unwrap();
        let scope = |name: &Name| Scope::Of(BTreeSet::from([name.clone()]));
        let other: Name = "west".parse().unwrap();
        let mut placed = record("b");
        assert!(scope(&east).covers(&placed, &providers), "without a place: the first provider's");
        placed.body.spot = Some(Spot { provider: other.clone(), pool: "main".parse().unwrap() });
        assert!(scope(&east).covers(&placed, &providers), "of a provider that is gone: the first one's");
        assert!(!scope(&other).covers(&placed, &providers) && Scope::All.covers(&placed, &providers));
    }
}
