//! The cleaner: takes away what nobody wants any more, and finishes what a dead process began.
//!
//! Decides: nothing itself; `fate` does, from values. Must not: touch what does not carry our system's label, or delete
//! anything at its first sighting. Input: all namespaces of our system, and all records.

mod fate;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::{ListParams, Patch, PatchParams};
use serde::Serialize;
use serde_json::json;

pub use fate::{Fate, fate};

use crate::cluster::{Cluster, ClusterError};
use crate::drive::{Desk, Stop, delete_exactly, why};
use crate::error::chain;
use crate::objects::{Key, reading, system_selector};
use crate::state::{Listing, Phase, Record, StateError};

/// Most namespaces in one answer; more come in further ones.
const PAGE: u32 = 500;

/// What one pass did.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Namespaces that are wanted.
    pub kept: usize,
    /// Namespaces that were seen unwanted for the first time.
    pub condemned: Vec<String>,
    /// Namespaces that wait for their second sighting.
    pub waiting: Vec<String>,
    /// Namespaces whose deletion was asked for.
    pub deleted: Vec<String>,
    /// Namespaces that are going away, and what holds them.
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
    fn take(&mut self, namespace: &Namespace, fate: Fate) {
        let name = namespace.metadata.name.clone().unwrap_or_default();
        match fate {
            Fate::Going => drop(self.going.insert(name, why(namespace))),
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
        // Namespaces first: a namespace is made only after its record, so one that has none now had lost it before.
        let mut seen = Vec::new();
        for cluster in self.clusters.providers.values() {
            seen.extend(list(cluster, self).await?.into_iter().map(|namespace| (cluster, namespace)));
        }
        let listing = self.store.list().await?;
        report.odd = listing.odd.iter().map(|error| chain(error)).collect();
        let dying = if dry { BTreeMap::new() } else { self.claim_lapsed(&listing).await? };
        for (cluster, namespace) in &seen {
            let fate = fate(namespace, &listing, (self.clock)(), self.config.leases.confirm.get());
            if !dry {
                self.carry_out(cluster, namespace, fate).await?;
            }
            report.take(namespace, fate);
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
    async fn carry_out(&self, cluster: &Cluster, namespace: &Namespace, fate: Fate) -> Result<(), Stop> {
        match fate {
            Fate::Going | Fate::Keep | Fate::Await => Ok(()),
            Fate::Spare => mark(cluster, namespace, None).await,
            Fate::Condemn => mark(cluster, namespace, Some((self.clock)().as_second().to_string())).await,
            // One that changed in between is looked at again by the next pass.
            Fate::Delete => delete_exactly(cluster, namespace).await.map(|_| ()),
        }
    }

    /// Forgets the dying records of which no namespace was seen.
    async fn forget(
        &self,
        dying: BTreeMap<String, Record>,
        seen: &[(&Cluster, Namespace)],
        report: &mut Report,
    ) -> Result<(), Stop> {
        let held: BTreeSet<&str> = seen
            .iter()
            .filter_map(|(_, namespace)| reading(namespace.metadata.labels.as_ref(), Key::Request))
            .collect();
        for (id, record) in &dying {
            // Looked at again: a namespace may have been made after the list was.
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

async fn list(cluster: &Cluster, desk: &Desk<'_>) -> Result<Vec<Namespace>, Stop> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let mut how = ListParams::default().labels(&system_selector(&desk.config.system)).limit(PAGE);
    let mut all = Vec::new();
    loop {
        let page = api.list(&how).await.map_err(|error| ClusterError::of("list namespaces", &error))?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => how = how.continue_token(&token),
            None => return Ok(all),
        }
    }
}

/// Writes or takes away the mark of the first sighting, on exactly this version.
async fn mark(cluster: &Cluster, namespace: &Namespace, when: Option<String>) -> Result<(), Stop> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let name = namespace.metadata.name.as_deref().unwrap_or_default();
    let patch = json!({"metadata": {
        "resourceVersion": namespace.metadata.resource_version,
        "annotations": {Key::Condemned.text(): when},
    }});
    match api.patch(name, &PatchParams::default(), &Patch::Merge(&patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()), // the next pass sees it anew
        Err(error) => Err(ClusterError::of(format!("patch namespaces/{name}"), &error).into()),
    }
}
