//! What can go wrong between a checked plan and a host that has it.

use std::io;
use std::path::PathBuf;

use extensions_manifest::Nevra;
use thiserror::Error;

use crate::error::{Failure, Reason};
use crate::host::HostError;
use crate::payload::PayloadError;

/// Why a plan was not carried out, or is not known to have been. Texts of others inside are escaped and cut.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// The agent's own state cannot be read or written; nothing is done that cannot be journalled.
    #[error("{operation} `{path}`")]
    State {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A newer agent wrote it.
    #[error("`{path}` has format {found}, and this agent knows up to {known}")]
    NewerFormat {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest that is known here.
        known: u32,
    },
    /// A value of ours has no JSON form.
    #[error("writing `{path}`")]
    Encode {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// Another instance works on this host.
    #[error("another instance of the agent holds `{path}`")]
    AnotherInstance {
        /// The lock.
        path: PathBuf,
    },
    /// A file to hand over could not be opened.
    #[error("opening the file of `{nevra}`")]
    Package {
        /// Which package.
        nevra: Box<Nevra>,
        /// Why.
        source: PayloadError,
    },
    /// The host could not be asked, or would not take the change.
    #[error(transparent)]
    Host(#[from] HostError),
    /// The host says that the transaction failed.
    #[error("the transaction failed: `{message}`")]
    Failed {
        /// What it said.
        message: String,
    },
    /// Somebody cancelled the transaction.
    #[error("the transaction was cancelled: `{message}`")]
    Cancelled {
        /// What the host said.
        message: String,
    },
    /// The host went away and does not have what was planned.
    #[error("the outcome of the transaction is not known, and the host does not have what was planned")]
    Lost,
    /// Our call was taken for somebody else's; what that one does is not believed to be ours.
    #[error("the call was joined to somebody else's transaction")]
    NotOurs,
    /// The host says done, and does not have what was planned.
    #[error("the host says it is done, but {problem}")]
    NotConfirmed {
        /// What is there instead.
        problem: String,
    },
}

impl Failure for ApplyError {
    fn reason(&self) -> Reason {
        match self {
            Self::State { .. } | Self::NewerFormat { .. } => Reason::StateUnusable,
            Self::Encode { .. } => Reason::Internal,
            Self::AnotherInstance { .. } => Reason::AnotherInstance,
            Self::Package { source, .. } => source.reason(),
            Self::Host(source) => source.reason(),
            Self::Failed { .. } => Reason::TransactionFailed,
            Self::Cancelled { .. } => Reason::TransactionCancelled,
            Self::Lost => Reason::TransactionLost,
            Self::NotOurs => Reason::TransactionInProgress,
            Self::NotConfirmed { .. } => Reason::NotConfirmed,
        }
    }

    fn cure(&self) -> Option<String> {
        match self {
            Self::NewerFormat { path, .. } => {
                Some(format!("run the newer agent again, or move `{}` away", path.display()))
            }
            Self::Host(source) => source.cure(),
            Self::Package { source, .. } => source.cure(),
            Self::State { .. }
            | Self::Encode { .. }
            | Self::AnotherInstance { .. }
            | Self::Failed { .. }
            | Self::Cancelled { .. }
            | Self::Lost
            | Self::NotOurs
            | Self::NotConfirmed { .. } => self.reason().cure().map(str::to_owned),
        }
    }
}
