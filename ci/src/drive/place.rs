//! Finds room for a request: all its nodes in one pool, reserved at once or not at all.
//!
//! Decides: which pool. Must not: make anything. Input: the ledgers of the pools. Nobody holds a part and waits for the
//! rest, so requests cannot block each other.

use super::{Desk, Stop};
use crate::config::{Pool, Provider, Size};
use crate::state::{Entry, Phase, Record, Spot};

/// How often one reservation is tried against faster processes before another pool is looked at.
const RACES: u32 = 20;

/// What all nodes of a request take together in a pool; none where the pool does not offer one of the labels.
pub(super) fn size(pool: &Pool, record: &Record) -> Option<Size> {
    record.body.request.nodes.iter().try_fold(Size::default(), |sum, node| {
        pool.label(&node.label).map(|label| sum.plus(Size::of(pool, label)))
    })
}

impl Desk<'_> {
    /// The record with its place reserved.
    pub(super) async fn place(&self, mut record: Record) -> Result<Record, Stop> {
        if let Some(spot) = &record.body.spot {
            // The reservation outlives its driver; writing it again moves the version, so that no cleaner drops it.
            let (provider, pool) = self.configured(spot)?;
            self.reserve(provider, pool, &record, true).await?;
            return Ok(record);
        }
        let able: Vec<_> = self
            .config
            .pools()
            .into_iter()
            .filter(|(_, pool)| size(pool, &record).is_some_and(|size| size.exceeds(pool).is_none()))
            .collect();
        if able.is_empty() {
            return Err(self.refuse(&record).await?);
        }
        let mut round = 0;
        loop {
            for (provider, pool) in &able {
                if self.reserve(provider, pool, &record, false).await? {
                    record.body.spot =
                        Some(Spot { provider: provider.name.clone(), pool: pool.name.clone() });
                    record.body.phase = Phase::Making;
                    return self.write(record).await;
                }
            }
            let names: Vec<&str> = able.iter().map(|(_, pool)| pool.name.as_str()).collect();
            if let Err(stop) = self.pause(round, || Stop::Full(names.join(", "))).await {
                self.store.delete(&record).await?;
                return Err(stop);
            }
            round += 1;
            record = self.heartbeat(record).await?;
        }
    }

    /// The pool of a spot, as configured now.
    pub(super) fn configured(&self, spot: &Spot) -> Result<(&Provider, &Pool), Stop> {
        self.config
            .pool(&spot.provider, &spot.pool)
            .ok_or_else(|| Stop::Unconfigured { provider: spot.provider.clone(), pool: spot.pool.clone() })
    }

    /// Forgets a request that no pool could ever hold.
    async fn refuse(&self, record: &Record) -> Result<Stop, Stop> {
        self.store.delete(record).await?;
        let labels: Vec<&str> = record.body.request.nodes.iter().map(|node| node.label.as_str()).collect();
        Ok(Stop::Unservable(labels.join(" + ")))
    }

    /// Reserves the whole request in one pool; false where it does not fit beside the others. With `held` it is known to
    /// have fitted.
    async fn reserve(
        &self,
        provider: &Provider,
        pool: &Pool,
        record: &Record,
        held: bool,
    ) -> Result<bool, Stop> {
        let Some(size) = size(pool, record) else { return Ok(false) };
        for _ in 0..RACES {
            let mut ledger = self.store.ledger(&provider.name, &pool.name).await?;
            if !held && !ledger.fits(pool, &record.id, size) {
                let listing = self.store.list().await?; // after the ledger: see `prune`
                if ledger.prune(&listing.living) == 0 || !ledger.fits(pool, &record.id, size) {
                    return Ok(false);
                }
            }
            ledger.entries.insert(record.id.clone(), Entry { size, lease: record.uid.clone() });
            if self.store.put(&provider.name, &pool.name, &ledger).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives a reservation back. Safe to repeat.
    pub(super) async fn unreserve(&self, spot: &Spot, record: &Record) -> Result<(), Stop> {
        let mut round = 0;
        loop {
            let mut ledger = self.store.ledger(&spot.provider, &spot.pool).await?;
            let ours = ledger.entries.get(&record.id).is_some_and(|entry| entry.lease == record.uid);
            if !ours {
                return Ok(());
            }
            ledger.entries.remove(&record.id);
            if self.store.put(&spot.provider, &spot.pool, &ledger).await? {
                return Ok(());
            }
            self.pause(round.min(2), || Stop::Busy(record.body.request.build.clone())).await?;
            round += 1;
        }
    }
}
