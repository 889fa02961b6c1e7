//! The slots of a pool as Leases: asked for, renewed and given back by compare-and-swap.
//!
//! Slot `n` of a pool is the Lease `reboot-POOL-n`. Whoever writes it names the version it read, so of two nodes that want
//! one slot, one is refused and looks again.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::Api;
use kube::api::{ListParams, PostParams};

use super::bounded;
use crate::cluster::{ClusterError, Connection, GROUP, MANAGER};
use crate::rollout::slots::{Choice, LeaseView, Sightings, choose};
use crate::text::one_line;

/// Most Leases of one pool that are looked at: as many as nodes that may be away at once.
const LEASES: u32 = 1000;
/// Shortest time for which a holder is believed, whatever a Lease says.
const LEAST: u64 = 5;
/// Longest one.
const MOST: u64 = 24 * 3600;

/// A pool, and how its slots are asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rollout) struct Pool {
    /// Its name, which fits a label.
    pub(in crate::rollout) name: String,
    /// How many nodes may be away at once.
    pub(in crate::rollout) allowed: u64,
    /// How long the slot may go without a sign of its node.
    pub(in crate::rollout) duration: Duration,
}

/// What asking for a slot came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::rollout) enum Asked {
    /// It is held, and its time begins anew.
    Granted,
    /// Another node was quicker: ask again.
    Again,
    /// These hold them all.
    Full(Vec<String>),
}

/// The moment of asking, by both clocks.
#[derive(Debug, Clone, Copy)]
pub(in crate::rollout) struct When {
    /// What is written into the Lease, for people.
    pub(in crate::rollout) now: Timestamp,
    /// What silence is measured by.
    pub(in crate::rollout) monotonic: Duration,
}

/// Takes a slot of the pool, or renews the one that is held.
///
/// # Errors
/// When the API server does not answer or does not allow it.
pub(in crate::rollout) async fn ask(
    connection: &Connection,
    pool: &Pool,
    seen: &mut Sightings,
    when: When,
) -> Result<Asked, ClusterError> {
    let api: Api<Lease> = Api::namespaced(connection.client.clone(), &connection.namespace);
    let leases = list(&api, &pool.name).await?;
    let views: Vec<LeaseView> = leases.iter().filter_map(view).collect();
    seen.note(&views, when.monotonic);
    let name = match choose(&views, seen, when.monotonic, &connection.node, pool.allowed) {
        Choice::Full { holders } => return Ok(Asked::Full(holders)),
        Choice::Create(slot) => {
            let lease = fresh(connection, pool, slot, when.now);
            let operation = || format!("create a lease of the pool `{}`", pool.name);
            let created = bounded(operation, api.create(&parameters(), &lease)).await;
            return granted(created);
        }
        Choice::Mine(view) | Choice::Take(view) => view.name,
    };
    let Some(lease) = leases.into_iter().find(|lease| lease.metadata.name.as_ref() == Some(&name)) else {
        return Ok(Asked::Again);
    };
    let taken = taken(lease, &connection.node, pool, when.now);
    let operation = || format!("update leases/{name}");
    granted(bounded(operation, api.replace(&name, &parameters(), &taken)).await)
}

/// Gives back whatever slot of the pool this node holds. None is held: nothing is done.
///
/// # Errors
/// When the API server does not answer or does not allow it.
pub(in crate::rollout) async fn give_back(connection: &Connection, pool: &str) -> Result<(), ClusterError> {
    let api: Api<Lease> = Api::namespaced(connection.client.clone(), &connection.namespace);
    for mut lease in list(&api, pool).await? {
        let spec = lease.spec.get_or_insert_default();
        if spec.holder_identity.as_deref() != Some(connection.node.as_str()) {
            continue;
        }
        spec.holder_identity = None;
        let name = lease.metadata.name.clone().unwrap_or_default();
        let operation = || format!("update leases/{name}");
        bounded(operation, api.replace(&name, &parameters(), &lease)).await?;
    }
    Ok(())
}

/// The whole list is asked of etcd, not of a cache of the API server: an old one would show a slot as free.
async fn list(api: &Api<Lease>, pool: &str) -> Result<Vec<Lease>, ClusterError> {
    let selector = ListParams::default().labels(&format!("{GROUP}/pool={pool}")).limit(LEASES);
    let operation = || format!("list leases of the pool `{pool}`");
    Ok(bounded(operation, api.list(&selector)).await?.items)
}

fn granted(answer: Result<Lease, ClusterError>) -> Result<Asked, ClusterError> {
    match answer {
        Ok(_) => Ok(Asked::Granted),
        Err(error) if error.code() == Some(409) => Ok(Asked::Again),
        Err(error) => Err(error),
    }
}

fn parameters() -> PostParams {
    PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }
}

/// What counts of a Lease; none for one that is no slot.
fn view(lease: &Lease) -> Option<LeaseView> {
    let name = lease.metadata.name.clone()?;
    let slot = name.rsplit_once('-')?.1.parse().ok()?;
    let spec = lease.spec.clone().unwrap_or_default();
    let seconds = spec.lease_duration_seconds.and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(MOST);
    Some(LeaseView {
        slot,
        holder: spec.holder_identity.map(|holder| one_line(&holder, 253)).filter(|holder| !holder.is_empty()),
        duration: Duration::from_secs(seconds.clamp(LEAST, MOST)),
        version: lease.metadata.resource_version.clone().unwrap_or_default(),
        name,
    })
}

fn fresh(connection: &Connection, pool: &Pool, slot: u64, now: Timestamp) -> Lease {
    let labels = BTreeMap::from([
        (format!("{GROUP}/pool"), pool.name.clone()),
        ("app.kubernetes.io/managed-by".to_owned(), MANAGER.to_owned()),
    ]);
    let metadata = ObjectMeta {
        name: Some(format!("reboot-{}-{slot}", pool.name)),
        namespace: Some(connection.namespace.clone()),
        labels: Some(labels),
        ..ObjectMeta::default()
    };
    taken(Lease { metadata, ..Lease::default() }, &connection.node, pool, now)
}

/// The Lease with `node` as its holder; everything else of it stays, and so does the version that was read.
fn taken(mut lease: Lease, node: &str, pool: &Pool, now: Timestamp) -> Lease {
    let before = lease.spec.take().unwrap_or_default();
    let kept = before.holder_identity.as_deref() == Some(node);
    let changes = before.lease_transitions.unwrap_or(0);
    lease.spec = Some(LeaseSpec {
        holder_identity: Some(node.to_owned()),
        lease_duration_seconds: Some(i32::try_from(pool.duration.as_secs()).unwrap_or(i32::MAX).max(1)),
        acquire_time: before.acquire_time.filter(|_| kept).or(Some(MicroTime(now))),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(if kept { changes } else { changes.saturating_add(1) }),
        ..before
    });
    lease
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool() -> Pool {
        Pool { name: "worker".to_owned(), allowed: 1, duration: Duration::from_secs(900) }
    }

    fn lease(name: &str, holder: &str) -> Lease {
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            resource_version: Some("7".to_owned()),
            ..ObjectMeta::default()
        };
        let spec = LeaseSpec {
            holder_identity: Some(holder.to_owned()),
            lease_duration_seconds: Some(60),
            lease_transitions: Some(2),
            ..LeaseSpec::default()
        };
        Lease { metadata, spec: Some(spec) }
    }

    #[test]
    fn a_lease_is_a_slot_by_the_end_of_its_name() {
        let slot = |name: &str| view(&lease(name, "a")).map(|view| (view.slot, view.holder));
        assert_eq!(slot("reboot-worker-3"), Some((3, Some("a".to_owned()))));
        assert_eq!(slot("reboot-worker-x"), None);
        let empty = view(&lease("reboot-worker-0", "")).unwrap();
        assert_eq!((empty.holder, empty.duration), (None, Duration::from_secs(60)));
    }

    #[test]
    fn what_is_written_names_the_version_that_was_read() {
        let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
        let over = taken(lease("reboot-worker-0", "dead"), "me", &pool(), now);
        assert_eq!(over.metadata.resource_version.as_deref(), Some("7"));
        let spec = over.spec.clone().unwrap();
        assert_eq!(spec.holder_identity.as_deref(), Some("me"));
        assert_eq!((spec.lease_transitions, spec.lease_duration_seconds), (Some(3), Some(900)));
        // A renewal is no change of the holder.
        let later: Timestamp = "2026-11-25T12:05:00Z".parse().unwrap();
        let renewed = taken(over, "me", &pool(), later).spec.unwrap();
        assert_eq!((renewed.lease_transitions, renewed.acquire_time), (Some(3), Some(MicroTime(now))));
        assert_eq!(renewed.renew_time, Some(MicroTime(later)));
    }
}
