//! Waits until a node can be used: its pod is ready, and the job's own token is let in.
//!
//! Decides: when a node is made anew. Must not: believe a phase; it asks with the credentials that the job will have.
//! Input: a made record.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Api;
use kube::api::{DeleteParams, PostParams, Preconditions, WatchParams};
use tokio::time::{Instant, timeout};

use super::events::with_events;
use super::verdict::Patience;
use super::{Desk, Node, Stop, Until, Verdict, judge};
use crate::cluster::{Cluster, ClusterError};
use crate::config::Kind;
use crate::state::Record;

/// How long one watch lasts before the pod is read again and our heartbeat is due.
const GLANCE: Duration = Duration::from_secs(5);
/// How long the rights of a new account may take to be known.
const RIGHTS: Duration = Duration::from_secs(30);

impl Desk<'_> {
    /// Waits for one node, and makes it anew as often as the provider allows.
    pub(super) async fn usable(&self, mut record: Record, at: usize, until: Until) -> Result<Record, Stop> {
        let mut tries = 0;
        loop {
            let (left, failure) = self.once(record, at, until).await?;
            record = left;
            let Some(stop) = failure else { return Ok(record) };
            tries += 1;
            let retries = self.with_place(&record, at, |place| place.provider.launch_retries.get())?;
            record.failed(stop.to_string());
            if tries > retries {
                record.duration = 0; // nobody drives it any more; the cleaner takes what is there
                record.holder = None;
                self.store.write(&record).await?;
                return Err(stop);
            }
            let node = self.node(&record, at)?;
            delete(self.cluster(&record)?, &node.namespace).await?;
            record.next_attempt(at);
            record = self.write(record).await?;
            record = self.make_one(record, at).await?;
        }
    }

    async fn once(
        &self,
        mut record: Record,
        at: usize,
        until: Until,
    ) -> Result<(Record, Option<Stop>), Stop> {
        let node = self.node(&record, at)?;
        if until == Until::Ready && node.kind == Kind::Pod {
            let (left, failure) = self.pod_ready(record, at, &node).await?;
            record = left;
            if failure.is_some() {
                return Ok((record, failure));
            }
        }
        self.let_in(&record, &node).await?;
        Ok((record, None))
    }

    pub(super) fn node(&self, record: &Record, at: usize) -> Result<Node, Stop> {
        let mut nodes = self.nodes(record)?;
        if at >= nodes.len() {
            return Err(Stop::Unknown(record.body.request.build.clone()));
        }
        Ok(nodes.swap_remove(at))
    }

    async fn pod_ready(
        &self,
        mut record: Record,
        at: usize,
        node: &Node,
    ) -> Result<(Record, Option<Stop>), Stop> {
        let began = Instant::now();
        let patience = self.with_place(&record, at, |place| Patience {
            pull: place.provider.pull_timeout.get(),
            launch: place.provider.launch_timeout.get(),
        })?;
        let failed = |why: String| Some(Stop::Launch { node: node.name.clone(), why });
        loop {
            let client = self.cluster(&record)?.client.clone();
            let api: Api<Pod> = Api::namespaced(client, &node.namespace);
            let name = node.name.as_str();
            let pod = api
                .get_opt(name)
                .await
                .map_err(|error| ClusterError::of(format!("get pods/{name}"), &error))?;
            let Some(pod) = pod else { return Ok((record, failed("the pod is gone".to_owned()))) };
            match judge(&pod, began.elapsed().as_secs(), patience) {
                Verdict::Ready => return Ok((record, None)),
                Verdict::Failed(why) => {
                    let why = with_events(self.cluster(&record)?, &pod, why).await;
                    return Ok((record, failed(why)));
                }
                Verdict::Wait => {}
            }
            if Instant::now() >= self.deadline {
                return Err(Stop::NotReady {
                    build: record.body.request.build.clone(),
                    phase: record.body.phase,
                });
            }
            changed(&api, &pod).await;
            record = self.heartbeat(record).await?;
        }
    }

    /// Waits until the job's own token is let in; rights are known a moment after they are granted.
    async fn let_in(&self, record: &Record, node: &Node) -> Result<(), Stop> {
        let granted = self.grant(record, node).await?;
        let client = self.cluster(record)?.with_token(&granted.token)?;
        let api: Api<SelfSubjectAccessReview> = Api::all(client);
        let began = Instant::now();
        let mut round = 0;
        loop {
            let review = question(node);
            match api.create(&PostParams::default(), &review).await {
                Ok(answer) if answer.status.as_ref().is_some_and(|status| status.allowed) => return Ok(()),
                Ok(_) => {}
                // A token may be younger than what the server has seen of its account.
                Err(kube::Error::Api(status)) if status.code == 401 => {}
                Err(error) => {
                    return Err(ClusterError::of("create selfsubjectaccessreviews", &error).into());
                }
            }
            let refused = || Stop::Launch {
                node: node.name.clone(),
                why: "the job's own token is not let in".to_owned(),
            };
            if began.elapsed() > RIGHTS {
                return Err(refused());
            }
            self.pause(round, refused).await?;
            round += 1;
        }
    }
}

/// What a job does first.
fn question(node: &Node) -> SelfSubjectAccessReview {
    let (verb, subresource, name) = match node.kind {
        Kind::Pod => ("create", Some("exec".to_owned()), Some(node.name.to_string())),
        Kind::Namespace | Kind::Project => ("create", None, None),
    };
    SelfSubjectAccessReview {
        spec: SelfSubjectAccessReviewSpec {
            resource_attributes: Some(ResourceAttributes {
                namespace: Some(node.namespace.clone()),
                verb: Some(verb.to_owned()),
                resource: Some("pods".to_owned()),
                subresource,
                name,
                ..ResourceAttributes::default()
            }),
            ..SelfSubjectAccessReviewSpec::default()
        },
        ..SelfSubjectAccessReview::default()
    }
}

/// Returns when the pod changed, or after a while. What happened is read afterwards, so nothing here can be missed.
async fn changed(api: &Api<Pod>, pod: &Pod) {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let version = pod.metadata.resource_version.as_deref().unwrap_or("0");
    let how = WatchParams::default().fields(&format!("metadata.name={name}"));
    let next = async {
        match api.watch(&how, version).await {
            Ok(events) => drop(pin!(events).next().await),
            // The next read says what is wrong; until then the wait is a sleep.
            Err(_) => std::future::pending().await,
        }
    };
    let _ = timeout(GLANCE, next).await; // both ends mean the same: look again
}

/// Deletes a namespace that was read a moment ago, that one and no namesake. Gone counts as deleted.
pub(super) async fn delete(cluster: &Cluster, name: &str) -> Result<(), Stop> {
    let api: Api<Namespace> = Api::all(cluster.client.clone());
    let failed = |error: kube::Error| ClusterError::of(format!("delete namespaces/{name}"), &error);
    let Some(found) = api.get_opt(name).await.map_err(failed)? else { return Ok(()) };
    let same = Preconditions { uid: found.metadata.uid, resource_version: None };
    match api.delete(name, &DeleteParams { preconditions: Some(same), ..DeleteParams::default() }).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        Err(error) => Err(failed(error).into()),
    }
}
