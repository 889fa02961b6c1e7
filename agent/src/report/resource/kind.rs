//! The object around the status: its names, and that it is cluster-scoped.

use std::borrow::Cow;

use k8s_openapi::ClusterResourceScope;
use kube::Resource;
use kube::core::ObjectMeta;
use serde::{Deserialize, Serialize};

use super::types::NodeExtensionsStatus;
use crate::cluster::GROUP;

/// The version of the API.
pub const VERSION: &str = "v1alpha1";
/// The kind.
pub(super) const KIND: &str = "NodeExtensions";
/// The plural, which is the singular: it tells of all extensions of one node.
pub(super) const PLURAL: &str = "nodeextensions";

/// Where the extensions of one node stand. It has the name of the Node, and nothing is wished here: MachineConfigs do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeExtensions {
    /// Always `extensions.agent/v1alpha1`.
    pub api_version: String,
    /// Always `NodeExtensions`.
    pub kind: String,
    /// Its name is that of the Node, which owns it.
    pub metadata: ObjectMeta,
    /// What the agent on the node found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<NodeExtensionsStatus>,
}

impl NodeExtensions {
    /// The object of `node`, with `metadata` beside the name.
    pub fn new(node: &str, metadata: ObjectMeta) -> Self {
        Self {
            api_version: format!("{GROUP}/{VERSION}"),
            kind: KIND.to_owned(),
            metadata: ObjectMeta { name: Some(node.to_owned()), ..metadata },
            status: None,
        }
    }
}

impl Resource for NodeExtensions {
    type DynamicType = ();
    type Scope = ClusterResourceScope;

    fn kind(_: &()) -> Cow<'_, str> {
        KIND.into()
    }

    fn group(_: &()) -> Cow<'_, str> {
        GROUP.into()
    }

    fn version(_: &()) -> Cow<'_, str> {
        VERSION.into()
    }

    fn plural(_: &()) -> Cow<'_, str> {
        PLURAL.into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}
