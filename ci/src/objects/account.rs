//! As whom the job acts, and what it may do: no more than its label means, and only in its own namespace.
//!
//! Decides: the rights of a job and of those who may look on. Must not: grant anything outside the namespace. Input: a
//! place. In a namespace of its own a job's rights are cluster roles that stand there beforehand: whoever may `bind` exactly
//! those can grant them without having them, and so this program may not exec into anything. The names of pods in a shared
//! namespace are made up for each, so there the roles are too, and their rights must be had to be granted.

use k8s_openapi::api::core::v1::{LocalObjectReference, ServiceAccount};
use k8s_openapi::api::rbac::v1::{ClusterRole, PolicyRule, Role, RoleBinding, RoleRef, Subject};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::Place;
use super::owner::metadata;
use super::rights::{self, Right};
use crate::config::Kind;

/// The name of the account and of its binding in a namespace of its own.
pub(super) const ACCOUNT: &str = "job";
/// The name of the pod there. It is always the same, so that a role that stands there beforehand can name it.
pub(super) const MACHINE: &str = "machine";
/// The Secret with which the cluster's nodes pull from the registry of a build.
pub(crate) const PULL_SECRET: &str = "registry-pull";
/// The role of whoever owns a project, which OpenShift keeps.
pub const PROJECT_ADMIN: &str = "admin";
const GROUP: &str = "rbac.authorization.k8s.io";

/// A cluster role that namespaces of their own refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Granted {
    /// To the job, for its machine.
    Pod,
    /// To the job, for the namespace that it was given.
    Namespace,
    /// To the job, for ingresses besides.
    Ingress,
    /// To people, for looking on.
    Viewer,
}

impl Granted {
    /// All of them.
    pub const ALL: &'static [Granted] =
        &[Granted::Pod, Granted::Namespace, Granted::Ingress, Granted::Viewer];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Granted::Pod => "build-resources-pod",
            Granted::Namespace => "build-resources-namespace",
            Granted::Ingress => "build-resources-ingress",
            Granted::Viewer => "build-resources-viewer",
        }
    }

    /// The whole of it.
    pub fn role(self) -> ClusterRole {
        let rules = match self {
            Granted::Pod => [rules(rights::PODS, None), rules(rights::POD, Some(MACHINE))].concat(),
            Granted::Namespace => rules(rights::NAMESPACE, None),
            Granted::Ingress => rules(rights::INGRESS, None),
            Granted::Viewer => rules(rights::VIEWER, None),
        };
        let metadata = ObjectMeta { name: Some(self.name().to_owned()), ..ObjectMeta::default() };
        ClusterRole { metadata, rules: Some(rules), ..ClusterRole::default() }
    }
}

/// The account. It has no token of its own; each one that is handed out expires.
pub(super) fn account(place: &Place<'_>) -> ServiceAccount {
    ServiceAccount {
        metadata: metadata(place, place.account(), Some(place.namespace)),
        automount_service_account_token: Some(false),
        image_pull_secrets: place
            .label
            .registry
            .is_some()
            .then(|| vec![LocalObjectReference { name: PULL_SECRET.to_owned() }]),
        ..ServiceAccount::default()
    }
}

/// What is made up for this node alone, in a shared namespace. The pods of others, and what stands in their environment, are
/// nothing that a job or its viewers may read; events name no pod that a rule could, so viewers see none.
pub(super) fn roles(place: &Place<'_>) -> Vec<Role> {
    if !place.is_shared() {
        return Vec::new();
    }
    let own = Some(place.pod());
    let role = |name: &str, rules| Role {
        metadata: metadata(place, name, Some(place.namespace)),
        rules: Some(rules),
    };
    let mut roles = vec![role(place.account(), [rules(rights::PODS, own), rules(rights::POD, own)].concat())];
    if !viewers(place).is_empty() {
        roles.push(role(&viewer_name(place), rules(rights::SHARED_VIEWER, own)));
    }
    roles
}

/// Who may what.
pub(super) fn bindings(place: &Place<'_>) -> Vec<RoleBinding> {
    let job = vec![Subject {
        kind: "ServiceAccount".to_owned(),
        name: place.account().to_owned(),
        namespace: Some(place.namespace.to_owned()),
        ..Subject::default()
    }];
    let bound = |name: &str, granted: &str, subjects: Vec<Subject>| RoleBinding {
        metadata: metadata(place, name, Some(place.namespace)),
        role_ref: RoleRef {
            api_group: Some(GROUP.to_owned()),
            kind: if place.is_shared() { "Role" } else { "ClusterRole" }.to_owned(),
            name: if place.is_shared() { name } else { granted }.to_owned(),
        },
        subjects: Some(subjects),
    };
    let mut bindings = match place.label.kind {
        Kind::Pod => vec![bound(place.account(), Granted::Pod.name(), job.clone())],
        Kind::Namespace => vec![bound(place.account(), Granted::Namespace.name(), job.clone())],
        Kind::Project => vec![bound(place.account(), PROJECT_ADMIN, job.clone())],
    };
    if place.label.ingress {
        bindings.push(bound("job-ingress", Granted::Ingress.name(), job));
    }
    let viewers = viewers(place);
    if !viewers.is_empty() {
        bindings.push(bound(&viewer_name(place), Granted::Viewer.name(), viewers));
    }
    bindings
}

fn viewer_name(place: &Place<'_>) -> String {
    if place.is_shared() { format!("{}-viewer", place.holder) } else { "viewer".to_owned() }
}

/// Who may look on: as the pool, the label and the request say.
fn viewers(place: &Place<'_>) -> Vec<Subject> {
    let mut names: Vec<&String> = Vec::new();
    for name in place.pool.viewers.iter().chain(&place.label.viewers).chain(&place.request.viewers) {
        if !names.contains(&name) {
            names.push(name);
        }
    }
    let subject = |name: &&String| Subject {
        api_group: Some(GROUP.to_owned()),
        kind: "User".to_owned(),
        name: (*name).clone(),
        namespace: None,
    };
    names.iter().map(subject).collect()
}

fn rules(rights: &[Right], name: Option<&str>) -> Vec<PolicyRule> {
    let owned = |list: &[&str]| list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>();
    rights
        .iter()
        .map(|(group, resources, verbs)| PolicyRule {
            api_groups: Some(owned(&[group])),
            resources: Some(owned(resources)),
            verbs: owned(verbs),
            resource_names: name.map(|name| vec![name.to_owned()]),
            ..PolicyRule::default()
        })
        .collect()
}
