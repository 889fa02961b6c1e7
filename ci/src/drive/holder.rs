//! What holds everything of one node and takes it along when it goes: its namespace, or in a shared namespace its account.
//!
//! Decides: what is said of one that does not go away. Must not: decide that one goes, or strip a finalizer. Input: the
//! holders of one cluster. An account is deleted in the foreground: it is there until the last of its dependents is gone,
//! as a namespace is.

use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, ListParams, Patch, PatchParams, PostParams, Preconditions,
    PropagationPolicy,
};
use serde_json::{Value, json};

use super::Stop;
use super::project::{Projects, claimed};
use crate::cluster::{Cluster, ClusterError, Layout, MANAGER};
use crate::config::Name;
use crate::error::shown;
use crate::objects::{Holder, Key, reading, request_selector, system_selector};

/// Most holders in one answer; more come in further ones.
const PAGE: u32 = 500;
/// What the API itself adds while dependents are left.
const DEPENDENTS: &str = "foregroundDeletion";

/// A holder as the cluster shows it.
#[derive(Debug, Clone)]
pub struct Found {
    /// Its metadata.
    pub meta: ObjectMeta,
    /// What keeps it from going away, where the cluster says so.
    pub held_by: Vec<String>,
}

impl Found {
    /// Its name.
    pub fn name(&self) -> &str {
        self.meta.name.as_deref().unwrap_or_default()
    }

    /// Whether it is going away.
    pub fn is_going(&self) -> bool {
        self.meta.deletion_timestamp.is_some()
    }

    /// Why it is still there.
    pub fn why(&self) -> String {
        match self.held_by.as_slice() {
            [] => "the cluster is still deleting it".to_owned(),
            all => all.join("; "),
        }
    }
}

impl From<DynamicObject> for Found {
    fn from(object: DynamicObject) -> Self {
        let conditions = object.data.pointer("/status/conditions").and_then(Value::as_array);
        let mut held_by: Vec<String> = conditions.into_iter().flatten().filter_map(said).collect();
        held_by.extend(finalizers(&object.metadata));
        Found { meta: object.metadata, held_by }
    }
}

fn said(condition: &Value) -> Option<String> {
    let text = |key: &str| condition.get(key).and_then(Value::as_str).unwrap_or_default();
    (text("status") == "True").then(|| format!("{}: {}", shown(text("type")), shown(text("message"))))
}

fn finalizers(meta: &ObjectMeta) -> impl Iterator<Item = String> {
    let names = meta.finalizers.iter().flatten().filter(|name| *name != DEPENDENTS);
    names.map(|name| format!("finalizer `{}`", shown(name)))
}

/// The holders of one cluster.
pub struct Holders {
    api: Api<DynamicObject>,
    /// How the API calls them.
    resource: &'static str,
    /// The pods beside them, in a shared namespace.
    pods: Option<Api<Pod>>,
    /// Where they are projects.
    cluster: Option<Cluster>,
}

impl Holders {
    /// Those of this cluster.
    pub fn of(cluster: &Cluster) -> Self {
        let client = cluster.client.clone();
        let namespaces = |cluster| Holders {
            api: Api::all_with(client.clone(), &ApiResource::erase::<Namespace>(&())),
            resource: "namespaces",
            pods: None,
            cluster,
        };
        match &cluster.layout {
            Layout::Namespaces => namespaces(None),
            Layout::Projects { .. } => namespaces(Some(cluster.clone())),
            Layout::Shared(namespace) => Holders {
                pods: Some(Api::namespaced(client.clone(), namespace)),
                api: Api::namespaced_with(
                    client.clone(),
                    namespace,
                    &ApiResource::erase::<ServiceAccount>(&()),
                ),
                resource: "serviceaccounts",
                cluster: None,
            },
        }
    }

    fn failed(&self, verb: &str, name: &str, error: &kube::Error) -> Stop {
        ClusterError::of(format!("{verb} {}/{name}", self.resource), error).into()
    }

    /// All of one installation, or of one request of it.
    ///
    /// # Errors
    /// When the cluster refuses or is away.
    pub async fn list(&self, system: &Name, request: Option<&str>) -> Result<Vec<Found>, Stop> {
        let selector = request.map_or_else(|| system_selector(system), |id| request_selector(system, id));
        let mut all = self.selected(&selector).await?;
        if let Some(cluster) = &self.cluster {
            all.extend(self.unlabelled(cluster, system, request).await?);
        }
        self.ask_pods(&mut all).await?;
        Ok(all)
    }

    async fn selected(&self, selector: &str) -> Result<Vec<Found>, Stop> {
        let mut how = ListParams::default().labels(selector).limit(PAGE);
        let mut all = Vec::new();
        loop {
            let page = self.api.list(&how).await;
            let page = page.map_err(|error| ClusterError::of(format!("list {}", self.resource), &error))?;
            all.extend(page.items.into_iter().map(Found::from));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => how = how.continue_token(&token),
                None => return Ok(all),
            }
        }
    }

    /// Projects that we asked for, and died before we labelled them.
    async fn unlabelled(
        &self,
        cluster: &Cluster,
        system: &Name,
        request: Option<&str>,
    ) -> Result<Vec<Found>, Stop> {
        let me = Projects { cluster }.me().await?;
        let mut all = self.selected(&format!("!{}", Key::System.text())).await?;
        all.retain_mut(|found| {
            let Some(labels) = claimed(&found.meta, &me) else { return false };
            let says = |key| reading(Some(&labels), key);
            let ours = says(Key::System) == Some(system.as_str())
                && request.is_none_or(|id| says(Key::Request) == Some(id));
            found.meta.labels.get_or_insert_default().extend(labels);
            ours
        });
        Ok(all)
    }

    /// What holds an account that is going away is mostly its pod, which has the same name.
    async fn ask_pods(&self, all: &mut [Found]) -> Result<(), Stop> {
        let Some(pods) = &self.pods else { return Ok(()) };
        for found in all.iter_mut().filter(|found| found.is_going()) {
            let name = found.name().to_owned();
            let pod = pods.get_metadata_opt(&name).await;
            let pod = pod.map_err(|error| ClusterError::of(format!("get pods/{name}"), &error))?;
            found.held_by.extend(pod.iter().flat_map(|pod| finalizers(&pod.metadata)));
        }
        Ok(())
    }

    /// Deletes exactly this one, in exactly this version: one that somebody took up in between is left alone.
    ///
    /// # Errors
    /// When the cluster refuses or is away.
    pub async fn delete(&self, found: &Found) -> Result<bool, Stop> {
        let same = Preconditions {
            uid: found.meta.uid.clone(),
            resource_version: found.meta.resource_version.clone(),
        };
        let how = DeleteParams {
            preconditions: Some(same),
            propagation_policy: self.pods.is_some().then_some(PropagationPolicy::Foreground),
            ..DeleteParams::default()
        };
        match self.api.delete(found.name(), &how).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
            Err(error) => Err(self.failed("delete", found.name(), &error)),
        }
    }

    /// Deletes the one of this name, whatever its version: that one and no namesake. Gone counts as deleted.
    ///
    /// # Errors
    /// When the cluster refuses or is away.
    pub async fn delete_named(&self, name: &str) -> Result<(), Stop> {
        if let Some(mut found) = self.get(name).await?.filter(|found| !found.is_going()) {
            found.meta.resource_version = None;
            self.delete(&found).await?;
        }
        Ok(())
    }

    pub(super) async fn get(&self, name: &str) -> Result<Option<Found>, Stop> {
        let found = self.api.get_opt(name).await.map_err(|error| self.failed("get", name, &error))?;
        Ok(found.map(Found::from))
    }

    /// Writes or takes away the mark of the first sighting, on exactly this version.
    ///
    /// # Errors
    /// When the cluster refuses or is away.
    pub async fn mark(&self, found: &Found, when: Option<String>) -> Result<(), Stop> {
        self.annotate(found, Key::Condemned, when).await.map(drop) // the next pass sees another version anew
    }

    /// Writes or takes away one annotation, on exactly this version; whether it was that version.
    pub(super) async fn annotate(
        &self,
        found: &Found,
        key: Key,
        value: Option<String>,
    ) -> Result<bool, Stop> {
        let patch = json!({"metadata": {
            "resourceVersion": found.meta.resource_version,
            "annotations": {key.text(): value},
        }});
        match self.api.patch(found.name(), &PatchParams::default(), &Patch::Merge(&patch)).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(false),
            Err(error) => Err(self.failed("patch", found.name(), &error)),
        }
    }

    /// Makes it, or finds it there and ours, and returns its UID; none where its name is another's, or is going away.
    ///
    /// # Errors
    /// When the cluster refuses or is away.
    pub(super) async fn have(&self, wanted: &Holder) -> Result<Option<String>, Stop> {
        let wanted = dynamic(wanted)?;
        let name = wanted.metadata.name.as_deref().unwrap_or_default();
        let found = match &self.cluster {
            Some(cluster) => Projects { cluster }.have(name, &wanted.metadata, &self.api).await?,
            None => {
                let how = PostParams { field_manager: Some(MANAGER.to_owned()), ..PostParams::default() };
                match self.api.create(&how, &wanted).await {
                    Ok(made) => return Ok(made.metadata.uid),
                    Err(kube::Error::Api(status)) if status.code == 409 => {}
                    Err(error) => return Err(self.failed("create", name, &error)),
                }
                self.get(name).await?.map(|found| found.meta)
            }
        };
        if !found.is_some_and(|found| is_same(&found, &wanted.metadata)) {
            return Ok(None);
        }
        // Written again, so that a cleaner that saw it without a record finds another version and lets it be.
        let applied =
            self.api.patch(name, &PatchParams::apply(MANAGER).force(), &Patch::Apply(&wanted)).await;
        Ok(applied.map_err(|error| self.failed("apply", name, &error))?.metadata.uid)
    }
}

fn dynamic(holder: &Holder) -> Result<DynamicObject, Stop> {
    let value = match holder {
        Holder::Namespace(namespace) => serde_json::to_value(namespace),
        Holder::Account(account) => serde_json::to_value(account),
    };
    value.and_then(serde_json::from_value).map_err(|error| Stop::Bug(error.to_string()))
}

/// Whether what was found is what would have been made.
fn is_same(found: &ObjectMeta, wanted: &ObjectMeta) -> bool {
    let says = |one: &ObjectMeta, key| reading(one.labels.as_ref(), key).map(str::to_owned);
    found.deletion_timestamp.is_none()
        && [Key::System, Key::Request, Key::Node].into_iter().all(|key| says(found, key) == says(wanted, key))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: Value) -> Found {
        serde_json::from_value::<DynamicObject>(json).unwrap().into()
    }

    #[test]
    fn row_21_what_holds_it_is_said_in_the_clusters_words_and_without_the_clusters_own_finalizer() {
        let held = found(json!({
            "metadata": {"name": "a", "finalizers": ["example.org/hold", DEPENDENTS]},
            "status": {"conditions": [
                {"type": "NamespaceContentRemaining", "status": "True", "message": "pods"},
                {"type": "NamespaceDeletionDiscoveryFailure", "status": "False", "message": "none"},
            ]},
        }));
        assert_eq!(held.why(), "NamespaceContentRemaining: pods; finalizer `example.org/hold`");
        let free = found(json!({"metadata": {"name": "a", "finalizers": [DEPENDENTS]}}));
        assert_eq!(free.why(), "the cluster is still deleting it");
    }

    #[test]
    fn only_what_carries_our_request_and_is_not_going_is_taken_up() {
        let labels = |request: &str| json!({Key::System.text(): "ci", Key::Request.text(): request, Key::Node.text(): "one"});
        let wanted = found(json!({"metadata": {"name": "a", "labels": labels("r")}})).meta;
        let mut going = wanted.clone();
        going.deletion_timestamp =
            Some(k8s_openapi::apimachinery::pkg::apis::meta::v1::Time(jiff::Timestamp::UNIX_EPOCH));
        let other = found(json!({"metadata": {"name": "a", "labels": labels("q")}})).meta;
        let bare = found(json!({"metadata": {"name": "a"}})).meta;
        assert!(is_same(&wanted, &wanted));
        assert!([going, other, bare].iter().all(|one| !is_same(one, &wanted)));
    }
}
