//! What a label says in the words of a PodSpec: which containers there are, and what of it is refused.
//!
//! Decides: which container is the machine, and which fields are ours alone. Must not: merge; `objects` does. Input: the key
//! `spec` of a label.

use k8s_openapi::api::core::v1::{Capabilities, Container, PodSpec, ResourceRequirements, SecurityContext};

use super::label::{Kind, Label};
use super::quantity::{thousandths, whole};
use super::workspace::{Sync, WORKSPACE};
use crate::error::shown;

/// The name of the container that is the machine, unless a `spec` without an `image` beside it names another.
pub const MACHINE: &str = "node";
/// Most containers of one pod.
const MANY: usize = 20;
/// What Pod Security's `baseline` lets a container add.
const HARMLESS: &[&str] = &[
    "AUDIT_WRITE",
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "MKNOD",
    "NET_BIND_SERVICE",
    "SETFCAP",
    "SETGID",
    "SETPCAP",
    "SETUID",
    "SYS_CHROOT",
];

impl Label {
    /// The container that is the machine.
    pub fn machine(&self) -> &str {
        let listed = self.spec.iter().flat_map(|spec| &spec.containers);
        let mut names = listed.map(|container| container.name.as_str());
        match (&self.image, names.clone().any(|name| name == MACHINE), names.next()) {
            (None, false, Some(first)) => first,
            (_, _, _) => MACHINE,
        }
    }

    /// Every container that runs as long as the pod and that a job may enter: the machine first, then as written. None for
    /// a label that is no pod.
    pub fn containers(&self) -> Vec<&str> {
        let listed = self.spec.iter().flat_map(|spec| &spec.containers);
        let others = listed.map(|container| container.name.as_str()).filter(|name| *name != self.machine());
        let machine = (self.kind == Kind::Pod).then(|| self.machine());
        machine.into_iter().chain(others).collect()
    }

    /// The container of a pod that repositories are received in.
    pub fn receiver(&self) -> Option<&str> {
        let side_car = self.workspace.as_ref().is_some_and(|workspace| workspace.sync == Sync::Sidecar);
        (self.kind == Kind::Pod).then(|| if side_car { WORKSPACE } else { self.machine() })
    }

    /// The key for which the provider must say `allow-privileged: true`, and what it asks for.
    pub fn needs_privilege(&self) -> Option<(&'static str, &'static str)> {
        if self.privileged {
            return Some(("privileged", "`privileged`"));
        }
        if self.volumes.iter().any(|volume| volume.host_path.is_some()) {
            return Some(("volumes", "`hostPath`"));
        }
        self.spec.as_ref().and_then(beyond_baseline).map(|what| ("spec", what))
    }
}

/// What Pod Security's `baseline` refuses in it.
fn beyond_baseline(spec: &PodSpec) -> Option<&'static str> {
    let yes = |said: Option<bool>| said == Some(true);
    if yes(spec.host_network) || yes(spec.host_pid) || yes(spec.host_ipc) {
        return Some("a namespace of the host");
    }
    if spec.volumes.iter().flatten().any(|volume| volume.host_path.is_some()) {
        return Some("`hostPath`");
    }
    let unconfined = spec.security_context.as_ref().and_then(|context| context.seccomp_profile.as_ref());
    if unconfined.is_some_and(|profile| profile.type_ == "Unconfined") {
        return Some("an unconfined seccomp profile");
    }
    all(spec).find_map(|container| {
        let ports = container.ports.iter().flatten();
        if ports.into_iter().any(|port| port.host_port.is_some_and(|port| port != 0)) {
            return Some("`hostPort`");
        }
        container.security_context.as_ref().and_then(powerful)
    })
}

fn powerful(context: &SecurityContext) -> Option<&'static str> {
    let added = |list: &Capabilities| {
        list.add.iter().flatten().any(|one| !HARMLESS.contains(&one.trim_start_matches("CAP_")))
    };
    if context.privileged == Some(true) {
        Some("`privileged`")
    } else if context.capabilities.as_ref().is_some_and(added) {
        Some("a capability beyond the harmless ones")
    } else if context.proc_mount.as_deref().is_some_and(|mount| mount != "Default") {
        Some("another `procMount`")
    } else if context.seccomp_profile.as_ref().is_some_and(|profile| profile.type_ == "Unconfined") {
        Some("an unconfined seccomp profile")
    } else {
        None
    }
}

fn all(spec: &PodSpec) -> impl Iterator<Item = &Container> {
    spec.containers.iter().chain(spec.init_containers.iter().flatten())
}

/// What of a `spec` cannot be meant: it would undo what makes a node safe, or the API would refuse it.
pub(super) fn refused(label: &Label) -> Option<String> {
    let spec = label.spec.as_ref()?;
    let ours = [
        (
            spec.restart_policy.as_deref().is_some_and(|policy| policy != "Never"),
            "`restartPolicy` is `Never`: a container that starts again has lost the job's files",
        ),
        (
            spec.active_deadline_seconds.is_some(),
            "`activeDeadlineSeconds` is `max-age` of the top-level `leases`",
        ),
        (
            spec.service_account_name.is_some() || spec.service_account.is_some(),
            "the account is the job's own, with no rights but on its own pod",
        ),
        (
            spec.automount_service_account_token == Some(true),
            "no token is mounted: what a job runs is not trusted",
        ),
        (spec.ephemeral_containers.is_some(), "a pod is not made with ephemeral containers"),
        (label.user_namespace && spec.host_users == Some(true), "`hostUsers` contradicts `user-namespace`"),
        (
            label.user_namespace && [spec.host_network, spec.host_pid, spec.host_ipc].contains(&Some(true)),
            "`user-namespace` does not go with a namespace of the host",
        ),
    ];
    if let Some((_, why)) = ours.iter().find(|(is_said, _)| *is_said) {
        return Some((*why).to_owned());
    }
    if all(spec).count() > MANY {
        return Some(format!("more than {MANY} containers"));
    }
    let mut seen = Vec::new();
    all(spec).find_map(|container| {
        let problem = odd(label, container, seen.contains(&container.name.as_str()));
        seen.push(container.name.as_str());
        problem
    })
}

/// What is wrong with one container.
fn odd(label: &Label, container: &Container, seen: bool) -> Option<String> {
    let name = container.name.as_str();
    let merged = name == WORKSPACE && label.receiver() == Some(WORKSPACE);
    let imaged = container.image.is_some() || (name == MACHINE && label.image.is_some()) || merged;
    let good = (1..=63).contains(&name.len())
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        && !name.starts_with('-')
        && !name.ends_with('-');
    let name = shown(name);
    if !good {
        Some(format!("a container is called `{name}`, which must be `a-z`, `0-9` and inner `-`"))
    } else if seen {
        Some(format!("two containers are called `{name}`"))
    } else if !imaged {
        Some(format!("the container `{name}` has no `image`"))
    } else {
        amounts(container.resources.as_ref())
            .is_none()
            .then(|| format!("`resources` of `{name}` has an odd amount"))
    }
}

/// What a container asks for: thousandths of cores and MiB; what only its limit says counts, as it does for the cluster.
/// None when an amount cannot be read.
fn amounts(resources: Option<&ResourceRequirements>) -> Option<(Option<u64>, Option<u64>)> {
    let said = |key: &str| {
        let of =
            |map: Option<&std::collections::BTreeMap<String, _>>| map.and_then(|map| map.get(key).cloned());
        resources.and_then(|all| of(all.requests.as_ref()).or_else(|| of(all.limits.as_ref())))
    };
    let cpu = match said("cpu") {
        Some(text) => Some(thousandths(&text.0)?),
        None => None,
    };
    let ram = match said("memory") {
        Some(text) => Some(whole(&text.0, 1 << 20)?),
        None => None,
    };
    Some((cpu, ram))
}

/// What the pod takes in all, beginning with what the label says for the machine: thousandths of cores and MiB. What ends
/// before the machine begins counts where it is larger than all the rest, as the scheduler has it.
pub(super) fn total(label: &Label, machine: (u64, u64)) -> (u64, u64) {
    let (mut first, mut others, mut before) = (machine, (0_u64, 0_u64), (0_u64, 0_u64));
    let listed = |container: &Container| amounts(container.resources.as_ref()).unwrap_or_default();
    for container in label.spec.iter().flat_map(|spec| &spec.containers) {
        let (cpu, ram) = listed(container);
        if container.name == label.machine() {
            first = (cpu.unwrap_or(first.0), ram.unwrap_or(first.1));
        } else {
            others = plus(others, (cpu.unwrap_or(0), ram.unwrap_or(0)));
        }
    }
    for container in label.spec.iter().flat_map(|spec| spec.init_containers.iter().flatten()) {
        let (cpu, ram) = listed(container);
        let one = (cpu.unwrap_or(0), ram.unwrap_or(0));
        let stays = container.restart_policy.as_deref() == Some("Always") || container.name == WORKSPACE;
        if stays {
            others = plus(others, one);
        } else {
            before = (before.0.max(one.0), before.1.max(one.1));
        }
    }
    let together = plus(first, others);
    (together.0.max(before.0), together.1.max(before.1))
}

const fn plus(one: (u64, u64), other: (u64, u64)) -> (u64, u64) {
    (one.0.saturating_add(other.0), one.1.saturating_add(other.1))
}
