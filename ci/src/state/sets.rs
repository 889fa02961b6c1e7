//! Reads and writes the buildsets: their Leases, and the Secrets that those own.
//!
//! Decides: nothing. Must not: write without comparing versions, or show a secret. Input: the hub's cluster and namespace.

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{DeleteParams, PostParams, Preconditions};

use super::{Buildset, StateError, Store};
use crate::cluster::ClusterError;
use crate::error::shown;
use crate::objects::Key;
use crate::request::buildset_id;

/// Most bytes of all secrets of one buildset. The API takes 1 MiB.
const SECRETS: usize = 1_000_000;

impl Store {
    /// The buildset of that name.
    ///
    /// # Errors
    /// When the cluster refuses or is away, or the Lease is malformed.
    pub async fn buildset(&self, name: &str) -> Result<Option<Buildset>, StateError> {
        let object = format!("bs-{}", buildset_id(&self.system, name));
        let lease = self.leases.get_opt(&object).await;
        lease
            .map_err(|error| ClusterError::of(format!("get leases/{object}"), &error))?
            .as_ref()
            .map(Buildset::from_lease)
            .transpose()
    }

    /// Writes a buildset over the version that was read, or one that must not be there yet; none when another process was
    /// faster.
    ///
    /// # Errors
    /// When it is too large, or the cluster refuses or is away.
    pub async fn write_buildset(&self, set: &Buildset) -> Result<Option<Buildset>, StateError> {
        let name = set.object_name();
        let lease = set.to_lease(&self.system)?;
        let done = match set.version {
            Some(_) => self.leases.replace(&name, &PostParams::default(), &lease).await,
            None => self.leases.create(&PostParams::default(), &lease).await,
        };
        match done {
            Ok(made) => Buildset::from_lease(&made).map(Some),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
            Err(error) => Err(ClusterError::of(format!("update leases/{name}"), &error).into()),
        }
    }

    /// Deletes a buildset; one that is gone, or has changed, counts as deleted. Its Secret goes with it, because it is
    /// owned by the Lease.
    ///
    /// # Errors
    /// When the cluster refuses or is away.
    pub async fn delete_buildset(&self, set: &Buildset) -> Result<(), StateError> {
        let name = set.object_name();
        let same = Preconditions { uid: Some(set.uid.clone()), resource_version: set.version.clone() };
        let how = DeleteParams { preconditions: Some(same), ..DeleteParams::default() };
        match self.leases.delete(&name, &how).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
            Err(error) => Err(ClusterError::of(format!("delete leases/{name}"), &error).into()),
        }
    }

    /// The secrets that the builds of a buildset returned, by the id of the request and their name.
    ///
    /// # Errors
    /// When the cluster refuses or is away.
    pub async fn secrets(&self, set: &Buildset) -> Result<BTreeMap<(String, String), String>, StateError> {
        let mut found = BTreeMap::new();
        for (key, bytes) in self.secret(set).await?.and_then(|secret| secret.data).unwrap_or_default() {
            if let (Some((id, name)), Ok(text)) = (key.split_once('.'), String::from_utf8(bytes.0)) {
                found.insert((id.to_owned(), name.to_owned()), text);
            }
        }
        Ok(found)
    }

    /// Adds secrets of one build; false when another process was faster.
    ///
    /// # Errors
    /// When they are too large together with those that are there, or the cluster refuses or is away.
    pub async fn add_secrets(
        &self,
        set: &Buildset,
        id: &str,
        secrets: &BTreeMap<String, String>,
    ) -> Result<bool, StateError> {
        let name = set.object_name();
        // What an earlier buildset of this name has left is not ours to keep.
        let found = self.secret(set).await?;
        let version = found.as_ref().and_then(|secret| secret.metadata.resource_version.clone());
        let mut data =
            found.filter(|secret| owned_by(secret, set)).and_then(|secret| secret.data).unwrap_or_default();
        for (key, text) in secrets {
            data.insert(format!("{id}.{key}"), ByteString(text.clone().into_bytes()));
        }
        let bytes = data.iter().map(|(key, value)| key.len() + value.0.len()).sum();
        if bytes > SECRETS {
            let what = format!("what the secrets of the buildset `{}` come to", shown(&set.name));
            return Err(StateError::Large { what, bytes, most: SECRETS });
        }
        let secret = Secret {
            metadata: ObjectMeta {
                name: Some(name.clone()),
                labels: Some(BTreeMap::from([(Key::System.text(), self.system.to_string())])),
                owner_references: Some(vec![owner(set)]),
                resource_version: version.clone(),
                ..ObjectMeta::default()
            },
            data: Some(data),
            ..Secret::default()
        };
        let done = match version {
            Some(_) => self.secrets.replace(&name, &PostParams::default(), &secret).await,
            None => self.secrets.create(&PostParams::default(), &secret).await,
        };
        match done {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
            Err(error) => Err(ClusterError::of(format!("update secrets/{name}"), &error).into()),
        }
    }

    async fn secret(&self, set: &Buildset) -> Result<Option<Secret>, StateError> {
        let name = set.object_name();
        let found = self.secrets.get_opt(&name).await;
        Ok(found.map_err(|error| ClusterError::of(format!("get secrets/{name}"), &error))?)
    }
}

fn owner(set: &Buildset) -> OwnerReference {
    OwnerReference {
        api_version: "coordination.k8s.io/v1".to_owned(),
        kind: "Lease".to_owned(),
        name: set.object_name(),
        uid: set.uid.clone(),
        ..OwnerReference::default()
    }
}

fn owned_by(secret: &Secret, set: &Buildset) -> bool {
    secret.metadata.owner_references.iter().flatten().any(|owner| owner.uid == set.uid)
}
