//! The pod that behaves like a machine: one container that runs until it is told to end, and what a label puts beside it.
//!
//! Decides: the pod of a label. Must not: know where it is placed, or let a label undo what makes it safe. Input: a place.

mod machine;
mod merge;
mod workspace;

use k8s_openapi::api::core::v1::{
    Affinity, LocalObjectReference, Pod, PodAffinity, PodAffinityTerm, PodSecurityContext, PodSpec,
    SeccompProfile, WeightedPodAffinityTerm,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::Place;
use super::owner::{metadata, request_labels};
use crate::config::{Colocate, Way};
use crate::ssh;

/// The pod: ours, then what the label says in the API's own words, then what both may not change.
pub(super) fn pod(place: &Place<'_>) -> Pod {
    let mut spec = ours(place);
    if let Some(theirs) = &place.label.spec {
        merge::over(&mut spec, theirs.clone());
    }
    if let Some(workspace) = &place.label.workspace {
        workspace::share(&mut spec, workspace);
    }
    if place.label.access == Way::Ssh {
        ssh::equip(&mut spec);
    }
    fixed(&mut spec, place);
    let mut metadata = metadata(place, place.pod(), Some(place.namespace));
    if place.label.ssh_service.is_some() {
        metadata.labels.get_or_insert_default().extend(ssh::SERVER.mark());
    }
    Pod { metadata, spec: Some(spec), ..Pod::default() }
}

fn ours(place: &Place<'_>) -> PodSpec {
    let label = place.label;
    let group = label.workspace.as_ref().and_then(|workspace| workspace.fs_group);
    let secrets = label.image_pull_secrets.iter();
    let secrets: Vec<_> =
        secrets.map(|secret| LocalObjectReference { name: secret.name.to_string() }).collect();
    PodSpec {
        containers: vec![machine::container(place)],
        init_containers: workspace::side_car(label).map(|container| vec![container]),
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(5),
        hostname: Some(place.node.name.to_string()), // what a prompt shows; the pods of all nodes may have one name
        node_selector: (!label.node_selector.is_empty()).then(|| label.node_selector.clone()),
        scheduler_name: label.scheduler_name.clone(),
        runtime_class_name: label.runtime_class.as_ref().map(ToString::to_string),
        priority_class_name: label.priority_class.as_ref().map(ToString::to_string),
        host_users: label.user_namespace.then_some(false),
        affinity: label.colocate.map(|Colocate::Preferred| beside_its_own(place)),
        image_pull_secrets: (!secrets.is_empty()).then_some(secrets),
        volumes: (!label.volumes.is_empty()).then(|| label.volumes.clone()),
        security_context: Some(PodSecurityContext {
            fs_group: group.and_then(|group| i64::try_from(group.get()).ok()),
            seccomp_profile: (!label.privileged)
                .then(|| SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() }),
            ..PodSecurityContext::default()
        }),
        ..PodSpec::default()
    }
}

/// What no label changes.
fn fixed(spec: &mut PodSpec, place: &Place<'_>) {
    spec.restart_policy = Some("Never".to_owned()); // a container that starts again has lost the job's files
    spec.active_deadline_seconds = Some(i64::try_from(place.max_age).unwrap_or(i64::MAX));
    spec.service_account = None;
    spec.service_account_name = Some(place.account().to_owned()); // so that a token can be bound to this pod
    spec.automount_service_account_token = Some(false);
    spec.ephemeral_containers = None;
}

/// Draws the nodes of one request to one machine of the cluster, and gives way where there is no room: a requirement would
/// wait for ever once that machine is full or cordoned.
fn beside_its_own(place: &Place<'_>) -> Affinity {
    let own = LabelSelector { match_labels: Some(request_labels(place)), ..LabelSelector::default() };
    Affinity {
        pod_affinity: Some(PodAffinity {
            preferred_during_scheduling_ignored_during_execution: Some(vec![WeightedPodAffinityTerm {
                weight: 100,
                pod_affinity_term: PodAffinityTerm {
                    label_selector: Some(own.clone()),
                    namespace_selector: Some(own), // each node has a namespace of its own
                    topology_key: "kubernetes.io/hostname".to_owned(),
                    ..PodAffinityTerm::default()
                },
            }]),
            ..PodAffinity::default()
        }),
        ..Affinity::default()
    }
}

#[cfg(test)]
mod tests;
