//! What keeps our account to its own namespaces, whatever this program does: an admission policy of the cluster.
//!
//! Decides: which namespaces are ours to write in. Must not: bind anybody else. Input: the configuration. RBAC can only say
//! "in all namespaces" of namespaces that are not there yet; the cluster looks at the label.

use serde_json::{Value, json};

use crate::cluster::Layout;
use crate::config::Config;
use crate::objects::Key;
use crate::objects::project::REQUESTER;

/// The policy of that name, and its binding, for the account that the API server knows as `user`.
pub(super) fn fence(config: &Config, name: &str, user: &str) -> [Value; 2] {
    let hub = &config.hub.namespace;
    let named = config.providers.iter().filter_map(|provider| provider.value.shared());
    let open: Vec<String> = std::iter::once(hub).chain(named).map(|name| format!("'{name}'")).collect();
    let marked = format!("metadata.?labels[?'{}'].hasValue()", Key::System.text());
    // Of a namespace, what it was before counts: nobody makes another's namespace ours by labelling it.
    let projects = config.providers.iter().any(|one| matches!(one.value.layout(), Layout::Projects { .. }));
    // A project cannot be labelled when it is asked for; only the cluster writes who asked for it.
    let asked = if projects {
        format!(
            " || oldObject.metadata.?annotations[?'{REQUESTER}'].orValue('') == request.userInfo.username"
        )
    } else {
        String::new()
    };
    let rule = format!(
        "request.resource.group == '' && request.resource.resource == 'namespaces' ? \
         (oldObject != null ? (oldObject.{marked}{asked}) : object.{marked}) : \
         namespaceObject == null || request.namespace in [{}] || namespaceObject.{marked}",
        open.join(", ")
    );
    let version = "admissionregistration.k8s.io/v1";
    let account = format!("request.userInfo.username == '{user}'");
    let all = json!([{
        "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*/*"],
        "operations": ["CREATE", "UPDATE", "DELETE", "CONNECT"],
    }]);
    [
        json!({
            "apiVersion": version, "kind": "ValidatingAdmissionPolicy", "metadata": {"name": name},
            "spec": {
                "failurePolicy": "Fail",
                "matchConstraints": {"resourceRules": all},
                "matchConditions": [{"name": "our-account", "expression": account}],
                "validations": [{"expression": rule, "message": "build resources write only in namespaces of their own"}],
            },
        }),
        json!({
            "apiVersion": version, "kind": "ValidatingAdmissionPolicyBinding", "metadata": {"name": name},
            "spec": {"policyName": name, "validationActions": ["Deny"]},
        }),
    ]
}
