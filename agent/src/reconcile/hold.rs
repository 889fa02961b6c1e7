//! When a change that is due is not made: somebody or something else undoes it, and to insist would be a fight.

use thiserror::Error;

use crate::desired::Desired;
use crate::error::{Failure, Reason};
use crate::host::Observed;
use crate::plan::{Ledger, Staging};

/// How often what was staged and lost is staged again without being asked.
const AGAIN: u32 = 3;

/// Why a change waits for a person.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(super) enum Held {
    /// A rollback was chosen, by a person or by a health check; to stage anew would undo that at the next boot.
    #[error(
        "the host was taken back to `{older}`, which lacks what is wanted, and `{newer}`, which has it, is still there"
    )]
    RolledBack {
        /// What the next boot takes.
        older: String,
        /// What it was taken back from.
        newer: String,
    },
    /// Finalization fails at each shutdown, or another client drops what we stage.
    #[error("what is wanted was staged {times} times, and each time it was gone before it was booted")]
    StagingLost {
        /// How often.
        times: u32,
    },
}

impl Failure for Held {
    fn reason(&self) -> Reason {
        match self {
            Self::RolledBack { .. } => Reason::RolledBack,
            Self::StagingLost { .. } => Reason::StagingLost,
        }
    }
}

/// Whether the host was taken back past what was staged for this very wish. Another wish ends the hold.
pub(super) fn rolled_back(desired: &Desired, observed: &Observed, ledger: &Ledger) -> Result<(), Held> {
    match ledger.gone_back(desired.generation(), observed) {
        Some((older, newer)) => Err(Held::RolledBack { older: older.id.clone(), newer: newer.id.clone() }),
        None => Ok(()),
    }
}

/// Whether staging `next`, which is due, has been in vain too often. Another wish, payload or base starts anew.
pub(super) fn staging_lost(next: Option<&Staging>) -> Result<(), Held> {
    match next.map(|staging| staging.times.saturating_sub(1)) {
        Some(times) if times > AGAIN => Err(Held::StagingLost { times }),
        Some(_) | None => Ok(()),
    }
}
