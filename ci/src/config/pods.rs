//! The rules of a label that is a pod: what the API would refuse, said before anything is made.
//!
//! Decides: whether a pod label can be meant. Must not: change it. Input: one label of a pool.

use std::collections::BTreeSet;

use super::Provider;
use super::label::Label;
use super::metadata::{is_key, is_label_value};
use super::spec;
use super::workspace::{Sync, WORKSPACE, Workspace};
use crate::error::shown;

/// The key at fault and what is wrong.
type Fault = (&'static str, String);

/// What is wrong with a pod label, if anything is.
pub(super) fn fault(label: &Label) -> Option<Fault> {
    let named = label.spec.as_ref().is_some_and(|spec| !spec.containers.is_empty());
    if label.image.is_none() && !named {
        return Some(("image", "a pod needs an image".to_owned()));
    }
    spec::refused(label)
        .map(|problem| ("spec", problem))
        .or_else(|| label.workspace.as_ref().and_then(|workspace| shared(label, workspace)))
        .or_else(|| mounts(label))
        .or_else(|| environment(label))
        .or_else(|| selector(label))
        .or_else(|| secrets(label))
        .or_else(|| gpu(label))
}

fn shared(label: &Label, workspace: &Workspace) -> Option<Fault> {
    let spec = label.spec.as_ref();
    let volumes = label.volumes.iter().chain(spec.iter().flat_map(|spec| spec.volumes.iter().flatten()));
    let container = spec.is_some_and(|spec| spec.containers.iter().any(|one| one.name == WORKSPACE));
    let path = workspace.path.as_str();
    let problem = if volumes.into_iter().any(|volume| volume.name == WORKSPACE) {
        format!("a volume is called `{WORKSPACE}` already")
    } else if container {
        format!("a container is called `{WORKSPACE}` already")
    } else if label.volume_mounts.iter().any(|mount| mount.mount_path == path) {
        format!("something is mounted at `{path}` already")
    } else if workspace.image.is_some() && workspace.sync == Sync::Main {
        "an image is for the side-car; say `sync: sidecar`".to_owned()
    } else if workspace.fs_group.is_some_and(|group| group.get() > i32::MAX.unsigned_abs().into()) {
        format!("`fs-group` is at most {}", i32::MAX)
    } else {
        return None;
    };
    Some(("workspace", problem))
}

fn mounts(label: &Label) -> Option<Fault> {
    let theirs = label.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    let names: BTreeSet<&str> =
        label.volumes.iter().chain(theirs).map(|volume| volume.name.as_str()).collect();
    let lost = label.volume_mounts.iter().find(|mount| {
        !(names.contains(mount.name.as_str()) || mount.name == WORKSPACE && label.workspace.is_some())
    });
    lost.map(|mount| ("volume-mounts", format!("no volume is called `{}`", shown(&mount.name))))
}

fn environment(label: &Label) -> Option<Fault> {
    let good =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| matches!(byte, b' '..=b'~') && byte != b'=');
    let odd = label.env.iter().find(|one| !good(&one.name))?;
    Some(("env", format!("`{}` is no name of a variable", shown(&odd.name))))
}

fn selector(label: &Label) -> Option<Fault> {
    let odd = label.node_selector.iter().find(|(key, value)| !is_key(key) || !is_label_value(value));
    let (key, value) = odd?;
    Some(("node-selector", format!("`{}: {}` is no label", shown(key), shown(value))))
}

fn secrets(label: &Label) -> Option<Fault> {
    let mut seen = BTreeSet::new();
    let twice = label.image_pull_secrets.iter().find(|secret| !seen.insert(secret.name.as_str()))?;
    Some(("image-pull-secrets", format!("`{}` occurs twice", twice.name)))
}

/// In a shared namespace nothing is copied: everybody there could read it, and names are given by others.
pub(super) fn elsewhere(provider: &Provider, label: &Label) -> Option<Fault> {
    let shared = provider.shared()?;
    let odd = label.image_pull_secrets.iter().find(|secret| secret.namespace.as_str() != shared.as_str())?;
    Some(("image-pull-secrets", format!("with `mode: shared` `{}` must lie in `{shared}`", odd.name)))
}

fn gpu(label: &Label) -> Option<Fault> {
    match (label.gpu, &label.gpu_resource) {
        (None, None) => None,
        (Some(_), Some(name)) if name.contains('/') && is_key(name) => None,
        (Some(_), Some(name)) => Some((
            "gpu-resource",
            format!("`{}` is no resource of a cluster, such as `nvidia.com/gpu`", shown(name)),
        )),
        (Some(_), None) => Some(("gpu", "name its `gpu-resource`".to_owned())),
        (None, Some(_)) => Some(("gpu-resource", "say how many in `gpu`".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use crate::config::tests::GOOD;
    use crate::config::{Config, ConfigError, Size, parse};

    fn with(more: &str, allowed: bool) -> Result<Config, ConfigError> {
        let more: String = more.lines().map(|line| format!("            {line}\n")).collect();
        let text = GOOD.replacen("            cpu: 2\n", &more, 1);
        let allow = "    driver: kubernetes\n    allow-privileged: true\n";
        let text = if allowed { text.replacen("    driver: kubernetes\n", allow, 1) } else { text };
        parse(text.as_bytes())
    }

    #[test]
    fn row_45_a_pod_that_the_cluster_would_refuse_is_refused_before() {
        for (more, key, word) in [
            ("spec: {restartPolicy: Always}", "spec", "lost the job's files"),
            ("spec: {activeDeadlineSeconds: 5}", "spec", "max-age"),
            ("spec: {serviceAccountName: admin}", "spec", "job's own"),
            ("spec: {automountServiceAccountToken: true}", "spec", "not trusted"),
            ("spec: {containers: [{name: A, image: x}]}", "spec", "`A`, which must be"),
            ("spec: {containers: [{name: a}]}", "spec", "`a` has no `image`"),
            ("spec: {containers: [{name: a, image: x}, {name: a, image: x}]}", "spec", "two containers"),
            (
                "spec: {containers: [{name: a, image: x, resources: {requests: {cpu: 2GB}}}]}",
                "spec",
                "odd amount",
            ),
            ("spec: {hostNetwork: true}", "spec", "allow-privileged"),
            (
                "spec: {containers: [{name: node, securityContext: {privileged: true}}]}",
                "spec",
                "allow-privileged",
            ),
            (
                "spec: {containers: [{name: node, securityContext: {capabilities: {add: [SYS_ADMIN]}}}]}",
                "spec",
                "capability",
            ),
            ("spec: {volumes: [{name: h, hostPath: {path: /}}]}", "spec", "hostPath"),
            ("workspace: {}", "workspace", "called `workspace` already"),
            ("workspace: {path: workspace}", "workspace.path", "absolute"),
            ("workspace: {sync: pod}", "workspace.sync", "pod"),
            ("node-selector: {a: 'b c'}", "node-selector", "is no label"),
            ("node-selector: {'a b': c}", "node-selector", "is no label"),
            ("gpu: 0.5", "gpu", "no part of one"),
            ("gpu: 1", "gpu", "gpu-resource"),
            ("gpu: 1\ngpu-resource: gpu", "gpu-resource", "nvidia.com/gpu"),
            ("image-pull-secrets: [{name: a}, {name: a, namespace: b}]", "image-pull-secrets", "twice"),
            ("runtime-class: 'a b'", "runtime-class", "name of an object"),
            ("extra-resources: {'a b': 1}", "extra-resources", "no name of a resource"),
        ] {
            let refused = with(more, false).map(|_| ()).unwrap_err().to_string();
            assert!(refused.contains(&format!(".{key}")) && refused.contains(word), "{more}: {refused}");
        }
    }

    #[test]
    fn what_a_provider_allows_may_be_asked_for() {
        for more in [
            "spec: {hostNetwork: true}",
            "spec: {containers: [{name: node, securityContext: {procMount: Unmasked}}]}",
            "privileged: true",
        ] {
            assert!(with(more, true).is_ok() && with(more, false).is_err(), "{more}");
        }
        let harmless = "spec: {containers: [{name: node, securityContext: {capabilities: {add: [CHOWN]}}}]}";
        assert!(with(harmless, false).is_ok());
    }

    #[test]
    fn every_container_of_a_pod_counts_against_its_pool() {
        let config = with(
            "gpu: 1
gpu-resource: example.org/gpu
extra-resources: {licence: 2}
storage: 5000
cpu: 2
spec:
  containers:
    - {name: node, resources: {requests: {memory: 8Gi}}}
    - {name: db, image: x, resources: {limits: {cpu: 500m, memory: 1Gi}}}
  initContainers:
    - {name: big, image: x, resources: {requests: {cpu: 3, memory: 1Gi}}}
    - {name: stays, image: x, restartPolicy: Always, resources: {requests: {memory: 64Mi}}}",
            false,
        )
        .unwrap();
        let (_, pool) = config.pools()[0];
        let size = Size::of(pool, pool.label(&"builder".parse().unwrap()).unwrap());
        assert_eq!((size.millicores, size.ram), (3000, 8192 + 1024 + 64));
        let extra: Vec<_> = size.extra.iter().map(|(name, number)| (name.as_str(), *number)).collect();
        assert_eq!(extra, [("ephemeral-storage", 5000), ("example.org/gpu", 1), ("licence", 2)]);
    }

    #[test]
    fn a_pool_has_a_limit_for_anything_that_its_labels_name() {
        let text = GOOD.replacen(
            "        max-cores: 8\n",
            "        max-cores: 8\n        max-resources: {licence: 3}\n",
            1,
        );
        let label =
            |number: u64| text.replacen("cpu: 2", &format!("extra-resources: {{licence: {number}}}"), 1);
        let config = parse(label(2).as_bytes()).unwrap();
        let (_, pool) = config.pools()[0];
        let size = Size::of(pool, pool.label(&"builder".parse().unwrap()).unwrap());
        assert_eq!((size.exceeds(pool), size.plus(&size).exceeds(pool)), (None, Some("max-resources")));
        let refused = parse(label(4).as_bytes()).map(|_| ()).unwrap_err().to_string();
        assert!(
            refused.contains("extra-resources: one resource is larger than `max-resources`"),
            "{refused}"
        );
    }
}
