//! What is done next on the way from a staged deployment to a booted one. Pure and total.
//!
//! Decides: one action from what the last pass found, what is remembered, and the time. It is asked again after each
//! action, so there is no position that could be lost: what is held (a slot, a cordon, a reboot that was asked for) *is*
//! the position. Whatever is held and not needed is given back, the cordon before the slot.
//!
//! ```text
//!  staged, ours ─► window or slot ─► cordon ─► drain ─► finalize and reboot ─► up again ─► uncordon ─► give back ─► idle
//! ```

use std::time::Duration;

use jiff::Timestamp;

use super::memory::{Memory, Reboot, SlotKind};
use crate::settings::Strategy;

/// What the last pass says of the next boot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Aim {
    /// The pass could not find out.
    Unknown,
    /// There is nothing to reboot for: the host runs what is wanted, or what is wanted cannot be had.
    Settled,
    /// The next boot brings what is wanted.
    Waits {
        /// The deployment.
        deployment: String,
        /// Whether the agent staged it, and nobody else's change is in it.
        ours: bool,
    },
}

/// What a decision is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// How it is decided when the node reboots.
    pub strategy: Strategy,
    /// What the last pass says.
    pub aim: Aim,
    /// The deployment that is booted, where the host could be asked.
    pub booted: Option<String>,
    /// The deployment that the next boot takes.
    pub next: Option<String>,
    /// Whether the pool is paused.
    pub paused: bool,
    /// When the window opens; none while it is open, or where there are no windows.
    pub opens: Option<Timestamp>,
    /// How long a drain may take.
    pub drain_limit: Duration,
    /// How long a reboot may take.
    pub reboot_limit: Duration,
    /// The time.
    pub now: Timestamp,
}

/// What is done next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Nothing, for now.
    Rest(Rest),
    /// Ask for a slot.
    AskSlot(SlotKind),
    /// Keep new pods away.
    Cordon,
    /// Evict pods; when none is left, finalize this deployment.
    Drain {
        /// Which.
        deployment: String,
    },
    /// The drain took too long.
    GiveUp,
    /// Finalize this deployment and reboot.
    Finalize {
        /// Which.
        deployment: String,
    },
    /// The reboot was asked for and did not come: forget that it was asked for.
    AskAgain,
    /// The node came up as it should, or in what somebody else wants.
    CameUp,
    /// The node came up in the deployment that it left.
    CameUpOld,
    /// Let pods come again, if it was us who kept them away.
    Uncordon,
    /// Give the slot back.
    GiveBack,
}

/// Why nothing is done for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rest {
    /// Nothing waits for a reboot.
    Idle,
    /// An admin reboots.
    Admin,
    /// Somebody else's change would come with the reboot, so it is theirs to ask for.
    NotOurs,
    /// The window is closed.
    Window {
        /// When it opens.
        opens: Timestamp,
    },
    /// The pool is paused.
    Paused,
    /// The last attempt failed.
    BackingOff {
        /// When the next one is due.
        until: Timestamp,
    },
    /// It is not known whether there is still something to reboot for; what is held is kept.
    Holding,
    /// The host is about to reboot.
    Rebooting,
    /// The node is up again in what it should be in, and the pass has not ended well yet.
    Confirming,
}

/// What is done next.
pub fn next(facts: &Facts, memory: &Memory) -> Action {
    if let Some(reboot) = &memory.reboot {
        return rebooted(facts, reboot);
    }
    match &facts.aim {
        Aim::Unknown => unknown(facts, memory),
        Aim::Settled => release(memory).unwrap_or(Action::Rest(Rest::Idle)),
        Aim::Waits { ours: false, .. } => release(memory).unwrap_or(Action::Rest(Rest::NotOurs)),
        Aim::Waits { deployment, ours: true } => onwards(facts, memory, deployment),
    }
}

/// After a reboot was asked for. What is booted tells whether it came: `from` with `into` still first in boot order means
/// that it is yet to come.
fn rebooted(facts: &Facts, reboot: &Reboot) -> Action {
    let late = passed(reboot.at, facts.now) >= facts.reboot_limit;
    match facts.booted.as_deref() {
        None => Action::Rest(Rest::Rebooting),
        Some(booted) if booted == reboot.into => {
            if facts.aim == Aim::Unknown && !late {
                Action::Rest(Rest::Confirming)
            } else {
                Action::CameUp
            }
        }
        Some(booted) if booted == reboot.from => match facts.next.as_deref() == Some(reboot.into.as_str()) {
            true if late => Action::AskAgain,
            true => Action::Rest(Rest::Rebooting),
            false => Action::CameUpOld,
        },
        Some(_) => Action::CameUp,
    }
}

/// Nothing is begun and nothing is given up because of one pass that failed; a drain ends in time all the same.
fn unknown(facts: &Facts, memory: &Memory) -> Action {
    if backing_off(facts, memory).is_some() {
        return release(memory).unwrap_or(Action::Rest(Rest::Holding));
    }
    if drained_too_long(facts, memory) {
        return Action::GiveUp;
    }
    let held = memory.cordoned || memory.slot.is_some();
    Action::Rest(if held { Rest::Holding } else { Rest::Idle })
}

fn onwards(facts: &Facts, memory: &Memory, deployment: &str) -> Action {
    if let Some(until) = backing_off(facts, memory).filter(|_| facts.strategy != Strategy::None) {
        return release(memory).unwrap_or(Action::Rest(Rest::BackingOff { until }));
    }
    let finalize = Action::Finalize { deployment: deployment.to_owned() };
    match facts.strategy {
        Strategy::None => release(memory).unwrap_or(Action::Rest(Rest::Admin)),
        Strategy::Immediate => release(memory).unwrap_or(finalize),
        Strategy::Window => release(memory)
            .or(facts.opens.map(|opens| Action::Rest(Rest::Window { opens })))
            .unwrap_or(finalize),
        Strategy::FleetLock => with_slot(facts, memory, SlotKind::FleetLock).unwrap_or(finalize),
        Strategy::Cluster => {
            with_slot(facts, memory, SlotKind::Lease).unwrap_or_else(|| drained(facts, memory, deployment))
        }
    }
}

/// What is to be done before there is a slot of this kind; none once there is.
fn with_slot(facts: &Facts, memory: &Memory, kind: SlotKind) -> Option<Action> {
    let slot = memory.slot.as_ref();
    if slot.is_some_and(|slot| slot.kind != kind) || (memory.cordoned && kind != SlotKind::Lease) {
        return release(memory);
    }
    if slot.is_some_and(|slot| slot.granted) {
        return None;
    }
    // The slot was lost on the way: pods may come again until there is another.
    if memory.cordoned {
        return Some(Action::Uncordon);
    }
    if facts.paused {
        return Some(slot.map_or(Action::Rest(Rest::Paused), |_| Action::GiveBack));
    }
    Some(Action::AskSlot(kind))
}

fn drained(facts: &Facts, memory: &Memory, deployment: &str) -> Action {
    if !memory.cordoned {
        Action::Cordon
    } else if drained_too_long(facts, memory) {
        Action::GiveUp
    } else {
        Action::Drain { deployment: deployment.to_owned() }
    }
}

/// What has to be given back first, if anything is held.
fn release(memory: &Memory) -> Option<Action> {
    if memory.cordoned { Some(Action::Uncordon) } else { memory.slot.is_some().then_some(Action::GiveBack) }
}

fn backing_off(facts: &Facts, memory: &Memory) -> Option<Timestamp> {
    memory.not_before.filter(|until| facts.now < *until)
}

fn drained_too_long(facts: &Facts, memory: &Memory) -> bool {
    memory.draining_since.is_some_and(|since| passed(since, facts.now) >= facts.drain_limit)
}

/// The time from `then` to `now`; none where the clock was set back.
fn passed(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or(Duration::ZERO)
}

#[cfg(test)]
mod tests;
