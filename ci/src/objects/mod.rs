//! What is made in a cluster for one node, as values.
//!
//! Decides: every field of every object. Must not: talk to a cluster or read a clock, so the same node always gives the
//! same objects and making them twice is making them once. Input: a checked configuration and a request.

mod account;
mod holder;
mod limits;
mod network;
mod owner;
mod pod;
pub mod project;
mod protect;
mod pull;
pub mod rights;
mod service;
mod space;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{LimitRange, Pod, ResourceQuota, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};

/// The name of the container that is the machine, where its label gives it no other.
pub use crate::config::MACHINE as CONTAINER;
pub(crate) use account::PULL_SECRET;
pub use account::{Granted, PROJECT_ADMIN};
pub use holder::Holder;
pub(crate) use owner::metadata;
pub use owner::{Key, build_selector, reading, request_selector, system_selector};
pub use pull::Copy;
pub(crate) use service::Served;

use crate::config::{Kind, Label, Name, Pool, Provider};
use crate::registry::Registry;
use crate::request::{Node, Request};
use crate::ssh::Server;

/// One node of one request, and where it shall be.
#[derive(Debug, Clone, Copy)]
pub struct Place<'a> {
    /// Whose everything is.
    pub system: &'a Name,
    /// The id of the request.
    pub id: &'a str,
    /// The request.
    pub request: &'a Request,
    /// The node.
    pub node: &'a Node,
    /// The cluster.
    pub provider: &'a Provider,
    /// The pool.
    pub pool: &'a Pool,
    /// What the node's label means there.
    pub label: &'a Label,
    /// The name of what holds everything of it, which is never used twice.
    pub holder: &'a str,
    /// The namespace in which it is: one of its own with the holder's name, or the provider's shared one.
    pub namespace: &'a str,
    /// When it ends at the latest.
    pub until: Timestamp,
    /// How long it lives at most, in seconds; the same for each attempt.
    pub max_age: u64,
}

impl<'a> Place<'a> {
    /// Whether it shares its namespace with others.
    pub fn is_shared(&self) -> bool {
        self.provider.shared().is_some()
    }

    /// The name of its pod.
    pub fn pod(&self) -> &'a str {
        if self.is_shared() { self.holder } else { account::MACHINE }
    }

    /// The name of the job's account, and of its role and their binding.
    pub fn account(&self) -> &'a str {
        if self.is_shared() { self.holder } else { account::ACCOUNT }
    }

    /// The name of what there is one of.
    fn only(&self) -> &'a str {
        if self.is_shared() { self.holder } else { "build-resources" }
    }
}

/// Everything that is made for one node.
#[derive(Debug, Clone)]
pub struct Objects {
    /// What holds all the others, and takes them with it.
    pub holder: Holder,
    /// What a container gets that asks for nothing.
    pub defaults: Option<LimitRange>,
    /// Who may come in over the network.
    pub network: NetworkPolicy,
    /// As whom the job acts, where that is not the holder.
    pub account: Option<ServiceAccount>,
    /// What may be done, where that is made up for this node alone.
    pub roles: Vec<Role>,
    /// Who may do it.
    pub bindings: Vec<RoleBinding>,
    /// Credentials for the image.
    pub secrets: Vec<Copy>,
    /// The machine, for a label that is one.
    pub pod: Option<Pod>,
    /// What keeps it from being evicted; see [`Objects::budget_of`].
    budget: Option<PodDisruptionBudget>,
    /// How much may live in the namespace, where it is the node's own.
    pub quota: Option<ResourceQuota>,
    /// The registry that comes with it.
    pub registry: Option<Registry>,
    /// The way in by SSH.
    pub ssh: Option<Server>,
}

impl Objects {
    /// The objects of one node.
    pub fn of(place: &Place<'_>) -> Self {
        let own = !place.is_shared();
        Objects {
            holder: holder::holder(place),
            defaults: limits::defaults(place).filter(|_| own),
            network: network::policy(place),
            account: own.then(|| account::account(place)),
            roles: account::roles(place),
            bindings: account::bindings(place),
            secrets: pull::copies(place),
            budget: protect::budget(place),
            pod: match place.label.kind {
                Kind::Pod => Some(pod::pod(place)),
                Kind::Namespace | Kind::Project => None,
            },
            quota: own.then(|| limits::quota(place)),
            registry: Registry::of(place),
            ssh: Server::of(place),
        }
    }

    /// Says of each that the holder of this UID takes it along. A namespace does so by itself.
    pub fn held_by(&mut self, uid: &str) {
        let Some(owner) = self.holder.owner(uid) else { return };
        let all = self.roles.iter_mut().map(|one| &mut one.metadata);
        let all = all.chain(self.bindings.iter_mut().map(|one| &mut one.metadata));
        let all = all.chain(self.pod.iter_mut().map(|one| &mut one.metadata));
        for metadata in all.chain([&mut self.network.metadata]) {
            metadata.owner_references = Some(vec![owner.clone()]);
        }
    }

    /// What keeps the pod that was made from being evicted, where its label wants that.
    pub fn budget_of(&self, made: &Pod) -> Option<PodDisruptionBudget> {
        self.budget.clone().map(|budget| protect::owned(budget, made))
    }
}

/// The name of a node's holder: pool, request, node, attempt. At most 63 characters, and never used twice.
pub fn holder_name(pool: &Name, id: &str, at: usize, attempt: u32) -> String {
    format!("{pool}-{id}-{at}-{attempt}")
}

#[cfg(test)]
mod tests;
