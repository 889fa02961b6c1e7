//! `run`: the loop, with everybody who is told about it: metrics, status, service manager, journal.

use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::context::Context;
use super::parts::{Asked, OwnParts};
use super::progress::{plain, waiting};
use super::stop::Stop;
use super::wishing::Wishing;
use crate::apply::{PassReport, Step};
use crate::cluster::{self, Connection};
use crate::desired::NodeView;
use crate::error::chain;
use crate::host;
use crate::reconcile::{self, GRACE, Pace, Schedule};
use crate::report::publish::{Publisher, Publishing};
use crate::report::resource::Told;
use crate::report::{Notifier, Status};
use crate::settings::Settings;
use crate::telemetry::{Metrics, PassResult, server};

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
    let notifier = Notifier::from_environment();
    notifier.status("starting");
    let parts = OwnParts::open(context).await?;
    let lock = parts.state.lock()?;
    let connection = cluster::connect(&settings.cluster)?;
    let wishing = Wishing::start(settings, connection.as_ref()).await;
    let asked = Asked::from(wishing.around(settings));

    let watcher = |step| announce(&notifier, step);
    let seed = u64::from_le_bytes(seed());
    let publisher = connection.as_ref().map(|connection| publisher(connection, settings, &metrics, seed));
    let audience = Audience {
        settings,
        metrics: &metrics,
        notifier: &notifier,
        publisher: publisher.as_ref(),
        node: wishing.node(),
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
    let lent = parts.lent(settings, &asked, &watcher);
    watched(&notifier, &stop, reconcile::run(&lent, &lock, &wishing, &schedule, &mut reconcile::Nothing))
        .await;

    stop.cancel();
    if let Some(publisher) = publisher {
        publisher.finish().await;
    }
    for task in [Some(signals), serving].into_iter().flatten() {
        // They end with the token; a task that does not is ended with the process.
        let _ = tokio::time::timeout(LEAVING, task).await;
    }
    tracing::info!("stopped");
    notifier.stopped();
    Ok(())
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

/// Another start for each process, so that a thousand nodes do not retry in step.
fn seed() -> [u8; 8] {
    let [a, b, c, d, e, f, g, h, ..] = *uuid::Uuid::new_v4().as_bytes();
    [a, b, c, d, e, f, g, h]
}

/// Says on the status line what a pass waits for.
fn announce(notifier: &Notifier, step: Step) {
    match step {
        Step::Observing => tracing::debug!("asking the host"),
        Step::Recovering { nonce } => {
            tracing::info!(nonce, "an earlier run was interrupted; looking what became of it")
        }
        Step::Waiting { title } => {
            tracing::info!(title, "waiting for another transaction");
            notifier.status(&waiting(title.as_deref()));
        }
        Step::Fetching(at) => {
            notifier.status(&format!("fetching layer {}/{} of the payload", at.layer, at.layers))
        }
        Step::ReadingBase => tracing::debug!("reading the base's package database"),
        Step::Planned(plan) => tracing::info!(
            decision = ?plan.decision,
            install = plan.install.len(),
            uninstall = plan.uninstall.len(),
            bytes = plan.bytes,
            "planned"
        ),
        Step::Opening { nevra } => tracing::debug!(%nevra, "checking a package"),
        Step::Calling { files } => tracing::debug!(files, "calling rpm-ostree"),
        Step::Transaction(host::Progress::Task(task)) => {
            let task = plain(&task);
            tracing::info!(task, "rpm-ostree");
            notifier.status(&format!("rpm-ostree: {task}"));
        }
        Step::Transaction(host::Progress::Message(message)) => {
            tracing::debug!(message = plain(&message), "rpm-ostree")
        }
        Step::Transaction(host::Progress::Percent(text, percent)) => {
            tracing::trace!(text = plain(&text), percent, "rpm-ostree");
        }
        Step::Confirming => notifier.status("comparing the new deployment with the plan"),
    }
}

/// Tells the cluster beside the loop.
fn publisher(connection: &Connection, settings: &Settings, metrics: &Arc<Metrics>, seed: u64) -> Publisher {
    let publishing = Publishing { mode: settings.host.mode, seed, metrics: Arc::clone(metrics) };
    Publisher::start(connection.clone(), publishing)
}

/// Everybody who is told how a pass ended.
struct Audience<'a> {
    settings: &'a Settings,
    metrics: &'a Metrics,
    notifier: &'a Notifier,
    publisher: Option<&'a Publisher>,
    node: Option<watch::Receiver<Option<NodeView>>>,
}

impl Audience<'_> {
    fn tell(&self, report: PassReport, pause: Duration) {
        self.metrics.record(&report);
        let status = Status::of(&report);
        if let Err(error) = status.write(&self.settings.state.directory) {
            tracing::warn!(error = %chain(&error), "the status was not kept");
        }
        let result = PassResult::of(&report.outcome).as_str();
        let millis = u64::try_from(report.timings.total.as_millis()).unwrap_or(u64::MAX);
        let headline = status.headline();
        match report.problem() {
            None => {
                let reboot_pending = report.reboot_pending;
                tracing::info!(result, calls = report.calls, reboot_pending, millis, "pass");
                self.notifier.status(&headline);
            }
            Some(problem) => {
                let (reason, cure) = (problem.reason.code(), problem.cure.as_deref());
                let again = pause.as_secs();
                tracing::warn!(result, reason, cure, again, millis, "{}", problem.message);
                self.notifier.status(&format!("{headline}; again in {again} s"));
            }
        }
        if let Some(publisher) = self.publisher {
            let node = self.node.as_ref().and_then(|node| node.borrow().clone());
            publisher.tell(Told { status, config: None, node, rollout: None, owner: report.owner });
        }
    }
}
