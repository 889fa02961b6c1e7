//! One node of a record, as it was made: where it is, and as whom it is used.
//!
//! Decides: nothing. Must not: ask a cluster. Input: a place.

use crate::config::{Kind, Name, SshService, Way};
use crate::objects::Place;

/// One node of a record, as it was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// What the job calls it.
    pub name: Name,
    /// The label that was asked for.
    pub label: Name,
    /// What it is.
    pub kind: Kind,
    /// The namespace in which it is.
    pub namespace: String,
    /// Its pod, for a label that is one.
    pub pod: String,
    /// The account of the job.
    pub account: String,
    /// Whether a registry stands beside it.
    pub registry: bool,
    /// How it is reached.
    pub access: Way,
    /// Which Service leads to it.
    pub ssh_service: Option<SshService>,
    /// The containers of a pod that a job may enter, the machine first; none for what is no pod.
    pub containers: Vec<String>,
}

impl Node {
    /// The node of a place.
    pub(super) fn of(place: &Place<'_>) -> Self {
        Node {
            name: place.node.name.clone(),
            label: place.label.name.clone(),
            kind: place.label.kind,
            namespace: place.namespace.to_owned(),
            pod: place.pod().to_owned(),
            account: place.account().to_owned(),
            registry: place.label.registry.is_some(),
            access: place.label.access,
            ssh_service: place.label.ssh_service,
            containers: place.label.containers().into_iter().map(str::to_owned).collect(),
        }
    }
}
