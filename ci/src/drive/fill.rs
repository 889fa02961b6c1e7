//! Makes the objects of one node: what holds them first, then all that do not need each other at once.
//!
//! Decides: the order of the writes, and which refusals pass. Must not: change an object. Input: a plan.

use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::make::{Ended, Plan};
use super::project::Projects;
use super::{Cause, Desk, Holders, Stop, beside, pull, wait_of};
use crate::cluster::{Cluster, ClusterError, Layout, MANAGER};
use crate::objects::Objects;

/// How often a write is tried while a quota is being counted by others.
const RACES: u32 = 8;

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

/// One way to apply.
pub(super) struct Apply<'a> {
    pub(super) cluster: &'a Cluster,
    /// Spreads processes that began together.
    seed: &'a str,
    /// Credentials for the image.
    secrets: &'a [Secret],
}

impl Apply<'_> {
    /// Each chain is waited for even when another failed, so that nothing is under way any more when this returns.
    async fn all(&self, objects: &Objects) -> Result<(), ClusterError> {
        let rights = async {
            self.each(&objects.roles).await?;
            self.each(&objects.bindings).await // a binding is refused while its role is not there
        };
        let machine = async {
            let (account, network, defaults, secrets) = tokio::join!(
                self.each(&objects.account),
                self.one(&objects.network),
                self.each(&objects.defaults),
                self.each(self.secrets)
            );
            account.and(network.map(drop)).and(defaults).and(secrets)?;
            // It needs its account, and shall never be without its policy.
            if let Some(pod) = &objects.pod {
                let made = self.one(pod).await?;
                self.each(&objects.budget_of(&made)).await?;
            }
            // After the pod: a server counts a pod before it makes it, and one whose caller died in between would be
            // counted but not there, for minutes. Nobody has been given a token yet, so nothing can slip in.
            self.each(&objects.quota).await
        };
        let (rights, machine) = tokio::join!(rights, machine);
        rights.and(machine)
    }

    async fn each<'o, K>(&self, objects: impl IntoIterator<Item = &'o K>) -> Result<(), ClusterError>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned
            + 'o,
    {
        for object in objects {
            self.one(object).await?;
        }
        Ok(())
    }

    /// Makes an object, or finds that it is there as it should be; returns it as the cluster has it.
    pub(super) async fn one<K>(&self, object: &K) -> Result<K, ClusterError>
    where
        K: kube::Resource<Scope = NamespaceResourceScope, DynamicType = ()>
            + Clone
            + std::fmt::Debug
            + Serialize
            + DeserializeOwned,
    {
        let meta = object.meta();
        let name = meta.name.as_deref().unwrap_or_default();
        let client = self.cluster.client.clone();
        let api: Api<K> = Api::namespaced(client, meta.namespace.as_deref().unwrap_or_default());
        let how = PatchParams::apply(MANAGER).force();
        let mut round = 0;
        loop {
            match api.patch(name, &how, &Patch::Apply(object)).await {
                Ok(made) => return Ok(made),
                // Our fields are forced, so a conflict is never about them: others were counted in the same quota.
                Err(kube::Error::Api(status)) if status.code == 409 && round < RACES => {}
                Err(error) => {
                    return Err(ClusterError::of(format!("apply {}/{name}", K::plural(&())), &error));
                }
            }
            sleep(wait_of(self.seed, round)).await;
            round += 1;
        }
    }
}
