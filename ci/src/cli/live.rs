//! Asks the clusters of a configuration whether they would let this program work; changes nothing.
//!
//! Decides: which questions are asked of which cluster. Must not: try anything out. Input: the manifest of the rights that
//! the program needs, which a test keeps sufficient.

use std::path::Path;

use futures_util::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::authorization::v1::{
    ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec,
};
use k8s_openapi::api::core::v1::Namespace;
use kube::Api;
use kube::api::PostParams;
use serde_json::{Value, json};

use super::{Problem, Said, manifest};
use crate::cluster::{self, Cluster, ClusterError};
use crate::config::Config;
use crate::error::{Reason, chain};

/// Questions that are asked of one cluster at a time.
const AT_ONCE: usize = 16;

/// One verb on one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Right {
    /// The namespace; none means all of them.
    namespace: Option<String>,
    group: String,
    resource: String,
    verb: String,
    /// The only object that is meant; none means all of them.
    name: Option<String>,
}

impl Right {
    fn review(&self) -> SelfSubjectAccessReview {
        let (resource, below) = match self.resource.split_once('/') {
            Some((resource, below)) => (resource, Some(below.to_owned())),
            None => (self.resource.as_str(), None),
        };
        SelfSubjectAccessReview {
            spec: SelfSubjectAccessReviewSpec {
                resource_attributes: Some(ResourceAttributes {
                    namespace: self.namespace.clone(),
                    group: Some(self.group.clone()),
                    resource: Some(resource.to_owned()),
                    subresource: below,
                    verb: Some(self.verb.clone()),
                    name: self.name.clone(),
                    ..ResourceAttributes::default()
                }),
                ..SelfSubjectAccessReviewSpec::default()
            },
            ..SelfSubjectAccessReview::default()
        }
    }

    fn said(&self) -> String {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        let name = self.name.iter().map(|name| format!(" `{name}`")).collect::<String>();
        let place = self.namespace.iter().map(|name| format!(" in namespace `{name}`")).collect::<String>();
        format!("{} {}{group}{name}{place}", self.verb, self.resource)
    }
}

/// The rights of a role or cluster role of the manifest.
fn rights(role: &Value) -> Vec<Right> {
    let texts = |value: &Value| -> Vec<String> {
        value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let part = |value: &Value, key: &str| value.get(key).cloned().unwrap_or_default();
    let meta = part(role, "metadata");
    let namespace = meta.get("namespace").and_then(Value::as_str).map(str::to_owned);
    let mut all = Vec::new();
    for rule in part(role, "rules").as_array().into_iter().flatten() {
        let names = match texts(&part(rule, "resourceNames")) {
            names if names.is_empty() => vec![None],
            names => names.into_iter().map(Some).collect(),
        };
        for group in texts(&part(rule, "apiGroups")) {
            for resource in texts(&part(rule, "resources")) {
                for verb in texts(&part(rule, "verbs")) {
                    for name in names.clone() {
                        let (group, resource) = (group.clone(), resource.clone());
                        all.push(Right {
                            namespace: namespace.clone(),
                            group,
                            resource,
                            verb: verb.clone(),
                            name,
                        });
                    }
                }
            }
        }
    }
    all
}

/// What is needed where the records are, and what is needed of each provider.
fn needed(config: &Config) -> (Vec<Right>, Vec<Right>) {
    let manifest = manifest(config);
    let bound = |role: &&Value| {
        // What jobs may do stands there too, but is bound to them.
        let mut bindings = manifest.iter().filter(|one| one.get("roleRef").is_some());
        bindings.any(|binding| {
            let same = |one: &str| role.pointer(one) == binding.pointer(one);
            role.get("kind") == binding.pointer("/roleRef/kind")
                && role.pointer("/metadata/name") == binding.pointer("/roleRef/name")
                && same("/metadata/namespace")
        })
    };
    let roles = manifest.iter().filter(|one| one.get("rules").is_some()).filter(bound);
    let mut all: Vec<Right> = Vec::new();
    for right in roles.flat_map(rights) {
        if !all.contains(&right) {
            all.push(right);
        }
    }
    let hub = Some(config.hub.namespace.to_string());
    all.into_iter().partition(|right| right.namespace == hub)
}

/// The rights of these that the cluster would refuse.
async fn missing(cluster: &Cluster, rights: Vec<Right>) -> Result<Vec<String>, ClusterError> {
    let api: Api<SelfSubjectAccessReview> = Api::all(cluster.client.clone());
    let asked = rights.into_iter().map(|right| {
        let api = api.clone();
        async move {
            let answer = api.create(&PostParams::default(), &right.review()).await;
            let answer =
                answer.map_err(|error| ClusterError::of("create selfsubjectaccessreviews", &error))?;
            let allowed = answer.status.is_some_and(|status| status.allowed);
            Ok((!allowed).then(|| right.said()))
        }
    });
    let found: Vec<Option<String>> = stream::iter(asked).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Whether the namespace of the records is there; somebody who may not look is believed.
async fn hub_is_there(cluster: &Cluster, name: &str) -> Result<bool, ClusterError> {
    match Api::<Namespace>::all(cluster.client.clone()).get_opt(name).await {
        Ok(found) => Ok(found.is_some()),
        Err(kube::Error::Api(status)) if status.code == 403 => Ok(true),
        Err(error) => Err(ClusterError::of(format!("get namespaces/{name}"), &error)),
    }
}

/// Asks every cluster of a configuration.
pub(super) async fn check(config: &Config, kubeconfig: Option<&Path>) -> Result<Said, Problem> {
    let (of_hub, of_provider) = needed(config);
    let mut wanted = vec![("hub".to_owned(), config.hub.context.as_deref(), of_hub)];
    for provider in &config.providers {
        let provider = &provider.value;
        wanted.push((
            format!("provider {}", provider.name),
            provider.context.as_deref(),
            of_provider.clone(),
        ));
    }
    let mut clusters = Vec::new();
    let mut unknown = Vec::new();
    for (what, context, rights) in wanted {
        match cluster::connect(kubeconfig, context).await {
            Ok(cluster) => clusters.push((what, context, cluster, rights)),
            Err(error) => unknown.push(format!("{what}: {}", chain(&error))),
        }
    }
    if !unknown.is_empty() {
        let cure = "name contexts that the kubeconfig has; `kubectl config get-contexts` lists them";
        let message = unknown.join("; ");
        return Err(Problem { reason: Reason::Config, message, cure: Some(cure.to_owned()) });
    }
    let (mut text, mut answers, mut code) = (String::new(), Vec::new(), 0);
    for (what, context, cluster, rights) in clusters {
        let asked = rights.len();
        let mut missing = missing(&cluster, rights).await?;
        if what == "hub" && !hub_is_there(&cluster, config.hub.namespace.as_str()).await? {
            missing.push(format!("the namespace `{}`, which is not there", config.hub.namespace));
        }
        text.push_str(&told(&what, asked, &missing));
        if !missing.is_empty() {
            code = Reason::Denied.exit_code();
        }
        answers.push(json!({"cluster": what, "context": context, "asked": asked, "missing": missing}));
    }
    if code != 0 {
        text.push_str("cure: `build-resources config rbac` prints the manifest that grants all of it\n");
    }
    Ok(Said { text, json: json!({"valid": true, "clusters": answers}), code })
}

fn told(what: &str, asked: usize, missing: &[String]) -> String {
    if missing.is_empty() {
        return format!("{what}: all {asked} rights are there\n");
    }
    let list: String = missing.iter().map(|right| format!("  {right}\n")).collect();
    format!("{what}: missing are {} of {asked} rights:\n{list}", missing.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{parse, tests::GOOD};

    #[test]
    fn row_45_every_right_of_the_manifest_is_asked_for_where_it_is_needed() {
        let config = parse(GOOD.as_bytes()).unwrap();
        let (hub, provider) = needed(&config);
        let said = |rights: &[Right]| rights.iter().map(Right::said).collect::<Vec<_>>();
        assert!(
            said(&hub)
                .contains(&"update leases.coordination.k8s.io in namespace `build-resources`".to_owned())
        );
        for word in ["create pods", "delete namespaces", "create rolebindings.rbac.authorization.k8s.io"] {
            assert!(said(&provider).contains(&word.to_owned()), "{word}");
        }
        assert!(
            !said(&provider).iter().any(|right| right.contains("exec")),
            "that is the jobs' right, not ours"
        );
        let token = provider.iter().find(|right| right.resource == "serviceaccounts/token").unwrap().review();
        let asked = token.spec.resource_attributes.unwrap();
        let resource = (asked.resource.as_deref(), asked.subresource.as_deref());
        assert_eq!(resource, (Some("serviceaccounts"), Some("token")));
    }

    #[test]
    fn what_is_missing_is_named_right_by_right() {
        let right = Right {
            namespace: Some("a".to_owned()),
            group: String::new(),
            resource: "secrets".to_owned(),
            verb: "get".to_owned(),
            name: Some("reg".to_owned()),
        };
        assert_eq!(right.said(), "get secrets `reg` in namespace `a`");
        assert_eq!(
            told("hub", 2, &[right.said()]),
            "hub: missing are 1 of 2 rights:\n  get secrets `reg` in namespace `a`\n"
        );
    }
}
