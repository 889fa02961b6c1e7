//! What is wrong with the inputs of a command.

use std::io;
use std::path::PathBuf;

use crate::error::{Failure, Reason};

/// What is wrong with the inputs of a command.
#[derive(Debug, thiserror::Error)]
pub(super) enum InputError {
    /// No payload is named.
    #[error("no MachineConfig and no setting names a payload")]
    NoPayload,
    /// The document of the host cannot be read.
    #[error("reading the observed host from `{}`", path.display())]
    Observed {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: io::Error,
    },
    /// Neither the store nor a temporary directory can be written.
    #[error("making a temporary store")]
    Temporary {
        /// What the system said.
        source: io::Error,
    },
    /// Nothing of that name is wanted or planned.
    #[error("`{name}` is neither an extension that is wanted nor a package that they need")]
    NotPlanned {
        /// The name.
        name: String,
    },
}

impl Failure for InputError {
    fn reason(&self) -> Reason {
        match self {
            InputError::NoPayload => Reason::NoPayload,
            InputError::Observed { .. } => Reason::InvalidSettings,
            InputError::Temporary { .. } => Reason::StateUnusable,
            InputError::NotPlanned { .. } => Reason::UnknownExtension,
        }
    }

    fn cure(&self) -> Option<String> {
        let cure = match self {
            InputError::NoPayload => return Reason::NoPayload.cure().map(str::to_owned),
            InputError::Observed { .. } => "write it with `extensions-agent observe` of this version",
            InputError::Temporary { .. } => "make `store.directory` or TMPDIR writable",
            InputError::NotPlanned { .. } => "see `extensions-agent explain` for everything that is planned",
        };
        Some(cure.to_owned())
    }
}
