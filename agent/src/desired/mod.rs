//! 1 · *want*: which extensions, kernel and payload this node should have, and who asked.
//!
//! Decides: what a set of MachineConfigs means, by the operator's own merge rules. Must not: know what the payload
//! offers or what the host has. Input: MachineConfig documents, from local files or from a cluster.

pub mod cluster;
mod error;
mod files;
pub mod machine_config;
pub mod merge;
pub mod node;
mod object;
pub mod pools;
mod selector;

use std::collections::{BTreeMap, BTreeSet};

use extensions_manifest::{ExtensionName, Sha256Digest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

pub use cluster::{ClusterSource, Health, SourceOptions};
pub use error::DesiredError;
pub use files::{FileSource, read_once};
pub use node::{NodeView, PoolView};
pub use object::Meta;
pub use selector::Selector;

/// Which kernel the node should boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KernelType {
    /// The base's own.
    #[default]
    Default,
    /// `kernel-rt`.
    Realtime,
    /// `kernel-64k`, on aarch64.
    #[serde(rename = "64k-pages")]
    Pages64k,
}

/// What this node should have. Canonical: two lists that mean the same give equal values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Desired {
    /// Each extension with the names of the MachineConfigs that asked for it.
    pub extensions: BTreeMap<ExtensionName, BTreeSet<String>>,
    /// The kernel.
    pub kernel_type: KernelType,
    /// The MachineConfig that decided the kernel, where it is not the default.
    pub kernel_type_from: Option<String>,
    /// The image to take extensions from, as the MachineConfigs write it.
    pub payload: Option<String>,
    /// The MachineConfig that decided the payload; `release` where the release did.
    pub payload_from: Option<String>,
    /// The image of the operating system, as the MachineConfigs write it. What is layered does not depend on it, so it
    /// has no part in [`Desired::generation`].
    #[serde(default)]
    pub os_image: Option<String>,
    /// The rendered MachineConfig that says all this, where an operator renders them.
    #[serde(default)]
    pub rendered: Option<String>,
}

impl Desired {
    /// A digest of what is wanted, whoever asked: equal exactly when nothing has to be done anew.
    pub fn generation(&self) -> Sha256Digest {
        let names: Vec<&str> = self.extensions.keys().map(ExtensionName::as_str).collect();
        let text = format!("{names:?} {:?} {:?}", self.kernel_type, self.payload);
        Sha256Digest::of(text.as_bytes())
    }
}

/// The newest thing a source knows: what is wanted, or why that cannot be said.
pub type Latest = Result<Desired, std::sync::Arc<DesiredError>>;

/// Where the wish comes from. A source keeps its channel current until it is dropped.
pub trait DesiredSource: Send {
    /// The newest value, and a wake-up whenever it changes.
    fn watch(&self) -> watch::Receiver<Latest>;

    /// A wake-up when something beside the wish has changed that a pass tells of: who owns the extensions, whether the
    /// source can be asked. For most sources there is nothing of the kind.
    fn stirred(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
}
