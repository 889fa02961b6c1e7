//! Where the Service of a node that is reached by SSH listens, once the cluster has said so.
//!
//! Decides: how long a load balancer is waited for. Must not: tell an address that nobody gave. Input: a made node.

use k8s_openapi::api::core::v1::{Pod, Service};
use kube::Api;
use tokio::time::Instant;

use super::make::Plan;
use super::{Cause, Desk, Fault, Node, Stop};
use crate::cluster::{Cluster, ClusterError};
use crate::config::SshService;
use crate::ssh::{self, Address, SshError};
use crate::state::Phase;

/// Where the node is reached; none where no Service leads to it.
pub(super) async fn address(cluster: &Cluster, node: &Node) -> Result<Option<Address>, Stop> {
    let Some(kind) = node.ssh_service else { return Ok(None) };
    let found = look(cluster, node, kind).await?;
    Ok(Some(found.ok_or_else(|| SshError::NoAddress(node.namespace.clone()))?))
}

async fn look(cluster: &Cluster, node: &Node, kind: SshService) -> Result<Option<Address>, Stop> {
    let client = &cluster.client;
    let services: Api<Service> = Api::namespaced(client.clone(), &node.namespace);
    let pods: Api<Pod> = Api::namespaced(client.clone(), &node.namespace);
    let name = ssh::SERVER.name;
    let (service, pod) = tokio::join!(services.get(name), pods.get(&node.pod));
    let service = service.map_err(|error| ClusterError::of(format!("get services/{name}"), &error))?;
    let pod = pod.map_err(|error| ClusterError::of(format!("get pods/{}", node.pod), &error))?;
    Ok(ssh::address(kind, &service, &pod)?)
}

impl Desk<'_> {
    /// Waits until a load balancer has an address; returns why it never will have one. The others have theirs before.
    pub(super) async fn balanced(&self, cluster: &Cluster, plan: &Plan) -> Result<Option<Fault>, Stop> {
        let began = Instant::now();
        let mut round = 0;
        while look(cluster, &plan.node, SshService::LoadBalancer).await?.is_none() {
            if began.elapsed().as_secs() >= plan.patience.launch {
                let why = format!(
                    "no load balancer has an address for its Service `{}`; `ssh-service: node-port` needs none",
                    ssh::SERVER.name
                );
                return Ok(Some(Cause::Infrastructure.because(why)));
            }
            let late = || Stop::NotReady { build: plan.build.clone(), phase: Phase::Making };
            self.pause(round, late).await?;
            round += 1;
        }
        Ok(None)
    }
}
