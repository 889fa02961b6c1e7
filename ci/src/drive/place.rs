//! Finds room for a request: all its nodes in one pool, reserved at once or not at all.
//!
//! Decides: which pools are tried, in which order. Must not: make anything. Input: the configuration and the ledgers of the
//! pools. Nobody holds a part and waits for the rest, so requests cannot block each other; who waits has a place in the order.

use std::collections::BTreeMap;

use super::{Desk, Stop};
use crate::buildset::{Settled, in_order};
use crate::config::{Config, Name, Pool, Provider, Size, together};
use crate::schedule::{Claim, Turn, admit, enlist, turn};
use crate::state::{Body, BuildsetError, Entry, Phase, Record, Spot, Warm};

/// How often one reservation is tried against faster processes before another pool is looked at.
const RACES: u32 = 20;
/// Each which round all records are listed, to see whose reservations and places in the order are over.
const LISTED: u32 = 4;
/// Each which round warm nodes are asked to give way.
const ROOM: u32 = 2;

/// The pools that may hold a request, and which of its alternatives.
pub(super) struct Options<'a> {
    /// The alternative.
    pub(super) choice: usize,
    /// The pools, the one that is tried first first. Never empty.
    pub(super) pools: Vec<(&'a Provider, &'a Pool)>,
}

/// The first alternative that some pool could hold, and the pools in their order. None where there is none: no pool is large
/// enough, or each has failed, or none lies where the buildset lies.
pub(super) fn options<'a>(config: &'a Config, body: &Body, chosen: Option<&Name>) -> Option<Options<'a>> {
    body.request.choices().iter().enumerate().find_map(|(choice, nodes)| {
        let able = |(provider, pool): &(&Provider, &Pool)| {
            let failed = body.tried.iter().any(|tried| {
                tried.choice == choice && tried.spot.provider == provider.name && tried.spot.pool == pool.name
            });
            !failed && together(pool, nodes).is_some_and(|size| size.exceeds(pool).is_none())
        };
        let pools = config.pools().into_iter().filter(able).collect();
        let pools = in_order(pools, config.buildset.affinity, chosen);
        (!pools.is_empty()).then_some(Options { choice, pools })
    })
}

/// A request that inherits goes before others of its number: somebody holds nodes for it.
fn rank(record: &Record) -> u32 {
    let request = &record.body.request;
    request.priority.saturating_sub(u32::from(!request.inherits.is_empty()))
}

pub(super) fn claim(record: &Record, size: Size) -> Claim<'_> {
    Claim { id: &record.id, lease: &record.uid, size, priority: rank(record) }
}

impl Desk<'_> {
    /// The record with its place reserved.
    pub(super) async fn place(&self, mut record: Record) -> Result<Record, Stop> {
        if let Some(spot) = &record.body.spot {
            self.hold(spot, &record).await?;
            return Ok(record);
        }
        self.unsettle(&record).await?; // it lies nowhere, whatever a dead process noted
        let mut round = 0;
        loop {
            let chosen = self.chosen(&record).await?;
            let Some(options) = options(self.config, &record.body, chosen.as_ref()) else {
                return Err(self.refuse(&record, chosen).await?);
            };
            record.turn_to(options.choice);
            let mut nearest = usize::MAX;
            for (provider, pool) in &options.pools {
                let (found, warm) = self.find_room(provider, pool, &record, round).await?;
                match found {
                    Turn::Wait { behind } => nearest = nearest.min(behind),
                    Turn::Go => {
                        let spot = Spot { provider: provider.name.clone(), pool: pool.name.clone() };
                        if let Settled::Elsewhere(_) = self.settle(&record, &provider.name).await? {
                            // Nothing was made here yet. The next round looks where the buildset lies now.
                            self.unreserve(&spot, &record).await?;
                            break;
                        }
                        if round > 0 {
                            self.leave(&options.pools, Some(&spot), &record).await?;
                        }
                        record.body.spot = Some(spot);
                        record.body.warm = warm;
                        record.body.phase = Phase::Making;
                        return self.write(record).await;
                    }
                }
            }
            if round.is_multiple_of(ROOM) {
                self.make_room(&options.pools, &record).await?;
            }
            let names: Vec<&str> = options.pools.iter().map(|(_, pool)| pool.name.as_str()).collect();
            // Who is next looks often, so that room does not lie idle.
            let near = u32::try_from(nearest).unwrap_or(u32::MAX);
            if let Err(stop) = self.pause(round.min(near), || Stop::Full(names.join(", "))).await {
                self.leave(&options.pools, None, &record).await?;
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
    async fn refuse(&self, record: &Record, chosen: Option<Name>) -> Result<Stop, Stop> {
        self.store.delete(record).await?;
        if let Some(provider) = chosen.filter(|_| options(self.config, &record.body, None).is_some()) {
            return Ok(BuildsetError::Elsewhere { provider }.into());
        }
        let labels: Vec<&str> = record.body.request.nodes.iter().map(|node| node.label.as_str()).collect();
        Ok(Stop::Unservable(labels.join(" + ")))
    }

    /// Writes the reservation of a placed request again: it outlives its driver, and the new version keeps a cleaner from
    /// dropping it.
    async fn hold(&self, spot: &Spot, record: &Record) -> Result<(), Stop> {
        let (provider, pool) = self.configured(spot)?;
        let Some(size) = together(pool, &record.body.request.nodes) else { return Ok(()) };
        let mut round = 0;
        loop {
            let mut ledger = self.store.ledger(&provider.name, &pool.name).await?;
            let entry = Entry { size: size.clone(), lease: record.uid.clone() };
            ledger.waiting.remove(&record.id);
            ledger.entries.insert(record.id.clone(), entry);
            if self.store.put(&provider.name, &pool.name, &ledger).await? {
                return Ok(());
            }
            self.pause(round.min(2), || Stop::Busy(record.body.request.build.clone())).await?;
            round += 1;
        }
    }

    /// Takes warm nodes and the room for all, or reserves room where nodes are made.
    async fn find_room(
        &self,
        provider: &Provider,
        pool: &Pool,
        record: &Record,
        round: u32,
    ) -> Result<(Turn, BTreeMap<usize, Warm>), Stop> {
        if round.is_multiple_of(LISTED)
            && let Some(warm) = self.take_warm((provider, pool), record).await?
        {
            return Ok((Turn::Go, warm));
        }
        Ok((self.reserve(provider, pool, record, round).await?, BTreeMap::new()))
    }

    /// Reserves the whole request in one pool where it is its turn. Where it is not, it gets a place in the order; not in the
    /// first round, in which it may go to another pool at once. In some rounds those are dropped first that are no more.
    pub(super) async fn reserve(
        &self,
        provider: &Provider,
        pool: &Pool,
        record: &Record,
        round: u32,
    ) -> Result<Turn, Stop> {
        let never = Turn::Wait { behind: usize::MAX };
        let Some(size) = together(pool, &record.body.request.nodes) else { return Ok(never) };
        let claim = claim(record, size);
        for _ in 0..RACES {
            let mut ledger = self.store.ledger(&provider.name, &pool.name).await?;
            let mut found = turn(&ledger, pool, &claim);
            let mut changed = false;
            if round.is_multiple_of(LISTED) && found != Turn::Go {
                let listing = self.store.list().await?; // after the ledger: see `prune`
                let gone = ledger.prune(&listing.living);
                changed = gone + ledger.prune_waiting(&listing.waiting((self.clock)())) > 0;
                found = turn(&ledger, pool, &claim);
            }
            changed |= match found {
                Turn::Go => {
                    admit(&mut ledger, pool, &claim);
                    true
                }
                Turn::Wait { .. } => round > 0 && enlist(&mut ledger, &claim),
            };
            if !changed || self.store.put(&provider.name, &pool.name, &ledger).await? {
                return Ok(found);
            }
        }
        Ok(never)
    }

    /// Gives up the places in the order of all pools but one. What stays all the same is dropped by whoever looks next.
    async fn leave(
        &self,
        pools: &[(&Provider, &Pool)],
        but: Option<&Spot>,
        record: &Record,
    ) -> Result<(), Stop> {
        for (provider, pool) in pools {
            if but.is_some_and(|spot| provider.name == spot.provider && pool.name == spot.pool) {
                continue;
            }
            let mut ledger = self.store.ledger(&provider.name, &pool.name).await?;
            if ledger.waiting.remove(&record.id).is_some() {
                self.store.put(&provider.name, &pool.name, &ledger).await?;
            }
        }
        Ok(())
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
