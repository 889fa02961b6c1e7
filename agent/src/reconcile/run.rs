//! The loop: when a pass runs, and how the loop stops. What a pass does is not known here.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::pace::{Pace, Wake};
use super::parts::Parts;
use super::pass::once;
use crate::apply::{HostLock, PassReport, PayloadSource};
use crate::desired::{DesiredSource, Latest};
use crate::error::Class;
use crate::host::Host;

/// How long a pass may go on after a stop was asked for. A transaction that runs by then is left to the host, which
/// finishes it by itself; its intent is open and the next start settles it.
pub const GRACE: Duration = Duration::from_secs(8);

/// When passes run and who is told.
pub struct Schedule<'a> {
    /// The pace.
    pub pace: Pace,
    /// Where the jitter of this node starts; another on each node.
    pub seed: u64,
    /// Ends the loop.
    pub stop: CancellationToken,
    /// How long a pass may go on after that; [`GRACE`] on a host.
    pub grace: Duration,
    /// Is told how each pass ended and how long the pause is.
    pub passed: &'a (dyn Fn(PassReport, Duration) + Send + Sync),
}

/// What is done after each pass with what it found: the way from a staged deployment to a booted one.
pub trait AfterPass: Send {
    /// Takes one step, or none; returns in short time. The next pass comes after what it returns, or earlier.
    fn after(&mut self, report: &PassReport) -> impl Future<Output = Option<Duration>> + Send;
}

/// Nothing is done after a pass.
#[derive(Debug, Clone, Copy)]
pub struct Nothing;

impl AfterPass for Nothing {
    async fn after(&mut self, _report: &PassReport) -> Option<Duration> {
        None
    }
}

/// Runs passes until it is told to stop.
pub async fn run<H: Host, S: PayloadSource>(
    parts: &Parts<'_, H, S>,
    lock: &HostLock,
    source: &impl DesiredSource,
    schedule: &Schedule<'_>,
    next: &mut impl AfterPass,
) {
    let mut wish = source.watch();
    let (mut host, mut around) = (parts.host.changes(), source.stirred());
    let (mut attempt, mut passes) = (1_u32, 0_u64);
    while !schedule.stop.is_cancelled() {
        let wanted = wish.borrow_and_update().clone();
        host.borrow_and_update();
        around.borrow_and_update();
        let Some(report) = finish(once(parts, lock, &wanted), schedule).await else { return };
        let class = report.problem().map(|problem| problem.class);
        passes = passes.wrapping_add(1);
        let pause = schedule.pace.pause(class, attempt, schedule.seed.wrapping_add(passes));
        let Some(sooner) = finish(next.after(&report), schedule).await else { return };
        let pause = sooner.map_or(pause, |sooner| sooner.min(pause));
        (schedule.passed)(report, pause);
        attempt = if class.is_some() { attempt.saturating_add(1) } else { 1 };
        tokio::select! {
            // Cancel-safe: the token remembers that it was cancelled.
            () = schedule.stop.cancelled() => return,
            // Cancel-safe: the timer holds nothing but a time.
            () = sleep(pause) => {}
            // Cancel-safe: a version that was not looked at is still unseen.
            wake = next_wake(&mut wish, &mut host, &mut around, class) => {
                if wake == Wake::Wish {
                    attempt = 1;
                }
                if !settle(&mut wish, schedule).await {
                    return;
                }
            }
        }
    }
}

/// What the work comes to; none when a stop was asked for and the work took longer than the grace.
async fn finish<T>(pass: impl Future<Output = T>, schedule: &Schedule<'_>) -> Option<T> {
    tokio::pin!(pass);
    tokio::select! {
        // Cancel-safe: the pass is pinned outside and goes on below.
        report = &mut pass => return Some(report),
        // Cancel-safe: the token remembers that it was cancelled.
        () = schedule.stop.cancelled() => {}
    }
    timeout(schedule.grace, pass).await.ok()
}

/// The next wake-up that may cut the pause short. A channel whose sender is gone wakes nobody any more.
async fn next_wake(
    wish: &mut watch::Receiver<Latest>,
    host: &mut watch::Receiver<u64>,
    around: &mut watch::Receiver<u64>,
    class: Option<Class>,
) -> Wake {
    let changed = async {
        if wish.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let moved = async {
        if !Pace::cuts_short(Wake::Host, class) || host.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let stirred = async {
        if around.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    tokio::select! {
        // Cancel-safe: all only wait for a version that was not seen.
        () = changed => Wake::Wish,
        () = moved => Wake::Host,
        () = stirred => Wake::Around,
    }
}

/// Waits until the wish has stayed the same for the dwell time, so that the last value of many wins; not for ever.
/// False when a stop was asked for.
async fn settle(wish: &mut watch::Receiver<Latest>, schedule: &Schedule<'_>) -> bool {
    let quiet = async {
        loop {
            match timeout(schedule.pace.dwell, wish.changed()).await {
                Ok(Ok(())) => {}
                // The dwell has passed, or nobody is left to change it.
                Ok(Err(_)) | Err(_) => return,
            }
        }
    };
    tokio::select! {
        // Cancel-safe: the newest value is read anew before each pass.
        _ = timeout(schedule.pace.patience(), quiet) => true,
        // Cancel-safe: the token remembers that it was cancelled.
        () = schedule.stop.cancelled() => false,
    }
}
