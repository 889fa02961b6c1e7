//! One round: what does the cluster know, what is new, write that. Every step is safe to repeat.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Publishing;
use super::write::{Found, NodeMetadata, Writer};
use crate::cluster::{ClusterError, Connection};
use crate::report::events::{Subject, events};
use crate::report::node::{self, Annotations};
use crate::report::resource::{NodeExtensionsStatus, Told, build, same};
use crate::settings::Mode;
use crate::telemetry::Metrics;

/// What the cluster is known to have.
#[derive(Debug)]
struct Known {
    /// Tells the Node from another one that had its name before.
    node_uid: String,
    /// The object.
    object: Found,
    /// Those of the Node's annotations that we may write.
    annotations: BTreeMap<String, String>,
}

/// What was written last, and for which Node.
#[derive(Debug)]
struct Written {
    node_uid: String,
    status: NodeExtensionsStatus,
}

/// What is kept between rounds.
pub(super) struct Round {
    writer: Writer,
    mode: Mode,
    metrics: Arc<Metrics>,
    known: Option<Known>,
    /// Our own last word: what somebody else writes into the object, or its removal, does not change what happened.
    written: Option<Written>,
}

impl Round {
    pub(super) fn new(connection: Connection, publishing: &Publishing) -> Self {
        let metrics = Arc::clone(&publishing.metrics);
        Self { writer: Writer::new(connection), mode: publishing.mode, metrics, known: None, written: None }
    }

    /// Forgets what the cluster is known to have, so that the next round looks.
    pub(super) fn look_again(&mut self) {
        self.known = None;
    }

    /// Writes what of `told` the cluster does not know. Nothing is sent where it knows everything.
    ///
    /// What is known is taken out and put back at the end only: after a failure, or when the round is cut off, it may be
    /// wrong, and the next round looks.
    pub(super) async fn tell(&mut self, told: &Told) -> Result<(), ClusterError> {
        let seen = told.node.as_ref().map(|node| node.uid.as_str()).filter(|uid| !uid.is_empty());
        let mut known = match self.known.take().filter(|known| seen.is_none_or(|uid| uid == known.node_uid)) {
            Some(known) => known,
            None => self.look().await?,
        };
        let status = self.tell_status(told, &mut known).await?;
        let changes = node::changes(told, &status, self.mode, &known.annotations);
        if !changes.is_empty() {
            self.writer.annotate(&changes).await?;
            keep(&mut known.annotations, changes);
        }
        self.known = Some(known);
        Ok(())
    }

    /// The status that the object has afterwards.
    async fn tell_status(
        &mut self,
        told: &Told,
        known: &mut Known,
    ) -> Result<NodeExtensionsStatus, ClusterError> {
        let ours = self.written.as_ref().filter(|written| written.node_uid == known.node_uid);
        let previous = ours.map(|written| &written.status).or(known.object.status.as_ref());
        let next = build(told, previous, told.status.as_of).for_generation(known.object.generation);
        if let Some(there) = known.object.status.as_ref().filter(|there| same(there, &next)) {
            return Ok(there.clone());
        }
        // Events go first: where the agent dies in between, the next one finds the old status and tells them again under
        // the same names.
        let uid = format!("{} {}", known.object.uid, known.node_uid);
        let subject = Subject { node: &self.writer.node, uid: &uid };
        for event in events(subject, previous, &next) {
            self.writer.event(&event, &known.node_uid, told.status.as_of).await?;
        }
        self.writer.status(&next).await?;
        self.metrics.reporting.wrote();
        known.object.status = Some(next.clone());
        self.written = Some(Written { node_uid: known.node_uid.clone(), status: next.clone() });
        Ok(next)
    }

    /// Asks for the Node and its object, and makes the object where there is none for this very Node.
    async fn look(&mut self) -> Result<Known, ClusterError> {
        let NodeMetadata { uid: node_uid, annotations } = self.writer.node_metadata().await?;
        let found = self.writer.find(&node_uid).await?;
        if let Some(written) = self.written.as_ref().filter(|written| written.node_uid == node_uid) {
            let there = found.as_ref().and_then(|found| found.status.as_ref());
            if !there.is_some_and(|there| same(there, &written.status)) {
                self.metrics.reporting.rewrote();
            }
        }
        let object = match found {
            Some(object) => object,
            // What stands in an object that belonged to another Node does not count.
            None => Found { status: None, ..self.writer.make(&node_uid).await? },
        };
        Ok(Known { node_uid, object, annotations })
    }
}

fn keep(annotations: &mut BTreeMap<String, String>, changes: Annotations) {
    for (key, value) in changes {
        match value {
            Some(value) => annotations.insert(key, value),
            None => annotations.remove(&key),
        };
    }
}
