//! `run`: the loop, with everybody who is told about it: metrics, status, service manager, journal, cluster.

mod audience;

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use self::audience::{Audience, announce};
use super::context::Context;
use super::parts::{Asked, OwnParts};
use super::stop::Stop;
use super::wishing::Wishing;
use crate::apply::HostLock;
use crate::cluster::{self, Connection};
use crate::desired::NodeView;
use crate::error::chain;
use crate::host::Host;
use crate::reconcile::{self, Coordinated, GRACE, Pace, Parts, Schedule};
use crate::report::publish::{Publisher, Publishing};
use crate::report::{Notifier, Status};
use crate::rollout::{self, Coordinator, Means};
use crate::settings::Settings;
use crate::telemetry::{Metrics, server};

/// What is left of a stop after the pass: reporting and closing.
const LEAVING: Duration = Duration::from_secs(5);

/// Runs until it is told to stop by SIGTERM or SIGINT.
///
/// # Errors
/// When it cannot start: no store, no bus, another agent at work.
pub(super) async fn run(context: &Context, inherited: Option<UnixListener>) -> Result<(), Stop> {
    let settings = context.settings();
    let stop = CancellationToken::new();
    let signals = stop_on_signals(&stop)?;
    let metrics = Arc::new(Metrics::new());
    if let Ok(Some(before)) = Status::read(&settings.state.directory)
        && before.problem().is_none()
    {
        metrics.succeeded_before(before.as_of);
    }
    let serving = serve(settings, inherited, Arc::clone(&metrics), &stop);
    let serving_tcp = serve_tcp(settings, Arc::clone(&metrics), &stop);
    let notifier = Notifier::from_environment();
    notifier.status("starting");
    let parts = OwnParts::open(context).await?;
    let lock = parts.state.lock()?;
    let connection = cluster::connect(&settings.cluster)?;
    let wishing = Wishing::start(settings, connection.as_ref()).await;
    let asked = Asked::from(wishing.around(settings));

    let watcher = |step| announce(&notifier, step);
    let lent = parts.lent(settings, &asked, &watcher);
    let seed = u64::from_le_bytes(seed());
    let publisher = connection.as_ref().map(|connection| publisher(connection, settings, &metrics, seed));
    let mut next = rollout(settings, &lent, &lock, (connection, wishing.node()))?;
    let audience = Audience {
        settings,
        metrics: &metrics,
        notifier: &notifier,
        publisher: publisher.as_ref(),
        node: wishing.node(),
        rollout: next.coordinator.status(),
        reboots: next.coordinator.reboots(),
    };
    let passed = |report, pause| audience.tell(report, pause);
    let schedule = Schedule {
        pace: Pace::from(&settings.reconcile),
        seed,
        stop: stop.clone(),
        grace: GRACE,
        passed: &passed,
    };
    notifier.ready();
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "ready");
    watched(&notifier, &stop, reconcile::run(&lent, &lock, &wishing, &schedule, &mut next)).await;

    stop.cancel();
    if let Some(publisher) = publisher {
        publisher.finish().await;
    }
    for task in [Some(signals), serving, serving_tcp].into_iter().flatten() {
        // They end with the token; a task that does not is ended with the process.
        let _ = tokio::time::timeout(LEAVING, task).await;
    }
    tracing::info!("stopped");
    notifier.stopped();
    Ok(())
}

/// The roll-out with the parts of the passes before it.
fn rollout<'a, H: Host, S>(
    settings: &'a Settings,
    parts: &Parts<'a, H, S>,
    lock: &'a HostLock,
    (connection, node): (Option<Connection>, Option<watch::Receiver<Option<NodeView>>>),
) -> Result<Coordinated<'a, H>, Stop> {
    let means = Means {
        host: parts.host,
        state: parts.state,
        lock,
        directory: &settings.state.directory,
        sysroot: &settings.host.sysroot,
        settings: &settings.rollout,
        windows: rollout::windows(&settings.rollout)?,
        connection,
        node,
        nonce: parts.nonce,
    };
    Ok(Coordinated { coordinator: Coordinator::new(means, parts.clock.now())?, clock: parts.clock })
}

/// Drives the loop and, from the same task, the watchdog: a loop that blocks takes the watchdog with it.
async fn watched(notifier: &Notifier, stop: &CancellationToken, work: impl Future<Output = ()>) {
    let mut ticks = interval(notifier.alive_every().unwrap_or(Duration::from_secs(3600)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    tokio::pin!(work);
    let mut told = false;
    loop {
        tokio::select! {
            // Cancel-safe: the work is pinned outside and goes on in the next round.
            () = &mut work => return,
            // Cancel-safe: a tick that is lost comes again.
            _ = ticks.tick() => notifier.alive(),
            // Cancel-safe: the token remembers that it was cancelled.
            () = stop.cancelled(), if !told => {
                told = true;
                notifier.stopping(GRACE + LEAVING);
            }
        }
    }
}

fn stop_on_signals(stop: &CancellationToken) -> Result<JoinHandle<()>, Stop> {
    let mut terminate = signal(SignalKind::terminate()).map_err(Stop::internal)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(Stop::internal)?;
    let stop = stop.clone();
    Ok(tokio::spawn(async move {
        // Cancel-safe, all three: the first one ends the wait, and the others are not needed any more.
        let signal = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
            () = stop.cancelled() => return,
        };
        tracing::info!(signal, "stopping");
        stop.cancel();
    }))
}

/// Serves metrics beside the loop. An agent that nobody can scrape still does its work.
fn serve(
    settings: &Settings,
    inherited: Option<UnixListener>,
    metrics: Arc<Metrics>,
    stop: &CancellationToken,
) -> Option<JoinHandle<()>> {
    let listener = match inherited.map_or_else(|| server::listen(&settings.metrics.socket), Ok) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(error = %chain(&error), "metrics are not served");
            return None;
        }
    };
    let stop = stop.clone();
    Some(tokio::spawn(async move {
        if let Err(error) = server::serve(listener, metrics, stop).await {
            tracing::error!(%error, "metrics are not served any more");
        }
    }))
}

/// Serves metrics on the loopback too, where the settings say so.
fn serve_tcp(settings: &Settings, metrics: Arc<Metrics>, stop: &CancellationToken) -> Option<JoinHandle<()>> {
    let listener = match server::bind(settings.metrics.listen?) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(error = %chain(&error), "metrics are not served on the loopback");
            return None;
        }
    };
    let stop = stop.clone();
    Some(tokio::spawn(async move {
        if let Err(error) = server::serve_tcp(listener, metrics, stop).await {
            tracing::error!(%error, "metrics are not served on the loopback any more");
        }
    }))
}

/// Another start for each process, so that a thousand nodes do not retry in step.
fn seed() -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *uuid::Uuid::new_v4().as_bytes();
    [a, b, c, d, e, f, g, h]
}

/// Tells the cluster beside the loop.
fn publisher(connection: &Connection, settings: &Settings, metrics: &Arc<Metrics>, seed: u64) -> Publisher {
    let publishing = Publishing { mode: settings.host.mode, seed, metrics: Arc::clone(metrics) };
    Publisher::start(connection.clone(), publishing)
}
