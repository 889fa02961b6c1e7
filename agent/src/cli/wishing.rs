//! Where the daemon's wish comes from, and what it knows of the world around the host by that way.

use std::path::PathBuf;
use std::time::Duration;

use tokio::sync::watch;

use crate::apply::Problem;
use crate::cluster::Connection;
use crate::desired::{ClusterSource, DesiredSource, FileSource, Health, Latest, NodeView, SourceOptions};
use crate::owner::{self, Owner};
use crate::settings::{Mode, Settings};

/// How long files must have been quiet before they are read; the pace of passes has a dwell of its own.
const QUIET: Duration = Duration::from_millis(100);

/// Where the wish comes from.
pub(super) enum Wishing {
    /// A directory.
    Files(FileSource),
    /// A cluster.
    Cluster(ClusterSource),
}

impl Wishing {
    /// Starts to watch the cluster, where there is one, else the files.
    pub(super) async fn start(settings: &Settings, connection: Option<&Connection>) -> Self {
        let Some(connection) = connection else {
            let directory = &settings.machine_config.directory;
            tracing::info!(directory = %directory.display(), "watching MachineConfigs");
            return Wishing::Files(FileSource::start(directory.clone(), QUIET).await);
        };
        tracing::info!(node = connection.node, "watching the cluster");
        let (source, state_directory) = (settings.cluster.source, settings.state.directory.clone());
        Wishing::Cluster(ClusterSource::start(connection, SourceOptions { source, state_directory }).await)
    }

    /// What the Node says, where it is watched.
    pub(super) fn node(&self) -> Option<watch::Receiver<Option<NodeView>>> {
        match self {
            Wishing::Files(_) => None,
            Wishing::Cluster(source) => Some(source.node()),
        }
    }

    /// What is known of the world around the host.
    pub(super) fn around(&self, settings: &Settings) -> Around {
        let around = Around::the_host(settings);
        match self {
            Wishing::Files(_) => around,
            Wishing::Cluster(source) => {
                Around { node: Some(source.node()), health: Some(source.health()), ..around }
            }
        }
    }

    fn source(&self) -> &dyn DesiredSource {
        match self {
            Wishing::Files(source) => source,
            Wishing::Cluster(source) => source,
        }
    }
}

impl DesiredSource for Wishing {
    fn watch(&self) -> watch::Receiver<Latest> {
        self.source().watch()
    }

    fn stirred(&self) -> watch::Receiver<u64> {
        self.source().stirred()
    }
}

/// What is known of the world around the host.
pub(super) struct Around {
    mode: Mode,
    root: PathBuf,
    node: Option<watch::Receiver<Option<NodeView>>>,
    health: Option<watch::Receiver<Health>>,
}

impl Around {
    /// What the host itself says, for a command that asks no cluster.
    pub(super) fn the_host(settings: &Settings) -> Self {
        Self { mode: settings.host.mode, root: settings.host.sysroot.clone(), node: None, health: None }
    }

    /// Who owns the extensions of the host, where it is not the agent.
    pub(super) fn owner(&self) -> Option<Owner> {
        let node = self.node.as_ref().and_then(|node| node.borrow().clone());
        owner::judge(self.mode, &owner::gather(&self.root, node.as_ref()))
    }

    /// Why the cluster cannot be asked at the moment.
    pub(super) fn problem(&self) -> Option<Problem> {
        let health = self.health.as_ref()?.borrow().clone();
        health.map(|error| Problem::of(&*error))
    }
}
