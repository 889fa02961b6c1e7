//! The controller: what has to be done without anybody asking, once or for ever.
//!
//! Decides: in which order it is done. Must not: hold state that is not in the cluster: it may be killed anywhere, and
//! several may run. Input: a configuration.

mod adopt;
mod due;
mod event;
mod log;
mod once;
mod reload;
mod run;
mod shard;
mod stock;
mod view;
mod views;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{error, info};

pub use event::{News, tell};
pub use log::{Form, LOG_ENV, init as init_log};
pub use once::{Outcome, once};
pub use reload::ConfigFile;
pub use run::run;

use crate::config::Config;
use crate::drive::{Clusters, Desk};
use crate::metrics::{self, Metrics};

/// What a controller that keeps running needs.
pub struct Controller {
    /// The configuration's file.
    pub file: ConfigFile,
    /// What stands in it.
    pub config: Config,
    /// Its clusters.
    pub clusters: Clusters,
    /// The kubeconfig, for later configurations.
    pub kubeconfig: Option<PathBuf>,
    /// Under which name it holds Leases.
    pub me: String,
    /// Tells the time.
    pub clock: fn() -> Timestamp,
    /// Where metrics are served.
    pub listener: Option<TcpListener>,
}

impl Controller {
    /// Works until `stop`, and takes up each new configuration on the way.
    pub async fn work(mut self, stop: &CancellationToken) {
        let metrics = Arc::new(Metrics::new());
        let served = self
            .listener
            .take()
            .map(|listener| tokio::spawn(metrics::serve(listener, Arc::clone(&metrics), stop.child_token())));
        while let Some((config, clusters)) = self.until_changed(&metrics, stop).await {
            (self.config, self.clusters) = (config, clusters);
        }
        if let Some(served) = served {
            match served.await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => error!(error = error.to_string(), "metrics are not served any more"),
                Err(error) => error!(error = error.to_string(), "metrics are not served any more"),
            }
        }
        info!("ended");
    }

    /// Works with one configuration; returns the next, none at the end.
    async fn until_changed(
        &mut self,
        metrics: &Metrics,
        stop: &CancellationToken,
    ) -> Option<(Config, Clusters)> {
        let desk = Desk::new(&self.config, &self.clusters, self.me.clone(), self.clock, Duration::ZERO);
        let here = stop.child_token();
        let mut running = pin!(run(&desk, metrics, &here));
        let changed = self.file.changed(&self.config, self.kubeconfig.as_deref(), metrics);
        let next = tokio::select! {
            () = &mut running => return None,
            next = changed => next,
        };
        // What is under way ends first: nothing is done with two configurations.
        here.cancel();
        running.await;
        Some(next)
    }
}

/// Cancels `stop` at SIGTERM or SIGINT.
///
/// # Errors
/// When the system refuses a handler.
pub fn stop_at_signals(stop: CancellationToken) -> std::io::Result<()> {
    let (mut term, mut int) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
        stop.cancel();
    });
    Ok(())
}
