//! Tells when the pod of a node is lost: evicted, failed or deleted, whatever took it.
//!
//! Decides: what counts as lost, and in which words it is said. Must not: take a server that is away for a pod that is lost.
//! Input: a pod that was there once, by name and UID.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::select_all;
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{WatchEvent, WatchParams};
use tokio::time::sleep;

use super::{Desk, Node, Stop};
use crate::cluster::ClusterError;
use crate::config::Kind;
use crate::error::{Failure, shown};
use crate::state::{Record, StateError};

/// Before a server that did not answer is asked again; doubled each time, up to the second.
const AGAIN: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(15));

/// Why the pod is lost; none while it is not. `found` is what has its name now.
pub fn loss(found: Option<&Pod>, uid: &str) -> Option<String> {
    let Some(pod) = found else { return Some("Deleted: the pod is gone".to_owned()) };
    if pod.metadata.uid.as_deref() != Some(uid) {
        return Some("Deleted: another pod has its name".to_owned());
    }
    let status = pod.status.as_ref();
    let disrupted = status
        .and_then(|status| status.conditions.as_ref())
        .and_then(|all| all.iter().find(|one| one.type_ == "DisruptionTarget" && one.status == "True"));
    let phase = status.and_then(|status| status.phase.as_deref()).unwrap_or_default();
    let ended = matches!(phase, "Failed" | "Succeeded");
    if !ended && pod.metadata.deletion_timestamp.is_none() {
        return None;
    }
    let reason = status
        .and_then(|status| status.reason.as_deref())
        .or(disrupted.and_then(|one| one.reason.as_deref()))
        .unwrap_or(if ended { phase } else { "Deleted" });
    let message = status
        .and_then(|status| status.message.as_deref())
        .or(disrupted.and_then(|one| one.message.as_deref()))
        .unwrap_or(if ended { "the pod has ended" } else { "the pod is being deleted" });
    Some(format!("{}: {}", shown(reason), shown(message)))
}

/// Resolves with the reason once the pod is lost, and never before. One watch while nothing happens.
///
/// Made to be raced against the work in the pod: dropping it costs nothing.
pub async fn lost(api: &Api<Pod>, name: &str, uid: &str) -> String {
    let mut pause = AGAIN.0;
    loop {
        let version = match api.get_opt(name).await {
            Ok(found) => {
                if let Some(why) = loss(found.as_ref(), uid) {
                    return why;
                }
                pause = AGAIN.0;
                found.and_then(|pod| pod.metadata.resource_version).unwrap_or_else(|| "0".to_owned())
            }
            Err(_) => {
                sleep(pause).await;
                pause = (pause * 2).min(AGAIN.1);
                continue;
            }
        };
        let how = WatchParams::default().fields(&format!("metadata.name={name}"));
        let Ok(events) = api.watch(&how, &version).await else {
            sleep(pause).await;
            continue;
        };
        let mut events = pin!(events);
        // Whatever ends the watch, the pod is read again.
        while let Some(Ok(event)) = events.next().await {
            let why = match &event {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) => loss(Some(pod), uid),
                WatchEvent::Deleted(pod) => loss(Some(pod), uid).or_else(|| loss(None, uid)),
                WatchEvent::Bookmark(_) => None,
                WatchEvent::Error(_) => break,
            };
            if let Some(why) = why {
                return why;
            }
        }
        sleep(AGAIN.0).await;
    }
}

impl Desk<'_> {
    /// Resolves once a pod of the build is lost; never where it has none.
    ///
    /// # Errors
    /// When the pods cannot be read at the beginning.
    pub async fn lost(&self, record: &Record) -> Result<Stop, Stop> {
        let mut waits = Vec::new();
        for node in self.nodes(record)?.into_iter().filter(|node| node.kind == Kind::Pod) {
            waits.push(Box::pin(self.lost_node(record, node).await?));
        }
        if waits.is_empty() {
            return std::future::pending().await;
        }
        Ok(select_all(waits).await.0)
    }

    /// Resolves once the pod of one node is lost, and has written it into the record by then.
    ///
    /// # Errors
    /// When there is no such build or node, or its pod cannot be read at the beginning.
    pub async fn lost_in(&self, build: &str, node: &str) -> Result<Stop, Stop> {
        let record = self.find(build).await?;
        let found = self.nodes(&record)?.into_iter().find(|one| one.name.as_str() == node);
        let found = found.ok_or_else(|| Stop::NoNode { build: build.to_owned(), node: node.to_owned() })?;
        let stop = self.lost_node(&record, found).await?.await;
        self.note_loss(build, &stop).await;
        Ok(stop)
    }

    /// The same for one node, as a future that owns all that it needs.
    ///
    /// # Errors
    /// When the pod cannot be read at the beginning.
    pub async fn lost_node(
        &self,
        record: &Record,
        node: Node,
    ) -> Result<impl Future<Output = Stop> + Send + use<>, Stop> {
        let client = self.cluster(record)?.client.clone();
        let api: Api<Pod> = Api::namespaced(client, &node.namespace);
        let name = node.pod.clone();
        let found = api.get_opt(&name).await;
        let found = found.map_err(|error| ClusterError::of(format!("get pods/{name}"), &error))?;
        let uid = found.and_then(|pod| pod.metadata.uid).unwrap_or_default();
        Ok(async move { Stop::Lost { node: node.name, why: lost(&api, &name, &uid).await } })
    }

    /// Writes the loss into the record, so that `show` tells of it. Best effort: it may be another's by now.
    pub async fn note_loss(&self, build: &str, stop: &Stop) {
        for _ in 0..5 {
            let Ok(mut record) = self.find(build).await else { return };
            record.failed(stop.to_string());
            match self.store.write(&record).await {
                Err(StateError::Overtaken(_)) => {}
                Ok(_) | Err(_) => return,
            }
        }
    }

    /// Renews the build as [`Desk::keep`] does, and ends at once when one of its pods is lost.
    ///
    /// # Errors
    /// When the build is not ready, or not any more.
    pub async fn keep(&self, build: &str) -> Result<Record, Stop> {
        let record = self.renew_as_alive(build).await?;
        tokio::select! {
            // Safe to drop: what was read is read again, and nothing is written here.
            lost = self.lost(&record) => {
                let stop = lost.unwrap_or_else(|stop| stop);
                if matches!(stop, Stop::Lost { .. }) {
                    self.note_loss(build, &stop).await;
                }
                Err(stop)
            }
            // Safe to drop: a renewal is one write.
            ended = self.keep_on(build, record.clone()) => ended,
        }
    }

    /// Renews until the build reaches its age. Three times within one lease, so that one answer may be lost.
    async fn keep_on(&self, build: &str, mut record: Record) -> Result<Record, Stop> {
        let pause = Duration::from_millis(self.config.leases.duration.get().saturating_mul(1000) / 3);
        loop {
            sleep(pause).await;
            match self.renew_as_alive(build).await {
                Ok(renewed) => record = renewed,
                Err(stop)
                    if stop.reason() == crate::error::Reason::Again && !record.lapsed((self.clock)()) => {}
                Err(stop) => return Err(stop),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(meta: &str, status: &str) -> Pod {
        let text = format!(r#"{{"metadata": {{"name": "one", "uid": "u"{meta}}}, "status": {status}}}"#);
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn row_08_what_takes_a_pod_away_is_a_loss_with_its_reason_and_nothing_else_is() {
        let going = r#", "deletionTimestamp": "2026-01-01T00:00:00Z""#;
        let target = r#"{"phase": "Running", "conditions": [{"type": "DisruptionTarget", "status": "True",
            "reason": "EvictionByEvictionAPI", "message": "Eviction API: evicting"}]}"#;
        let evicted = r#"{"phase": "Failed", "reason": "Evicted", "message": "low on disk"}"#;
        let said = |text: &str| Some(text.to_owned());
        for (pod, wanted) in [
            (Some(pod("", r#"{"phase": "Running"}"#)), None),
            (Some(pod("", r#"{"phase": "Pending"}"#)), None),
            (Some(pod("", target)), None),
            (Some(pod("", evicted)), said("Evicted: low on disk")),
            (Some(pod("", r#"{"phase": "Succeeded"}"#)), said("Succeeded: the pod has ended")),
            (Some(pod(going, target)), said("EvictionByEvictionAPI: Eviction API: evicting")),
            (Some(pod(going, r#"{"phase": "Running"}"#)), said("Deleted: the pod is being deleted")),
            (None, said("Deleted: the pod is gone")),
        ] {
            assert_eq!(loss(pod.as_ref(), "u"), wanted, "{pod:?}");
        }
        let other = pod("", r#"{"phase": "Running"}"#);
        assert_eq!(loss(Some(&other), "another"), said("Deleted: another pod has its name"));
    }
}
