//! Takes the node from a staged deployment to a booted one, a short step after each pass.
//!
//! Decides: nothing itself; it asks [`step::next`], does what that says, and asks again, a bounded number of times. Must
//! not: be where anything is remembered: what counts is in [`Memory`], on disk, before it is done.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use super::memory::{Keeper, Memory};
use super::show::{self, Shown};
use super::slots::Sightings;
use super::step::{self, Action, Aim, Facts, Rest};
use super::window::Windows;
use super::{RolloutStatus, RolloutStep, ours};
use crate::apply::{ApplyError, HostLock, PassOutcome, PassReport, Problem, State};
use crate::cluster::Connection;
use crate::desired::NodeView;
use crate::error::Class;
use crate::host::Host;
use crate::settings::{RolloutSettings, Strategy};

/// Most actions after one pass: from idle to rebooting takes five.
const ACTIONS: usize = 12;
/// The longest pause after a failed attempt.
const LONGEST: Duration = Duration::from_secs(3600);

/// What the roll-out works with.
pub struct Means<'a, H> {
    /// The host.
    pub host: &'a H,
    /// The agent's own state.
    pub state: &'a State,
    /// The proof that no other instance works on this host.
    pub lock: &'a HostLock,
    /// The state directory.
    pub directory: &'a Path,
    /// The root of the host, which has a machine id.
    pub sysroot: &'a Path,
    /// How the node may be rebooted.
    pub settings: &'a RolloutSettings,
    /// The windows, for the strategy `window`.
    pub windows: Option<Windows>,
    /// The way to the API server, where the settings name one.
    pub connection: Option<Connection>,
    /// What the Node and its pool say, where that is watched.
    pub node: Option<watch::Receiver<Option<NodeView>>>,
    /// Makes a text that was never used before.
    pub nonce: &'a (dyn Fn() -> String + Send + Sync),
}

/// One moment, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time of day.
    pub now: Timestamp,
    /// A time that never goes back.
    pub monotonic: Duration,
}

/// The roll-out of one node.
pub struct Coordinator<'a, H> {
    pub(super) means: Means<'a, H>,
    pub(super) memory: Memory,
    /// What is on disk.
    kept: Memory,
    keeper: Keeper,
    pub(super) seen: Sightings,
    /// When the slot was renewed last, by the monotonic clock.
    pub(super) renewed: Option<Duration>,
    /// What the drain waited for last.
    pub(super) waiting: Vec<String>,
    status: watch::Sender<RolloutStatus>,
    reboots: Arc<AtomicU64>,
}

/// What an action came to.
pub(super) enum Done {
    /// Decide again at once.
    Go,
    /// It needs time; this is said until then.
    Later(Shown),
}

impl<'a, H: Host> Coordinator<'a, H> {
    /// Takes up what an earlier run left.
    ///
    /// # Errors
    /// When the memory cannot be read or was written by a newer agent.
    pub fn new(means: Means<'a, H>, now: Timestamp) -> Result<Self, ApplyError> {
        let keeper = Keeper::new(means.directory);
        let kept = keeper.read()?;
        let status = RolloutStatus {
            strategy: means.settings.strategy.as_str().to_owned(),
            step: RolloutStep::Idle,
            pool: None,
            since: now,
            message: String::new(),
            problem: None,
        };
        let reboots = Arc::new(AtomicU64::new(kept.reboots));
        let (status, _) = watch::channel(status);
        Ok(Self {
            means,
            memory: kept.clone(),
            kept,
            keeper,
            seen: Sightings::default(),
            renewed: None,
            waiting: Vec::new(),
            status,
            reboots,
        })
    }

    /// Where the node stands, whenever it changes.
    pub fn status(&self) -> watch::Receiver<RolloutStatus> {
        self.status.subscribe()
    }

    /// How often a reboot was asked for, since the state directory was made.
    pub fn reboots(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.reboots)
    }

    /// Takes the next steps after a pass, in short time. The next pass should come after what is returned, if anything.
    pub async fn advance(&mut self, report: &PassReport, moment: Moment) -> Option<Duration> {
        let facts = match self.facts(report, moment.now) {
            Ok(facts) => facts,
            Err(error) => {
                self.show(Shown::stuck(show::holding(&self.memory), Problem::of(&error)), moment.now);
                return Some(self.means.settings.poll);
            }
        };
        for _ in 0..ACTIONS {
            let action = step::next(&facts, &self.memory);
            if let Action::Rest(rest) = &action {
                return self.rest(rest, moment.now);
            }
            let done = self.act(action, moment).await;
            match done {
                Ok(Done::Go) => {}
                Ok(Done::Later(shown)) => {
                    self.show(shown, moment.now);
                    break;
                }
                Err(problem) => {
                    self.show(Shown::stuck(self.step_of_trouble(&facts), problem), moment.now);
                    break;
                }
            }
        }
        Some(self.means.settings.poll)
    }

    fn rest(&mut self, rest: &Rest, now: Timestamp) -> Option<Duration> {
        let shown = show::resting(rest, &self.memory, self.means.settings.strategy);
        self.show(shown, now);
        match rest {
            Rest::Idle | Rest::Admin | Rest::NotOurs => {
                // Nothing is due any more, so that an earlier attempt failed is past.
                self.memory.failed = None;
                self.memory.not_before = None;
                self.memory.given_up = 0;
                if let Err(error) = self.keep() {
                    tracing::warn!(error = %crate::error::chain(&error), "the roll-out's memory was not kept");
                }
                None
            }
            Rest::Window { opens } => Some(until(now, *opens)),
            Rest::BackingOff { until: due } => Some(until(now, *due)),
            Rest::Paused | Rest::Holding | Rest::Rebooting | Rest::Confirming => {
                Some(self.means.settings.poll)
            }
        }
    }

    /// What is held without being needed was in use for the reboot: giving it back is part of confirming.
    fn step_of_trouble(&self, facts: &Facts) -> RolloutStep {
        match facts.aim {
            Aim::Settled => RolloutStep::Confirming,
            Aim::Unknown => show::holding(&self.memory),
            Aim::Waits { .. } => match show::holding(&self.memory) {
                RolloutStep::Idle if self.means.settings.strategy == Strategy::None => {
                    RolloutStep::AwaitingAdmin
                }
                RolloutStep::Idle => RolloutStep::AwaitingSlot,
                step @ (RolloutStep::AwaitingAdmin
                | RolloutStep::AwaitingWindow
                | RolloutStep::AwaitingSlot
                | RolloutStep::Draining
                | RolloutStep::Rebooting
                | RolloutStep::Confirming) => step,
            },
        }
    }

    fn facts(&self, report: &PassReport, now: Timestamp) -> Result<Facts, ApplyError> {
        let settings = self.means.settings;
        let observed = report.observed.as_ref();
        let windows = self.means.windows.as_ref();
        Ok(Facts {
            strategy: settings.strategy,
            aim: self.aim(report)?,
            booted: observed.and_then(|host| host.booted()).map(|booted| booted.id.clone()),
            next: observed.and_then(|host| host.pending_or_booted()).map(|next| next.id.clone()),
            paused: self.node().and_then(|node| node.pool).is_some_and(|pool| pool.paused),
            opens: windows.filter(|windows| !windows.open(now)).map(|windows| windows.next_opening(now)),
            drain_limit: settings.drain_limit,
            reboot_limit: settings.reboot_limit,
            now,
        })
    }

    fn aim(&self, report: &PassReport) -> Result<Aim, ApplyError> {
        Ok(match &report.outcome {
            // Beside another owner nothing is ours to reboot for.
            PassOutcome::Booted { .. } | PassOutcome::NothingWanted | PassOutcome::Observed { .. } => {
                Aim::Settled
            }
            PassOutcome::Planned => Aim::Unknown,
            PassOutcome::Staged { deployment } | PassOutcome::AwaitingReboot { deployment } => {
                let ledger = self.means.state.ledger()?;
                let ours = report.desired.as_ref().zip(report.observed.as_ref()).is_some_and(
                    |(desired, observed)| ours::is_ours(&ledger, desired.generation(), observed, deployment),
                );
                Aim::Waits { deployment: deployment.clone(), ours }
            }
            PassOutcome::NotDone { problem } => match problem.class {
                // What is wanted now cannot be had: no reboot brings it.
                Class::Refuse => Aim::Settled,
                Class::Retry | Class::Wait | Class::Bug => Aim::Unknown,
            },
        })
    }

    /// What the Node said last.
    pub(super) fn node(&self) -> Option<NodeView> {
        self.means.node.as_ref().and_then(|node| node.borrow().clone())
    }

    /// Keeps the memory, if it changed. What it says is done after this only.
    pub(super) fn keep(&mut self) -> Result<(), ApplyError> {
        if self.memory != self.kept {
            self.keeper.keep(self.means.lock, &self.memory)?;
            self.kept = self.memory.clone();
            self.reboots.store(self.memory.reboots, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Remembers that an attempt failed, and puts off the next one: four polls, doubled each time.
    pub(super) fn put_off(&mut self, problem: Problem, now: Timestamp) {
        let doubled = 4_u32.saturating_mul(2_u32.saturating_pow(self.memory.given_up.min(16)));
        let pause = self.means.settings.poll.saturating_mul(doubled).min(LONGEST);
        let pause = SignedDuration::try_from(pause).unwrap_or(SignedDuration::from_hours(1));
        self.memory.not_before = now.checked_add(pause).ok();
        self.memory.given_up = self.memory.given_up.saturating_add(1);
        self.memory.draining_since = None;
        tracing::warn!(reason = problem.reason.code(), "{}", problem.message);
        self.memory.failed = Some(problem);
    }

    fn show(&self, shown: Shown, now: Timestamp) {
        let pool = self.memory.slot.as_ref().map(|slot| slot.pool.clone()).or_else(|| self.pool_name());
        self.status.send_if_modified(|status| {
            let next = shown.status(status, pool, now);
            if next.step != status.step {
                tracing::info!(step = next.step.as_str(), why = next.message, "roll-out");
            }
            let changed = next != *status;
            *status = next;
            changed
        });
    }
}

/// The time until then, but a second at least.
fn until(now: Timestamp, then: Timestamp) -> Duration {
    Duration::try_from(then.duration_since(now)).unwrap_or_default().max(Duration::from_secs(1))
}
