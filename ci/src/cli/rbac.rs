//! The rights that this program needs, as a manifest.
//!
//! Decides: the smallest set. Must not: apply it. Input: the configuration.
//!
//! Kubernetes lets nobody grant what he does not have, unless he may `bind` a role that stands there. So the rights of jobs
//! stand there as cluster roles, and this program may bind exactly those: it has no exec, no secrets, no workloads itself.
//! (`escalate` was the other way; it would let it write any rule into a role.) Where rights are bound still has to be
//! bounded, which a rule of RBAC cannot do for namespaces that are not there yet: the fence does. In a shared namespace
//! roles name single pods, so their rights must be had, in that namespace only.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::fence;
use crate::cluster::Layout;
use crate::config::{Config, Mode, Name, Way};
use crate::objects::rights::{POD, PODS, Right};
use crate::objects::{Granted, PROJECT_ADMIN, PULL_SECRET};
use crate::registry;
use crate::ssh;

/// The name of our account, and of most that is for it.
pub(super) const NAME: &str = "build-resources";
const RBAC: &str = "rbac.authorization.k8s.io";

/// The account and its rights: for the records, for each shared namespace, and for the whole cluster only where a provider
/// makes namespaces. Without such a one an admin of the namespaces can apply it, so they are not among it.
pub fn manifest(config: &Config) -> Vec<Value> {
    let hub = &config.hub.namespace;
    let modes = || config.providers.iter().map(|provider| &provider.value);
    let mut all = Vec::new();
    let makes_namespaces = modes().any(|provider| provider.mode == Mode::Namespace);
    if makes_namespaces {
        all.push(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": hub}}));
    }
    all.push(
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": hub}}),
    );
    let pulled = pulled(config);
    if makes_namespaces {
        let projects = modes().any(|provider| matches!(provider.layout(), Layout::Projects { .. }));
        let mut rules = cluster_rules(projects, !pulled.is_empty());
        if has_beside(config) {
            rules.extend(beside_rules());
        }
        all.extend(granted(hub, &wide_name(hub), None, &rules));
        all.extend(Granted::ALL.iter().filter_map(|granted| serde_json::to_value(granted.role()).ok()));
        let user = format!("system:serviceaccount:{hub}:{NAME}");
        all.extend(fence::fence(config, &wide_name(hub), &user));
    }
    let records = json!({
        "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
        "verbs": ["get", "list", "watch", "create", "update", "delete"],
    });
    // What builds return in confidence. It is owned by the Lease of its buildset, and goes with that.
    let secrets = json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "update"]});
    all.extend(granted(hub, NAME, Some(hub.as_str()), &[records, secrets]));
    for (namespace, names) in pulled {
        let named =
            json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": names, "verbs": ["get"]});
        all.extend(granted(hub, "build-resources-pull", Some(namespace), &[named]));
    }
    let shared: BTreeSet<&Name> = modes().filter_map(|provider| provider.shared()).collect();
    for namespace in shared {
        all.extend(granted(hub, "build-resources-pods", Some(namespace.as_str()), &shared_rules()));
    }
    all
}

/// The Secrets of `image-pull-secrets` that are copied, by their namespace.
fn pulled(config: &Config) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut all: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let copying = config.providers.iter().filter(|provider| provider.value.shared().is_none());
    let labels = copying.flat_map(|provider| &provider.value.pools).flat_map(|pool| &pool.value.labels);
    for secret in labels.flat_map(|label| &label.value.image_pull_secrets) {
        all.entry(secret.namespace.as_str()).or_default().insert(secret.name.as_str());
    }
    all
}

/// The name of what lies in no namespace: another for each installation that keeps its records elsewhere.
fn wide_name(hub: &Name) -> String {
    format!("{NAME}.{hub}")
}

/// A role and its binding to our account; without a namespace in all of them.
fn granted(hub: &Name, name: &str, namespace: Option<&str>, rules: &[Value]) -> [Value; 2] {
    let kind = if namespace.is_some() { "Role" } else { "ClusterRole" };
    let mut metadata = json!({"name": name});
    if let (Some(namespace), Some(map)) = (namespace, metadata.as_object_mut()) {
        map.insert("namespace".to_owned(), json!(namespace));
    }
    let version = format!("{RBAC}/v1");
    [
        json!({"apiVersion": version, "kind": kind, "metadata": metadata, "rules": rules}),
        json!({
            "apiVersion": version, "kind": format!("{kind}Binding"), "metadata": metadata,
            "roleRef": {"apiGroup": RBAC, "kind": kind, "name": name},
            "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": hub}],
        }),
    ]
}

fn cluster_rules(projects: bool, pulls: bool) -> Vec<Value> {
    let made = json!(["get", "create", "patch"]);
    let mut rules = vec![
        json!({"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "watch", "create", "patch", "delete"]}),
        json!({"apiGroups": [""], "resources": ["resourcequotas", "limitranges", "serviceaccounts", "pods"], "verbs": made}),
        json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["watch"]}),
        json!({"apiGroups": [""], "resources": ["events"], "verbs": ["list"]}),
        json!({"apiGroups": [""], "resources": ["resourcequotas"], "verbs": ["list"]}),
        json!({"apiGroups": [""], "resources": ["events"], "verbs": ["create"]}),
        json!({"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["delete"]}),
        json!({"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}),
        json!({"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": made}),
        json!({"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": made}),
        json!({"apiGroups": [RBAC], "resources": ["rolebindings"], "verbs": made}),
    ];
    let mut names: Vec<&str> = Granted::ALL.iter().map(|granted| granted.name()).collect();
    if projects {
        // In a project that we asked for we are admin, which is how its pull credentials are read.
        names.push(PROJECT_ADMIN);
        rules.push(json!({
            "apiGroups": ["project.openshift.io"], "resources": ["projectrequests"], "verbs": ["create"],
        }));
    }
    if pulls {
        // Where the copies go is not known before; they are written blindly, and none can be read back.
        rules.push(json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["create", "patch"]}));
    }
    rules.push(json!({
        "apiGroups": [RBAC], "resources": ["clusterroles"], "resourceNames": names, "verbs": ["bind"],
    }));
    rules
}

/// Whether any label comes with a registry, or is reached by SSH.
fn has_beside(config: &Config) -> bool {
    let pools = config.pools();
    let mut labels = pools.iter().flat_map(|(_, pool)| pool.labels.iter().map(|label| &label.value));
    labels.any(|label| label.registry.is_some() || label.access == Way::Ssh)
}

/// Of the Secrets of a cluster only those that are ours by name; a name is no bound for what is made.
fn beside_rules() -> [Value; 3] {
    let names = json!([registry::SECRET, PULL_SECRET, ssh::SECRET]);
    [
        json!({"apiGroups": [""], "resources": ["services"], "verbs": ["get", "create", "patch"]}),
        json!({"apiGroups": [""], "resources": ["secrets"], "verbs": ["create"]}),
        json!({"apiGroups": [""], "resources": ["secrets"], "resourceNames": names, "verbs": ["get", "patch"]}),
    ]
}

/// Names are made up for each pod, so these cannot be bound to names.
fn shared_rules() -> Vec<Value> {
    let made = json!(["get", "create", "patch"]);
    let mut rules = vec![
        json!({"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get", "list", "watch", "create", "patch", "delete"]}),
        json!({"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}),
        // Some clusters ask for it before an object may say that its owner shall wait for it.
        json!({"apiGroups": [""], "resources": ["serviceaccounts/finalizers"], "verbs": ["update"]}),
        json!({"apiGroups": [""], "resources": ["pods"], "verbs": made}),
        json!({"apiGroups": [""], "resources": ["events"], "verbs": ["list"]}),
        json!({"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": made}),
        json!({"apiGroups": ["policy"], "resources": ["poddisruptionbudgets"], "verbs": made}),
        json!({"apiGroups": [RBAC], "resources": ["roles", "rolebindings"], "verbs": made}),
    ];
    rules.extend(all_of(&[PODS, POD]));
    rules
}

fn all_of(rights: &[&[Right]]) -> Vec<Value> {
    let each = rights.iter().flat_map(|rights| rights.iter());
    each.map(
        |(group, resources, verbs)| json!({"apiGroups": [group], "resources": resources, "verbs": verbs}),
    )
    .collect()
}
