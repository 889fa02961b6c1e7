//! The requests themselves, each bounded in size and safe to repeat.

use std::collections::BTreeMap;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Node, ObjectReference};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, OwnerReference};
use kube::Api;
use kube::api::{DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, ObjectMeta};
use serde_json::json;

use crate::cluster::{ClusterError, Connection, GROUP, MANAGER};
use crate::report::events::EventFact;
use crate::report::node::{Annotations, keys};
use crate::report::resource::{NodeExtensions, NodeExtensionsStatus, VERSION};

/// Where Events of objects without a namespace go.
const EVENTS: &str = "default";

/// What is known of the Node object.
#[derive(Debug)]
pub(super) struct NodeMetadata {
    pub(super) uid: String,
    pub(super) annotations: BTreeMap<String, String>,
}

/// What is known of our object.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) uid: String,
    pub(super) generation: Option<i64>,
    /// None where there is none yet, or one that this version cannot read.
    pub(super) status: Option<NodeExtensionsStatus>,
}

/// Sends the requests of one node.
pub(super) struct Writer {
    pub(super) node: String,
    nodes: Api<Node>,
    objects: Api<DynamicObject>,
    events: Api<Event>,
}

impl Writer {
    pub(super) fn new(connection: Connection) -> Self {
        let Connection { client, node, .. } = connection;
        let resource = ApiResource::erase::<NodeExtensions>(&());
        Self {
            node,
            nodes: Api::all(client.clone()),
            objects: Api::all_with(client.clone(), &resource),
            events: Api::namespaced(client, EVENTS),
        }
    }

    /// The metadata of the Node; its status, which lists every image, is not asked for.
    pub(super) async fn node_metadata(&self) -> Result<NodeMetadata, ClusterError> {
        let failed = |error| ClusterError::of(format!("get nodes/{}", self.node), &error);
        let mut metadata = self.nodes.get_metadata(&self.node).await.map_err(failed)?.metadata;
        let mut all = metadata.annotations.take().unwrap_or_default();
        let annotations = keys().into_iter().filter_map(|key| all.remove_entry(&key)).collect();
        Ok(NodeMetadata { uid: metadata.uid.unwrap_or_default(), annotations })
    }

    /// Our object, where it belongs to this very Node.
    pub(super) async fn find(&self, node_uid: &str) -> Result<Option<Found>, ClusterError> {
        let failed = |error| ClusterError::of(self.doing("get", ""), &error);
        let found = self.objects.get_opt(&self.node).await.map_err(failed)?;
        Ok(found.filter(|object| is_of(&object.metadata, node_uid)).map(Found::from))
    }

    /// Makes the object, or gives it to this Node where it belonged to one of the same name. The cluster removes it with
    /// the Node.
    pub(super) async fn make(&self, node_uid: &str) -> Result<Found, ClusterError> {
        let failed = |error| ClusterError::of(self.doing("apply", ""), &error);
        let owner = OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            name: self.node.clone(),
            uid: node_uid.to_owned(),
            ..OwnerReference::default()
        };
        let metadata = ObjectMeta { owner_references: Some(vec![owner]), ..ObjectMeta::default() };
        let object = NodeExtensions::new(&self.node, metadata);
        let made =
            self.objects.patch(&self.node, &applied(), &Patch::Apply(&object)).await.map_err(failed)?;
        Ok(Found::from(made))
    }

    /// Writes the whole status.
    pub(super) async fn status(&self, status: &NodeExtensionsStatus) -> Result<(), ClusterError> {
        let failed = |error| ClusterError::of(self.doing("apply", "/status"), &error);
        let mut object = NodeExtensions::new(&self.node, ObjectMeta::default());
        object.status = Some(status.clone());
        self.objects
            .patch_status(&self.node, &applied(), &Patch::Apply(&object))
            .await
            .map_err(failed)
            .map(drop)
    }

    /// Creates the Event. One of that name is this one, from before a crash or a lost reply.
    pub(super) async fn event(
        &self,
        fact: &EventFact,
        node_uid: &str,
        at: Timestamp,
    ) -> Result<(), ClusterError> {
        let made = self.events.create(&PostParams::default(), &self.event_of(fact, node_uid, at)).await;
        let Err(error) = made else { return Ok(()) };
        let error = ClusterError::of(format!("create events/{}", fact.name), &error);
        match error.code() {
            Some(409) => Ok(()),
            // The status says the same; an Event that is not allowed must not keep it back.
            Some(400 | 403 | 404 | 422) => {
                tracing::warn!(error = %crate::error::chain(&error), reason = fact.reason, "an Event was refused");
                Ok(())
            }
            Some(_) | None => Err(error),
        }
    }

    /// Changes these annotations of the Node and nothing else.
    pub(super) async fn annotate(&self, changes: &Annotations) -> Result<(), ClusterError> {
        let failed = |error| ClusterError::of(format!("patch nodes/{}", self.node), &error);
        let patch = json!({"metadata": {"annotations": changes}});
        let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
        self.nodes.patch_metadata(&self.node, &params, &Patch::Merge(&patch)).await.map_err(failed).map(drop)
    }

    fn event_of(&self, fact: &EventFact, node_uid: &str, at: Timestamp) -> Event {
        let reference = |api_version: String, kind: &str, uid: Option<String>| ObjectReference {
            api_version: Some(api_version),
            kind: Some(kind.to_owned()),
            name: Some(self.node.clone()),
            uid,
            ..ObjectReference::default()
        };
        Event {
            metadata: ObjectMeta {
                name: Some(fact.name.clone()),
                namespace: Some(EVENTS.to_owned()),
                ..ObjectMeta::default()
            },
            event_time: Some(MicroTime(at)),
            type_: Some(if fact.warning { "Warning" } else { "Normal" }.to_owned()),
            reason: Some(fact.reason.clone()),
            action: Some("Report".to_owned()),
            note: Some(fact.note.clone()),
            regarding: Some(reference("v1".to_owned(), "Node", Some(node_uid.to_owned()))),
            related: Some(reference(format!("{GROUP}/{VERSION}"), "NodeExtensions", None)),
            reporting_controller: Some(MANAGER.to_owned()),
            reporting_instance: Some(self.node.chars().take(128).collect()),
            ..Event::default()
        }
    }

    fn doing(&self, verb: &str, part: &str) -> String {
        format!("{verb} nodeextensions/{}{part}", self.node)
    }
}

/// One manager for everything we write. Forced, because the object is ours alone: whoever else has written into it loses.
/// What others own on other objects is never applied.
fn applied() -> PatchParams {
    PatchParams::apply(MANAGER).force()
}

fn is_of(metadata: &ObjectMeta, node_uid: &str) -> bool {
    metadata.owner_references.iter().flatten().any(|owner| owner.uid == node_uid)
}

impl From<DynamicObject> for Found {
    fn from(mut object: DynamicObject) -> Self {
        let status = object.data.get_mut("status").map(serde_json::Value::take);
        Self {
            uid: object.metadata.uid.unwrap_or_default(),
            generation: object.metadata.generation,
            status: status.and_then(|status| serde_json::from_value(status).ok()),
        }
    }
}
