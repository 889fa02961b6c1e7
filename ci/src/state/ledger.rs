//! What is reserved in one pool, and who waits for room in it.
//!
//! Decides: what is in use. `schedule` decides whose turn it is. Must not: guess what is in use; only what stands here counts.
//! Input: the Lease of the pool.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

use super::StateError;
use super::buildset::BYTES;
use crate::config::{Name, OURS, Size};
use crate::objects::Key;

/// What one request holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// How much.
    pub size: Size,
    /// The UID of the request's Lease: while that Lease is there, so is the reservation.
    pub lease: String,
}

/// One request that waits for room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Waiter {
    /// How much it wants, all of it at once.
    pub size: Size,
    /// The UID of the request's Lease: while its driver renews that, it keeps its place.
    pub lease: String,
    /// Which goes first: the lower number.
    pub priority: u32,
    /// Its place among those of its priority.
    pub turn: u64,
    /// How often another went that was behind it.
    #[serde(default)]
    pub passed: u32,
}

/// What stands in the second annotation.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Queue {
    next: u64,
    waiting: BTreeMap<String, Waiter>,
}

/// What is reserved in one pool, and who waits for room in it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ledger {
    /// What is reserved, by the id of the request.
    pub entries: BTreeMap<String, Entry>,
    /// Who waits, by the id of the request.
    pub waiting: BTreeMap<String, Waiter>,
    /// The place of the next one that waits.
    pub next: u64,
    /// The version that a change is compared with.
    pub version: Option<String>,
}

impl Ledger {
    /// What is reserved by others than this request.
    pub fn used_beside(&self, id: &str) -> Size {
        let others = self.entries.iter().filter(|(other, _)| *other != id);
        others.fold(Size::default(), |sum, (_, entry)| sum.plus(&entry.size))
    }

    /// Drops what belongs to no living request; returns how many were dropped. `living` must have been listed after this
    /// ledger was read: a reservation is only ever written for a Lease that is there already.
    pub fn prune(&mut self, living: &BTreeSet<String>) -> usize {
        let before = self.entries.len() + self.waiting.len();
        self.entries.retain(|_, entry| living.contains(&entry.lease));
        self.waiting.retain(|_, waiter| living.contains(&waiter.lease));
        before - self.entries.len() - self.waiting.len()
    }

    /// Drops those that wait no more: their drivers are silent, or they have found room elsewhere. Returns how many.
    pub fn prune_waiting(&mut self, waiting: &BTreeSet<String>) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|_, waiter| waiting.contains(&waiter.lease));
        before - self.waiting.len()
    }

    /// The name of the Lease.
    pub fn lease_name(system: &Name, provider: &Name, pool: &Name) -> String {
        format!("pool-{system}-{provider}-{pool}")
    }

    /// The Lease that says it.
    ///
    /// # Errors
    /// When it is too large.
    pub fn to_lease(&self, system: &Name, name: &str) -> Result<Lease, StateError> {
        let bug = |error: serde_json::Error| StateError::Bug(error.to_string());
        let text = serde_json::to_string(&self.entries).map_err(bug)?;
        let queue = Queue { next: self.next, waiting: self.waiting.clone() };
        let queue = serde_json::to_string(&queue).map_err(bug)?;
        let bytes = text.len() + queue.len();
        if bytes > BYTES {
            return Err(StateError::Large { what: format!("the ledger `{name}`"), bytes, most: BYTES });
        }
        Ok(Lease {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some(BTreeMap::from([(Key::System.text(), system.to_string())])),
                annotations: Some(BTreeMap::from([
                    (format!("{OURS}ledger"), text),
                    (format!("{OURS}waiting"), queue),
                ])),
                resource_version: self.version.clone(),
                ..ObjectMeta::default()
            },
            ..Lease::default()
        })
    }

    /// What a Lease says.
    ///
    /// # Errors
    /// When it is no ledger.
    pub fn from_lease(lease: &Lease) -> Result<Self, StateError> {
        let name = lease.metadata.name.as_deref().unwrap_or_default();
        let malformed = |problem: String| StateError::Malformed { lease: name.to_owned(), problem };
        let annotations = lease.metadata.annotations.as_ref();
        let text = annotations
            .and_then(|map| map.get(&format!("{OURS}ledger")))
            .ok_or_else(|| malformed("it has no ledger".to_owned()))?;
        let entries = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        let queue = annotations.and_then(|map| map.get(&format!("{OURS}waiting")));
        let queue: Queue = queue
            .map_or_else(|| Ok(Queue::default()), |text| serde_json::from_str(text))
            .map_err(|error| malformed(error.to_string()))?;
        Ok(Ledger {
            entries,
            waiting: queue.waiting,
            next: queue.next,
            version: lease.metadata.resource_version.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(servers: u64) -> Entry {
        Entry { size: Size { servers, millicores: 1000, ..Size::default() }, lease: format!("uid-{servers}") }
    }

    fn waiter(lease: &str) -> Waiter {
        Waiter { size: Size::default(), lease: lease.to_owned(), priority: 100, turn: 7, passed: 1 }
    }

    #[test]
    fn row_10_what_a_request_holds_itself_does_not_count_against_it() {
        let mut ledger = Ledger::default();
        ledger.entries.insert("a".to_owned(), entry(3));
        ledger.entries.insert("b".to_owned(), entry(1));
        assert_eq!((ledger.used_beside("a").servers, ledger.used_beside("c").servers), (1, 4));
    }

    #[test]
    fn row_10_who_fell_silent_while_waiting_loses_his_place() {
        let mut ledger = Ledger::default();
        ledger.waiting.insert("a".to_owned(), waiter("uid-1"));
        ledger.waiting.insert("b".to_owned(), waiter("uid-2"));
        assert_eq!(ledger.prune_waiting(&BTreeSet::from(["uid-2".to_owned()])), 1);
        assert_eq!(ledger.prune(&BTreeSet::new()), 1);
        assert!(ledger.waiting.is_empty());
    }

    #[test]
    fn a_ledger_that_the_api_would_not_take_is_refused_with_its_size() {
        let mut ledger = Ledger::default();
        for number in 0..5_000 {
            ledger.entries.insert(format!("{number:012}"), entry(1));
        }
        let error = ledger.to_lease(&"ci".parse().unwrap(), "pool-ci-east-main").unwrap_err();
        assert!(matches!(error, StateError::Large { most: BYTES, .. }), "{error}");
    }

    #[test]
    fn what_belongs_to_no_living_request_is_dropped() {
        let mut ledger = Ledger::default();
        ledger.entries.insert("a".to_owned(), entry(1));
        ledger.entries.insert("b".to_owned(), entry(2));
        assert_eq!(ledger.prune(&BTreeSet::from(["uid-2".to_owned()])), 1);
        assert_eq!(ledger.entries.keys().collect::<Vec<_>>(), ["b"]);
    }

    #[test]
    fn a_ledger_survives_its_lease() {
        let mut ledger = Ledger::default();
        ledger.entries.insert("a".to_owned(), entry(1));
        ledger.waiting.insert("b".to_owned(), waiter("uid-2"));
        ledger.next = 8;
        let mut lease = ledger.to_lease(&"ci".parse().unwrap(), "pool-ci-east-main").unwrap();
        assert_eq!(Ledger::from_lease(&lease).unwrap(), ledger);
        lease.metadata.annotations.as_mut().unwrap().remove("build-resources/waiting");
        assert!(
            Ledger::from_lease(&lease).unwrap().waiting.is_empty(),
            "a ledger without a queue is one too"
        );
    }
}
