//! What the roll-out says of itself: a step, words, and why it does not get on. Pure.

use jiff::Timestamp;

use super::error::RolloutError;
use super::memory::Memory;
use super::step::Rest;
use super::{RolloutStatus, RolloutStep};
use crate::apply::Problem;
use crate::settings::Strategy;

/// What is said at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) step: RolloutStep,
    pub(super) message: String,
    pub(super) problem: Option<Problem>,
}

impl Shown {
    pub(super) fn new(step: RolloutStep, message: impl Into<String>) -> Self {
        Self { step, message: message.into(), problem: None }
    }

    /// The problem says it all.
    pub(super) fn stuck(step: RolloutStep, problem: Problem) -> Self {
        Self { step, message: problem.message.clone(), problem: Some(problem) }
    }

    /// As a status; the step is as old as it was where it is still the same.
    pub(super) fn status(
        self,
        before: &RolloutStatus,
        pool: Option<String>,
        now: Timestamp,
    ) -> RolloutStatus {
        let since = if before.step == self.step { before.since } else { now };
        let strategy = before.strategy.clone();
        let Shown { step, message, problem } = self;
        RolloutStatus { strategy, step, pool, since, message, problem }
    }
}

/// The step by what is held: for moments at which nothing else says it.
pub(super) fn holding(memory: &Memory) -> RolloutStep {
    let granted = memory.slot.as_ref().is_some_and(|slot| slot.granted);
    if memory.reboot.is_some() {
        RolloutStep::Rebooting
    } else if memory.cordoned || granted {
        RolloutStep::Draining
    } else if memory.slot.is_some() {
        RolloutStep::AwaitingSlot
    } else {
        RolloutStep::Idle
    }
}

/// What is said while nothing is done.
pub(super) fn resting(rest: &Rest, memory: &Memory, strategy: Strategy) -> Shown {
    let failed = memory.failed.clone();
    match rest {
        Rest::Idle => Shown::new(RolloutStep::Idle, ""),
        Rest::Admin => Shown::new(RolloutStep::AwaitingAdmin, "what is wanted is staged; an admin reboots"),
        Rest::NotOurs => Shown::new(
            RolloutStep::AwaitingAdmin,
            "the next boot brings a change that somebody else made; they or an admin reboot",
        ),
        Rest::Window { opens } => {
            let late = RolloutError::OutsideWindow { opens: *opens };
            Shown::stuck(RolloutStep::AwaitingWindow, Problem::of(&late))
        }
        Rest::Paused => Shown::new(RolloutStep::AwaitingSlot, "the pool is paused: no slot is asked for"),
        Rest::BackingOff { until } => {
            let step = match strategy {
                Strategy::FleetLock | Strategy::Cluster => RolloutStep::AwaitingSlot,
                Strategy::None | Strategy::Immediate | Strategy::Window => RolloutStep::AwaitingWindow,
            };
            let why =
                failed.as_ref().map(|problem| problem.message.as_str()).unwrap_or("the last attempt failed");
            Shown { step, message: format!("{why}; again from {until:.0}"), problem: failed }
        }
        Rest::Holding => Shown {
            step: holding(memory),
            message: "waiting for a pass that says whether a reboot is still due".to_owned(),
            problem: failed,
        },
        Rest::Rebooting => Shown {
            step: RolloutStep::Rebooting,
            message: "the reboot was asked for".to_owned(),
            problem: failed,
        },
        Rest::Confirming => Shown::new(
            RolloutStep::Confirming,
            "up again in what was staged; waiting for a pass that says that all is there",
        ),
    }
}
