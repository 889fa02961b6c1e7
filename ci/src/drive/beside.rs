//! What stands beside a node: its registry, and the keys for SSH. Secrets that are made once and read again.
//!
//! Decides: nothing; the secret that came first stays. Must not: write one secret over another. Input: objects of a place.

use k8s_openapi::api::core::v1::{Secret, Service};
use kube::Api;
use kube::api::PostParams;

use super::apply::Apply;
use super::{Desk, Node, Stop};
use crate::cluster::{Cluster, ClusterError, MANAGER};
use crate::config::Way;
use crate::forward::Port;
use crate::objects::Objects;
use crate::registry::{self, Access, Registry, RegistryError};
use crate::ssh::{self, Address, Keys, SshError};
use crate::state::Phase;

/// What a job is told of what stands beside a node.
#[derive(Debug, Clone, Default)]
pub struct Beside {
    /// Its registry.
    pub registry: Option<Access>,
    /// What opens it, where it is reached by SSH.
    pub keys: Option<Keys>,
    /// Where it is reached by SSH, where a Service leads to it.
    pub address: Option<Address>,
}

impl Beside {
    /// What stands beside a node, with its secrets.
    pub(super) async fn read(cluster: &Cluster, node: &Node) -> Result<Self, Stop> {
        let mut beside = Beside::default();
        if node.registry {
            beside.registry = Some(access(cluster, &node.namespace).await?);
        }
        if node.access == Way::Ssh {
            let found = read(cluster, &node.namespace, ssh::SECRET).await?;
            let found = found.ok_or_else(|| SshError::Malformed(node.namespace.clone(), "data"))?;
            beside.keys = Some(ssh::read(&found)?);
        }
        Ok(beside)
    }
}

/// Makes what stands beside one node.
pub(super) async fn make(apply: &Apply<'_>, objects: &Objects) -> Result<(), Stop> {
    if let Some(server) = &objects.ssh {
        create(apply.cluster, &server.secret()?).await?;
        if let Some(entrance) = &server.entrance {
            apply.one(&entrance.policy).await?;
            apply.one(&entrance.service).await?;
        }
    }
    if let Some(registry) = &objects.registry {
        make_registry(apply, registry).await?;
    }
    Ok(())
}

async fn make_registry(apply: &Apply<'_>, registry: &Registry) -> Result<(), Stop> {
    let cluster = apply.cluster;
    apply.one(&registry.service).await?;
    let namespace = registry.namespace();
    if read(cluster, namespace, registry::SECRET).await?.is_none() {
        let services: Api<Service> = Api::namespaced(cluster.client.clone(), namespace);
        let name = registry.service.metadata.name.as_deref().unwrap_or_default();
        let service = services.get(name).await;
        let service = service.map_err(|error| ClusterError::of(format!("get services/{name}"), &error))?;
        let address = service.spec.and_then(|spec| spec.cluster_ip).and_then(|text| text.parse().ok());
        let address = address.ok_or_else(|| RegistryError::NoAddress(namespace.to_owned()))?;
        create(cluster, &registry.secret(address)?).await?;
    }
    let access = access(cluster, namespace).await?;
    if let Some(policy) = &registry.nodes {
        apply.one(policy).await?;
    }
    apply.one(&registry.pull(&access)).await?;
    apply.one(&registry.account).await?;
    apply.one(&registry.pod).await?;
    Ok(())
}

/// Makes a Secret, unless there is one: then that one counts.
async fn create(cluster: &Cluster, secret: &Secret) -> Result<(), Stop> {
    let meta = &secret.metadata;
    let secrets: Api<Secret> =
        Api::namespaced(cluster.client.clone(), meta.namespace.as_deref().unwrap_or_default());
    let how = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
    match secrets.create(&how, secret).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        Err(error) => {
            let name = meta.name.as_deref().unwrap_or_default();
            Err(ClusterError::of(format!("create secrets/{name}"), &error).into())
        }
    }
}

async fn read(cluster: &Cluster, namespace: &str, name: &str) -> Result<Option<Secret>, Stop> {
    let secrets: Api<Secret> = Api::namespaced(cluster.client.clone(), namespace);
    let found = secrets.get_opt(name).await;
    Ok(found.map_err(|error| ClusterError::of(format!("get secrets/{name}"), &error))?)
}

async fn access(cluster: &Cluster, namespace: &str) -> Result<Access, Stop> {
    let found = read(cluster, namespace, registry::SECRET).await?;
    let found = found.ok_or_else(|| RegistryError::Malformed(namespace.to_owned(), "data"))?;
    Ok(Access::read(&found)?)
}

impl Desk<'_> {
    /// What a build was given in confidence, for whoever keeps its output: the secrets that its parents returned, and the
    /// passwords of their registries and of its own. Tokens are not among them: they are kept nowhere.
    ///
    /// # Errors
    /// When there is no such build, or the cluster refuses or is away.
    pub async fn secrets(&self, build: &str) -> Result<Vec<String>, Stop> {
        let record = self.find(build).await?;
        let mut all = Vec::new();
        for node in self.nodes(&record)? {
            let beside = Beside::read(self.cluster(&record)?, &node).await?;
            all.extend(beside.registry.map(|access| access.password));
            all.extend(beside.keys.map(|keys| keys.private));
        }
        for parent in self.inherited(&record).await? {
            all.extend(parent.secrets.into_values());
            all.extend(parent.granted.into_iter().filter_map(|one| Some(one.beside.registry?.password)));
        }
        Ok(all)
    }

    /// What opens the registry beside a node.
    ///
    /// # Errors
    /// When there is no such build, node or registry, or the cluster refuses or is away.
    pub async fn access(&self, build: &str, node: &str) -> Result<Access, Stop> {
        let record = self.find(build).await?;
        let found = self.nodes(&record)?.into_iter().find(|one| one.name.as_str() == node && one.registry);
        let found = found.ok_or_else(|| Stop::NoNode { build: build.to_owned(), node: node.to_owned() })?;
        access(self.cluster(&record)?, &found.namespace).await
    }

    /// The first node of a build with a registry beside it; none where there is none, or the build is gone or not ready.
    ///
    /// # Errors
    /// When the cluster refuses or is away.
    pub async fn with_registry(&self, build: &str) -> Result<Option<String>, Stop> {
        let record = match self.find(build).await {
            Err(Stop::Unknown(_)) => return Ok(None),
            other => other?,
        };
        if record.body.phase != Phase::Ready || record.lapsed((self.clock)()) {
            return Ok(None);
        }
        let first = self.nodes(&record)?.into_iter().find(|one| one.registry);
        Ok(first.map(|node| node.name.to_string()))
    }

    /// A port of a node, reached with a new token of the build. What a node's registry listens on is the registry's.
    ///
    /// # Errors
    /// As [`Desk::target`].
    pub async fn port(&self, build: &str, node: &str, port: u16) -> Result<Port, Stop> {
        let record = self.find(build).await?;
        let nodes = self.nodes(&record)?;
        let served = nodes.iter().find(|one| one.name.as_str() == node && one.registry);
        let Some(served) = served.filter(|_| port == registry::PORT) else {
            let target = self.target(build, node, None).await?;
            return Ok(Port { client: target.client, namespace: target.namespace, pod: target.pod, port });
        };
        let granted = self.token(build, &served.name).await?;
        Ok(Port {
            client: self.cluster(&record)?.with_token(&granted.token)?,
            namespace: served.namespace.clone(),
            pod: registry::POD.to_owned(),
            port,
        })
    }
}
