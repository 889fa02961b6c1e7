//! When the node reboots into what was staged, and how its pods and its pool are spared.
//!
//! Decides: the next step from a staged deployment to a booted one. Must not: stage anything. Input: the report of a
//! pass, what the node and its pool say, and a clock.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::apply::Problem;

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
