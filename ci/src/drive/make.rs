//! Makes the objects of each node, and makes a node anew under a new name where it cannot be had.
//!
//! Decides: when an attempt is given up. Must not: touch a namespace that is not ours. Input: a placed record. Each write
//! is a create that may find its own work there, or a server-side apply, so it is safe to repeat.

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::core::NamespaceResourceScope;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Desk, Stop, Until};
use crate::cluster::{Cluster, ClusterError, MANAGER};
use crate::config::{Kind, Name};
use crate::objects::{Key, Objects, Place, namespace_name, reading};
use crate::state::Record;

/// How many names are tried for one node before it is given up: more than retries need, for names that are blocked.
const NAMES: u32 = 20;

/// One node of a record, as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What the job calls it.
    pub name: Name,
    /// The label that was asked for.
    pub label: Name,
    /// What it is.
    pub kind: Kind,
    /// Its namespace.
    pub namespace: String,
}

impl Desk<'_> {
    /// The nodes of a placed record, by the configuration.
    ///
    /// # Errors
    /// When its pool or a label is not configured any more.
    pub fn nodes(&self, record: &Record) -> Result<Vec<Node>, Stop> {
        (0..record.body.request.nodes.len())
            .map(|at| {
                self.with_place(record, at, |place| Node {
                    name: place.node.name.clone(),
                    label: place.label.name.clone(),
                    kind: place.label.kind,
                    namespace: place.namespace.to_owned(),
                })
            })
            .collect()
    }

    /// Calls `then` with the place of one node.
    pub(super) fn with_place<T>(
        &self,
        record: &Record,
        at: usize,
        then: impl FnOnce(&Place<'_>) -> T,
    ) -> Result<T, Stop> {
        let spot = record.body.spot.as_ref().ok_or_else(|| Stop::NotReady {
            build: record.body.request.build.clone(),
            phase: record.body.phase,
        })?;
        let (provider, pool) = self.configured(spot)?;
        let node = record.body.request.nodes.get(at);
        let label = node.and_then(|node| pool.label(&node.label));
        let (Some(node), Some(label)) = (node, label) else {
            return Err(Stop::Unconfigured { provider: spot.provider.clone(), pool: spot.pool.clone() });
        };
        let attempt = record.body.attempts.get(at).copied().unwrap_or(1);
        Ok(then(&Place {
            system: &self.config.system,
            id: &record.id,
            request: &record.body.request,
            node,
            provider,
            pool,
            label,
            namespace: &namespace_name(&pool.name, &record.id, at, attempt),
            until: record.body.until,
            max_age: self.longest(&record.body.request),
        }))
    }

    /// The cluster of a record.
    pub(super) fn cluster(&self, record: &Record) -> Result<&Cluster, Stop> {
        let spot = record.body.spot.as_ref().ok_or_else(|| Stop::NotReady {
            build: record.body.request.build.clone(),
            phase: record.body.phase,
        })?;
        self.clusters
            .providers
            .get(&spot.provider)
            .ok_or_else(|| Stop::Unconfigured { provider: spot.provider.clone(), pool: spot.pool.clone() })
    }

    /// Makes every node.
    pub(super) async fn make(&self, mut record: Record, until: Until) -> Result<Record, Stop> {
        for at in 0..record.body.request.nodes.len() {
            record = self.make_one(record, at).await?;
        }
        for at in 0..record.body.request.nodes.len() {
            record = self.usable(record, at, until).await?;
        }
        Ok(record)
    }

    /// Makes one node, under the first of its names that can be had.
    pub(super) async fn make_one(&self, mut record: Record, at: usize) -> Result<Record, Stop> {
        for _ in 0..NAMES {
            record = self.heartbeat(record).await?;
            let objects = self.with_place(&record, at, Objects::of)?;
            let cluster = self.cluster(&record)?;
            if self.have_namespace(cluster, &objects.namespace).await? {
                fill(cluster, &objects).await?;
                return Ok(record);
            }
            record.next_attempt(at);
            record = self.write(record).await?;
        }
        let node = record.body.request.nodes.get(at).map(|node| node.name.clone());
        let node = node.ok_or_else(|| Stop::Unknown(record.body.request.build.clone()))?;
        Err(Stop::Launch { node, why: format!("{NAMES} names in a row are taken") })
    }

    /// Whether the namespace is there and ours; false where its name is another's, or is going away.
    async fn have_namespace(&self, cluster: &Cluster, wanted: &Namespace) -> Result<bool, Stop> {
        let api: Api<Namespace> = Api::all(cluster.client.clone());
        let name = wanted.metadata.name.as_deref().unwrap_or_default();
        match api
            .create(&PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() }, wanted)
            .await
        {
            Ok(_) => return Ok(true),
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => return Err(ClusterError::of(format!("create namespaces/{name}"), &error).into()),
        }
        let found = api
            .get_opt(name)
            .await
            .map_err(|error| ClusterError::of(format!("get namespaces/{name}"), &error))?;
        if !found.is_some_and(|found| is_same(&found, wanted)) {
            return Ok(false);
        }
        // Written again, so that a cleaner that saw it without a record finds another version and lets it be.
        let how = PatchParams::apply(MANAGER).force();
        api.patch(name, &how, &Patch::Apply(wanted))
            .await
            .map_err(|error| ClusterError::of(format!("apply namespaces/{name}"), &error))?;
        Ok(true)
    }
}

/// Whether a namespace that was found is the one that would have been made.
fn is_same(found: &Namespace, wanted: &Namespace) -> bool {
    let says = |one: &Namespace, key| reading(one.metadata.labels.as_ref(), key).map(str::to_owned);
    found.metadata.deletion_timestamp.is_none()
        && [Key::System, Key::Request, Key::Node].into_iter().all(|key| says(found, key) == says(wanted, key))
}

async fn fill(cluster: &Cluster, objects: &Objects) -> Result<(), Stop> {
    if let Some(defaults) = &objects.defaults {
        apply(cluster, defaults).await?;
    }
    apply(cluster, &objects.network).await?;
    apply(cluster, &objects.account).await?;
    apply(cluster, &objects.role).await?;
    apply(cluster, &objects.binding).await?;
    if let Some(pod) = &objects.pod {
        apply(cluster, pod).await?;
    }
    // After the pod: a server counts a pod before it makes it, and one whose caller died in between would be counted but
    // not there, for minutes. Nobody has been given a token yet, so nothing can slip in.
    apply(cluster, &objects.quota).await
}

/// Makes an object, or finds that it is there as it should be.
async fn apply<K>(cluster: &Cluster, object: &K) -> Result<(), Stop>
where
    K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + std::fmt::Debug
        + Serialize
        + DeserializeOwned,
{
    let meta = object.meta();
    let name = meta.name.as_deref().unwrap_or_default();
    let api: Api<K> = Api::namespaced(cluster.client.clone(), meta.namespace.as_deref().unwrap_or_default());
    let how = PatchParams::apply(MANAGER).force();
    api.patch(name, &how, &Patch::Apply(object))
        .await
        .map_err(|error| ClusterError::of(format!("apply {}/{name}", K::plural(&())), &error))?;
    Ok(())
}
