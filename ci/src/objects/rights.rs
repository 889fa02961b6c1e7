//! What jobs and viewers may do, as tables.
//!
//! Decides: every verb. Must not: say for whom or where. Input: none.

/// Groups, resources, verbs.
pub type Right = (&'static str, &'static [&'static str], &'static [&'static str]);

const ALL: &[&str] = &["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"];

/// What the job may do with the pods of its namespace; there is one. In a shared namespace only with its own.
pub const PODS: &[Right] = &[("", &["pods"], &["get", "list", "watch"])];

/// What the job may do with the one pod that it was given, by name. Exec over a websocket begins with a GET, and is checked
/// for `create` as well from Kubernetes 1.35 on.
pub const POD: &[Right] = &[
    ("", &["pods/log"], &["get"]),
    ("", &["pods/exec", "pods/attach", "pods/portforward"], &["get", "create"]),
];

/// What the job may do in a namespace that it was given.
pub const NAMESPACE: &[Right] = &[
    ("", &["pods", "services", "configmaps", "secrets", "serviceaccounts", "persistentvolumeclaims"], ALL),
    ("", &["pods/log", "events", "endpoints"], &["get", "list", "watch"]),
    ("", &["pods/exec", "pods/attach", "pods/portforward"], &["get", "create"]),
    ("", &["serviceaccounts/token"], &["create"]),
    ("apps", &["deployments", "statefulsets", "daemonsets", "replicasets"], ALL),
    ("batch", &["jobs", "cronjobs"], ALL),
];

/// What it may do there besides, for a label that says `ingress`.
pub const INGRESS: &[Right] = &[("networking.k8s.io", &["ingresses"], ALL)];

/// What those may do who look on. No secrets, and nothing that changes anything.
pub const VIEWER: &[Right] =
    &[("", &["pods", "events"], &["get", "list", "watch"]), ("", &["pods/log"], &["get"])];

/// The same in a shared namespace, with one pod.
pub const SHARED_VIEWER: &[Right] =
    &[("", &["pods"], &["get", "list", "watch"]), ("", &["pods/log"], &["get"])];
