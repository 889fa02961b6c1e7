//! What is made in a cluster for one node, as values.
//!
//! Decides: every field of every object. Must not: talk to a cluster or read a clock, so the same node always gives the
//! same objects and making them twice is making them once. Input: a checked configuration and a request.

mod account;
mod limits;
mod network;
mod owner;
mod pod;
mod space;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, Pod, ResourceQuota, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};

pub use account::{ACCOUNT, OBJECT_RIGHTS, POD_RIGHTS, SPACE_RIGHTS};
pub use owner::{Key, build_selector, reading, request_selector, system_selector};
pub use pod::CONTAINER;

use crate::config::{Kind, Label, Name, Pool, Provider};
use crate::request::{Node, Request};

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
    /// The name of its namespace.
    pub namespace: &'a str,
    /// When it ends at the latest.
    pub until: Timestamp,
    /// How long it lives at most, in seconds; the same for each attempt.
    pub max_age: u64,
}

/// Everything that is made for one node, in the order in which it is made.
#[derive(Debug, Clone)]
pub struct Objects {
    /// What holds all the others, and takes them with it.
    pub namespace: Namespace,
    /// What a container gets that asks for nothing.
    pub defaults: Option<LimitRange>,
    /// Who may come in over the network.
    pub network: NetworkPolicy,
    /// As whom the job acts.
    pub account: ServiceAccount,
    /// What the job may do.
    pub role: Role,
    /// That it may.
    pub binding: RoleBinding,
    /// The machine, for a label that is one.
    pub pod: Option<Pod>,
    /// How much may live in the namespace.
    pub quota: ResourceQuota,
}

impl Objects {
    /// The objects of one node.
    pub fn of(place: &Place<'_>) -> Self {
        Objects {
            namespace: space::namespace(place),
            defaults: limits::defaults(place),
            network: network::policy(place),
            account: account::account(place),
            role: account::role(place),
            binding: account::binding(place),
            pod: match place.label.kind {
                Kind::Pod => Some(pod::pod(place)),
                Kind::Namespace | Kind::Project => None,
            },
            quota: limits::quota(place),
        }
    }
}

/// The name of a node's namespace: pool, request, node, attempt. At most 63 characters, and never used twice.
pub fn namespace_name(pool: &Name, id: &str, at: usize, attempt: u32) -> String {
    format!("{pool}-{id}-{at}-{attempt}")
}

#[cfg(test)]
mod tests;
