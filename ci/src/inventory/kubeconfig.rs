//! The kubeconfig of a job.
//!
//! Decides: its clusters, users and contexts. Must not: name any identity of ours. Input: what was granted.

use serde_json::{Map, Value, json};

use super::{Handover, context, inherited};
use crate::drive::Granted;

/// One context, user and cluster a node; the first node's context is the current one.
pub fn kubeconfig(handover: &Handover<'_>) -> Value {
    let mut clusters = Vec::new();
    let mut users = Vec::new();
    let mut contexts = Vec::new();
    let own = handover.granted.iter().map(|granted| (context(&granted.node.name), granted));
    for (name, granted) in own.chain(inherited::contexts(handover.inherited)) {
        let mut cluster = Map::from_iter([("server".to_owned(), json!(granted.address.server))]);
        if let Some(authority) = &granted.address.authority {
            cluster.insert("certificate-authority-data".to_owned(), json!(authority));
        }
        if let Some(name) = &granted.address.tls_server_name {
            cluster.insert("tls-server-name".to_owned(), json!(name));
        }
        clusters.push(json!({"name": name, "cluster": cluster}));
        users.push(json!({"name": name, "user": user(handover, &name, granted)}));
        let bound = json!({"cluster": name, "user": name, "namespace": granted.node.namespace});
        contexts.push(json!({"name": name, "context": bound}));
    }
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": clusters,
        "users": users,
        "contexts": contexts,
        "current-context": handover.granted.first().map(|granted| context(&granted.node.name)),
    })
}

/// A token, or how one is had. The contexts of parents begin with the name of their build.
fn user(handover: &Handover<'_>, context: &str, granted: &Granted) -> Value {
    let Some(plugin) = &handover.plugin else { return json!({"token": granted.token}) };
    let own = handover.record.body.request.build.as_str();
    let build = context.rsplit_once('/').map_or(own, |(parent, _)| parent);
    let mut arguments = plugin.arguments.clone();
    arguments.extend(["token", build, granted.node.name.as_str()].map(str::to_owned));
    json!({"exec": {
        "apiVersion": "client.authentication.k8s.io/v1",
        "command": plugin.program,
        "args": arguments,
        "interactiveMode": "Never",
        "provideClusterInfo": false,
    }})
}
