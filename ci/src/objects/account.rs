//! As whom the job acts, and what it may do: no more than its label means, and only in its own namespace.
//!
//! Decides: the rights of a job. Must not: grant anything outside the namespace. Input: a place.

use k8s_openapi::api::core::v1::ServiceAccount;
use k8s_openapi::api::rbac::v1::{PolicyRule, Role, RoleBinding, RoleRef, Subject};

use super::Place;
use super::owner::metadata;
use crate::config::Kind;

/// The name of the account, the role and the binding.
pub const ACCOUNT: &str = "job";

/// Groups, resources, verbs.
type Right = (&'static str, &'static [&'static str], &'static [&'static str]);

/// What the job may do with the pods of its namespace; there is one.
pub const POD_RIGHTS: &[Right] = &[("", &["pods"], &["get", "list", "watch"])];
/// What the job may do with the one pod that it was given, by name. Exec over a websocket begins with a GET, and is checked
/// for `create` as well from Kubernetes 1.35 on.
pub const OBJECT_RIGHTS: &[Right] = &[
    ("", &["pods/log"], &["get"]),
    ("", &["pods/exec", "pods/attach", "pods/portforward"], &["get", "create"]),
];

const ALL: &[&str] = &["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/// What the job may do in a namespace that it was given.
pub const SPACE_RIGHTS: &[Right] = &[
    ("", &["pods", "services", "configmaps", "secrets", "serviceaccounts", "persistentvolumeclaims"], ALL),
    ("", &["pods/log", "events", "endpoints"], &["get", "list", "watch"]),
    ("", &["pods/exec", "pods/attach", "pods/portforward"], &["get", "create"]),
    ("", &["serviceaccounts/token"], &["create"]),
    ("apps", &["deployments", "statefulsets", "daemonsets", "replicasets"], ALL),
    ("batch", &["jobs", "cronjobs"], ALL),
];

/// The account. It has no token of its own; each one that is handed out expires.
pub(super) fn account(place: &Place<'_>) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(place, ACCOUNT, Some(place.namespace)),
        automount_service_account_token: Some(false),
        ..ServiceAccount::default()
    }
}

/// What the job may do.
pub(super) fn role(place: &Place<'_>) -> Role {
    let rules = match place.label.kind {
        Kind::Pod => {
            let own = Some(super::pod::name(place));
            let mut rules = rules(POD_RIGHTS, None);
            rules.extend(self::rules(OBJECT_RIGHTS, own));
            rules
        }
        Kind::Namespace | Kind::Project => rules(SPACE_RIGHTS, None),
    };
    Role { metadata: metadata(place, ACCOUNT, Some(place.namespace)), rules: Some(rules) }
}

fn rules(rights: &[Right], name: Option<String>) -> Vec<PolicyRule> {
    let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    rights
        .iter()
        .map(|(group, resources, verbs)| PolicyRule {
            api_groups: Some(owned(&[group])),
            resources: Some(owned(resources)),
            verbs: owned(verbs),
            resource_names: name.clone().map(|name| vec![name]),
            ..PolicyRule::default()
        })
        .collect()
}

/// That it may.
pub(super) fn binding(place: &Place<'_>) -> RoleBinding {
    RoleBinding {
        metadata: metadata(place, ACCOUNT, Some(place.namespace)),
        role_ref: RoleRef {
            api_group: Some("rbac.authorization.k8s.io".to_owned()),
            kind: "Role".to_owned(),
            name: ACCOUNT.to_owned(),
        },
        subjects: Some(vec![Subject {
            kind: "ServiceAccount".to_owned(),
            name: ACCOUNT.to_owned(),
            namespace: Some(place.namespace.to_owned()),
            ..Subject::default()
        }]),
    }
}
