//! How nodes are made that nobody has asked for yet.
//!
//! Decides: what a label means, in one word, so that a node of another meaning is never handed out. Must not: take room that
//! a request waits for, or hold a token. Input: a label of which some nodes are kept ready.

use jiff::{SignedDuration, Timestamp};
use sha2::{Digest, Sha256};

use super::place::claim;
use super::{DRIVER, Desk, Stop, Until};
use crate::config::{Asked, Label, Name, Pool, Provider, together};
use crate::objects::{Objects, Place};
use crate::request::{Node, Request};
use crate::schedule::{Turn, turn};
use crate::state::{Phase, Record, Spot, StateError, Stock};

/// Attempts begin anew after so many seconds: with more digits a name would be too long.
const ATTEMPTS: i64 = 9_000_000;
/// Stands for the id of any request.
const ANY: &str = "warm";

/// What came of a place in the stock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stocked {
    /// A node is ready there.
    Made,
    /// Another process is at it.
    There,
    /// The pool has no room, or keeps it for those who wait.
    NoRoom,
}

/// Which warm node it is: the same place in the stock always has the same id, so that two controllers make one.
pub(crate) fn stock_id(system: &Name, spot: &Spot, label: &Name, slot: u64) -> String {
    let mut digest = Sha256::new();
    let slot = slot.to_string();
    for part in [system.as_str(), ANY, spot.provider.as_str(), spot.pool.as_str(), label.as_str(), &slot] {
        digest.update(part);
        digest.update([0]); // no build's id is made so
    }
    short(&hex::encode(digest.finalize()), 12)
}

fn short(text: &str, length: usize) -> String {
    text.get(..length).unwrap_or(text).to_owned()
}

fn request(label: &Name) -> Request {
    let node = Node { name: label.clone(), label: label.clone() };
    // Whoever waits goes first.
    Request { build: format!("{ANY} {label}"), nodes: vec![node], priority: u32::MAX, ..Request::default() }
}

fn later(now: Timestamp, seconds: u64) -> Timestamp {
    let span = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX / 2));
    now.checked_add(span).unwrap_or(Timestamp::MAX)
}

impl Desk<'_> {
    /// The objects of a node as if it were called so: whatever is the same for all requests is the same here.
    fn typical(&self, (provider, pool): (&Provider, &Pool), label: &Label, id: &str, node: &Node) -> Objects {
        Objects::of(&Place {
            system: &self.config.system,
            id,
            request: &request(&label.name),
            node,
            provider,
            pool,
            label,
            namespace: ANY,
            holder: ANY,
            until: Timestamp::UNIX_EPOCH,
            max_age: self.pod_age(&request(&label.name), &label.name),
        })
    }

    /// What a label means there, in one word: the same word, the same objects.
    pub(crate) fn meaning(&self, provider: &Provider, pool: &Pool, label: &Label) -> String {
        let node = Node { name: label.name.clone(), label: label.name.clone() };
        let objects = self.typical((provider, pool), label, ANY, &node);
        short(&hex::encode(Sha256::digest(format!("{objects:?}").as_bytes())), 16)
    }

    /// Whether a warm node may stand for that one. What a pod is cannot be changed, so one that differs, by its host's name or
    /// by whom it wants beside it, is made anew.
    pub(super) fn may_stand(
        &self,
        provider: &Provider,
        pool: &Pool,
        label: &Label,
        (record, node): (&Record, &Node),
    ) -> bool {
        let usual = Node { name: label.name.clone(), label: label.name.clone() };
        let spec = |id, node| self.typical((provider, pool), label, id, node).pod.and_then(|pod| pod.spec);
        spec(ANY, &usual) == spec(&record.id, node)
    }

    /// How long a pod may run, in seconds: what it waited for a request does not count against the job.
    pub(super) fn pod_age(&self, request: &Request, label: &Name) -> u64 {
        match self.config.stocked(label) {
            None => self.longest(request),
            Some(asked) => {
                let longest = self.config.leases.max_age.max(self.config.buildset.max_age);
                longest.get().saturating_add(self.ready_age(asked))
            }
        }
    }

    /// How long a warm node is kept, in seconds.
    fn ready_age(&self, asked: &Asked) -> u64 {
        asked.max_ready_age.unwrap_or(self.config.leases.max_age).get()
    }

    /// Makes one warm node, where there is none and there is room. Safe to repeat.
    ///
    /// # Errors
    /// When it does not become usable, or a cluster refuses or is away. What was made is left to the cleaner.
    pub(crate) async fn stock_up(
        &self,
        (provider, pool): (&Provider, &Pool),
        asked: &Asked,
        slot: u64,
    ) -> Result<Stocked, Stop> {
        let Some(label) = pool.label(&asked.name) else { return Ok(Stocked::There) };
        let spot = Spot { provider: provider.name.clone(), pool: pool.name.clone() };
        let now = (self.clock)();
        let id = stock_id(&self.config.system, &spot, &asked.name, slot);
        let end = later(now, self.ready_age(asked).saturating_add(3600));
        let mut record = Record::new(id.clone(), request(&asked.name), end, now);
        // The place is filled again and again; what was taken from it lives on under its name.
        record.body.attempts = vec![u32::try_from(1 + now.as_second().rem_euclid(ATTEMPTS)).unwrap_or(1)];
        record.holder = Some(self.me.clone());
        record.duration = DRIVER;
        record.body.stock = Some(Stock { meaning: self.meaning(provider, pool, label), taken: None });
        // Looked at first, so that a full pool costs one question.
        let Some(size) = together(pool, &record.body.request.nodes) else { return Ok(Stocked::NoRoom) };
        let ledger = self.store.ledger(&provider.name, &pool.name).await?;
        if turn(&ledger, pool, &claim(&record, size)) != Turn::Go {
            return Ok(Stocked::NoRoom);
        }
        let Some(record) = self.store.create(&record).await? else { return Ok(Stocked::There) };
        if self.reserve(provider, pool, &record, 0).await? != Turn::Go {
            self.store.delete(&record).await?;
            return Ok(Stocked::NoRoom);
        }
        match self.make_stock(record, spot, asked).await {
            Ok(()) => Ok(Stocked::Made),
            Err(stop) => {
                let _ = self.let_stock_go(&id).await; // otherwise its time runs out
                Err(stop)
            }
        }
    }

    async fn make_stock(&self, mut record: Record, spot: Spot, asked: &Asked) -> Result<(), Stop> {
        record.body.spot = Some(spot);
        record.body.phase = Phase::Making;
        let record = self.write(record).await?;
        let mut record = self.make(record, Until::Ready).await?;
        record.body.phase = Phase::Ready;
        record.holder = None;
        record.renewed = (self.clock)();
        record.duration = self.ready_age(asked);
        Ok(self.store.write(&record).await.map(drop)?)
    }

    /// Leaves a warm node to the cleaner, unless a request has taken it.
    ///
    /// # Errors
    /// When the cluster refuses or is away.
    pub(crate) async fn let_stock_go(&self, id: &str) -> Result<(), Stop> {
        let Some(mut record) = self.store.read(id).await? else { return Ok(()) };
        if record.body.stock.as_ref().is_none_or(|stock| stock.taken.is_some()) {
            return Ok(());
        }
        record.body.phase = Phase::Releasing;
        record.holder = None;
        match self.store.write(&record).await {
            Ok(_) | Err(StateError::Overtaken(_)) => Ok(()), // the next pass looks again
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_41_each_place_in_the_stock_has_an_id_of_its_own() {
        let name = |text: &str| text.parse::<Name>().unwrap();
        let spot = Spot { provider: name("east"), pool: name("main") };
        let id = |label: &str, slot| stock_id(&name("s"), &spot, &name(label), slot);
        assert_eq!(id("a", 0), id("a", 0));
        assert_ne!(id("a", 0), id("a", 1));
        assert_ne!(id("a", 0), id("b", 0));
        assert_eq!(id("a", 0).len(), 12);
    }
}
