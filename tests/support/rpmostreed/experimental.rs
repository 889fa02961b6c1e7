//! `org.projectatomic.rpmostree1.OSExperimental`: on the same objects as OS, as good as unused.

use std::collections::HashMap;
use std::sync::Arc;

use zbus::{OwnedVariant, interface};

use super::call::Call;
use super::daemon::Daemon;
use super::engine::Job;
use super::errors::BusError;

/// The object of one stateroot.
pub struct Experimental {
    daemon: Arc<Daemon>,
}

impl Experimental {
    /// The object for `daemon`.
    pub fn new(daemon: Arc<Daemon>) -> Self {
        Self { daemon }
    }
}

#[interface(name = "org.projectatomic.rpmostree1.OSExperimental")]
impl Experimental {
    #[zbus(out_args("result"))]
    async fn moo(&self, utf8: bool) -> String {
        // The real one shows a cow; a stand-in must not be taken for it even here.
        if utf8 { "🐮 (stand-in)\n".to_owned() } else { "moo (stand-in)\n".to_owned() }
    }

    #[zbus(out_args("transaction_address"))]
    async fn live_fs(&self, options: HashMap<String, OwnedVariant>) -> Result<String, BusError> {
        drop(options);
        self.daemon.begin(Call::current(), "apply-live", Job::ApplyLive).await
    }

    async fn download_packages(&self, queries: Vec<String>, source: &str) -> Result<(), BusError> {
        let _ = (queries, source);
        Err(BusError::daemon_failed("DownloadPackages: not supported by this stand-in"))
    }
}
