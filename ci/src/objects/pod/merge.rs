//! Lays the `spec` of a label over our own, as `kubectl patch` would: lists of named things name by name.
//!
//! Decides: what gives way where both say something. Must not: judge; the configuration was checked. Input: two PodSpecs.

use k8s_openapi::DeepMerge;
use k8s_openapi::api::core::v1::{Container, PodSpec};

/// What they say wins; what they do not name stays.
pub(super) fn over(spec: &mut PodSpec, theirs: PodSpec) {
    // A volume and a variable have one source. Merged field by field they would have two, and the API refuses that.
    if let Some(volumes) = &mut spec.volumes {
        let named = |name: &str| theirs.volumes.iter().flatten().any(|one| one.name == name);
        volumes.retain(|volume| !named(&volume.name));
    }
    make_way(&mut spec.containers, &theirs.containers);
    if let (Some(ours), Some(theirs)) = (&mut spec.init_containers, &theirs.init_containers) {
        make_way(ours, theirs);
    }
    spec.merge_from(theirs);
}

fn make_way(ours: &mut [Container], theirs: &[Container]) {
    for container in ours {
        let Some(other) = theirs.iter().find(|other| other.name == container.name) else { continue };
        if let Some(env) = &mut container.env {
            let named = |name: &str| other.env.iter().flatten().any(|one| one.name == name);
            env.retain(|variable| !named(&variable.name));
        }
    }
}
