//! Lets a request go: its namespaces first, its reservation next, its record last.
//!
//! Decides: when a request is gone. Must not: strip a finalizer, or believe a deletion before the namespace is not found.
//! Input: a build. Each step may be done again by another process.

use std::collections::BTreeSet;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{DeleteParams, ListParams, Preconditions};
use tokio::time::Instant;

use super::{Desk, Stop};
use crate::cluster::{Cluster, ClusterError};
use crate::error::shown;
use crate::objects::{Key, request_selector};
use crate::state::{Record, Spot};

/// How a release ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Released {
    /// Nothing of it is left.
    Gone,
    /// Its namespaces are going away; `gc` finishes it.
    Going,
    /// It is kept for its buildset, until that ends or this time comes.
    Kept(Timestamp),
}

impl Desk<'_> {
    /// Releases a build; with `wait` until nothing of it is left. One that is kept for its buildset stays.
    ///
    /// # Errors
    /// When there is no such build, another process drives it, or a namespace does not go away.
    pub async fn release(&self, build: &str, wait: bool) -> Result<Released, Stop> {
        if let Some(until) = self.kept(&self.find(build).await?).await? {
            return Ok(Released::Kept(until));
        }
        self.give_back(build, wait).await
    }

    /// Releases a build, kept or not.
    pub(crate) async fn give_back(&self, build: &str, wait: bool) -> Result<Released, Stop> {
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
            // Over time is said with the namespace that is left, not here.
            let _ = self.pause(round, || blocked(&left)).await;
            round += 1;
            record = self.heartbeat(record).await?;
        }
    }

    /// Asks for the deletion of everything that carries the request's id; returns what is still there.
    pub(crate) async fn sweep(&self, record: &Record) -> Result<Vec<Namespace>, Stop> {
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
    pub(super) async fn sweep_at(&self, spot: &Spot, record: &Record) -> Result<Vec<Namespace>, Stop> {
        let mut left = Vec::new();
        let Some(cluster) = self.clusters.providers.get(&spot.provider) else { return Ok(left) };
        let api: Api<Namespace> = Api::all(cluster.client.clone());
        let own = request_selector(&self.config.system, &record.id);
        let how = ListParams::default().labels(&format!("{own},{}={}", Key::Pool.text(), spot.pool));
        let found = api.list(&how).await.map_err(|error| ClusterError::of("list namespaces", &error))?;
        for namespace in found.items {
            if namespace.metadata.deletion_timestamp.is_none() {
                delete_exactly(cluster, &namespace).await?;
            }
            left.push(namespace);
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

/// Deletes exactly this namespace, in exactly this version: one that somebody took up in between is left alone.
pub(crate) async fn delete_exactly(cluster: &Cluster, namespace: &Namespace) -> Result<bool, Stop> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    let same = Preconditions {
        uid: namespace.metadata.uid.clone(),
        resource_version: namespace.metadata.resource_version.clone(),
    };
    match api.delete(name, &DeleteParams { preconditions: Some(same), ..DeleteParams::default() }).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
        Err(error) => Err(ClusterError::of(format!("delete namespaces/{name}"), &error).into()),
    }
}

/// Why a namespace is still there, in the words of its conditions.
pub(crate) fn why(namespace: &Namespace) -> String {
    let conditions = namespace.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let said: Vec<String> = conditions
        .filter(|one| one.status == "True")
        .map(|one| format!("{}: {}", shown(&one.type_), shown(one.message.as_deref().unwrap_or_default())))
        .collect();
    let finalizers = namespace.metadata.finalizers.iter().flatten().map(|name| shown(name));
    let held: Vec<String> = finalizers.map(|name| format!("finalizer `{name}`")).collect();
    match [said, held].concat() {
        all if all.is_empty() => "the cluster is still deleting it".to_owned(),
        all => all.join("; "),
    }
}

fn blocked(left: &[Namespace]) -> Stop {
    let first = left.first();
    Stop::Blocked {
        namespace: first.and_then(|one| one.metadata.name.clone()).unwrap_or_default(),
        why: first.map(why).unwrap_or_default(),
    }
}
