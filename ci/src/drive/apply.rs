//! Writes objects as they are wanted, whatever of them is there already.
//!
//! Decides: the order of what needs each other, and how often a write that others get in the way of is tried. Must not: change
//! an object. Input: the objects of one node.

use k8s_openapi::api::core::v1::Secret;
use kube::api::{Api, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::sleep;

use super::wait_of;
use crate::cluster::{Cluster, ClusterError, MANAGER};
use crate::objects::Objects;

/// How often a write is tried while a quota is being counted by others.
const RACES: u32 = 8;

/// One way to apply.
pub(super) struct Apply<'a> {
    pub(super) cluster: &'a Cluster,
    /// Spreads processes that began together.
    pub(super) seed: &'a str,
    /// Credentials for the image.
    pub(super) secrets: &'a [Secret],
}

impl Apply<'_> {
    /// Each chain is waited for even when another failed, so that nothing is under way any more when this returns.
    pub(super) async fn all(&self, objects: &Objects) -> Result<(), ClusterError> {
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

    pub(super) async fn each<'o, K>(
        &self,
        objects: impl IntoIterator<Item = &'o K>,
    ) -> Result<(), ClusterError>
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
