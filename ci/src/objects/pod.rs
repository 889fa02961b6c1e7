//! The pod that behaves like a machine: one container that runs until it is told to end.
//!
//! Decides: the pod of a label. Must not: know where it is placed. Input: a place.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    Container, EnvVar, Pod, PodSecurityContext, PodSpec, ResourceRequirements, SeccompProfile,
    SecurityContext,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::Place;
use super::owner::metadata;
use crate::config::{Limits, Way};
use crate::ssh;

/// The name of the container.
pub const CONTAINER: &str = "node";
/// Ends at once when told to, and as process 1 takes in the orphans that a job leaves, in any shell.
const FOR_EVER: &str = "trap 'exit 0' TERM INT; while :; do sleep 30 & wait $!; done";

/// The pod.
pub(super) fn pod(place: &Place<'_>) -> Pod {
    let label = place.label;
    let mut spec = PodSpec {
        containers: vec![container(place)],
        restart_policy: Some("Never".to_owned()), // a container that starts again has lost the job's files
        active_deadline_seconds: Some(i64::try_from(place.max_age).unwrap_or(i64::MAX)),
        service_account_name: Some(place.account().to_owned()), // so that a token can be bound to this pod
        automount_service_account_token: Some(false),
        hostname: Some(place.node.name.to_string()), // what a prompt shows; the pods of all nodes may have one name
        enable_service_links: Some(false),
        termination_grace_period_seconds: Some(5),
        node_selector: (!label.node_selector.is_empty()).then(|| label.node_selector.clone()),
        scheduler_name: label.scheduler_name.clone(),
        volumes: (!label.volumes.is_empty()).then(|| label.volumes.clone()),
        security_context: Some(PodSecurityContext {
            seccomp_profile: (!label.privileged)
                .then(|| SeccompProfile { type_: "RuntimeDefault".to_owned(), ..SeccompProfile::default() }),
            ..PodSecurityContext::default()
        }),
        ..PodSpec::default()
    };
    if label.access == Way::Ssh {
        ssh::equip(&mut spec);
    }
    Pod { metadata: metadata(place, place.pod(), Some(place.namespace)), spec: Some(spec), ..Pod::default() }
}

fn container(place: &Place<'_>) -> Container {
    let label = place.label;
    let variable = |one: &crate::config::Variable| EnvVar {
        name: one.name.clone(),
        value: Some(one.value.clone()),
        ..EnvVar::default()
    };
    Container {
        name: CONTAINER.to_owned(),
        image: label.image.as_ref().map(|image| image.as_str().to_owned()),
        image_pull_policy: Some(label.image_pull.as_str().to_owned()),
        command: Some(["/bin/sh", "-c", FOR_EVER].map(str::to_owned).to_vec()),
        env: (!label.env.is_empty()).then(|| label.env.iter().map(variable).collect()),
        resources: resources(&Limits::of(place.pool, label)),
        volume_mounts: (!label.volume_mounts.is_empty()).then(|| label.volume_mounts.clone()),
        security_context: label
            .privileged
            .then(|| SecurityContext { privileged: Some(true), ..SecurityContext::default() }),
        ..Container::default()
    }
}

fn resources(limits: &Limits) -> Option<ResourceRequirements> {
    let amounts = |cpu: Option<u64>, memory: Option<u64>, storage: Option<u64>| {
        let list = [
            ("cpu", cpu.map(|number| format!("{number}m"))),
            ("memory", memory.map(|number| format!("{number}Mi"))),
            ("ephemeral-storage", storage.map(|number| format!("{number}M"))),
        ];
        let map: BTreeMap<String, Quantity> = list
            .into_iter()
            .filter_map(|(key, text)| text.map(|text| (key.to_owned(), Quantity(text))))
            .collect();
        (!map.is_empty()).then_some(map)
    };
    let requests = amounts(limits.cpu, limits.memory, limits.storage);
    let most = amounts(limits.cpu_limit, limits.memory_limit, limits.storage_limit);
    (requests.is_some() || most.is_some()).then(|| ResourceRequirements {
        requests,
        limits: most,
        ..ResourceRequirements::default()
    })
}
