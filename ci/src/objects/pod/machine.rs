//! The container that is the machine.
//!
//! Decides: its command, environment and amounts. Must not: know of its neighbours. Input: a place.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Container, EnvVar, ResourceRequirements, SecurityContext};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use crate::config::{Label, Limits};
use crate::objects::Place;

/// Ends at once when told to, and as process 1 takes in the orphans that a job leaves, in any shell. A single command would
/// not do: some shells become that command, and then nobody waits for orphans.
const FOR_EVER: &str = "trap 'exit 0' TERM INT; while :; do sleep 30 & wait $!; done";

/// What keeps a container running.
pub(super) fn command() -> Vec<String> {
    ["/bin/sh", "-c", FOR_EVER].map(str::to_owned).to_vec()
}

/// The machine, as the keys of its label say; a `spec` may change it afterwards.
pub(super) fn container(place: &Place<'_>) -> Container {
    let label = place.label;
    let variable = |one: &crate::config::Variable| EnvVar {
        name: one.name.clone(),
        value: Some(one.value.clone()),
        ..EnvVar::default()
    };
    Container {
        name: label.machine().to_owned(),
        image: label.image.as_ref().map(|image| image.as_str().to_owned()),
        image_pull_policy: Some(label.image_pull.as_str().to_owned()),
        command: Some(command()),
        env: (!label.env.is_empty()).then(|| label.env.iter().map(variable).collect()),
        resources: resources(&Limits::of(place.pool, label), label),
        volume_mounts: (!label.volume_mounts.is_empty()).then(|| label.volume_mounts.clone()),
        security_context: label
            .privileged
            .then(|| SecurityContext { privileged: Some(true), ..SecurityContext::default() }),
        ..Container::default()
    }
}

fn resources(limits: &Limits, label: &Label) -> Option<ResourceRequirements> {
    let amounts = |cpu: Option<u64>, memory: Option<u64>, storage: Option<u64>| {
        let mut list = vec![
            ("cpu", cpu.map(|number| format!("{number}m"))),
            ("memory", memory.map(|number| format!("{number}Mi"))),
            ("ephemeral-storage", storage.map(|number| format!("{number}M"))),
        ];
        if let (Some(name), Some(gpu)) = (&label.gpu_resource, label.gpu) {
            list.push((name, Some(gpu.get().to_string())));
        }
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
