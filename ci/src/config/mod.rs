//! What an operator offers: providers, their pools, and the labels that jobs ask for.
//!
//! Decides: what a valid configuration is. Must not: talk to a cluster. Input: a YAML file in Nodepool's words; an
//! unknown key is refused, and every refusal names a line and a path.

mod amounts;
mod check;
mod decode;
mod exact;
mod label;
mod metadata;
mod nodeset;
mod pods;
mod quantity;
mod refuse;
mod registry;
mod size;
mod spec;
mod words;
mod workspace;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_saphyr::Spanned;

pub use amounts::{Amount, Count, Cpu};
pub use decode::{ConfigError, load, parse, read};
pub use label::{
    Colocate, ImagePull, Kind, Label, NamespaceQuota, PLACEHOLDERS, PullSecret, SshService, Variable, Way,
    filled,
};
pub use metadata::{OURS, label_value};
pub use nodeset::{Nodeset, together};
pub(crate) use registry::{REQUESTED, SHARE};
pub use registry::{RegistryServer, RegistryWish};
pub use size::{Limits, Size};
pub use spec::MACHINE;
pub use words::{Directory, Image, Name, ObjectName};
pub use workspace::{Sync, WORKSPACE, Workspace};

use crate::cluster::Layout;

/// A whole configuration. Only [`parse`] makes one, so what you hold is valid.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    /// The name of this installation. Only objects that carry it are ever touched.
    pub system: Name,
    /// Where the records are kept.
    #[serde(default)]
    pub hub: Hub,
    /// What jobs may ask for.
    #[serde(default)]
    pub labels: Vec<Spanned<Asked>>,
    /// Labels that are asked for together.
    #[serde(default)]
    pub nodesets: Vec<Spanned<Nodeset>>,
    /// The clusters that offer it.
    pub providers: Vec<Spanned<Provider>>,
    /// How long things live.
    #[serde(default)]
    pub leases: Leases,
    /// What the builds of one buildset share.
    #[serde(default)]
    pub buildset: Buildsets,
    /// How long a build may be held for looking at, in seconds.
    #[serde(default = "label::a_day")]
    pub max_hold_age: Amount,
}

/// One name that jobs may ask for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Asked {
    /// The name.
    pub name: Name,
    /// How many nodes of it are kept ready before anybody asks.
    #[serde(default)]
    pub min_ready: u64,
    /// How long such a node is kept, in seconds; none means as long as a resource lives at most.
    pub max_ready_age: Option<Amount>,
}

/// The cluster and namespace of the records.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Hub {
    /// The context in the kubeconfig; none means the current one, or the pod's own account.
    pub context: Option<String>,
    /// The namespace. It must exist.
    pub namespace: Name,
}

impl Default for Hub {
    fn default() -> Self {
        Hub { context: None, namespace: Name::known("build-resources") }
    }
}

/// How long things live, in seconds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Leases {
    /// How long a ready resource lives without `renew`.
    pub duration: Amount,
    /// How long a resource lives at most, renewed or not.
    pub max_age: Amount,
    /// How long after its first sighting the cleaner waits for the second.
    pub confirm: Amount,
    /// How long a build that has only namespaces may leave them without a pod, unless a process keeps it; none means for ever.
    pub idle_ttl: Option<Amount>,
}

impl Default for Leases {
    fn default() -> Self {
        Leases {
            duration: Amount::known(3600),
            max_age: Amount::known(8 * 3600),
            confirm: Amount::known(60),
            idle_ttl: None,
        }
    }
}

/// What the builds of one buildset share.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct Buildsets {
    /// Whether they lie on one provider.
    pub affinity: Affinity,
    /// How long what is kept for a buildset lives at most, in seconds.
    pub max_age: Amount,
}

impl Default for Buildsets {
    fn default() -> Self {
        Buildsets { affinity: Affinity::Required, max_age: Amount::known(4 * 3600) }
    }
}

/// Whether the builds of one buildset lie on one provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Affinity {
    /// Always: a build waits for that provider, or fails.
    Required,
    /// Where that provider has room.
    Preferred,
    /// Wherever there is room.
    None,
}

/// Which API makes the resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Driver {
    /// Namespaces, made directly.
    Kubernetes,
    /// Projects, which the cluster makes on request.
    Openshift,
}

/// Where the resources of a provider are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Each in a namespace of its own.
    #[default]
    Namespace,
    /// All in one namespace, for clusters that grant no rights outside it.
    Shared,
}

/// One cluster.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Provider {
    /// Its name.
    pub name: Name,
    /// Which API makes the resources.
    pub driver: Driver,
    /// The context in the kubeconfig; none means the current one, or the pod's own account.
    pub context: Option<String>,
    /// Where the resources are.
    #[serde(default)]
    pub mode: Mode,
    /// The namespace that all share; it must exist, and nobody else should use it.
    pub namespace: Option<Name>,
    /// Whether the cluster has a registry of its own, for which the accounts of a project get credentials.
    #[serde(default = "label::yes")]
    pub internal_registry: bool,
    /// Whether labels may be privileged or mount directories of the host.
    #[serde(default)]
    pub allow_privileged: bool,
    /// What serves the registry of a label that wants one: any server of the distribution specification that takes
    /// `serve FILE` and distribution's configuration.
    pub registry_image: Option<Image>,
    /// The program in that image; without it the one that the image starts by itself.
    pub registry_command: Option<Vec<String>>,
    /// Whether the cluster's nodes pull from such a registry: they must resolve the names of Services, or be given the
    /// address, and trust its authority. Off, only pods reach it.
    #[serde(default)]
    pub kubelet_pull: bool,
    /// How often a resource is made anew when the cluster takes it away or does not make it usable.
    #[serde(default = "label::three")]
    pub launch_retries: Amount,
    /// Seconds until a resource must be usable.
    #[serde(default = "label::five_minutes")]
    pub launch_timeout: Amount,
    /// Seconds for which an image may fail to come.
    #[serde(default = "label::two_minutes")]
    pub pull_timeout: Amount,
    /// Most connections that one process holds for commands and copies at a time; fewer than three count as three.
    #[serde(default = "label::sixty_four")]
    pub max_sessions: Amount,
    /// What it offers.
    pub pools: Vec<Spanned<Pool>>,
}

impl Provider {
    /// The namespace that all resources share, where they do.
    pub fn shared(&self) -> Option<&Name> {
        match self.mode {
            Mode::Namespace => None,
            Mode::Shared => self.namespace.as_ref(),
        }
    }

    /// How often a node of that label is made anew.
    pub fn retries(&self, label: &Label) -> u64 {
        label.retries.unwrap_or(self.launch_retries.get())
    }

    /// How long a node of it may be waited for, with all that is made anew, in seconds.
    pub fn patience(&self) -> u64 {
        let labels = self.pools.iter().flat_map(|pool| &pool.value.labels);
        let most = labels.map(|label| self.retries(&label.value)).max().unwrap_or(0);
        self.launch_timeout.get().saturating_mul(most.saturating_add(1))
    }

    /// Where nodes are made.
    pub fn layout(&self) -> Layout {
        match (self.shared(), self.driver) {
            (Some(namespace), _) => Layout::Shared(namespace.to_string()),
            (None, Driver::Kubernetes) => Layout::Namespaces,
            (None, Driver::Openshift) => Layout::Projects { registry: self.internal_registry },
        }
    }
}

/// A share of a cluster with limits of its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Pool {
    /// Its name, with which the names of its namespaces begin.
    pub name: Name,
    /// Which pool is tried first: the lower number.
    #[serde(default = "label::hundred")]
    pub priority: Amount,
    /// Most resources at a time.
    pub max_servers: Option<Amount>,
    /// Most cores at a time.
    pub max_cores: Option<Amount>,
    /// Most memory at a time, in MiB.
    pub max_ram: Option<Amount>,
    /// Most of anything else at a time: of what labels name in `gpu-resource` and `extra-resources`, and of
    /// `ephemeral-storage` in MB.
    #[serde(default)]
    pub max_resources: BTreeMap<String, u64>,
    /// What a label counts for that does not name it in `extra-resources`.
    #[serde(default)]
    pub default_label_extra_resources: BTreeMap<String, Amount>,
    /// Cores of a label that names none.
    pub default_label_cpu: Option<Cpu>,
    /// Memory, in MiB, of a label that names none.
    pub default_label_memory: Option<Amount>,
    /// Storage, in MB, of a label that names none.
    pub default_label_storage: Option<Amount>,
    /// Most cores of a label that names no limit.
    pub default_label_cpu_limit: Option<Cpu>,
    /// Most memory, in MiB, of a label that names no limit.
    pub default_label_memory_limit: Option<Amount>,
    /// Most storage, in MB, of a label that names no limit.
    pub default_label_storage_limit: Option<Amount>,
    /// Users of the cluster who may look on at everything here: pods, their logs, events.
    #[serde(default)]
    pub viewers: Vec<String>,
    /// Facts that are handed to the job with each node.
    #[serde(default)]
    pub node_attributes: BTreeMap<String, String>,
    /// What it offers.
    pub labels: Vec<Spanned<Label>>,
}

impl Pool {
    /// The label of that name, where this pool offers it.
    pub fn label(&self, name: &Name) -> Option<&Label> {
        self.labels.iter().map(|label| &label.value).find(|label| label.name == *name)
    }
}

impl Config {
    /// Every pool with its provider, the one that is tried first first.
    pub fn pools(&self) -> Vec<(&Provider, &Pool)> {
        let mut pools: Vec<_> = self
            .providers
            .iter()
            .flat_map(|provider| provider.value.pools.iter().map(|pool| (&provider.value, &pool.value)))
            .collect();
        pools.sort_by_key(|(_, pool)| pool.priority); // stable: then as written
        pools
    }

    /// What is said of a label of which nodes are kept ready.
    pub fn stocked(&self, label: &Name) -> Option<&Asked> {
        self.labels.iter().map(|one| &one.value).find(|one| one.name == *label && one.min_ready > 0)
    }

    /// Where warm nodes of a label are kept: the first pool that offers it with namespaces of its own, with nothing
    /// beside the node that is secret, and nothing in its pod that is one request's.
    pub fn stock_pool(&self, label: &Name) -> Option<(&Provider, &Pool, &Label)> {
        let pools = self.pools().into_iter();
        let offered = pools.filter_map(|(provider, pool)| Some((provider, pool, pool.label(label)?)));
        offered.filter(|(provider, _, _)| provider.layout() == Layout::Namespaces).find(|(_, _, label)| {
            label.registry.is_none() && label.access == Way::Exec && label.colocate.is_none()
        })
    }

    /// The pool of that provider, where both are still configured.
    pub fn pool(&self, provider: &Name, pool: &Name) -> Option<(&Provider, &Pool)> {
        self.pools().into_iter().find(|(one, other)| one.name == *provider && other.name == *pool)
    }
}

#[cfg(test)]
mod fixtures;
#[cfg(test)]
mod page;
#[cfg(test)]
pub(crate) mod tests;
