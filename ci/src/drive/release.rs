//! Lets a request go: its holders first, its reservation next, its record last.
//!
//! Decides: when a request is gone. Must not: strip a finalizer, or believe a deletion before the holder is not found.
//! Input: a build. Each step may be done again by another process.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{Desk, Found, Holders, Stop};
use crate::cleanup::within;
use crate::objects::{Key, reading};
use crate::state::{Held, Record, Spot};

/// How long a provider may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a release ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Released {
    /// Nothing of it is left.
    Gone,
    /// Its holders are going away; `gc` finishes it.
    Going,
    /// It is kept for its buildset, until that ends or this time comes.
    Kept(Timestamp),
    /// Somebody holds it; it goes when that is over.
    Held(Held),
}

impl Desk<'_> {
    /// Releases a build; with `wait` until nothing of it is left. One that is kept for its buildset, or held, stays.
    ///
    /// # Errors
    /// When there is no such build, another process drives it, or a holder does not go away.
    pub async fn release(&self, build: &str, wait: bool) -> Result<Released, Stop> {
        if let Some(until) = self.kept(&self.find(build).await?).await? {
            return Ok(Released::Kept(until));
        }
        self.give_back(build, wait).await
    }

    /// Releases a build, kept or not. One that is held stays.
    pub(crate) async fn give_back(&self, build: &str, wait: bool) -> Result<Released, Stop> {
        if let Some(held) = self.held(&self.find(build).await?) {
            return Ok(Released::Held(held));
        }
        let mut record = self.claim_for_release(build).await?;
        let mut round = 0;
        loop {
            let left = self.sweep(&record).await?;
            if left.is_empty() {
                self.finish(&record).await?;
                return Ok(Released::Gone);
            }
            if !wait || Instant::now() >= self.deadline {
                self.let_go(record).await?;
                return if wait { Err(blocked(&left)) } else { Ok(Released::Going) };
            }
            // Over time is said with the holder that is left, not here.
            let _ = self.pause(round, || blocked(&left)).await;
            round += 1;
            record = self.heartbeat(record).await?;
        }
    }

    /// Asks for the deletion of everything that carries the request's id; returns what is still there.
    pub(crate) async fn sweep(&self, record: &Record) -> Result<Vec<Found>, Stop> {
        let mut left = Vec::new();
        let mut failed = None;
        let spots: BTreeSet<&Spot> = record.spots().collect();
        for spot in spots {
            // A cluster that is away holds up none of the others.
            match self.sweep_at(spot, record).await {
                Ok(found) => left.extend(found),
                Err(stop) => failed = Some(stop),
            }
        }
        failed.map_or(Ok(left), Err)
    }

    /// The same in one pool.
    pub(super) async fn sweep_at(&self, spot: &Spot, record: &Record) -> Result<Vec<Found>, Stop> {
        let Some(cluster) = self.clusters.providers.get(&spot.provider) else { return Ok(Vec::new()) };
        let holders = Holders::of(cluster);
        let found = holders.list(&self.config.system, Some(&record.id));
        let mut left = within(PATIENCE, "looking", found).await?;
        // What was never labelled names no pool; it can only be of this request.
        let pool = |found: &Found| reading(found.meta.labels.as_ref(), Key::Pool).map(str::to_owned);
        left.retain(|found| pool(found).is_none_or(|pool| pool == spot.pool.as_str()));
        for found in left.iter().filter(|found| !found.is_going()) {
            holders.delete(found).await?;
        }
        Ok(left)
    }

    /// Gives the reservation back, and forgets the request. Only once nothing of it is left.
    pub(crate) async fn finish(&self, record: &Record) -> Result<(), Stop> {
        for spot in record.spots() {
            self.unreserve(spot, record).await?;
        }
        Ok(self.store.delete(record).await?)
    }

    /// Nobody drives it for now.
    async fn let_go(&self, mut record: Record) -> Result<(), Stop> {
        record.holder = None;
        self.store.write(&record).await?;
        Ok(())
    }
}

fn blocked(left: &[Found]) -> Stop {
    let first = left.first();
    Stop::Blocked {
        holder: first.map(|found| found.name().to_owned()).unwrap_or_default(),
        why: first.map(Found::why).unwrap_or_default(),
    }
}
