//! Why a node does not get from a staged deployment to a booted one.

use std::io;

use jiff::Timestamp;
use thiserror::Error;

use crate::error::{Failure, Reason};

/// Most nodes or pods that one message names.
const NAMED: usize = 5;

/// Why a node does not get from a staged deployment to a booted one. Texts of others inside are escaped and cut.
#[derive(Debug, Error)]
pub enum RolloutError {
    /// Others hold all slots.
    #[error("all slots of the pool `{pool}` are taken, by {}", some(holders))]
    NoFreeSlot {
        /// The pool.
        pool: String,
        /// They.
        holders: Vec<String>,
    },
    /// Pods may not be evicted.
    #[error("the drain waits for {}", some(pods))]
    DrainBlocked {
        /// Which, and why.
        pods: Vec<String>,
    },
    /// The drain took longer than it may.
    #[error("the drain was given up after its limit; it waited for {}", some(pods))]
    DrainGivenUp {
        /// Which, and why.
        pods: Vec<String>,
    },
    /// The window is closed.
    #[error("reboots are allowed from {opens}")]
    OutsideWindow {
        /// When it opens.
        opens: Timestamp,
    },
    /// The FleetLock server did not answer, or not in its protocol.
    #[error("{operation}: {problem}")]
    FleetLock {
        /// What was asked.
        operation: String,
        /// What came of it.
        problem: String,
    },
    /// The machine has no identity to ask a FleetLock server with.
    #[error("reading the machine id")]
    MachineId {
        /// What the system said.
        source: io::Error,
    },
    /// The strategy needs something that the settings do not name.
    #[error("the strategy `{strategy}` needs `{key}`")]
    Unset {
        /// The strategy.
        strategy: &'static str,
        /// What is missing.
        key: &'static str,
    },
    /// The name of the pool or group cannot be used.
    #[error(
        "`{pool}` cannot be the name of a pool: letters, digits, `-` and `.`, up to 63 of them, in lower case where leases are used"
    )]
    Pool {
        /// The name.
        pool: String,
    },
    /// rpm-ostree did not finalize the deployment.
    #[error("finalizing `{deployment}`: {problem}")]
    Finalize {
        /// Which.
        deployment: String,
        /// What rpm-ostree said.
        problem: String,
    },
    /// What was to be booted is not what the host would boot now.
    #[error("`{deployment}` is not what is staged any more")]
    Moved {
        /// What was to be booted.
        deployment: String,
    },
    /// The reboot came up in the deployment that was left.
    #[error("the reboot into `{into}` came up in `{from}`")]
    CameUpOld {
        /// What was to be booted.
        into: String,
        /// What was booted.
        from: String,
    },
    /// The reboot was asked for and did not come.
    #[error("the host was asked to reboot into `{into}` and did not")]
    NoReboot {
        /// What was to be booted.
        into: String,
    },
}

impl Failure for RolloutError {
    fn reason(&self) -> Reason {
        match self {
            Self::NoFreeSlot { .. } => Reason::NoFreeSlot,
            Self::DrainBlocked { .. } | Self::DrainGivenUp { .. } => Reason::DrainBlocked,
            Self::OutsideWindow { .. } => Reason::OutsideWindow,
            Self::FleetLock { .. } | Self::MachineId { .. } => Reason::FleetLockFailed,
            Self::Unset { .. } | Self::Pool { .. } => Reason::InvalidSettings,
            Self::Finalize { .. } | Self::Moved { .. } | Self::CameUpOld { .. } | Self::NoReboot { .. } => {
                Reason::FinalizeFailed
            }
        }
    }

    fn cure(&self) -> Option<String> {
        match self {
            Self::Unset { key, .. } => Some(format!("set `{key}`")),
            Self::Pool { .. } => Some("correct `rollout.pool`".to_owned()),
            Self::CameUpOld { .. } => {
                Some("see `journalctl -b -1 -u ostree-finalize-staged` on the node".to_owned())
            }
            Self::NoReboot { .. } => Some("see `systemd-inhibit --list` on the node".to_owned()),
            Self::NoFreeSlot { .. }
            | Self::DrainBlocked { .. }
            | Self::DrainGivenUp { .. }
            | Self::OutsideWindow { .. }
            | Self::FleetLock { .. }
            | Self::MachineId { .. }
            | Self::Finalize { .. }
            | Self::Moved { .. } => self.reason().cure().map(str::to_owned),
        }
    }
}

/// The first few of a list, and how many there are beside.
fn some(names: &[String]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED).map(String::as_str).collect();
    match names.len().saturating_sub(NAMED) {
        0 if shown.is_empty() => "nobody that can be named".to_owned(),
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
