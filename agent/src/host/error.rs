//! What can go wrong between the agent and the host, and what each of it means for the pass.

use std::path::PathBuf;
use std::time::Duration;

use extensions_manifest::Nevra;
use thiserror::Error;

use crate::error::{Failure, Reason};

/// Why the host could not be asked, or would not do it. Texts of others inside are escaped and cut.
#[derive(Debug, Error)]
pub enum HostError {
    /// The message bus itself is away.
    #[error("connecting to the message bus at `{address}`")]
    Bus {
        /// The address that was tried; `system` for the system bus.
        address: String,
        /// What the connection said.
        source: Box<zbus::Error>,
    },
    /// Nobody owns the name of rpm-ostreed and nobody could be started to own it, or it kept going away.
    #[error("{operation}: rpm-ostreed is not there: {problem}")]
    Daemon {
        /// What was being done.
        operation: &'static str,
        /// What the bus said.
        problem: String,
    },
    /// The name of rpm-ostreed is owned by a process that is not root's.
    #[error("rpm-ostreed's bus name is owned by uid `{uid}`, which is not to be trusted with the host")]
    ForeignOwner {
        /// Who owns it.
        uid: u32,
    },
    /// No answer in time.
    #[error("{operation}: no answer within {limit:?}")]
    TimedOut {
        /// What was being done.
        operation: &'static str,
        /// How long it may take.
        limit: Duration,
    },
    /// The host is not booted from a deployment.
    #[error("the host is not booted from an rpm-ostree deployment")]
    NotBooted,
    /// Another transaction holds the host.
    #[error("another transaction is running: `{title}`")]
    Busy {
        /// Its title, as far as it is known.
        title: String,
    },
    /// The host is about to reboot and takes no transaction any more.
    #[error("the host is rebooting")]
    Rebooting,
    /// rpm-ostree does not allow it.
    #[error("{operation}: not allowed: `{message}`")]
    NotAuthorized {
        /// What was being done.
        operation: &'static str,
        /// What rpm-ostree said.
        message: String,
    },
    /// rpm-ostree answered the call itself with an error.
    #[error("{operation}: rpm-ostree refused: `{message}`")]
    Refused {
        /// What was being done.
        operation: &'static str,
        /// What rpm-ostree said.
        message: String,
    },
    /// rpm-ostree said something that cannot be understood.
    #[error("{operation}: `{key}` cannot be read: {problem}")]
    Malformed {
        /// What was being read.
        operation: &'static str,
        /// The key or member.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// More files than one message on this bus may carry.
    #[error("{files} packages are to be handed over, and one message on this bus may carry {limit}")]
    TooManyFiles {
        /// How many there are.
        files: usize,
        /// How many there may be.
        limit: usize,
    },
    /// A file that was to be handed over is not a plain file open for reading only.
    #[error("the file of `{nevra}` cannot be handed over: {problem}")]
    File {
        /// Whose file.
        nevra: Box<Nevra>,
        /// What is wrong with it.
        problem: String,
    },
    /// The package database of the base cannot be read.
    #[error("reading the package database `{path}`: {problem}")]
    Base {
        /// Which database.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

impl Failure for HostError {
    fn reason(&self) -> Reason {
        match self {
            Self::Bus { .. } => Reason::BusUnavailable,
            Self::Daemon { .. } | Self::ForeignOwner { .. } | Self::TimedOut { .. } => {
                Reason::DaemonUnavailable
            }
            Self::NotBooted => Reason::NotAnOstreeHost,
            Self::Busy { .. } => Reason::TransactionInProgress,
            Self::Rebooting => Reason::RebootInProgress,
            Self::NotAuthorized { .. } => Reason::NotAuthorized,
            Self::Refused { .. } => Reason::TransactionFailed,
            Self::Malformed { .. } | Self::File { .. } => Reason::Internal,
            Self::TooManyFiles { .. } => Reason::TooManyPackagesForBus,
            Self::Base { .. } => Reason::BaseUnreadable,
        }
    }

    fn cure(&self) -> Option<String> {
        match self {
            Self::ForeignOwner { uid } => Some(format!(
                "find out which process of uid {uid} owns `org.projectatomic.rpmostree1`; the bus policy must allow root only"
            )),
            Self::Base { path, .. } => {
                Some(format!("run `rpm --dbpath {} -qa` on the node and see what it says", path.display()))
            }
            Self::Bus { .. }
            | Self::Daemon { .. }
            | Self::TimedOut { .. }
            | Self::NotBooted
            | Self::Busy { .. }
            | Self::Rebooting
            | Self::NotAuthorized { .. }
            | Self::Refused { .. }
            | Self::Malformed { .. }
            | Self::TooManyFiles { .. }
            | Self::File { .. } => self.reason().cure().map(str::to_owned),
        }
    }
}
