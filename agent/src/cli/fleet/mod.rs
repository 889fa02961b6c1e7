//! `fleet`: which extensions the nodes of a cluster have, at which version, and which nodes are stuck and why.
//!
//! Decides: how many nodes are summed up to a few lines. Must not: change anything in the cluster. Input: the
//! `NodeExtensions` of all nodes, read with the rights of whoever runs the command.

mod count;
mod read;
mod text;

pub(super) use count::Fleet;
pub(super) use read::nodes;

use super::args::FleetArgs;
use super::stop::Stop;
use crate::cluster;

/// The fleet in short.
///
/// # Errors
/// When the API server cannot be asked.
pub(super) async fn fleet(args: &FleetArgs) -> Result<Fleet, Stop> {
    let client = cluster::person(args.kubeconfig.as_deref()).await?;
    let found = nodes(client, args.pool.as_deref()).await?;
    Ok(Fleet::of(&found))
}
