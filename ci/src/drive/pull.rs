//! Reads the credentials for an image that are copied into the namespace of a node.
//!
//! Decides: nothing. Must not: show what it copies. Input: what `objects` wants copied.

use k8s_openapi::api::core::v1::Secret;
use kube::Api;

use super::Stop;
use crate::cluster::{Cluster, ClusterError};
use crate::objects::Copy;

/// All the copies.
pub(super) async fn read(cluster: &Cluster, wanted: &[Copy]) -> Result<Vec<Secret>, Stop> {
    let mut copies = Vec::new();
    for one in wanted {
        copies.push(filled(cluster, one).await?);
    }
    Ok(copies)
}

async fn filled(cluster: &Cluster, wanted: &Copy) -> Result<Secret, Stop> {
    let (from, name) = (&wanted.from, wanted.name());
    let refused = |problem| Stop::PullSecret { namespace: from.clone(), name: name.to_owned(), problem };
    let api: Api<Secret> = Api::namespaced(cluster.client.clone(), from);
    let original = api
        .get_opt(name)
        .await
        .map_err(|error| ClusterError::of(format!("get secrets/{name} in {from}"), &error))?
        .ok_or_else(|| refused("it is not there"))?;
    wanted.of(original).ok_or_else(|| refused("it is no `kubernetes.io/dockerconfigjson`"))
}
