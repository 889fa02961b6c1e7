//! Does one action. Everything here may be repeated: after a crash in the midst, the same action is decided upon again.

use std::time::Duration;

use tokio::time::timeout;

use super::cluster::{self, Asked, Pool, When};
use super::coordinator::{Coordinator, Done, Moment};
use super::error::RolloutError;
use super::finalize::{self, Requested};
use super::fleetlock::{Answer, FleetLock, Question};
use super::memory::{Reboot, Slot, SlotKind};
use super::show::Shown;
use super::slots;
use super::step::Action;
use super::{RolloutStep, machine};
use crate::apply::Problem;
use crate::cluster::Connection;
use crate::error::Failure;
use crate::host::{FinalizeRequest, Host};
use crate::settings::Strategy;

/// How long one step of a drain may take.
const DRAIN_STEP: Duration = Duration::from_secs(6);

fn problem(failure: impl Failure) -> Problem {
    Problem::of(&failure)
}

impl<H: Host> Coordinator<'_, H> {
    pub(super) async fn act(&mut self, action: Action, moment: Moment) -> Result<Done, Problem> {
        match action {
            // It is handled where it is decided.
            Action::Rest(_) => Ok(Done::Go),
            Action::AskSlot(kind) => self.ask_slot(kind, moment).await,
            Action::Cordon => self.cordon(moment).await,
            Action::Drain { deployment } => self.drain(deployment, moment).await,
            Action::GiveUp => {
                let pods = std::mem::take(&mut self.waiting);
                self.put_off(problem(RolloutError::DrainGivenUp { pods }), moment.now);
                self.keep().map_err(problem)?;
                Ok(Done::Go)
            }
            Action::Finalize { deployment } => self.finalize(deployment, moment).await,
            Action::AskAgain | Action::CameUp | Action::CameUpOld => self.settle(&action, moment),
            Action::Uncordon => self.uncordon().await,
            Action::GiveBack => self.give_back().await,
        }
    }

    /// The reboot that was asked for is over, one way or another.
    fn settle(&mut self, action: &Action, moment: Moment) -> Result<Done, Problem> {
        let Some(Reboot { into, from, .. }) = self.memory.reboot.take() else { return Ok(Done::Go) };
        self.memory.draining_since = None;
        match action {
            Action::CameUpOld => self.put_off(problem(RolloutError::CameUpOld { into, from }), moment.now),
            Action::AskAgain => self.memory.failed = Some(problem(RolloutError::NoReboot { into })),
            Action::CameUp
            | Action::Rest(_)
            | Action::AskSlot(_)
            | Action::Cordon
            | Action::Drain { .. }
            | Action::GiveUp
            | Action::Finalize { .. }
            | Action::Uncordon
            | Action::GiveBack => {
                tracing::info!(deployment = into, "the reboot is over");
                (self.memory.failed, self.memory.not_before, self.memory.given_up) = (None, None, 0);
            }
        }
        self.keep().map_err(problem)?;
        Ok(Done::Go)
    }

    /// The pool or group whose slots are asked for: by the settings, else by the node's MachineConfigPool.
    pub(super) fn pool_name(&self) -> Option<String> {
        let coordinated = match self.means.settings.strategy {
            Strategy::FleetLock | Strategy::Cluster => true,
            Strategy::None | Strategy::Immediate | Strategy::Window => false,
        };
        let of_node = || self.node().and_then(|node| node.pool).map(|pool| pool.name);
        let named = || self.means.settings.pool.clone().or_else(of_node);
        coordinated.then(|| named().unwrap_or_else(|| "default".to_owned()))
    }

    fn pool(&self, name: String) -> Pool {
        let settings = self.means.settings;
        let view = self.node().and_then(|node| node.pool).filter(|pool| pool.name == name);
        let (text, machines) = view.map_or((None, None), |pool| (pool.max_unavailable, pool.machine_count));
        let allowed = slots::allowed(text.as_deref(), machines, settings.max_unavailable);
        Pool { name, allowed, duration: settings.reboot_limit }
    }

    async fn ask_slot(&mut self, kind: SlotKind, moment: Moment) -> Result<Done, Problem> {
        let name = self.pool_name().unwrap_or_else(|| "default".to_owned());
        if !is_pool_name(&name, kind) {
            return Err(problem(RolloutError::Pool { pool: crate::text::one_line(&name, 64) }));
        }
        self.memory.slot = Some(Slot { kind, pool: name.clone(), granted: false });
        self.keep().map_err(problem)?;
        match kind {
            SlotKind::Lease => self.renew(name, moment).await,
            SlotKind::FleetLock => {
                let answer = self.fleet_lock()?.ask(Question::PreReboot, &name).await.map_err(problem)?;
                match answer {
                    Answer::Granted => self.granted(moment.monotonic),
                    Answer::Refused(words) => Ok(Done::Later(Shown::stuck(
                        RolloutStep::AwaitingSlot,
                        problem(RolloutError::NoFreeSlot {
                            pool: name,
                            holders: vec![format!("others ({words})")],
                        }),
                    ))),
                }
            }
        }
    }

    /// Takes or renews the Lease. One that was lost on the way is not granted any more.
    async fn renew(&mut self, pool: String, moment: Moment) -> Result<Done, Problem> {
        let connection = self.connection()?;
        let when = When { now: moment.now, monotonic: moment.monotonic };
        let pool = self.pool(pool);
        match cluster::ask(&connection, &pool, &mut self.seen, when).await.map_err(problem)? {
            Asked::Granted => self.granted(moment.monotonic),
            Asked::Again => Ok(Done::Later(Shown::new(
                RolloutStep::AwaitingSlot,
                format!("another node of the pool `{}` was quicker", pool.name),
            ))),
            Asked::Full(holders) => {
                if let Some(slot) = &mut self.memory.slot {
                    slot.granted = false;
                }
                self.memory.draining_since = None;
                self.keep().map_err(problem)?;
                let full = RolloutError::NoFreeSlot { pool: pool.name, holders };
                Ok(Done::Later(Shown::stuck(RolloutStep::AwaitingSlot, problem(full))))
            }
        }
    }

    fn granted(&mut self, monotonic: Duration) -> Result<Done, Problem> {
        self.renewed = Some(monotonic);
        if let Some(slot) = &mut self.memory.slot {
            slot.granted = true;
        }
        self.keep().map_err(problem)?;
        Ok(Done::Go)
    }

    async fn cordon(&mut self, moment: Moment) -> Result<Done, Problem> {
        let connection = self.connection()?;
        self.memory.cordoned = true;
        self.memory.draining_since = Some(moment.now);
        self.keep().map_err(problem)?;
        cluster::cordon(&connection).await.map_err(problem)?;
        Ok(Done::Go)
    }

    /// Renews the slot when a third of its time has passed, and in any case before the reboot, which needs all of it.
    async fn drain(&mut self, deployment: String, moment: Moment) -> Result<Done, Problem> {
        let connection = self.connection()?;
        if self.memory.draining_since.is_none() {
            self.memory.draining_since = Some(moment.now);
            self.keep().map_err(problem)?;
        }
        let pool = self.memory.slot.as_ref().map(|slot| slot.pool.clone()).unwrap_or_default();
        let third = self.means.settings.reboot_limit / 3;
        let due = self.renewed.is_none_or(|renewed| moment.monotonic.saturating_sub(renewed) >= third);
        if due && let Done::Later(shown) = self.renew(pool.clone(), moment).await? {
            return Ok(Done::Later(shown));
        }
        // The mark is written again should it be missing: a crash may have come before it.
        cluster::cordon(&connection).await.map_err(problem)?;
        let Ok(drained) = timeout(DRAIN_STEP, cluster::drain(&connection)).await else {
            return Ok(Done::Later(Shown::new(RolloutStep::Draining, "evicting pods takes its time")));
        };
        let drained = drained.map_err(problem)?;
        if drained.waiting.is_empty() {
            self.waiting.clear();
            if let Done::Later(shown) = self.renew(pool, moment).await? {
                return Ok(Done::Later(shown));
            }
            return self.finalize(deployment, moment).await;
        }
        self.waiting.clone_from(&drained.waiting);
        let blocked = problem(RolloutError::DrainBlocked { pods: drained.waiting });
        Ok(Done::Later(if drained.blocked {
            Shown::stuck(RolloutStep::Draining, blocked)
        } else {
            Shown::new(RolloutStep::Draining, blocked.message)
        }))
    }

    /// Writes down that the reboot is asked for, and asks. Looks once more before: what the pass saw is not what counts.
    async fn finalize(&mut self, deployment: String, moment: Moment) -> Result<Done, Problem> {
        let observed = self.means.host.observe().await.map_err(problem)?;
        let next = observed.pending_or_booted().filter(|next| next.id == deployment && next.staged);
        let (Some(next), Some(booted)) = (next, observed.booted()) else {
            return Err(problem(RolloutError::Moved { deployment }));
        };
        let request =
            FinalizeRequest { base_checksum: next.base_checksum.clone(), nonce: (self.means.nonce)() };
        self.unlocked()?;
        self.memory.reboot = Some(Reboot { into: next.id.clone(), from: booted.id.clone(), at: moment.now });
        self.memory.reboots = self.memory.reboots.saturating_add(1);
        self.keep().map_err(problem)?;
        match finalize::request(self.means.host, request, &deployment).await {
            Ok(Requested::Yes) => Ok(Done::Later(Shown::new(
                RolloutStep::Rebooting,
                format!("rpm-ostree was asked to reboot into `{deployment}`"),
            ))),
            Ok(Requested::Busy(busy)) => {
                self.take_back()?;
                Err(problem(busy))
            }
            Err(error) => {
                self.put_off(problem(error), moment.now);
                self.take_back()?;
                Ok(Done::Go)
            }
        }
    }

    /// The reboot was not asked for after all.
    fn take_back(&mut self) -> Result<(), Problem> {
        self.memory.reboot = None;
        self.memory.reboots = self.memory.reboots.saturating_sub(1);
        self.keep().map_err(problem)
    }

    /// From now on a staged deployment that is lost was not lost to its lock.
    fn unlocked(&self) -> Result<(), Problem> {
        let mut ledger = self.means.state.ledger().map_err(problem)?;
        let Some(staging) = ledger.staging.as_mut().filter(|staging| staging.locked_in.is_some()) else {
            return Ok(());
        };
        staging.locked_in = None;
        self.means.state.keep_ledger(self.means.lock, &ledger).map_err(problem)
    }

    /// Without a way to the cluster there is no cordon that could be taken away.
    async fn uncordon(&mut self) -> Result<Done, Problem> {
        match &self.means.connection {
            Some(connection) => cluster::uncordon(connection).await.map_err(problem)?,
            None => tracing::debug!("no cluster is set, so there is no cordon"),
        }
        self.memory.cordoned = false;
        self.memory.draining_since = None;
        self.keep().map_err(problem)?;
        Ok(Done::Go)
    }

    /// Without a way to who gave it, the slot is left to run out.
    async fn give_back(&mut self) -> Result<Done, Problem> {
        let Some(slot) = self.memory.slot.clone() else { return Ok(Done::Go) };
        match (slot.kind, &self.means.connection, &self.means.settings.fleetlock_url) {
            (SlotKind::Lease, Some(connection), _) => {
                cluster::give_back(connection, &slot.pool).await.map_err(problem)?;
            }
            (SlotKind::FleetLock, _, Some(_)) => {
                let answer =
                    self.fleet_lock()?.ask(Question::SteadyState, &slot.pool).await.map_err(problem)?;
                if let Answer::Refused(words) = answer {
                    let operation = "giving the slot back".to_owned();
                    return Err(problem(RolloutError::FleetLock { operation, problem: words }));
                }
            }
            (SlotKind::Lease, None, _) | (SlotKind::FleetLock, _, None) => {
                tracing::warn!(pool = slot.pool, "nobody is set to give the slot back to");
            }
        }
        self.memory.slot = None;
        self.renewed = None;
        self.keep().map_err(problem)?;
        Ok(Done::Go)
    }

    fn connection(&self) -> Result<Connection, Problem> {
        let unset = RolloutError::Unset { strategy: "cluster", key: "cluster.kubeconfig" };
        self.means.connection.clone().ok_or_else(|| problem(unset))
    }

    fn fleet_lock(&self) -> Result<FleetLock, Problem> {
        let unset = RolloutError::Unset { strategy: "fleetlock", key: "rollout.fleetlock-url" };
        let base = self.means.settings.fleetlock_url.as_deref().ok_or_else(|| problem(unset))?;
        let id = machine::client_id(self.means.sysroot)
            .map_err(|source| problem(RolloutError::MachineId { source }))?;
        Ok(FleetLock::new(base, id))
    }
}

/// Whether it fits a label of Kubernetes and the name of an object, or a group of FleetLock.
fn is_pool_name(name: &str, kind: SlotKind) -> bool {
    let letter = |byte: u8| match kind {
        SlotKind::Lease => byte.is_ascii_lowercase(),
        SlotKind::FleetLock => byte.is_ascii_alphabetic(),
    };
    let end = |byte: Option<u8>| byte.is_some_and(|byte| letter(byte) || byte.is_ascii_digit());
    name.len() <= 63
        && end(name.bytes().next())
        && end(name.bytes().last())
        && name.bytes().all(|byte| letter(byte) || byte.is_ascii_digit() || matches!(byte, b'-' | b'.'))
}
