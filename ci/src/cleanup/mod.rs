//! The cleaner: takes away what nobody wants any more, and finishes what a dead process began.
//!
//! Decides: nothing itself; `fate` does, from values. Must not: touch what does not carry our system's label, or delete
//! anything at its first sighting. Input: all holders of our system, and all records.

mod fate;

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

pub use fate::{Fate, fate};

use crate::drive::{Desk, Found, Holders, Stop};
use crate::error::chain;
use crate::objects::{Key, reading};
use crate::state::{Listing, Phase, Record, StateError};

/// What one pass did.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Holders that are wanted.
    pub kept: usize,
    /// Holders that were seen unwanted for the first time.
    pub condemned: Vec<String>,
    /// Holders that wait for their second sighting.
    pub waiting: Vec<String>,
    /// Holders whose deletion was asked for.
    pub deleted: Vec<String>,
    /// Holders that are going away, and what holds them.
    pub going: BTreeMap<String, String>,
    /// Builds of which nothing is left.
    pub finished: Vec<String>,
    /// Buildsets that are over and have no build left.
    pub ended: Vec<String>,
    /// Reservations that belonged to no request.
    pub pruned: usize,
    /// Records that cannot be read. What belongs to them is kept.
    pub odd: Vec<String>,
}

impl Report {
    fn take(&mut self, found: &Found, fate: Fate) {
        let name = found.name().to_owned();
        match fate {
            Fate::Going => drop(self.going.insert(name, found.why())),
            Fate::Keep | Fate::Spare => self.kept += 1,
            Fate::Condemn => self.condemned.push(name),
            Fate::Await => self.waiting.push(name),
            Fate::Delete => self.deleted.push(name),
        }
    }
}

impl Desk<'_> {
    /// One pass. With `dry` it only says what it would do.
    ///
    /// # Errors
    /// When a cluster refuses or is away; what was done until then is sound.
    pub async fn clean(&self, dry: bool) -> Result<Report, Stop> {
        let mut report = Report::default();
        // Holders first: a holder is made only after its record, so one that has none now had lost it before.
        let providers: Vec<Holders> = self.clusters.providers.values().map(Holders::of).collect();
        let mut seen = Vec::new();
        for holders in &providers {
            let found = holders.list(&self.config.system, None).await?;
            seen.extend(found.into_iter().map(|found| (holders, found)));
        }
        let listing = self.store.list().await?;
        report.odd = listing.odd.iter().map(|error| chain(error)).collect();
        let dying = if dry { BTreeMap::new() } else { self.claim_lapsed(&listing).await? };
        for (holders, found) in &seen {
            let fate = fate(&found.meta, &listing, (self.clock)(), self.config.leases.confirm.get());
            if !dry {
                self.carry_out(holders, found, fate).await?;
            }
            report.take(found, fate);
        }
        self.forget(dying, &seen, &mut report).await?;
        if !dry {
            report.pruned = self.prune().await?;
            report.ended = self.forget_buildsets(&listing).await?;
        }
        Ok(report)
    }

    /// Takes over every record that nobody wants, so that no new driver takes up what is about to be deleted.
    async fn claim_lapsed(&self, listing: &Listing) -> Result<BTreeMap<String, Record>, Stop> {
        let now = (self.clock)();
        let mut dying = BTreeMap::new();
        for record in &listing.records {
            let released = record.body.phase == Phase::Releasing && record.holder.is_none();
            if !listing.over(record, now) && !released {
                continue;
            }
            let mut record = record.clone();
            record.body.phase = Phase::Releasing;
            record.holder = None;
            match self.store.write(&record).await {
                Ok(record) => drop(dying.insert(record.id.clone(), record)),
                Err(StateError::Overtaken(_)) => {} // somebody wants it after all
                Err(error) => return Err(error.into()),
            }
        }
        Ok(dying)
    }

    /// Does what was decided, on exactly the version that it was decided for.
    async fn carry_out(&self, holders: &Holders, found: &Found, fate: Fate) -> Result<(), Stop> {
        match fate {
            Fate::Going | Fate::Keep | Fate::Await => Ok(()),
            Fate::Spare => holders.mark(found, None).await,
            Fate::Condemn => holders.mark(found, Some((self.clock)().as_second().to_string())).await,
            // One that changed in between is looked at again by the next pass.
            Fate::Delete => holders.delete(found).await.map(|_| ()),
        }
    }

    /// Forgets the dying records of which no holder was seen.
    async fn forget(
        &self,
        dying: BTreeMap<String, Record>,
        seen: &[(&Holders, Found)],
        report: &mut Report,
    ) -> Result<(), Stop> {
        let held: BTreeSet<&str> =
            seen.iter().filter_map(|(_, found)| reading(found.meta.labels.as_ref(), Key::Request)).collect();
        for (id, record) in &dying {
            // Looked at again: a holder may have been made after the list was.
            if !held.contains(id.as_str()) && self.sweep(record).await?.is_empty() {
                self.finish(record).await?;
                report.finished.push(record.body.request.build.clone());
            }
        }
        Ok(())
    }

    /// Drops reservations of requests that are gone.
    async fn prune(&self) -> Result<usize, Stop> {
        let mut pruned = 0;
        for (provider, pool) in self.config.pools() {
            let mut ledger = self.store.ledger(&provider.name, &pool.name).await?;
            let listing = self.store.list().await?; // after the ledger: see `Ledger::prune`
            let dropped = ledger.prune(&listing.living);
            if dropped > 0 && self.store.put(&provider.name, &pool.name, &ledger).await? {
                pruned += dropped;
            }
        }
        Ok(pruned)
    }
}
