//! What keeps a pod from being evicted while a job uses it.
//!
//! Decides: the disruption budget of a pod. Must not: outlive it; the budget is owned by that very pod. Input: a place.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, OwnerReference};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Place;
use super::owner::{Key, metadata, request_labels};

/// Refuses every voluntary eviction. One of one must be there: a share of a pod without a controller cannot be counted.
pub(super) fn budget(place: &Place<'_>) -> Option<PodDisruptionBudget> {
    let mut own = request_labels(place);
    own.insert(Key::Node.text(), place.node.name.to_string());
    place.label.protect.then(|| PodDisruptionBudget {
        metadata: metadata(place, place.pod(), Some(place.namespace)),
        spec: Some(PodDisruptionBudgetSpec {
            min_available: Some(IntOrString::Int(1)),
            selector: Some(LabelSelector { match_labels: Some(own), ..LabelSelector::default() }),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    })
}

/// The budget as the property of a pod that was made: it goes when the pod goes, whoever deletes it.
pub(super) fn owned(mut budget: PodDisruptionBudget, pod: &Pod) -> PodDisruptionBudget {
    let (name, uid) = (pod.metadata.name.clone(), pod.metadata.uid.clone());
    let owner = |(name, uid)| OwnerReference {
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        name,
        uid,
        ..OwnerReference::default()
    };
    budget.metadata.owner_references = name.zip(uid).map(|pair| vec![owner(pair)]);
    budget
}
