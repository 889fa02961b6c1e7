//! What the roll-out must not forget: the slot it may hold, the node it may have cordoned, the reboot it asked for.
//!
//! Every field is written *before* the deed that it is about, so after a crash at any moment it says at least what may
//! have been done; undoing what was never done is harmless. Must not: decide. Input: `rollout.json` of the state directory.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::apply::{ApplyError, Found, HostLock, Problem, Sealed};

/// The newest format that this agent writes and reads.
const FORMAT: u32 = 1;

/// What the roll-out must not forget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Memory {
    /// The slot that was asked for.
    pub slot: Option<Slot>,
    /// Whether the node may carry our cordon.
    pub cordoned: bool,
    /// Since when its pods are being evicted.
    pub draining_since: Option<Timestamp>,
    /// The reboot that was asked for.
    pub reboot: Option<Reboot>,
    /// Before this time no slot is asked for again.
    pub not_before: Option<Timestamp>,
    /// How often in a row the drain was given up.
    pub given_up: u32,
    /// Why the last attempt failed; until one succeeds or nothing waits any more.
    pub failed: Option<Problem>,
    /// Reboots that were asked for since the state directory was made.
    pub reboots: u64,
}

/// A slot that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Slot {
    /// Where.
    pub kind: SlotKind,
    /// Its pool or group.
    pub pool: String,
    /// Whether it was granted, as far as we know.
    pub granted: bool,
}

/// Who gives slots.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SlotKind {
    /// A FleetLock server.
    FleetLock,
    /// Leases in the cluster.
    Lease,
}

/// A reboot that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Reboot {
    /// The deployment that it should come up in.
    pub into: String,
    /// The deployment that was booted when it was asked for.
    pub from: String,
    /// When.
    pub at: Timestamp,
}

/// The file that keeps it.
#[derive(Debug, Clone)]
pub(super) struct Keeper {
    file: Sealed,
}

impl Keeper {
    /// The file below the state directory; nothing is read or made yet.
    pub(super) fn new(directory: &Path) -> Self {
        Self { file: Sealed::new(directory.join("rollout.json"), FORMAT) }
    }

    /// What was kept. A damaged file is as if everything might have been done: what the node and the leases then say is
    /// put right.
    ///
    /// # Errors
    /// When the file cannot be read or was written by a newer agent.
    pub(super) fn read(&self) -> Result<Memory, ApplyError> {
        Ok(match self.file.read()? {
            Found::Value(memory) => memory,
            Found::Nothing => Memory::default(),
            Found::Damaged(problem) => {
                tracing::warn!(problem, "the memory of the roll-out is damaged: its traces are looked for");
                Memory { cordoned: true, ..Memory::default() }
            }
        })
    }

    /// Keeps it durably. Safe to repeat.
    ///
    /// # Errors
    /// When it cannot be written; the deed it is about must not be done then.
    pub(super) fn keep(&self, _lock: &HostLock, memory: &Memory) -> Result<(), ApplyError> {
        self.file.write(memory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apply::State;

    #[test]
    fn what_was_kept_comes_back_and_a_damaged_file_leads_to_a_look_around() {
        let directory = tempfile::tempdir().unwrap();
        let lock = State::new(directory.path()).lock().unwrap();
        let keeper = Keeper::new(directory.path());
        assert_eq!(keeper.read().unwrap(), Memory::default());
        let memory = Memory {
            slot: Some(Slot { kind: SlotKind::Lease, pool: "worker".to_owned(), granted: true }),
            cordoned: true,
            reboot: Some(Reboot {
                into: "b.0".to_owned(),
                from: "a.0".to_owned(),
                at: "2026-11-25T12:00:00Z".parse().unwrap(),
            }),
            reboots: 3,
            ..Memory::default()
        };
        keeper.keep(&lock, &memory).unwrap();
        assert_eq!(keeper.read().unwrap(), memory);
        std::fs::write(directory.path().join("rollout.json"), "{").unwrap();
        assert!(keeper.read().unwrap().cordoned);
    }
}
