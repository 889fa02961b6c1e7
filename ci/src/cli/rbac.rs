//! The rights that this program needs, as a manifest.
//!
//! Decides: the smallest set. Must not: apply it. Input: the configuration. Kubernetes lets nobody grant what he does not
//! have, so what jobs may do stands here too.

use serde_json::{Value, json};

use crate::config::Config;
use crate::objects::{OBJECT_RIGHTS, POD_RIGHTS, SPACE_RIGHTS};

const NAME: &str = "build-resources";

/// The namespace, the account, and two roles with their bindings.
pub fn manifest(config: &Config) -> Vec<Value> {
    let namespace = config.hub.namespace.as_str();
    let subject = json!([{"kind": "ServiceAccount", "name": NAME, "namespace": namespace}]);
    let rbac = "rbac.authorization.k8s.io";
    let version = format!("{rbac}/v1");
    vec![
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}),
        json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": NAME, "namespace": namespace}}),
        json!({"apiVersion": version, "kind": "ClusterRole", "metadata": {"name": NAME}, "rules": cluster_rules()}),
        json!({
            "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": {"name": NAME},
            "roleRef": {"apiGroup": rbac, "kind": "ClusterRole", "name": NAME}, "subjects": subject,
        }),
        json!({
            "apiVersion": version, "kind": "Role", "metadata": {"name": NAME, "namespace": namespace},
            "rules": [{
                "apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
                "verbs": ["get", "list", "create", "update", "delete"],
            }, {
                // What builds return in confidence. It is owned by the Lease of its buildset, and goes with that.
                "apiGroups": [""], "resources": ["secrets"], "verbs": ["get", "create", "update"],
            }],
        }),
        json!({
            "apiVersion": version, "kind": "RoleBinding", "metadata": {"name": NAME, "namespace": namespace},
            "roleRef": {"apiGroup": rbac, "kind": "Role", "name": NAME}, "subjects": subject,
        }),
    ]
}

fn cluster_rules() -> Vec<Value> {
    let made = json!(["get", "create", "patch"]);
    let mut rules = vec![
        json!({"apiGroups": [""], "resources": ["namespaces"], "verbs": ["get", "list", "create", "patch", "delete"]}),
        json!({"apiGroups": [""], "resources": ["resourcequotas", "limitranges", "serviceaccounts", "pods"], "verbs": made}),
        json!({"apiGroups": [""], "resources": ["pods"], "verbs": ["watch"]}),
        json!({"apiGroups": [""], "resources": ["events"], "verbs": ["list"]}),
        json!({"apiGroups": [""], "resources": ["serviceaccounts/token"], "verbs": ["create"]}),
        json!({"apiGroups": ["networking.k8s.io"], "resources": ["networkpolicies"], "verbs": made}),
        json!({"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"], "verbs": made}),
    ];
    for (group, resources, verbs) in [POD_RIGHTS, OBJECT_RIGHTS, SPACE_RIGHTS].concat() {
        rules.push(json!({"apiGroups": [group], "resources": resources, "verbs": verbs}));
    }
    rules
}
