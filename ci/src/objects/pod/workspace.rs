//! The directory that all containers of a pod share, and the side-car that receives repositories in it.
//!
//! Decides: the volume, its mounts, and how git trusts it. Must not: depend on anybody's home directory. Input: a label.

use k8s_openapi::api::core::v1::{Container, EmptyDirVolumeSource, EnvVar, PodSpec, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::machine::command;
use crate::config::{Label, WORKSPACE, Workspace};

/// git refuses a repository that is another user's, which in a shared directory it may well be. Said in the environment it
/// holds in every container and for every user, whatever their home is; `*` because older ones know no other pattern.
const TRUST: [(&str, &str); 3] =
    [("GIT_CONFIG_COUNT", "1"), ("GIT_CONFIG_KEY_0", "safe.directory"), ("GIT_CONFIG_VALUE_0", "*")];

/// The container that receives repositories, where the label wants one: an init container that starts before all others
/// and stays.
pub(super) fn side_car(label: &Label) -> Option<Container> {
    let workspace = label.workspace.as_ref().filter(|_| label.receiver() == Some(WORKSPACE))?;
    let image = workspace.image.as_ref().or(label.image.as_ref()).map(|image| image.as_str());
    let mut listed = label.spec.iter().flat_map(|spec| &spec.containers);
    let machine = listed.find(|container| container.name == label.machine());
    let image = image.or_else(|| machine?.image.as_deref());
    Some(Container {
        name: WORKSPACE.to_owned(),
        image: image.map(str::to_owned),
        image_pull_policy: Some(label.image_pull.as_str().to_owned()),
        command: Some(command()),
        restart_policy: Some("Always".to_owned()), // what makes an init container stay
        ..Container::default()
    })
}

/// Gives every container of the pod the directory.
pub(super) fn share(spec: &mut PodSpec, workspace: &Workspace) {
    let source = EmptyDirVolumeSource {
        size_limit: workspace.size.map(|size| Quantity(format!("{}M", size.get()))),
        ..EmptyDirVolumeSource::default()
    };
    let volume = Volume { name: WORKSPACE.to_owned(), empty_dir: Some(source), ..Volume::default() };
    let volumes = spec.volumes.get_or_insert_default();
    volumes.retain(|other| other.name != WORKSPACE);
    volumes.push(volume);
    let all = spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten());
    for container in all {
        mount(container, workspace.path.as_str());
        trust(container);
    }
}

fn mount(container: &mut Container, path: &str) {
    let mounts = container.volume_mounts.get_or_insert_default();
    let taken = mounts.iter().any(|one| one.name == WORKSPACE || one.mount_path == path);
    if !taken {
        let (name, mount_path) = (WORKSPACE.to_owned(), path.to_owned());
        mounts.push(VolumeMount { name, mount_path, ..VolumeMount::default() });
    }
}

fn trust(container: &mut Container) {
    let env = container.env.get_or_insert_default();
    if env.iter().any(|one| one.name.starts_with("GIT_CONFIG")) {
        return; // whoever says so much of git says it all
    }
    env.extend(TRUST.map(|(name, value)| EnvVar {
        name: name.to_owned(),
        value: Some(value.to_owned()),
        ..EnvVar::default()
    }));
}
