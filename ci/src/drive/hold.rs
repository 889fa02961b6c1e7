//! Keeps a build for people to look at: beyond its own life, bounded, and no longer with the job's credentials.
//!
//! Decides: how long a hold may last, and who may still come in. Must not: leave the job's token valid. Input: a ready
//! build.
//!
//! A token ends with the account that it was made for, by UID. So the job's account is deleted and not made again: a pod of
//! the job that runs as it would be handed a new token by its kubelet. People get an account of their own.

use jiff::SignedDuration;
use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{RoleBinding, Subject};
use kube::Api;
use kube::api::DeleteParams;

use super::token::Wanted;
use super::{Desk, Granted, Node, Stop};
use crate::cluster::{Cluster, ClusterError, Layout};
use crate::objects::Objects;
use crate::state::{Held, Phase, Record, StateError};

/// As whom people act in what is held.
pub const PEOPLE: &str = "people";

impl Desk<'_> {
    /// Holds a build for `seconds` from now, but no longer than `max-hold-age`; a second time changes the end and the
    /// reason. Safe to repeat: what an earlier call left undone is done.
    ///
    /// # Errors
    /// When the build is not ready, or a cluster refuses or is away. The build is held then, but the job's credentials may
    /// still be valid: the same again finishes it.
    pub async fn hold_build(
        &self,
        build: &str,
        seconds: u64,
        by: String,
        reason: String,
    ) -> Result<Record, Stop> {
        if matches!(self.cluster(&self.find(build).await?)?.layout, Layout::Shared(_)) {
            return Err(Stop::Unholdable(build.to_owned()));
        }
        let seconds = i64::try_from(seconds.min(self.config.max_hold_age.get())).unwrap_or(i64::MAX / 2);
        let record = loop {
            let mut record = self.find(build).await?;
            let now = (self.clock)();
            if record.body.phase != Phase::Ready || record.lapsed(now) {
                return Err(Stop::NotReady { build: build.to_owned(), phase: record.body.phase });
            }
            let until = now.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(jiff::Timestamp::MAX);
            record.body.held = Some(Held { by: by.clone(), reason: reason.clone(), until });
            match self.store.write(&record).await {
                Err(StateError::Overtaken(_)) => self.pause(0, || Stop::Busy(build.to_owned())).await?,
                other => break other?,
            }
        };
        let cluster = self.cluster(&record)?;
        for (at, node) in self.nodes(&record)?.iter().enumerate() {
            revoke(cluster, node).await?;
            let objects = self.with_place(&record, at, Objects::of)?;
            self.let_people_in(cluster, node, &objects).await?;
        }
        Ok(record)
    }

    /// Who holds the build, where somebody still does.
    pub fn held(&self, record: &Record) -> Option<Held> {
        record.body.held.clone().filter(|held| held.until >= (self.clock)())
    }

    /// Ends a hold; the build goes when it is released, or its time is over.
    ///
    /// # Errors
    /// When there is no such build, or the records cannot be had.
    pub async fn end_hold(&self, build: &str) -> Result<(), Stop> {
        loop {
            let mut record = self.find(build).await?;
            if record.body.held.take().is_none() {
                return Ok(());
            }
            match self.store.write(&record).await {
                Err(StateError::Overtaken(_)) => self.pause(0, || Stop::Busy(build.to_owned())).await?,
                other => return other.map(drop).map_err(Stop::from),
            }
        }
    }

    /// Credentials for people, for every node of a held build; they end with the hold.
    ///
    /// # Errors
    /// When the build is not held, or the cluster refuses or is away.
    pub async fn grant_people(&self, record: &Record) -> Result<Vec<Granted>, Stop> {
        let held = record.body.held.as_ref();
        let held = held.ok_or_else(|| Stop::Unknown(record.body.request.build.clone()))?;
        let (cluster, seconds) = (self.cluster(record)?, self.left(held.until));
        let mut all = Vec::new();
        for node in self.nodes(record)? {
            let wanted = Wanted { account: PEOPLE, bound: None, seconds };
            all.push(self.token_for(cluster, &node, wanted).await?);
        }
        Ok(all)
    }
}

/// Takes the job's account away; every token of it is refused from then on.
async fn revoke(cluster: &Cluster, node: &Node) -> Result<(), ClusterError> {
    let api: Api<ServiceAccount> = Api::namespaced(cluster.client.clone(), &node.namespace);
    let name = &node.account;
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(ClusterError::of(format!("delete serviceaccounts/{name}"), &error)),
    }
}

/// The account of people, and that it may do what the job could; `job` is the job's own.
fn for_people(objects: &Objects, job: &str) -> (Option<ServiceAccount>, Vec<RoleBinding>) {
    let account = objects.account.clone().map(|mut account| {
        account.metadata.name = Some(PEOPLE.to_owned());
        account
    });
    let is_jobs = |binding: &&RoleBinding| {
        binding.subjects.iter().flatten().any(|one| one.kind == "ServiceAccount" && one.name == job)
    };
    let bindings = objects.bindings.iter().filter(is_jobs).cloned().map(|mut binding| {
        let name = binding.metadata.name.as_deref().unwrap_or_default();
        binding.metadata.name = Some(format!("{PEOPLE}-{name}"));
        let subject = Subject {
            kind: "ServiceAccount".to_owned(),
            name: PEOPLE.to_owned(),
            namespace: binding.metadata.namespace.clone(),
            ..Subject::default()
        };
        binding.subjects = Some(vec![subject]);
        binding
    });
    (account, bindings.collect())
}

impl Desk<'_> {
    async fn let_people_in(&self, cluster: &Cluster, node: &Node, objects: &Objects) -> Result<(), Stop> {
        let (account, bindings) = for_people(objects, &node.account);
        Ok(self.apply_rights(cluster, account.as_ref(), &bindings).await?)
    }
}
