//! Projects of OpenShift: asked for, not made; they are ours once the cluster has made them, and usable a while later.
//!
//! Decides: whether a project that carries no label yet is ours, and when one is usable. Must not: take up a project that
//! somebody else asked for, whatever its description says. Input: a cluster of OpenShift.

use std::time::Duration;

use k8s_openapi::api::authentication::v1::SelfSubjectReview;
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::{Secret, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{Api, ApiResource, DynamicObject, PostParams};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::wait_of;
use crate::cluster::{Cluster, ClusterError};
use crate::objects::project::{DESCRIPTION, REQUESTER, described, description, registry};

/// How long the cluster may take to show a project that it has granted, and to let its requester in.
const SHOWN: Duration = Duration::from_secs(30);
/// How long it may take to give the accounts of a project their pull credentials.
const CREDENTIALS: Duration = Duration::from_secs(120);
/// The accounts that a project comes with and that pull images.
const PULLERS: [&str; 2] = ["default", "builder"];

/// The registry of a cluster, as a project may use it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// Its host and port.
    pub host: String,
    /// The Secret in the project that holds credentials for it.
    pub pull_secret: String,
}

/// The projects of one cluster.
pub(super) struct Projects<'a> {
    pub(super) cluster: &'a Cluster,
}

impl Projects<'_> {
    /// Asks for the project, and waits until the cluster shows it. One that we asked for before and did not come to label
    /// is shown with the labels that its description stands for.
    pub(super) async fn have(
        &self,
        name: &str,
        wanted: &ObjectMeta,
        namespaces: &Api<DynamicObject>,
    ) -> Result<Option<ObjectMeta>, ClusterError> {
        self.ask(wanted).await?;
        let me = self.me().await?;
        let shown = || async {
            match namespaces.get_metadata_opt(name).await {
                Ok(found) => Ok(found),
                // Who may see a project is known a moment after it was granted.
                Err(kube::Error::Api(status)) if status.code == 403 => Ok(None),
                Err(error) => Err(ClusterError::of(format!("get namespaces/{name}"), &error)),
            }
        };
        patiently(name, SHOWN, || async { Ok(shown().await?.is_some()) }).await?;
        let Some(mut found) = shown().await?.map(|found| found.metadata) else {
            return Err(ClusterError::Away {
                operation: format!("create projectrequests/{name}"),
                problem: "the cluster does not show the project".to_owned(),
            });
        };
        if let Some(labels) = claimed(&found, &me) {
            let known = found.labels.get_or_insert_default();
            for (key, value) in labels {
                known.entry(key).or_insert(value);
            }
        }
        Ok(Some(found))
    }

    /// Asks for a project with the labels in its description. One of that name that is there already is no error.
    async fn ask(&self, wanted: &ObjectMeta) -> Result<(), ClusterError> {
        let kind = ApiResource {
            group: "project.openshift.io".to_owned(),
            version: "v1".to_owned(),
            api_version: "project.openshift.io/v1".to_owned(),
            kind: "ProjectRequest".to_owned(),
            plural: "projectrequests".to_owned(),
        };
        let name = wanted.name.as_deref().unwrap_or_default();
        let api: Api<DynamicObject> = Api::all_with(self.cluster.client.clone(), &kind);
        let request = DynamicObject::new(name, &kind)
            .data(json!({"displayName": name, "description": description(wanted.labels.as_ref())}));
        match api.create(&PostParams::default(), &request).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(ClusterError::of(format!("create projectrequests/{name}"), &error)),
        }
    }

    /// As whom the cluster knows us: what it writes on a project that we asked for.
    pub(super) async fn me(&self) -> Result<String, ClusterError> {
        let api: Api<SelfSubjectReview> = Api::all(self.cluster.client.clone());
        let answer = api.create(&PostParams::default(), &SelfSubjectReview::default()).await;
        let answer = answer.map_err(|error| ClusterError::of("create selfsubjectreviews", &error))?;
        let user = answer.status.and_then(|status| status.user_info).and_then(|user| user.username);
        user.ok_or_else(|| ClusterError::Away {
            operation: "create selfsubjectreviews".to_owned(),
            problem: "the answer has no user".to_owned(),
        })
    }

    /// Waits until what a project comes with is there: our rights in it, and pull credentials for its accounts.
    pub(super) async fn usable(
        &self,
        project: &str,
        with_registry: bool,
    ) -> Result<Result<(), String>, ClusterError> {
        let let_in = || async move { self.may_bind(project).await };
        if !patiently(project, SHOWN, let_in).await? {
            return Ok(Err("the cluster does not let us into the project that it granted".to_owned()));
        }
        for account in PULLERS.into_iter().filter(|_| with_registry) {
            let has = || async move { Ok(self.pull_secret(project, account).await?.is_some()) };
            if !patiently(project, CREDENTIALS, has).await? {
                return Ok(Err(format!("the account `{account}` of the project has no pull credentials")));
            }
        }
        Ok(Ok(()))
    }

    async fn may_bind(&self, project: &str) -> Result<bool, ClusterError> {
        let api: Api<SelfSubjectAccessReview> = Api::all(self.cluster.client.clone());
        let review = SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    namespace: Some(project.to_owned()),
                    verb: Some("create".to_owned()),
                    group: Some("rbac.authorization.k8s.io".to_owned()),
                    resource: Some("rolebindings".to_owned()),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        };
        let answer = api.create(&PostParams::default(), &review).await;
        let answer = answer.map_err(|error| ClusterError::of("create selfsubjectaccessreviews", &error))?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }

    /// The name of the Secret with which an account pulls.
    async fn pull_secret(&self, project: &str, account: &str) -> Result<Option<String>, ClusterError> {
        let api: Api<ServiceAccount> = Api::namespaced(self.cluster.client.clone(), project);
        let found = api.get_opt(account).await;
        let found =
            found.map_err(|error| ClusterError::of(format!("get serviceaccounts/{account}"), &error))?;
        let secrets = found.and_then(|account| account.image_pull_secrets).unwrap_or_default();
        Ok(secrets.into_iter().map(|secret| secret.name).find(|name| name.contains("-dockercfg-")))
    }

    /// The registry of the cluster, where the project has credentials for one.
    pub(super) async fn registry(&self, project: &str) -> Result<Option<Registry>, ClusterError> {
        let Some(pull_secret) = self.pull_secret(project, "builder").await? else { return Ok(None) };
        let api: Api<Secret> = Api::namespaced(self.cluster.client.clone(), project);
        let secret = api.get_opt(&pull_secret).await;
        let secret =
            secret.map_err(|error| ClusterError::of(format!("get secrets/{pull_secret}"), &error))?;
        let data = secret.and_then(|secret| secret.data?.remove(".dockercfg"));
        Ok(data.and_then(|data| registry(&data.0)).map(|host| Registry { host, pull_secret }))
    }
}

/// The labels that an unlabelled project stands for: those of its description, where `me` asked for it.
pub(super) fn claimed(found: &ObjectMeta, me: &str) -> Option<std::collections::BTreeMap<String, String>> {
    let annotations = found.annotations.as_ref()?;
    if annotations.get(REQUESTER).map(String::as_str) != Some(me) {
        return None;
    }
    described(annotations.get(DESCRIPTION)?)
}

/// Asks until it holds, or for so long.
async fn patiently<F>(seed: &str, limit: Duration, mut holds: impl FnMut() -> F) -> Result<bool, ClusterError>
where
    F: Future<Output = Result<bool, ClusterError>>,
{
    let began = Instant::now();
    let mut round = 0;
    loop {
        if holds().await? {
            return Ok(true);
        }
        if began.elapsed() > limit {
            return Ok(false);
        }
        sleep(wait_of(seed, round)).await;
        round += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_36_a_description_counts_only_where_we_asked_for_the_project() {
        let project = |requester: &str, text: &str| ObjectMeta {
            annotations: Some(
                [(REQUESTER.to_owned(), requester.to_owned()), (DESCRIPTION.to_owned(), text.to_owned())]
                    .into(),
            ),
            ..ObjectMeta::default()
        };
        let text = "build-resources system=ci request=0123456789ab node=one";
        assert_eq!(claimed(&project("me", text), "me").map(|labels| labels.len()), Some(3));
        assert!(claimed(&project("eve", text), "me").is_none());
        assert!(claimed(&project("me", "my project"), "me").is_none());
        assert!(claimed(&ObjectMeta::default(), "me").is_none());
    }
}
