//! What a Node object says that the agent acts on.

use std::collections::BTreeMap;

/// What a Node object says that the agent acts on. Everything else of it is dropped as it is read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeView {
    /// Its name.
    pub name: String,
    /// Tells it from another one that had its name before.
    pub uid: String,
    /// Its labels: a pool selects by them.
    pub labels: BTreeMap<String, String>,
    /// The rendered MachineConfig that the operator wants on it.
    pub desired_config: Option<String>,
    /// The rendered MachineConfig that it is said to have.
    pub current_config: Option<String>,
    /// Whether the operator gives it whole images that are built in the cluster.
    pub image_mode: bool,
    /// Whether the scheduler passes it over.
    pub unschedulable: bool,
    /// Its annotations under our own prefix, without the prefix.
    pub ours: BTreeMap<String, String>,
    /// The pool that selects it, where it is known.
    pub pool: Option<PoolView>,
}

/// What a MachineConfigPool says that the agent acts on.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolView {
    /// Its name.
    pub name: String,
    /// How many of its nodes may be away at once, as it is written: `1`, `25%`.
    pub max_unavailable: Option<String>,
    /// How many nodes it has, by its status.
    pub machine_count: Option<u64>,
    /// Whether an admin holds its changes back.
    pub paused: bool,
}
