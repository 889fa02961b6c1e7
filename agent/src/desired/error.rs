//! Why the wish cannot be read or cannot be meant.

use std::path::PathBuf;

use extensions_manifest::ManifestError;

use crate::cluster::ClusterError;
use crate::error::{Failure, Reason};

/// Why the wish cannot be read. One bad document refuses the whole, as the operator does: half a wish is another wish.
#[derive(Debug, thiserror::Error)]
pub enum DesiredError {
    /// A file or directory cannot be read.
    #[error("reading MachineConfigs from `{}`", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A document is not a MachineConfig, or not a readable one.
    #[error("document {number} in `{}` is not a usable MachineConfig: {problem}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Which document of it, from 1.
        number: usize,
        /// What is wrong with it, escaped and cut.
        problem: String,
    },
    /// An extension name outside the grammar.
    #[error("extension in MachineConfig `{machine_config}` in `{}`", path.display())]
    ExtensionName {
        /// The file.
        path: PathBuf,
        /// The MachineConfig.
        machine_config: String,
        /// The name and the grammar.
        source: ManifestError,
    },
    /// Two documents carry one name, so that their order is nobody's intention.
    #[error("MachineConfig `{name}` is in `{}` and in `{}`", first.display(), second.display())]
    Duplicate {
        /// The name.
        name: String,
        /// One file.
        first: PathBuf,
        /// The other; the same one when a file repeats itself.
        second: PathBuf,
    },
    /// More than a bound allows.
    #[error("`{}`: {what} is over the limit of {limit}", path.display())]
    Limit {
        /// The file or directory.
        path: PathBuf,
        /// What was counted.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
    /// More extensions than one node may have.
    #[error("{found} extensions are asked for, over the limit of {limit}")]
    TooManyExtensions {
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
    /// The API server does not answer, or not as it should.
    #[error(transparent)]
    Cluster(ClusterError),
    /// Nothing has been heard of the API server yet.
    #[error("waiting for the first answer of the API server")]
    NotAskedYet,
    /// An object in the cluster cannot be used.
    #[error("`{object}` in the cluster cannot be used: {problem}")]
    Object {
        /// Its kind and name, as kubectl takes them.
        object: String,
        /// What is wrong with it, escaped and cut.
        problem: String,
    },
    /// A MachineConfig in the cluster names an extension outside the grammar.
    #[error("extension in `machineconfig/{machine_config}` in the cluster")]
    ExtensionNameInCluster {
        /// The MachineConfig.
        machine_config: String,
        /// The name and the grammar.
        source: ManifestError,
    },
    /// An object in the cluster, or a list of them, is over a bound.
    #[error("`{object}` in the cluster: {what} is over the limit of {limit}")]
    ObjectLimit {
        /// Its kind and name, as kubectl takes them.
        object: String,
        /// What was counted.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
    /// There is no Node object of that name.
    #[error("there is no Node `{name}` in the cluster")]
    NoNode {
        /// The name.
        name: String,
    },
    /// The API server does not know such objects.
    #[error("the API server knows no {kind}")]
    NoKind {
        /// The kind, as kubectl takes it.
        kind: &'static str,
    },
    /// The Node names a MachineConfig that is not there.
    #[error("there is no `machineconfig/{name}` in the cluster, which the node is to have")]
    NoMachineConfig {
        /// The name.
        name: String,
    },
    /// No operator has said what the node should have.
    #[error(
        "the Node `{node}` has no annotation `machineconfiguration.openshift.io/desiredConfig`, by which the operator says what it should have"
    )]
    NotAnnotated {
        /// The node.
        node: String,
    },
    /// No pool selects the node.
    #[error("no MachineConfigPool selects the node `{node}`")]
    NoPool {
        /// The node.
        node: String,
    },
    /// More than one pool selects the node.
    #[error("the pools {} all select the node `{node}`", quoted(pools))]
    ManyPools {
        /// The node.
        node: String,
        /// The pools, sorted.
        pools: Vec<String>,
    },
    /// The pool is paused, and nothing was wanted of the node before.
    #[error("the pool `{pool}` is paused, and what the node had to have before is not known")]
    Paused {
        /// The pool.
        pool: String,
    },
    /// The API server shows an older state than was seen before.
    #[error(
        "the API server shows {what} as of version {found}, but version {seen} was acted upon: it lags behind"
    )]
    Stale {
        /// What is older: a kind, or an object.
        what: String,
        /// The version that it shows.
        found: u64,
        /// The version that was seen.
        seen: u64,
    },
    /// The API server shows a Node that was replaced.
    #[error("the API server shows the Node `{node}` as it was before it was made anew: it lags behind")]
    FormerNode {
        /// The node.
        node: String,
    },
    /// What the source keeps on disk cannot be read.
    #[error("reading what the cluster last wanted from `{}`", path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

fn quoted(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

impl DesiredError {
    /// Whether it says that the cluster cannot be known at the moment, and not that what it wants cannot be meant.
    pub fn is_outage(&self) -> bool {
        match self {
            DesiredError::Cluster(_)
            | DesiredError::NotAskedYet
            | DesiredError::NoNode { .. }
            | DesiredError::NoKind { .. }
            | DesiredError::NoMachineConfig { .. }
            | DesiredError::NotAnnotated { .. }
            | DesiredError::NoPool { .. }
            | DesiredError::Paused { .. }
            | DesiredError::Stale { .. }
            | DesiredError::FormerNode { .. } => true,
            DesiredError::Read { .. }
            | DesiredError::Document { .. }
            | DesiredError::ExtensionName { .. }
            | DesiredError::Duplicate { .. }
            | DesiredError::Limit { .. }
            | DesiredError::TooManyExtensions { .. }
            | DesiredError::Object { .. }
            | DesiredError::ExtensionNameInCluster { .. }
            | DesiredError::ObjectLimit { .. }
            | DesiredError::ManyPools { .. }
            | DesiredError::Kept { .. } => false,
        }
    }
}

impl Failure for DesiredError {
    fn reason(&self) -> Reason {
        match self {
            DesiredError::Read { .. }
            | DesiredError::Document { .. }
            | DesiredError::Duplicate { .. }
            | DesiredError::Object { .. } => Reason::InvalidMachineConfig,
            DesiredError::ExtensionName { .. } | DesiredError::ExtensionNameInCluster { .. } => {
                Reason::InvalidExtensionName
            }
            DesiredError::Limit { .. }
            | DesiredError::TooManyExtensions { .. }
            | DesiredError::ObjectLimit { .. } => Reason::LimitExceeded,
            DesiredError::Cluster(error) => error.reason(),
            DesiredError::NotAskedYet => Reason::ClusterUnavailable,
            DesiredError::NoNode { .. }
            | DesiredError::NoKind { .. }
            | DesiredError::NoMachineConfig { .. }
            | DesiredError::NotAnnotated { .. }
            | DesiredError::NoPool { .. }
            | DesiredError::Paused { .. } => Reason::MissingObject,
            DesiredError::ManyPools { .. } => Reason::AmbiguousPool,
            DesiredError::Stale { .. } | DesiredError::FormerNode { .. } => Reason::StaleClusterData,
            DesiredError::Kept { .. } => Reason::StateUnusable,
        }
    }

    fn cure(&self) -> Option<String> {
        let cure = match self {
            DesiredError::Read { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
                format!("create `{}`, or set `machine-config.directory`", path.display())
            }
            DesiredError::Read { path, source } if source.kind() == std::io::ErrorKind::NotADirectory => {
                format!("name the directory that `{}` lies in", path.display())
            }
            DesiredError::Read { path, .. } => format!("make `{}` readable for the agent", path.display()),
            DesiredError::Document { path, .. } => format!("correct or remove `{}`", path.display()),
            DesiredError::ExtensionName { path, .. } => {
                format!("correct the name under `extensions:` in `{}`", path.display())
            }
            DesiredError::Duplicate { .. } => "rename or remove one of the two".to_owned(),
            DesiredError::Limit { path, .. } => format!("make `{}` smaller", path.display()),
            DesiredError::TooManyExtensions { .. } => "ask for fewer extensions".to_owned(),
            DesiredError::Object { object, .. } => format!("correct it: `kubectl edit {object}`"),
            DesiredError::ExtensionNameInCluster { machine_config, .. } => {
                format!("correct the name under `extensions:`: `kubectl edit machineconfig {machine_config}`")
            }
            DesiredError::ObjectLimit { object, .. } => {
                format!("make it smaller: `kubectl get {object} -o yaml`")
            }
            DesiredError::NoNode { .. } => {
                "see `kubectl get nodes`, and set `cluster.node` to the name of this one".to_owned()
            }
            DesiredError::NoKind { kind } => format!(
                "apply the resource definitions that come with the agent (see `kubectl get crd {kind}.machineconfiguration.openshift.io`), or unset `cluster.kubeconfig` to read files"
            ),
            DesiredError::NoMachineConfig { name } => {
                format!("see `kubectl get machineconfig {name}` and `kubectl describe machineconfigpool`")
            }
            DesiredError::NotAnnotated { node } => format!(
                "see `kubectl describe node {node}`; where no operator runs, set `cluster.source = \"pools\"`"
            ),
            DesiredError::NoPool { node } => format!(
                "label it for a pool, as with `kubectl label node {node} node-role.kubernetes.io/worker=`, and see `kubectl get machineconfigpool`"
            ),
            DesiredError::Paused { pool } => format!(
                "unpause it: `kubectl patch machineconfigpool {pool} --type merge -p '{{\"spec\":{{\"paused\":false}}}}'`"
            ),
            DesiredError::Cluster(error) => return error.cure(),
            DesiredError::NotAskedYet
            | DesiredError::ManyPools { .. }
            | DesiredError::Stale { .. }
            | DesiredError::FormerNode { .. } => return self.reason().cure().map(str::to_owned),
            DesiredError::Kept { path, .. } => {
                format!("remove `{}`; the service writes it anew when the API server answers", path.display())
            }
        };
        Some(cure)
    }
}
