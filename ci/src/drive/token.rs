//! The credentials of a job: asked for when they are handed out, stored nowhere, and gone with what they are for.
//!
//! Decides: how long a token lives and what it is bound to. Must not: show a token. Input: a made record.

use std::fmt;

use futures_util::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Pod, ServiceAccount};
use kube::Api;
use kube::api::PostParams;

use super::project::Projects;
use super::{Beside, Desk, Node, Registry, Stop, entrance};
use crate::cluster::{Address, Cluster, ClusterError, Layout};
use crate::config::{Kind, Name};
use crate::state::{Phase, Record};

/// The API grants no token for less.
const SHORTEST: i64 = 600;
/// The longest that a token is good for which can be had again.
const LONGEST: i64 = 3600;
/// How many tokens of one request are asked for at a time.
const AT_ONCE: usize = 8;

/// Which token is wanted.
pub(super) struct Wanted<'a> {
    /// Of which account.
    pub(super) account: &'a str,
    /// What it ends with.
    pub(super) bound: Option<BoundObjectReference>,
    /// For how long.
    pub(super) seconds: i64,
}

/// What a job gets for one node.
#[derive(Clone)]
pub struct Granted {
    /// The node.
    pub node: Node,
    /// The cluster.
    pub address: Address,
    /// The secret.
    pub token: String,
    /// When the secret is worth nothing any more.
    pub expires: Timestamp,
    /// The registry that the node may use.
    pub registry: Option<Registry>,
    /// What stands beside it, where it is handed over.
    pub beside: Beside,
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
        not_held(record)?;
        let (cluster, left) = (self.cluster(record)?, self.left(record.body.until));
        let nodes = self.nodes(record)?;
        let all = stream::iter(&nodes).map(|node| async move {
            let granted = self.grant(cluster, node, left).await?;
            let address = entrance::address(cluster, node).await?;
            let beside = Beside { address, ..Beside::read(cluster, node).await? };
            Ok(Granted { beside, ..granted })
        });
        let all = all.buffered(AT_ONCE);
        all.try_collect().await
    }

    /// A new token of one node of a ready build. It lasts as long as the lease does, within an hour: whoever asks again while
    /// the lease is renewed gets another.
    ///
    /// # Errors
    /// When there is no such build or node, it is not ready any more, or the cluster refuses or is away.
    pub async fn token(&self, build: &str, node: &Name) -> Result<Granted, Stop> {
        let record = self.find(build).await?;
        if record.body.phase != Phase::Ready || record.lapsed((self.clock)()) {
            return Err(Stop::NotReady { build: build.to_owned(), phase: record.body.phase });
        }
        not_held(&record)?;
        let nodes = self.nodes(&record)?;
        let found = nodes.iter().find(|one| one.name == *node);
        let found = found.ok_or_else(|| Stop::NoNode { build: build.to_owned(), node: node.to_string() })?;
        self.grant(self.cluster(&record)?, found, self.left(record.lapses()).min(LONGEST)).await
    }

    /// How many seconds are left until then.
    pub(super) fn left(&self, until: Timestamp) -> i64 {
        until.duration_since((self.clock)()).as_secs()
    }

    /// New credentials for one node: for a pod bound to that very pod, and for no longer than `seconds`.
    pub(super) async fn grant(&self, cluster: &Cluster, node: &Node, seconds: i64) -> Result<Granted, Stop> {
        let bound = match node.kind {
            Kind::Pod => Some(bound_to(cluster, node).await?),
            Kind::Namespace | Kind::Project => None, // the account goes with the namespace, and the token with it
        };
        self.token_for(cluster, node, Wanted { account: &node.account, bound, seconds }).await
    }

    /// A token for the node's namespace.
    pub(super) async fn token_for(
        &self,
        cluster: &Cluster,
        node: &Node,
        wanted: Wanted<'_>,
    ) -> Result<Granted, Stop> {
        let Wanted { account, bound, seconds } = wanted;
        let wanted = TokenRequest {
            spec: Some(TokenRequestSpec {
                audiences: Some(Vec::new()),
                expiration_seconds: Some(seconds.max(SHORTEST)),
                bound_object_ref: bound,
                ..TokenRequestSpec::default()
            }),
            ..TokenRequest::default()
        };
        let accounts: Api<ServiceAccount> = Api::namespaced(cluster.client.clone(), &node.namespace);
        let operation = || format!("create serviceaccounts/{account}/token");
        let made = accounts
            .create_token_request(account, &PostParams::default(), &wanted)
            .await
            .map_err(|error| ClusterError::of(operation(), &error))?;
        let answer = made.status.and_then(|status| status.token.zip(status.expiration_timestamp));
        let (token, expires) = answer.ok_or_else(|| ClusterError::Away {
            operation: operation(),
            problem: "the answer has no token".to_owned(),
        })?;
        let registry = match &cluster.layout {
            Layout::Projects { registry: true } => Projects { cluster }.registry(&node.namespace).await?,
            Layout::Projects { registry: false } | Layout::Namespaces | Layout::Shared(_) => None,
        };
        Ok(Granted {
            node: node.clone(),
            address: cluster.address.clone(),
            token,
            expires: expires.0,
            registry,
            beside: Beside::default(),
        })
    }
}

/// The job's credentials are over once people hold its build.
fn not_held(record: &Record) -> Result<(), Stop> {
    match &record.body.held {
        None => Ok(()),
        Some(held) => Err(Stop::Held {
            build: record.body.request.build.clone(),
            by: held.by.clone(),
            reason: held.reason.clone(),
            until: held.until,
        }),
    }
}

/// The very pod, not a namesake.
async fn bound_to(cluster: &Cluster, node: &Node) -> Result<BoundObjectReference, Stop> {
    let pods: Api<Pod> = Api::namespaced(cluster.client.clone(), &node.namespace);
    let pod = pods.get_metadata(&node.pod).await;
    let pod = pod.map_err(|error| ClusterError::of(format!("get pods/{}", node.pod), &error))?;
    Ok(BoundObjectReference {
        api_version: Some("v1".to_owned()),
        kind: Some("Pod".to_owned()),
        name: pod.metadata.name,
        uid: pod.metadata.uid,
    })
}
