//! The rules that join several keys: one function each, every refusal with a line and a path.
//!
//! Decides: whether a configuration that decodes can be meant. Must not: change it. Input: the decoded configuration.

use std::collections::{BTreeMap, BTreeSet};

use serde_saphyr::Spanned;

use super::label::{Kind, Label, PLACEHOLDERS, Way, filled};
use super::metadata::{bad_key, is_key, is_label_value};
use super::nodeset;
use super::refuse::{Checked, once, refuse};
use super::registry::RegistryServer;
use super::size::{Limits, Size};
use super::words::Name;
use super::{Asked, Config, Driver, Mode, Pool, Provider, pods};
use crate::error::shown;
use crate::request::{VIEWERS, is_user};
use crate::ssh;

/// Most nodes of one label that are kept ready.
const WARM: u64 = 100;
/// Most times that a node of one label is made anew.
const RETRIES: u64 = 100;
/// Longest annotations of one label, in bytes: half of what the API takes, which leaves room for ours.
const ANNOTATIONS: usize = 128 << 10;

/// Every rule.
pub(super) fn all(config: &Config) -> Checked {
    once(&config.providers, "providers", |provider| &provider.name)?;
    once(&config.labels, "labels", |label| &label.name)?;
    let asked: BTreeSet<&Name> = config.labels.iter().map(|label| &label.value.name).collect();
    let mut offered = BTreeSet::new();
    for provider in &config.providers {
        let path = format!("providers[{}]", provider.value.name);
        place(provider, &path)?;
        once(&provider.value.pools, &format!("{path}.pools"), |pool| &pool.name)?;
        for pool in &provider.value.pools {
            let path = format!("{path}.pools[{}]", pool.value.name);
            if let Some(problem) = viewers(&pool.value.viewers) {
                refuse(pool, &format!("{path}.viewers"), problem)?;
            }
            once(&pool.value.labels, &format!("{path}.labels"), |label| &label.name)?;
            for label in &pool.value.labels {
                let path = format!("{path}.labels[{}]", label.value.name);
                if !asked.contains(&label.value.name) {
                    refuse(label, &path, "the top-level `labels` do not name it".to_owned())?;
                }
                offered.insert(&label.value.name);
                one_label(&provider.value, &pool.value, label, &path)?;
            }
        }
    }
    for label in &config.labels {
        if !offered.contains(&label.value.name) {
            refuse(label, &format!("labels[{}]", label.value.name), "no pool offers it".to_owned())?;
        }
        if let Some(problem) = warm(config, &label.value) {
            refuse(label, &format!("labels[{}].min-ready", label.value.name), problem)?;
        }
    }
    nodeset::check(config)
}

/// Why nodes of it cannot be kept ready.
fn warm(config: &Config, asked: &Asked) -> Option<String> {
    if asked.min_ready > WARM {
        return Some(format!("at most {WARM} nodes of a label are kept ready"));
    }
    (asked.min_ready > 0 && config.stock_pool(&asked.name).is_none()).then(|| {
        "no pool can keep it ready: that needs namespaces of its own (no `mode: shared`, no `driver: openshift`), and \
         none of `registry`, `access: ssh` and `colocate`"
            .to_owned()
    })
}

/// A shared namespace has a name, and only a shared one.
fn place(at: &Spanned<Provider>, path: &str) -> Checked {
    match (at.value.mode, &at.value.namespace) {
        (Mode::Shared, None) => {
            refuse(at, &format!("{path}.namespace"), "`mode: shared` needs one".to_owned())
        }
        (Mode::Namespace, Some(_)) => {
            refuse(at, &format!("{path}.namespace"), "only `mode: shared` has one".to_owned())
        }
        (Mode::Shared, Some(_)) | (Mode::Namespace, None) => Ok(()),
    }
}

fn one_label(provider: &Provider, pool: &Pool, at: &Spanned<Label>, path: &str) -> Checked {
    let label = &at.value;
    let refuse = |key: &str, problem: String| refuse(at, &format!("{path}.{key}"), problem);
    match label.kind {
        Kind::Namespace | Kind::Project if provider.mode == Mode::Shared => {
            refuse("type", "with `mode: shared` there are only pods".to_owned())?;
        }
        Kind::Project if provider.driver != Driver::Openshift => {
            refuse("type", "only `driver: openshift` has projects".to_owned())?;
        }
        Kind::Namespace if provider.driver == Driver::Openshift => {
            refuse("type", "with `driver: openshift` it is called `project`".to_owned())?;
        }
        Kind::Pod if label.ingress => refuse("ingress", "only a namespace has one".to_owned())?,
        Kind::Pod if label.quota.is_some() => refuse("quota", "only a namespace has one".to_owned())?,
        Kind::Namespace | Kind::Project => {
            if let Some(key) = only_for_pods(label) {
                refuse(key, "only a pod has one".to_owned())?;
            }
        }
        Kind::Pod => {
            if let Some((key, problem)) = pods::fault(label).or_else(|| pods::elsewhere(provider, label)) {
                refuse(key, problem)?;
            }
        }
    }
    if let Some((key, problem)) = beside(provider, label) {
        refuse(key, problem.to_owned())?;
    }
    if let Some((key, what)) = label.needs_privilege().filter(|_| !provider.allow_privileged) {
        refuse(key, format!("{what} needs `allow-privileged: true` at the provider"))?;
    }
    if let Some(problem) = viewers(&label.viewers) {
        refuse("viewers", problem)?;
    }
    if label.retries.is_some_and(|retries| retries > RETRIES) {
        refuse("retries", format!("at most {RETRIES} are possible"))?;
    }
    if let Some((key, problem)) = impossible(pool, label) {
        refuse(key, problem)?;
    }
    if let Some((key, problem)) = metadata(label) {
        refuse(key, problem)?;
    }
    Ok(())
}

/// What is wrong with a list of users.
fn viewers(names: &[String]) -> Option<String> {
    let bad = names.iter().find(|name| !is_user(name)).map(|name| format!("`{}` is no user", shown(name)));
    bad.or_else(|| (names.len() > VIEWERS).then(|| format!("more than {VIEWERS}")))
}

/// The key and fault of what stands beside a node. In a shared namespace there is no room for it: its Secrets would be open to
/// whoever owns that namespace.
fn beside(provider: &Provider, label: &Label) -> Option<(&'static str, &'static str)> {
    let own = "needs a namespace of its own, which `mode: shared` does not make";
    let shared = provider.mode == Mode::Shared;
    let unsettable = label.env.iter().any(|one| !ssh::is_settable(one));
    match (&label.registry, label.access) {
        (Some(_), _) if shared => Some(("registry", own)),
        (_, Way::Ssh) if shared => Some(("access", own)),
        (Some(_), _) if label.kind == Kind::Project => {
            Some(("registry", "a project has the registry of its cluster"))
        }
        (Some(_), _) if RegistryServer::of(provider, label.registry.as_ref()).is_none() => {
            Some(("registry", "neither the label nor the provider's `registry-image` names an image"))
        }
        (_, Way::Ssh) if unsettable => {
            Some(("env", "with `access: ssh` no value has a quotation mark, a backslash or a line end"))
        }
        (_, Way::Exec) if label.ssh_service.is_some() => Some(("ssh-service", "only `access: ssh` has one")),
        (_, Way::Exec | Way::Ssh) => None,
    }
}

fn only_for_pods(label: &Label) -> Option<&'static str> {
    let said = [
        (label.image.is_some(), "image"),
        (label.cpu.is_some() || label.cpu_limit.is_some(), "cpu"),
        (label.memory.is_some() || label.memory_limit.is_some(), "memory"),
        (label.storage.is_some() || label.storage_limit.is_some(), "storage"),
        (!label.env.is_empty(), "env"),
        (!label.node_selector.is_empty(), "node-selector"),
        (label.scheduler_name.is_some(), "scheduler-name"),
        (label.privileged, "privileged"),
        (!label.volumes.is_empty() || !label.volume_mounts.is_empty(), "volumes"),
        (label.python_path.is_some(), "python-path"),
        (label.shell_type.is_some(), "shell-type"),
        (label.access != Way::Exec, "access"),
        (label.ssh_service.is_some(), "ssh-service"),
        (label.workspace.is_some(), "workspace"),
        (label.spec.is_some(), "spec"),
        (label.runtime_class.is_some(), "runtime-class"),
        (label.priority_class.is_some(), "priority-class"),
        (label.user_namespace, "user-namespace"),
        (label.colocate.is_some(), "colocate"),
        (label.protect, "protect"),
        (!label.image_pull_secrets.is_empty(), "image-pull-secrets"),
        (label.gpu.is_some() || label.gpu_resource.is_some(), "gpu"),
    ];
    said.into_iter().find_map(|(is_said, key)| is_said.then_some(key))
}

/// The key and fault of an amount that never fits.
fn impossible(pool: &Pool, label: &Label) -> Option<(&'static str, String)> {
    if let Some(key) = Limits::of(pool, label).beyond_itself() {
        return Some((key, "more is requested than the limit allows".to_owned()));
    }
    let most = Size::of(pool, label).exceeds(pool)?;
    let key = match (most, label.kind) {
        ("max-resources", _) => "extra-resources",
        ("max-ram", Kind::Pod) => "memory",
        (_, Kind::Pod) => "cpu",
        (_, Kind::Namespace | Kind::Project) => "quota",
    };
    let with = if label.registry.is_some() { " with its registry" } else { "" };
    Some((key, format!("one resource{with} is larger than `{most}` of the pool")))
}

/// The key and fault of metadata that the API would refuse, or that would forge ours.
fn metadata(label: &Label) -> Option<(&'static str, String)> {
    let keys = |list: &'static str, map: &BTreeMap<String, String>| {
        map.keys().find_map(|key| bad_key(key).map(|problem| (list, format!("`{}` {problem}", shown(key)))))
    };
    let placeholder = label
        .dynamic_labels
        .values()
        .find_map(|text| filled(text, |name| PLACEHOLDERS.contains(&name).then(String::new)).err());
    if let Some(name) = placeholder {
        return Some(("dynamic-labels", format!("`{}` is no placeholder", shown(&name))));
    }
    if let Some(value) = label.labels.values().find(|value| !is_label_value(value)) {
        return Some(("labels", format!("`{}` is no value of a label", shown(value))));
    }
    if label.annotations.iter().map(|(key, value)| key.len() + value.len()).sum::<usize>() > ANNOTATIONS {
        return Some(("annotations", format!("they are longer than {ANNOTATIONS} bytes together")));
    }
    if let Some(name) = label.extra_resources.keys().find(|name| !is_key(name)) {
        return Some(("extra-resources", format!("`{}` is no name of a resource", shown(name))));
    }
    keys("dynamic-labels", &label.dynamic_labels)
        .or_else(|| keys("labels", &label.labels))
        .or_else(|| keys("annotations", &label.annotations))
}
