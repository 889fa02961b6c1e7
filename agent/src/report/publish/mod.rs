//! Tells the cluster, beside the loop: the loop never waits for the API server.
//!
//! Decides: when to write, and when to try again. Must not: keep the loop, or write what the cluster knows already.
//! Input: what is told after each pass; the newest counts, and what came before it may be skipped.

mod pause;
mod round;
mod write;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::round::Round;
use super::resource::Told;
use crate::cluster::{ClusterError, Connection};
use crate::error::{Failure, chain};
use crate::settings::Mode;
use crate::telemetry::Metrics;

/// How long one round of requests may take.
const ROUND: Duration = Duration::from_secs(30);
/// How long the last round may take when the agent stops.
const LAST: Duration = Duration::from_secs(2);

/// How the cluster is told.
#[derive(Debug, Clone)]
pub struct Publishing {
    /// Whether the agent owns the extensions: see [`super::node`].
    pub mode: Mode,
    /// Where the jitter of this node starts; another on each node.
    pub seed: u64,
    /// Where writes and failures are counted.
    pub metrics: Arc<Metrics>,
}

/// The task that tells the cluster.
#[derive(Debug)]
pub struct Publisher {
    told: watch::Sender<Option<Arc<Told>>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Publisher {
    /// Starts it; nothing is sent before something is told.
    pub fn start(connection: Connection, publishing: Publishing) -> Self {
        let (told, receiver) = watch::channel(None);
        let stop = CancellationToken::new();
        let round = Round::new(connection, &publishing);
        let work = Work { round, told: receiver, publishing, stop: stop.clone(), turns: 0 };
        Self { told, stop, task: tokio::spawn(work.run()) }
    }

    /// Leaves `told` to be written, in place of what was not written yet. Returns at once.
    pub fn tell(&self, told: Told) {
        self.told.send_replace(Some(Arc::new(told)));
    }

    /// Writes what is left, if the API server answers in a moment, and ends. To be called when nothing is told any more:
    /// what a stop was asked for is often the news itself, the reboot.
    pub async fn finish(self) {
        self.stop.cancel();
        if timeout(LAST * 2, self.task).await.is_err() {
            tracing::warn!("the cluster was not told of the last change: no answer");
        }
    }
}

struct Work {
    round: Round,
    told: watch::Receiver<Option<Arc<Told>>>,
    publishing: Publishing,
    stop: CancellationToken,
    turns: u64,
}

impl Work {
    async fn run(mut self) {
        let stop = self.stop.clone();
        while !stop.is_cancelled() {
            let resync = pause::resync(self.seed());
            let open = tokio::select! {
                // Cancel-safe: the token remembers that it was cancelled.
                () = stop.cancelled() => break,
                // Cancel-safe: a version that was not looked at is still unseen.
                changed = self.told.changed() => changed.is_ok(),
                // Cancel-safe: the timer holds nothing but a time.
                () = sleep(resync) => {
                    self.round.look_again();
                    true
                }
            };
            self.deliver(&stop).await;
            if !open {
                return;
            }
        }
        if let Some(told) = self.unwritten()
            && let Err(error) = self.attempt(&told, LAST).await
        {
            tracing::warn!(error = %chain(&error), "the cluster was not told of the last change");
        }
    }

    /// Tries until it is written or a stop is asked for. Each try takes the newest that was told.
    async fn deliver(&mut self, stop: &CancellationToken) {
        let mut attempt = 0_u32;
        loop {
            let Some(told) = self.told.borrow_and_update().clone() else { return };
            let Err(error) = self.attempt(&told, ROUND).await else {
                if attempt > 0 {
                    tracing::info!(attempt, "the cluster is told again");
                }
                return;
            };
            attempt = attempt.saturating_add(1);
            self.publishing.metrics.reporting.failed(error.reason());
            let again = pause::after(attempt, self.seed());
            if attempt == 1 {
                tracing::warn!(error = %chain(&error), reason = error.reason().code(), "the cluster was not told; trying again");
            } else {
                tracing::debug!(error = %chain(&error), attempt, ?again, "the cluster was not told");
            }
            tokio::select! {
                // Cancel-safe: the token remembers that it was cancelled.
                () = stop.cancelled() => {
                    self.told.mark_changed();
                    return;
                }
                // Cancel-safe: the timer holds nothing but a time.
                () = sleep(again) => {}
            }
        }
    }

    /// One round, bounded. One that is cut off may have written: every write is safe to repeat.
    async fn attempt(&mut self, told: &Told, limit: Duration) -> Result<(), ClusterError> {
        timeout(limit, self.round.tell(told)).await.unwrap_or_else(|_| {
            self.round.look_again();
            Err(ClusterError::Away {
                operation: "telling the cluster".to_owned(),
                problem: format!("no answer within {} s", limit.as_secs()),
            })
        })
    }

    fn unwritten(&mut self) -> Option<Arc<Told>> {
        if self.told.has_changed().is_ok_and(|changed| changed) {
            return self.told.borrow_and_update().clone();
        }
        None
    }

    fn seed(&mut self) -> u64 {
        self.turns = self.turns.wrapping_add(1);
        self.publishing.seed.wrapping_add(self.turns)
    }
}
