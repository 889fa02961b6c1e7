//! `fleet`: which extensions the nodes of a cluster have, at which version, and which nodes are stuck and why.
//!
//! Decides: how many nodes are summed up to a few lines. Must not: change anything in the cluster. Input: the
//! `NodeExtensions` of all nodes, read with the rights of whoever runs the command.

mod count;
mod read;
mod text;

pub(super) use count::Fleet;

use self::read::{FleetNode, nodes};
use super::args::FleetArgs;
use super::context::Context;
use super::forecast::{ForecastAnswer, Question, forecast};
use super::stop::Stop;
use crate::cluster;
use crate::plan::ForecastNode;

/// The fleet in short.
///
/// # Errors
/// When the API server cannot be asked.
pub(super) async fn fleet(args: &FleetArgs) -> Result<Fleet, Stop> {
    let client = cluster::person(args.kubeconfig.as_deref()).await?;
    let found = nodes(client, args.pool.as_deref()).await?;
    Ok(Fleet::of(&found))
}

/// How an upgrade to the payload `next` would go for the fleet.
///
/// # Errors
/// When the API server cannot be asked, or the payload or the observed host cannot be had.
pub(super) async fn next(context: &Context, args: &FleetArgs, next: &str) -> Result<ForecastAnswer, Stop> {
    let client = cluster::person(args.kubeconfig.as_deref()).await?;
    let found = nodes(client, args.pool.as_deref()).await?;
    let mut unknown = found.silent;
    let mut asked = Vec::new();
    for (name, node) in found.nodes {
        match wanted(&name, &node) {
            Some(node) => asked.push(node),
            None => unknown.push(name),
        }
    }
    if !unknown.is_empty() {
        tracing::warn!(
            nodes = unknown.join(", "),
            "these nodes have not said yet what they are: nothing is known of them"
        );
    }
    let question =
        Question { payload: next, observed: args.observed.as_deref(), detailed: args.detailed_exitcode };
    forecast(context, &asked, question).await
}

/// What a node wants, where it has said what it is.
fn wanted(name: &str, node: &FleetNode) -> Option<ForecastNode> {
    let wanted = node.extensions.iter().filter(|extension| extension.desired);
    Some(ForecastNode {
        name: name.to_owned(),
        pool: node.pool.clone(),
        arch: node.arch.clone()?,
        kernel_type: node.kernel_type.unwrap_or_default(),
        extensions: wanted.map(|extension| extension.name.parse()).collect::<Result<_, _>>().ok()?,
    })
}
