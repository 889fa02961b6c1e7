//! Waits until a node can be used: its pod is ready, and the job's own token is let in.
//!
//! Decides: when a node can be used. Must not: believe a phase; it asks with the credentials that the job will have.
//! Input: a plan that was carried out.

use std::pin::pin;
use std::time::Duration;

use futures_util::StreamExt;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::Pod;
use kube::Api;
use kube::api::{PostParams, WatchParams};
use tokio::time::{Instant, timeout};

use super::events::with_events;
use super::make::{Ended, Plan};
use super::{Cause, Desk, Fault, Node, Stop, Until, Verdict, judge};
use crate::cluster::{Cluster, ClusterError};
use crate::config::{Kind, SshService};
use crate::registry;
use crate::state::Phase;

/// How long one watch lasts before the pod is read again.
const GLANCE: Duration = Duration::from_secs(5);
/// How long the rights of a new account may take to be known.
const RIGHTS: Duration = Duration::from_secs(30);

/// What is mostly the reason.
const NOT_LET_IN: &str = "the job's own token is not let in; its rights are cluster roles, which `build-resources config \
                          rbac` prints and an admin applies beforehand";

impl Desk<'_> {
    /// Waits until one node can be used.
    pub(super) async fn usable(&self, cluster: &Cluster, plan: &Plan, until: Until) -> Result<Ended, Stop> {
        if until == Until::Ready
            && plan.node.kind == Kind::Pod
            && let Some(fault) = self.pod_ready(cluster, plan, &plan.node.pod).await?
        {
            return Ok(Ended::Failed(fault));
        }
        if until == Until::Ready
            && plan.node.registry
            && let Some(fault) = self.pod_ready(cluster, plan, registry::POD).await?
        {
            return Ok(Ended::Failed(fault.cause.because(format!("its registry: {}", fault.why))));
        }
        if until == Until::Ready
            && plan.node.ssh_service == Some(SshService::LoadBalancer)
            && let Some(fault) = self.balanced(cluster, plan).await?
        {
            return Ok(Ended::Failed(fault));
        }
        // A warm node has no token of anybody; who takes it tries his own.
        if !plan.stock {
            self.let_in(cluster, plan).await?;
        }
        Ok(Ended::Usable)
    }

    /// Waits until the pod can be used; returns why it never will be.
    async fn pod_ready(&self, cluster: &Cluster, plan: &Plan, name: &str) -> Result<Option<Fault>, Stop> {
        let began = Instant::now();
        let api: Api<Pod> = Api::namespaced(cluster.client.clone(), &plan.node.namespace);
        loop {
            let pod = api.get_opt(name).await;
            let pod = pod.map_err(|error| ClusterError::of(format!("get pods/{name}"), &error))?;
            let Some(pod) = pod else { return Ok(Some(Cause::Infrastructure.because("the pod is gone"))) };
            match judge(&pod, began.elapsed().as_secs(), plan.patience) {
                Verdict::Ready => return Ok(None),
                Verdict::Failed(Fault { cause, why }) => {
                    return Ok(Some(cause.because(with_events(cluster, &pod, why).await)));
                }
                Verdict::Wait => {}
            }
            if Instant::now() >= self.deadline {
                return Err(Stop::NotReady { build: plan.build.clone(), phase: Phase::Making });
            }
            changed(&api, &pod).await;
        }
    }

    /// Waits until the job's own token is let in; rights are known a moment after they are granted.
    async fn let_in(&self, cluster: &Cluster, plan: &Plan) -> Result<(), Stop> {
        let granted = self.grant(cluster, &plan.node, self.left(plan.until)).await?;
        let client = cluster.with_token(&granted.token)?;
        let api: Api<SelfSubjectAccessReview> = Api::all(client);
        let began = Instant::now();
        let mut round = 0;
        loop {
            let review = question(&plan.node);
            match api.create(&PostParams::default(), &review).await {
                Ok(answer) if answer.status.as_ref().is_some_and(|status| status.allowed) => return Ok(()),
                Ok(_) => {}
                // A token may be younger than what the server has seen of its account.
                Err(kube::Error::Api(status)) if status.code == 401 => {}
                Err(error) => {
                    return Err(ClusterError::of("create selfsubjectaccessreviews", &error).into());
                }
            }
            let refused = || plan.failed(NOT_LET_IN.to_owned());
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
        Kind::Pod => ("create", Some("exec".to_owned()), Some(node.pod.clone())),
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
