//! The credentials of a job: asked for when they are handed out, stored nowhere, and gone with what they are for.
//!
//! Decides: how long a token lives and what it is bound to. Must not: show a token. Input: a made record.

use std::fmt;

use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::Api;
use kube::api::PostParams;

use super::{Desk, Node, Stop};
use crate::cluster::{Address, ClusterError};
use crate::config::Kind;
use crate::objects::ACCOUNT;
use crate::state::Record;

/// The API grants no token for less.
const SHORTEST: i64 = 600;

/// What a job gets for one node.
#[derive(Clone)]
pub struct Granted {
    /// The node.
    pub node: Node,
    /// The cluster.
    pub address: Address,
    /// The secret.
    pub token: String,
}

impl fmt::Debug for Granted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Granted").field("node", &self.node).finish_non_exhaustive()
    }
}

impl Desk<'_> {
    /// New credentials for every node of a record.
    ///
    /// # Errors
    /// When the cluster refuses or is away.
    pub async fn grant_all(&self, record: &Record) -> Result<Vec<Granted>, Stop> {
        let mut all = Vec::new();
        for node in self.nodes(record)? {
            all.push(self.grant(record, &node).await?);
        }
        Ok(all)
    }

    /// New credentials for one node: for a pod bound to that very pod, and never beyond the end of the request.
    pub(super) async fn grant(&self, record: &Record, node: &Node) -> Result<Granted, Stop> {
        let cluster = self.cluster(record)?;
        let bound = match node.kind {
            Kind::Pod => {
                let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &node.namespace);
                let name = node.name.as_str();
                let pod = pods
                    .get(name)
                    .await
                    .map_err(|error| ClusterError::of(format!("get pods/{name}"), &error))?;
                Some(BoundObjectReference {
                    api_version: Some("v1".to_owned()),
                    kind: Some("Pod".to_owned()),
                    name: pod.metadata.name,
                    uid: pod.metadata.uid,
                })
            }
            Kind::Namespace | Kind::Project => None, // the account goes with the namespace, and the token with it
        };
        let left = record.body.until.duration_since((self.clock)()).as_secs();
        let wanted = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(Vec::new()),
                expiration_seconds: Some(left.max(SHORTEST)),
                bound_object_ref: bound,
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client.clone(), &node.namespace);
        let operation = || format!("create serviceaccounts/{ACCOUNT}/token");
        let made = accounts
            .create_token_request(ACCOUNT, &PostParams::default(), &wanted)
            .await
            .map_err(|error| ClusterError::of(operation(), &error))?;
        let token = made.status.and_then(|status| status.token).ok_or_else(|| ClusterError::Away {
            operation: operation(),
            problem: "the answer has no token".to_owned(),
        })?;
        Ok(Granted { node: node.clone(), address: cluster.address.clone(), token })
    }
}
