//! A label: what a job gets when it asks for that name.
//!
//! Decides: which kinds of resource there are and what can be said of them. Must not: make objects. Input: one entry of
//! a pool's `labels`.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{PodSpec, Volume, VolumeMount};
use serde::{Deserialize, Serialize};

use super::amounts::{Amount, Count, Cpu};
use super::exact::{exactly, exactly_some};
use super::registry::RegistryWish;
use super::words::{Image, Name, ObjectName};
use super::workspace::Workspace;

/// What a resource is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// One container that behaves like a machine, in a namespace of its own.
    Pod,
    /// An empty namespace with an account that may fill it.
    Namespace,
    /// An empty project of OpenShift with an account that is its admin.
    Project,
}

/// How a job reaches a pod.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Way {
    /// By exec: the image needs nothing but a shell.
    #[default]
    Exec,
    /// By SSH: the image must have sshd, and run as root.
    Ssh,
}

/// Which Service leads to a pod that is reached by SSH.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SshService {
    /// One with an address of the cluster, for jobs that run in it.
    ClusterIp,
    /// One with a port of every machine of the cluster.
    NodePort,
    /// One with a load balancer, where the cluster has any.
    LoadBalancer,
}

impl SshService {
    /// The word of the Kubernetes API.
    pub const fn as_str(self) -> &'static str {
        match self {
            SshService::ClusterIp => "ClusterIP",
            SshService::NodePort => "NodePort",
            SshService::LoadBalancer => "LoadBalancer",
        }
    }
}

/// When the kubelet pulls the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ImagePull {
    /// When the node has none.
    #[default]
    IfNotPresent,
    /// Each time.
    Always,
    /// Not at all.
    Never,
}

impl ImagePull {
    /// The word of the Kubernetes API.
    pub const fn as_str(self) -> &'static str {
        match self {
            ImagePull::IfNotPresent => "IfNotPresent",
            ImagePull::Always => "Always",
            ImagePull::Never => "Never",
        }
    }
}

/// One variable of the environment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// A Secret with the credentials of a registry, in the cluster of the provider.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct PullSecret {
    /// Its name; the copy is called the same.
    pub name: ObjectName,
    /// The namespace that it lies in.
    #[serde(default = "PullSecret::default_namespace")]
    pub namespace: ObjectName,
}

impl PullSecret {
    fn default_namespace() -> ObjectName {
        ObjectName::known("default")
    }
}

/// Whether the nodes of one request want to be on one machine of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Colocate {
    /// Where there is room. There is no `required`: a machine that is full or cordoned would block the request for ever.
    Preferred,
}

/// How much may live in a namespace.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct NamespaceQuota {
    /// Most pods.
    pub pods: Amount,
    /// Most cores.
    pub cores: Option<Amount>,
    /// Most memory, in MiB.
    pub ram: Option<Amount>,
}

/// What a job gets when it asks for that name.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Label {
    /// The name that jobs ask for.
    pub name: Name,
    /// What it is.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The image of the container; a pod must have one.
    pub image: Option<Image>,
    /// When the kubelet pulls it.
    #[serde(default)]
    pub image_pull: ImagePull,
    /// Requested cores.
    pub cpu: Option<Cpu>,
    /// Requested memory, in MiB.
    pub memory: Option<Amount>,
    /// Requested storage, in MB.
    pub storage: Option<Amount>,
    /// Most cores.
    pub cpu_limit: Option<Cpu>,
    /// Most memory, in MiB.
    pub memory_limit: Option<Amount>,
    /// Most storage, in MB.
    pub storage_limit: Option<Amount>,
    /// The environment of the container; an exec has no login shell that would set one.
    #[serde(default)]
    pub env: Vec<Variable>,
    /// Labels that the cluster's node must have.
    #[serde(default)]
    pub node_selector: BTreeMap<String, String>,
    /// Which scheduler places the pod.
    pub scheduler_name: Option<String>,
    /// Whether the container is privileged. The provider must allow it.
    #[serde(default)]
    pub privileged: bool,
    /// Volumes of the pod, as the Kubernetes API writes them.
    #[serde(default, deserialize_with = "exactly")]
    pub volumes: Vec<Volume>,
    /// Where the container mounts them.
    #[serde(default, deserialize_with = "exactly")]
    pub volume_mounts: Vec<VolumeMount>,
    /// More labels for the pod and its namespace.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The same with placeholders, such as `{request.change}`.
    #[serde(default)]
    pub dynamic_labels: BTreeMap<String, String>,
    /// More annotations for the pod and its namespace.
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    /// Where Ansible finds Python.
    pub python_path: Option<String>,
    /// Which shell Ansible speaks to.
    pub shell_type: Option<String>,
    /// How much may live in the namespace.
    pub quota: Option<NamespaceQuota>,
    /// How a job reaches the pod.
    #[serde(default)]
    pub access: Way,
    /// Which Service leads to it, for who has only `ssh`; without one the way is through the API server.
    pub ssh_service: Option<SshService>,
    /// How often it is made anew when the cluster takes it away or does not make it usable; else the provider's number.
    pub retries: Option<u64>,
    /// Whether a registry comes with it, of its own and gone with it.
    #[serde(default, deserialize_with = "super::registry::wish")]
    pub registry: Option<RegistryWish>,
    /// Whether the job may make ingresses in the namespace, through which others come in from outside the cluster.
    #[serde(default)]
    pub ingress: bool,
    /// Users of the cluster who may look on: pods, their logs, events.
    #[serde(default)]
    pub viewers: Vec<String>,
    /// A directory that all containers of the pod share.
    pub workspace: Option<Workspace>,
    /// A PodSpec, or a part of one, that is merged over ours: containers, volumes and variables by their names.
    #[serde(default, deserialize_with = "exactly_some")]
    pub spec: Option<PodSpec>,
    /// Which RuntimeClass runs the pod.
    pub runtime_class: Option<ObjectName>,
    /// Which PriorityClass the pod has.
    pub priority_class: Option<ObjectName>,
    /// Whether root in the container is nobody on the machine.
    #[serde(default)]
    pub user_namespace: bool,
    /// Whether the nodes of one request want to be on one machine.
    pub colocate: Option<Colocate>,
    /// Whether an eviction, such as that of `kubectl drain`, is refused while the pod lives.
    #[serde(default)]
    pub protect: bool,
    /// Credentials for the image, copied into the namespace of the node.
    #[serde(default)]
    pub image_pull_secrets: Vec<PullSecret>,
    /// How many of `gpu-resource` the machine gets.
    pub gpu: Option<Count>,
    /// Under which name the cluster counts them: `nvidia.com/gpu`.
    pub gpu_resource: Option<String>,
    /// What counts against `max-resources` of the pool without being asked of the cluster.
    #[serde(default)]
    pub extra_resources: BTreeMap<String, Amount>,
}

/// What a dynamic label may speak of.
pub const PLACEHOLDERS: &[&str] =
    &["request.id", "request.build", "request.buildset", "request.change", "request.label", "request.node"];

/// A text with its placeholders replaced, or the placeholder that has no value.
///
/// # Errors
/// The placeholder that `value` does not know, or the text that is no placeholder.
pub fn filled(text: &str, value: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        let (name, after) = after.split_once('}').ok_or_else(|| after.to_owned())?;
        out.push_str(before);
        out.push_str(&value(name).ok_or_else(|| name.to_owned())?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

pub(super) const fn yes() -> bool {
    true
}

pub(super) const fn three() -> Amount {
    Amount::known(3)
}

pub(super) const fn sixty_four() -> Amount {
    Amount::known(64)
}

pub(super) const fn hundred() -> Amount {
    Amount::known(100)
}

pub(super) const fn a_day() -> Amount {
    Amount::known(24 * 3600)
}

pub(super) const fn two_minutes() -> Amount {
    Amount::known(120)
}

pub(super) const fn five_minutes() -> Amount {
    Amount::known(300)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_or_named() {
        let value = |name: &str| (name == "request.build").then(|| "b1".to_owned());
        assert_eq!(filled("x-{request.build}-y", value).as_deref(), Ok("x-b1-y"));
        assert_eq!(filled("{request.colour}", value), Err("request.colour".to_owned()));
        assert_eq!(filled("{open", value), Err("open".to_owned()));
    }
}
