//! When the node reboots into what was staged, and how its pods and its pool are spared.
//!
//! Decides: the next step from a staged deployment to a booted one. Must not: stage anything. Input: the report of a
//! pass, what the node and its pool say, and a clock.
//!
//! [`step`] decides and is pure, as are [`window`], [`slots`] and `ours`; `act` does it; `memory` is what survives a
//! reboot.

mod act;
mod cluster;
mod coordinator;
mod error;
mod finalize;
pub mod fleetlock;
mod machine;
mod memory;
mod ours;
mod show;
pub mod slots;
pub mod step;
pub mod window;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use coordinator::{Coordinator, Means, Moment};
pub use error::RolloutError;
pub use machine::boot_id;
pub use memory::{Memory, Reboot, Slot, SlotKind};

use crate::apply::Problem;
use crate::settings::{RolloutSettings, Strategy};
use window::{WindowError, Windows};

/// Where the node stands on its way into what was staged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutStatus {
    /// The strategy, as it is written in the settings.
    pub strategy: String,
    /// The step it is at.
    pub step: RolloutStep,
    /// The pool or group whose slots it asks for.
    pub pool: Option<String>,
    /// Since when it is at this step.
    #[schemars(with = "String")]
    pub since: Timestamp,
    /// What it waits for, in words: the pods that cannot be evicted, the nodes that hold the slots.
    pub message: String,
    /// Why it does not get on.
    pub problem: Option<Problem>,
}

/// A step from a staged deployment to a booted one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RolloutStep {
    /// Nothing waits for a reboot.
    Idle,
    /// An admin reboots.
    AwaitingAdmin,
    /// It waits for its window.
    AwaitingWindow,
    /// It waits for a slot.
    AwaitingSlot,
    /// It has a slot; its pods are being evicted.
    Draining,
    /// The reboot was requested.
    Rebooting,
    /// It is up again: what is booted is compared with what was staged, before the slot is given back.
    Confirming,
}

impl RolloutStep {
    /// All of them, in the order in which a node takes them.
    pub const ALL: &'static [RolloutStep] = &[
        RolloutStep::Idle,
        RolloutStep::AwaitingAdmin,
        RolloutStep::AwaitingWindow,
        RolloutStep::AwaitingSlot,
        RolloutStep::Draining,
        RolloutStep::Rebooting,
        RolloutStep::Confirming,
    ];

    /// The word for it: a metric label and a word of status.
    pub const fn as_str(self) -> &'static str {
        match self {
            RolloutStep::Idle => "Idle",
            RolloutStep::AwaitingAdmin => "AwaitingAdmin",
            RolloutStep::AwaitingWindow => "AwaitingWindow",
            RolloutStep::AwaitingSlot => "AwaitingSlot",
            RolloutStep::Draining => "Draining",
            RolloutStep::Rebooting => "Rebooting",
            RolloutStep::Confirming => "Confirming",
        }
    }

    /// What it means, for the generated page.
    pub const fn meaning(self) -> &'static str {
        match self {
            RolloutStep::Idle => "Nothing waits for a reboot.",
            RolloutStep::AwaitingAdmin => "An admin reboots.",
            RolloutStep::AwaitingWindow => "It waits for its window.",
            RolloutStep::AwaitingSlot => "It waits for a slot of its pool.",
            RolloutStep::Draining => "It has a slot; its pods are being evicted.",
            RolloutStep::Rebooting => "The reboot was requested.",
            RolloutStep::Confirming => "It is up again, and what it held for the reboot is given back.",
        }
    }
}

/// The windows that the settings name, where the strategy needs them.
///
/// # Errors
/// When they cannot be read, or there are none and the strategy needs one.
pub fn windows(settings: &RolloutSettings) -> Result<Option<Windows>, WindowError> {
    match settings.strategy {
        Strategy::Window => Windows::parse(settings.windows.as_deref().unwrap_or_default()).map(Some),
        Strategy::None | Strategy::Immediate | Strategy::FleetLock | Strategy::Cluster => Ok(None),
    }
}
