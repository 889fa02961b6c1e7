//! rpm-ostreed on the bus.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use extensions_manifest::Base;
use tokio::sync::watch;

use super::{Deployment, Host, HostError, LayerRequest, Observed, Outcome, Progress};

/// Where the host is.
#[derive(Debug, Clone)]
pub struct HostSettings {
    /// The address of the bus; none means the system bus.
    pub bus: Option<String>,
    /// The root of the sysroot; `/` on a host.
    pub sysroot: PathBuf,
}

/// The host as rpm-ostreed shows it.
#[derive(Debug)]
pub struct RpmOstree {
    _settings: HostSettings,
    changes: watch::Sender<u64>,
}

impl RpmOstree {
    /// Connects to the bus. rpm-ostreed itself is reached at the first call: it is started on demand and may come and go.
    ///
    /// # Errors
    /// [`HostError::Bus`] when the bus cannot be reached.
    pub async fn connect(settings: HostSettings) -> Result<Self, HostError> {
        Ok(Self { _settings: settings, changes: watch::Sender::new(0) })
    }
}

fn not_yet() -> HostError {
    HostError::Daemon { operation: "asking rpm-ostreed", problem: "not yet".to_owned() }
}

impl Host for RpmOstree {
    async fn observe(&self) -> Result<Observed, HostError> {
        Err(not_yet())
    }

    async fn base(&self, _deployment: &Deployment, _paths: &BTreeSet<String>) -> Result<Base, HostError> {
        Err(not_yet())
    }

    async fn layer(
        &self,
        _request: LayerRequest,
        _progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Outcome, HostError> {
        Err(not_yet())
    }

    async fn wait_idle(&self, _limit: Duration) -> Result<(), HostError> {
        Err(not_yet())
    }

    async fn descriptors_per_call(&self) -> Result<usize, HostError> {
        Err(not_yet())
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
