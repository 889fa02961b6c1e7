//! Makes the objects of one node: what holds them first, then all that do not need each other at once.
//!
//! Decides: what is made before what, and which refusals pass. Must not: change an object. Input: a plan.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::RoleBinding;

use super::apply::Apply;
use super::make::{Ended, Plan};
use super::project::Projects;
use super::{Cause, Desk, Holders, Stop, beside, pull};
use crate::cluster::{Cluster, ClusterError, Layout};

impl Desk<'_> {
    /// Makes the objects of one node, or finds them.
    pub(super) async fn fill(&self, cluster: &Cluster, plan: &Plan) -> Result<Ended, Stop> {
        if plan.rounds > 0 {
            self.pause(plan.rounds, || Stop::NoRoom(plan.node.name.clone())).await?;
        }
        let secrets = pull::read(cluster, &plan.objects.secrets).await?;
        let had = match &plan.warm {
            Some(warm) => self.take_over(cluster, &plan.objects.holder, warm).await?,
            None => Holders::of(cluster).have(&plan.objects.holder).await?,
        };
        let Some(uid) = had else { return Ok(Ended::Taken) };
        if let Layout::Projects { registry } = &cluster.layout {
            let usable = Projects { cluster }.usable(&plan.node.namespace, *registry).await?;
            if let Err(why) = usable {
                return Ok(Ended::Failed(Cause::Infrastructure.because(why)));
            }
        }
        let mut objects = plan.objects.clone();
        objects.held_by(&uid);
        let apply = Apply { cluster, seed: &self.me, secrets: &secrets };
        beside::make(&apply, &objects).await?;
        let forgotten = async {
            if let Some(warm) = &plan.warm {
                self.forget_warm(&plan.id, warm).await;
            }
        };
        match tokio::join!(apply.all(&objects), forgotten).0 {
            Ok(()) => Ok(Ended::Made),
            Err(error) if error.is_over_quota() => Ok(Ended::Full(error.to_string())),
            // What was made for nobody cannot be made this request's: it gets one of its own.
            Err(error) if plan.warm.is_some() && error.code() == Some(422) => {
                Ok(Ended::Failed(Cause::Infrastructure.because(error.to_string())))
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Desk<'_> {
    /// Makes an account and its bindings.
    pub(super) async fn apply_rights(
        &self,
        cluster: &Cluster,
        account: Option<&ServiceAccount>,
        bindings: &[RoleBinding],
    ) -> Result<(), ClusterError> {
        let apply = Apply { cluster, seed: &self.me, secrets: &[] };
        apply.each(account).await?;
        apply.each(bindings).await
    }
}
