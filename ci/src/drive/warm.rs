//! How a request takes nodes that are ready already, and how they give way to a request that needs their room.
//!
//! Decides: which warm node may stand for a wanted one. Must not: hand one to two requests, or keep a token for it. Input:
//! the records of warm nodes, which are records like others but for the word `stock`.
//!
//! A namespace is always counted under the id on its label, so whatever write is the last of a process, none is uncounted:
//! the warm record is given to the request, the whole request is reserved beside it, the request's record names the
//! namespace, the namespace gets the request's label, and only then the warm record goes, its reservation first. From the
//! second write to the last the node is counted twice. Where the process dies in between, the pool has so much less room
//! until the warm record lapses, for `DRIVER` seconds twice, and the cleaner takes it with what still carries its id.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::api::{Patch, PatchParams};

use super::place::claim;
use super::{DRIVER, Desk, Stop};
use crate::cluster::{Cluster, ClusterError, Layout, MANAGER};
use crate::config::{Name, Pool, Provider, together};
use crate::objects::{Holder, Key, reading};
use crate::schedule::{Claim, Turn, admit, turn};
use crate::state::{Ledger, Phase, Record, Spot, StateError, Warm};

/// How often a write is tried against faster processes, and how many warm nodes are tried for one that is wanted.
const RACES: usize = 20;

/// One that was taken: its place in the request, its record as it was before, and what is remembered of it.
struct Taken {
    at: usize,
    before: Record,
    warm: Warm,
}

/// The warm records that may stand for a node of that label there, in an order that differs from request to request.
fn candidates<'a>(
    stock: &[&'a Record],
    spot: &Spot,
    label: &Name,
    meaning: &str,
    id: &str,
) -> Vec<&'a Record> {
    let fits = |record: &&&Record| {
        record.body.spot.as_ref() == Some(spot)
            && record.body.stock.as_ref().is_some_and(|stock| stock.meaning == meaning)
            && record.body.request.nodes.first().is_some_and(|node| node.label == *label)
    };
    let mut all: Vec<&Record> = stock.iter().filter(fits).copied().collect();
    let seed = id.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let first = seed.checked_rem(all.len()).unwrap_or(0);
    all.rotate_left(first);
    all
}

/// Those of the warm nodes that must go so that it is this request's turn: as few as will do, and none where all of them
/// would not do.
fn yielding<'a>(ledger: &Ledger, pool: &Pool, claim: &Claim<'_>, stock: &[&'a Record]) -> Vec<&'a Record> {
    let mut without = ledger.clone();
    let mut gone = Vec::new();
    for record in stock {
        if turn(&without, pool, claim) == Turn::Go {
            return gone;
        }
        without.entries.remove(&record.id);
        gone.push(*record);
    }
    if turn(&without, pool, claim) == Turn::Go { gone } else { Vec::new() }
}

/// The warm nodes there that may give way, those first that are going already.
fn giving_way<'a>(records: &'a [Record], spot: &Spot, now: Timestamp) -> Vec<&'a Record> {
    let may = |record: &&Record| {
        let going = record.body.phase == Phase::Releasing || record.lapsed(now);
        record.body.stock.is_some()
            && record.body.spot.as_ref() == Some(spot)
            && (going || record.free_stock().is_some())
    };
    let mut all: Vec<&Record> = records.iter().filter(may).collect();
    all.sort_by_key(|record| record.free_stock().is_some());
    all
}

impl Desk<'_> {
    /// Takes warm nodes for a request, and the room for all of it; none where there are none, or no room for the rest.
    pub(super) async fn take_warm(
        &self,
        (provider, pool): (&Provider, &Pool),
        record: &Record,
    ) -> Result<Option<BTreeMap<usize, Warm>>, Stop> {
        let any = record.body.request.nodes.iter().any(|node| self.config.stocked(&node.label).is_some());
        if !any || provider.layout() != Layout::Namespaces {
            return Ok(None);
        }
        let (now, listing) = ((self.clock)(), self.store.list().await?);
        let ours = |one: &Record| {
            let taken = one.body.stock.as_ref().and_then(|stock| stock.taken.as_ref());
            one.body.phase == Phase::Ready && taken == Some(&record.id)
        };
        let free = |one: &&Record| !one.lapsed(now) && (one.free_stock().is_some() || ours(one));
        let stock: Vec<&Record> = listing.records.iter().filter(free).collect();
        let taken = self.take_each((provider, pool), record, &stock).await?;
        if taken.is_empty() {
            return Ok(None);
        }
        if !self.reserve_beside((provider, pool), record, &taken).await? {
            self.put_back(taken).await;
            return Ok(None);
        }
        Ok(Some(taken.into_iter().map(|one| (one.at, one.warm)).collect()))
    }

    /// Gives warm records to the request, each by compare-and-swap; where another was faster, the next one is tried.
    async fn take_each(
        &self,
        (provider, pool): (&Provider, &Pool),
        record: &Record,
        stock: &[&Record],
    ) -> Result<Vec<Taken>, Stop> {
        let spot = Spot { provider: provider.name.clone(), pool: pool.name.clone() };
        let (mut taken, mut seen) = (Vec::new(), BTreeSet::new());
        for (at, node) in record.body.request.nodes.iter().enumerate() {
            let Some(label) = pool.label(&node.label) else { continue };
            if !self.may_stand(provider, pool, label, (record, node)) {
                continue;
            }
            let meaning = self.meaning(provider, pool, label);
            for one in candidates(stock, &spot, &node.label, &meaning, &record.id).into_iter().take(RACES) {
                if seen.insert(one.id.clone())
                    && let Some(got) = self.take_one(record, one, at).await?
                {
                    taken.push(got);
                    break;
                }
            }
        }
        Ok(taken)
    }

    async fn take_one(&self, record: &Record, warm: &Record, at: usize) -> Result<Option<Taken>, Stop> {
        let Some(holder) = warm.holders().into_iter().next() else { return Ok(None) };
        let mut given = warm.clone();
        if let Some(stock) = &mut given.body.stock {
            stock.taken = Some(record.id.clone());
        }
        given.renewed = (self.clock)();
        given.duration = 2 * DRIVER; // longer than it takes to write the rest
        match self.store.write(&given).await {
            Ok(written) => {
                let before = Record { version: written.version, ..warm.clone() };
                Ok(Some(Taken { at, before, warm: Warm { id: warm.id.clone(), holder } }))
            }
            Err(StateError::Overtaken(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Reserves the whole request, in one write; false where it does not fit in place of its warm nodes. Their own
    /// reservations stay, for as long as their namespaces carry their ids.
    async fn reserve_beside(
        &self,
        (provider, pool): (&Provider, &Pool),
        record: &Record,
        taken: &[Taken],
    ) -> Result<bool, Stop> {
        let Some(size) = together(pool, &record.body.request.nodes) else { return Ok(false) };
        let claim = claim(record, size);
        for _ in 0..RACES {
            let mut ledger = self.store.ledger(&provider.name, &pool.name).await?;
            let beside: Vec<_> =
                taken.iter().filter_map(|one| ledger.entries.remove_entry(&one.warm.id)).collect();
            if turn(&ledger, pool, &claim) != Turn::Go {
                return Ok(false);
            }
            admit(&mut ledger, pool, &claim);
            ledger.entries.extend(beside);
            if self.store.put(&provider.name, &pool.name, &ledger).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Gives them back to nobody. Best effort: otherwise their time runs out.
    async fn put_back(&self, taken: Vec<Taken>) {
        for one in taken {
            let mut before = one.before;
            if let Some(stock) = &mut before.body.stock {
                stock.taken = None;
            }
            let _ = self.store.write(&before).await;
        }
    }

    /// Lets warm nodes go that are in the way of a request which waits for room. What is not finished here, the cleaner
    /// finishes.
    pub(super) async fn make_room(&self, pools: &[(&Provider, &Pool)], record: &Record) -> Result<(), Stop> {
        if self.config.labels.iter().all(|label| label.value.min_ready == 0) {
            return Ok(());
        }
        for (provider, pool) in pools {
            let Some(size) = together(pool, &record.body.request.nodes) else { continue };
            let ledger = self.store.ledger(&provider.name, &pool.name).await?;
            let listing = self.store.list().await?;
            let spot = Spot { provider: provider.name.clone(), pool: pool.name.clone() };
            let stock = giving_way(&listing.records, &spot, (self.clock)());
            let gone = yielding(&ledger, pool, &claim(record, size), &stock);
            for one in &gone {
                self.let_go_now(one).await?;
            }
            if !gone.is_empty() {
                break;
            }
        }
        Ok(())
    }

    async fn let_go_now(&self, warm: &Record) -> Result<(), Stop> {
        let mut record = warm.clone();
        record.body.phase = Phase::Releasing;
        record.holder = None;
        let record = match self.store.write(&record).await {
            Ok(record) => record,
            Err(StateError::Overtaken(_)) => return Ok(()), // another request has it
            Err(error) => return Err(error.into()),
        };
        if self.sweep(&record).await?.is_empty() {
            self.finish(&record).await?;
        }
        Ok(())
    }

    /// Gives a warm namespace the labels of its request and returns its UID; none where it is not there any more, or is
    /// going.
    pub(super) async fn take_over(
        &self,
        cluster: &Cluster,
        wanted: &Holder,
        warm: &Warm,
    ) -> Result<Option<String>, Stop> {
        let Holder::Namespace(wanted) = wanted else { return Ok(None) };
        let api: Api<Namespace> = Api::all(cluster.client.clone());
        let found = api.get_metadata_opt(&warm.holder).await;
        let found =
            found.map_err(|error| ClusterError::of(format!("get namespaces/{}", warm.holder), &error))?;
        let Some(found) = found.filter(|one| is_takeable(&one.metadata, &wanted.metadata, warm)) else {
            return Ok(None);
        };
        let mut exactly = wanted.clone();
        exactly.metadata.resource_version = found.metadata.resource_version;
        let how = PatchParams::apply(MANAGER).force();
        match api.patch(&warm.holder, &how, &Patch::Apply(&exactly)).await {
            Ok(made) => Ok(made.metadata.uid),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
            Err(error) => Err(ClusterError::of(format!("apply namespaces/{}", warm.holder), &error).into()),
        }
    }

    /// Forgets the warm record of a node whose namespace carries its request's id by now, and what was reserved for it. Best
    /// effort: otherwise its time runs out.
    pub(super) async fn forget_warm(&self, id: &str, warm: &Warm) {
        if let Ok(Some(given)) = self.store.read(&warm.id).await
            && given.body.stock.as_ref().and_then(|stock| stock.taken.as_deref()) == Some(id)
        {
            let _ = self.finish(&given).await;
        }
    }
}

/// Whether it is the warm one, or ours already.
fn is_takeable(found: &ObjectMeta, wanted: &ObjectMeta, warm: &Warm) -> bool {
    let says = |one: &ObjectMeta, key| reading(one.labels.as_ref(), key).map(str::to_owned);
    let request = says(found, Key::Request);
    found.deletion_timestamp.is_none()
        && [Key::System, Key::Label, Key::Pool].into_iter().all(|key| says(found, key) == says(wanted, key))
        && (request == says(wanted, Key::Request) || request.as_ref() == Some(&warm.id))
}

#[cfg(test)]
mod tests;
