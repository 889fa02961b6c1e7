//! What is reserved in one pool.
//!
//! Decides: whether a request fits, all of it or nothing. Must not: guess what is in use; only what stands here counts.
//! Input: the Lease of the pool.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

use super::StateError;
use crate::config::{Name, OURS, Pool, Size};
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

/// What is reserved in one pool.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Ledger {
    /// By the id of the request.
    pub entries: BTreeMap<String, Entry>,
    /// The version that a change is compared with.
    pub version: Option<String>,
}

impl Ledger {
    /// What is reserved by others than this request.
    pub fn used_beside(&self, id: &str) -> Size {
        let others = self.entries.iter().filter(|(other, _)| *other != id);
        others.fold(Size::default(), |sum, (_, entry)| sum.plus(entry.size))
    }

    /// Whether the request fits beside the others.
    pub fn fits(&self, pool: &Pool, id: &str, size: Size) -> bool {
        self.used_beside(id).plus(size).exceeds(pool).is_none()
    }

    /// Drops what belongs to no living request; returns how many were dropped. `living` must have been listed after this
    /// ledger was read: a reservation is only ever written for a Lease that is there already.
    pub fn prune(&mut self, living: &BTreeSet<String>) -> usize {
        let before = self.entries.len();
        self.entries.retain(|_, entry| living.contains(&entry.lease));
        before - self.entries.len()
    }

    /// The name of the Lease.
    pub fn lease_name(system: &Name, provider: &Name, pool: &Name) -> String {
        format!("pool-{system}-{provider}-{pool}")
    }

    /// The Lease that says it.
    ///
    /// # Errors
    /// Never in practice: every part is plain data.
    pub fn to_lease(&self, system: &Name, name: &str) -> Result<Lease, StateError> {
        let text =
            serde_json::to_string(&self.entries).map_err(|error| StateError::Bug(error.to_string()))?;
        Ok(Lease {
            metadata: ObjectMeta {
                name: Some(name.to_owned()),
                labels: Some(BTreeMap::from([(Key::System.text(), system.to_string())])),
                annotations: Some(BTreeMap::from([(format!("{OURS}ledger"), text)])),
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
        Ok(Ledger { entries, version: lease.metadata.resource_version.clone() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{parse, tests::GOOD};

    fn entry(servers: u64) -> Entry {
        Entry { size: Size { servers, millicores: 1000, ram: 0 }, lease: format!("uid-{servers}") }
    }

    #[test]
    fn row_40_a_request_fits_whole_or_not_at_all() {
        let config = parse(GOOD.as_bytes()).unwrap();
        let (_, pool) = config.pools()[0]; // four servers
        let mut ledger = Ledger::default();
        ledger.entries.insert("a".to_owned(), entry(3));
        let two = Size { servers: 2, ..Size::default() };
        assert!(!ledger.fits(pool, "b", two));
        assert!(ledger.fits(pool, "b", Size { servers: 1, ..two }));
        assert!(ledger.fits(pool, "a", two), "what it holds itself does not count against it");
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
        let lease = ledger.to_lease(&"ci".parse().unwrap(), "pool-ci-east-main").unwrap();
        assert_eq!(Ledger::from_lease(&lease).unwrap(), ledger);
    }
}
