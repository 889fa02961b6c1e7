//! What a cluster wants of this node, kept current by watches that cost one request in an hour.
//!
//! Decides: which objects say it, and whether what the API server shows may be believed. Must not: write to the
//! cluster, or hold a secret: of a MachineConfig only the fields that the agent acts on are kept. Input: the API server,
//! and what was kept of it in the state directory.
//!
//! ```text
//!  Node ──────────────► follow ─┐                     ┌─► the wish        (and desired.json)
//!  MachineConfigPools ► follow ─┼─► picture ─► seen? ─┼─► the Node
//!  MachineConfigs ────► follow ─┘        stale: wait  └─► health
//! ```
//!
//! Whatever happens to the API server, a wish that was once good stays in force, also over a restart: an agent that
//! cannot ask removes nothing.

mod fetch;
mod follow;
mod kept;
mod line;
mod mind;
mod pause;
mod picture;
mod request;
mod seen;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::{DesiredError, DesiredSource, Latest, NodeView};
use crate::cluster::Connection;
use crate::settings::Source;
use kept::Kept;
use mind::{Mind, Told};

pub use kept::{DESIRED, kept};

/// How long a start waits for the first word of the cluster, before it goes on with what was kept.
const FIRST: Duration = Duration::from_secs(5);

/// Why the cluster cannot be known at the moment; none while it can. The wish is then the last good one.
pub type Health = Option<Arc<DesiredError>>;

/// How the cluster is asked.
#[derive(Debug, Clone)]
pub struct SourceOptions {
    /// Who joins the MachineConfigs.
    pub source: Source,
    /// Where the last good wish is kept.
    pub state_directory: PathBuf,
}

/// The cluster, followed until the source is dropped.
#[derive(Debug)]
pub struct ClusterSource {
    latest: watch::Receiver<Latest>,
    node: watch::Receiver<Option<NodeView>>,
    health: watch::Receiver<Health>,
    stirred: watch::Receiver<u64>,
    // Ends the following when the source goes.
    _task: AbortOnDropHandle<()>,
}

impl ClusterSource {
    /// Starts to follow the cluster. Returns when it has first said something, or after five seconds in any case: a host
    /// boots without the API server. Needs a tokio runtime.
    pub async fn start(connection: &Connection, options: SourceOptions) -> Self {
        let kept = Kept::new(options.state_directory);
        let last = kept.desired().ok_or_else(|| Arc::new(DesiredError::NotAskedYet));
        let (latest, latest_told) = watch::channel(last);
        let (node, node_told) = watch::channel(None);
        let (health, health_told) = watch::channel(None);
        let (stirred, stirred_told) = watch::channel(0);
        let (first, said) = oneshot::channel();
        let told = Told { latest, node, health, stirred, first: Some(first) };
        let (client, name) = (connection.client.clone(), connection.node.clone());
        let (mind, heard) = Mind::new(client, name, options.source, kept, told);
        let task = AbortOnDropHandle::new(tokio::spawn(mind.run(heard)));
        if timeout(FIRST, said).await.is_err() {
            tracing::warn!("the API server has not answered yet; going on with what it last wanted");
        }
        Self { latest: latest_told, node: node_told, health: health_told, stirred: stirred_told, _task: task }
    }

    /// The Node; none until it was seen, and after it was deleted.
    pub fn node(&self) -> watch::Receiver<Option<NodeView>> {
        self.node.clone()
    }

    /// Why the cluster cannot be known at the moment.
    pub fn health(&self) -> watch::Receiver<Health> {
        self.health.clone()
    }
}

impl DesiredSource for ClusterSource {
    fn watch(&self) -> watch::Receiver<Latest> {
        self.latest.clone()
    }

    fn stirred(&self) -> watch::Receiver<u64> {
        self.stirred.clone()
    }
}
