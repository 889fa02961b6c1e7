//! The status of a `NodeExtensions`. The comments here are what `kubectl explain` shows; the bounds are in the schema.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::desired::KernelType;
use crate::owner::Owner;
use crate::report::{Stage, Truth};
use crate::rollout::RolloutStep;

/// Most extensions: 64 may be wanted, and as many may be on their way out.
pub(super) const EXTENSIONS: usize = 128;
/// Most packages of one extension.
pub(super) const PACKAGES: usize = 64;
/// Most MachineConfigs that asked for one extension.
pub(super) const REQUESTERS: usize = 16;
/// Longest message, in characters.
pub(super) const MESSAGE: usize = 1024;
/// Longest name of an object, version, or package.
pub(super) const NAME: usize = 253;
/// Longest reference of an image.
pub(super) const REFERENCE: usize = 512;

/// What the agent on the node found: what is wanted, what the next boot brings, what runs, and why if these differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "self.conditions.exists(c, c.type == 'Ready')", "message": "a status says whether the node is Ready"},
]))]
pub struct NodeExtensionsStatus {
    /// The rendered MachineConfig that was acted upon; where no operator renders one, a digest of what is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = NAME))]
    pub observed_config: Option<String>,
    /// How often this status has changed. Each Event is named for the change that it tells of, so that no restart and
    /// no lost reply makes it twice.
    #[serde(default)]
    pub revision: i64,
    /// The version of the agent that wrote this.
    #[schemars(length(max = NAME))]
    pub agent_version: String,
    /// The architecture of the node, as RPM names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = NAME))]
    pub arch: Option<String>,
    /// The version of the booted base.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = NAME))]
    pub base_version: Option<String>,
    /// The kernel that is wanted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kernel_type: Option<KernelType>,
    /// The MachineConfigPool that selects the node.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = NAME))]
    pub pool: Option<String>,
    /// The image that extensions are taken from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payload: Option<NodePayload>,
    /// The deployment that runs: `osname-checksum.serial`, with the first twelve digits of the checksum.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = NAME))]
    pub booted: Option<String>,
    /// The deployment that the next boot takes, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = NAME))]
    pub next: Option<String>,
    /// Whether what is wanted is staged and waits for a reboot.
    pub reboot_pending: bool,
    /// Who owns the extensions of this node, where the agent does not: it only tells of them then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// The way from a staged deployment to a booted one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rollout: Option<NodeRollout>,
    /// The extensions in short, for `kubectl get`.
    pub summary: Summary,
    /// The short answers: `Ready` first.
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<NodeCondition>,
    /// Each extension that is wanted or was layered.
    #[schemars(length(max = EXTENSIONS), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub extensions: Vec<NodeExtension>,
    /// Whether something was left out to keep this object small; `extensions-agent status` on the node shows all.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shortened: bool,
}

/// The image that extensions are taken from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodePayload {
    /// Its reference, with a digest where it is pinned or was looked at.
    #[schemars(length(max = REFERENCE))]
    pub reference: String,
    /// The digest that everything of it was compared with.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 71), regex(pattern = r"^sha256:[0-9a-f]{64}$"))]
    pub digest: Option<String>,
    /// The OS version that it was built for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = NAME))]
    pub version: Option<String>,
    /// The MachineConfig that names it; none where the agent's settings do.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = NAME))]
    pub requested_by: Option<String>,
}

/// The way from a staged deployment to a booted one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeRollout {
    /// How reboots are coordinated: `none`, `immediate`, `window`, `fleetlock` or `cluster`.
    #[schemars(length(max = 32))]
    pub strategy: String,
    /// The step the node is at.
    pub step: RolloutStep,
    /// The pool or group whose slots it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = NAME))]
    pub pool: Option<String>,
    /// Since when it is at this step.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub since: Timestamp,
    /// What it waits for.
    #[schemars(length(max = MESSAGE))]
    pub message: String,
}

/// The extensions in short.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    /// What is wanted, with commas; `-` for nothing.
    #[schemars(length(max = MESSAGE))]
    pub desired: String,
    /// What the next boot has.
    #[schemars(length(max = MESSAGE))]
    pub staged: String,
    /// What runs.
    #[schemars(length(max = MESSAGE))]
    pub booted: String,
}

/// One short answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeCondition {
    /// What is asked.
    #[serde(rename = "type")]
    pub kind: NodeConditionKind,
    /// The answer.
    pub status: Truth,
    /// Why, in one word; those that say why not are listed in the page of exit codes and reasons.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"))]
    pub reason: String,
    /// Why, in words.
    #[schemars(length(max = MESSAGE))]
    pub message: String,
    /// When the answer last became another one.
    #[schemars(with = "String", extend("format" = "date-time"))]
    pub last_transition_time: Timestamp,
    /// The generation of this object that the answer is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// What a condition asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub enum NodeConditionKind {
    /// Does the running system have what is wanted?
    Ready,
    /// Will the next boot have it?
    Staged,
    /// Does a staged deployment wait for a reboot?
    RebootPending,
    /// Is it stuck until somebody mends something?
    Degraded,
    /// Was everything that is layered compared with the digest of the payload?
    PayloadVerified,
}

/// Where one extension stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "(self.stage == 'active') == (self.desired && self.staged && self.booted)",
     "message": "`active` means desired, staged and booted"},
]))]
pub struct NodeExtension {
    /// Its name, as a MachineConfig writes it.
    #[schemars(length(max = 63), regex(pattern = r"^[a-z0-9][a-z0-9-]{0,62}$"))]
    pub name: String,
    /// The three facts below in one word.
    pub stage: Stage,
    /// Whether it is wanted now.
    pub desired: bool,
    /// Whether the next boot has all of it.
    pub staged: bool,
    /// Whether the running system has all of it.
    pub booted: bool,
    /// Its version, once known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = NAME))]
    pub version: Option<String>,
    /// The MachineConfigs that asked for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = REQUESTERS), inner(length(max = NAME)), extend("x-kubernetes-list-type" = "set"))]
    pub requested_by: Vec<String>,
    /// The packages that are layered for it, as `name-epoch:version-release.arch`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = PACKAGES), inner(length(max = NAME)), extend("x-kubernetes-list-type" = "set"))]
    pub packages: Vec<String>,
    /// Why it is not where it should be, in one word.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// Why it is not where it should be, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MESSAGE))]
    pub message: Option<String>,
    /// What would cure it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = MESSAGE))]
    pub cure: Option<String>,
}

impl NodeExtensionsStatus {
    /// The status, as one for this generation of the object. It stays the first one while nothing is wished in it; tools
    /// that wait for a condition compare it.
    pub fn for_generation(mut self, generation: Option<i64>) -> Self {
        for condition in &mut self.conditions {
            condition.observed_generation = generation;
        }
        self
    }

    /// The answer to `kind`, once it was given.
    pub fn condition(&self, kind: NodeConditionKind) -> Option<&NodeCondition> {
        self.conditions.iter().find(|condition| condition.kind == kind)
    }
}
