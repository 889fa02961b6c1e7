//! Why the wish cannot be read or cannot be meant.

use std::path::PathBuf;

use extensions_manifest::ManifestError;

use crate::error::{Failure, Reason};

/// Why the wish cannot be read. One bad document refuses the whole, as the operator does: half a wish is another wish.
#[derive(Debug, thiserror::Error)]
pub enum DesiredError {
    /// A file or directory cannot be read.
    #[error("reading MachineConfigs from `{}`", path.display())]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A document is not a MachineConfig, or not a readable one.
    #[error("document {number} in `{}` is not a usable MachineConfig: {problem}", path.display())]
    Document {
        /// The file.
        path: PathBuf,
        /// Which document of it, from 1.
        number: usize,
        /// What is wrong with it, escaped and cut.
        problem: String,
    },
    /// An extension name outside the grammar.
    #[error("extension in MachineConfig `{machine_config}` in `{}`", path.display())]
    ExtensionName {
        /// The file.
        path: PathBuf,
        /// The MachineConfig.
        machine_config: String,
        /// The name and the grammar.
        source: ManifestError,
    },
    /// Two documents carry one name, so that their order is nobody's intention.
    #[error("MachineConfig `{name}` is in `{}` and in `{}`", first.display(), second.display())]
    Duplicate {
        /// The name.
        name: String,
        /// One file.
        first: PathBuf,
        /// The other; the same one when a file repeats itself.
        second: PathBuf,
    },
    /// More than a bound allows.
    #[error("`{}`: {what} is over the limit of {limit}", path.display())]
    Limit {
        /// The file or directory.
        path: PathBuf,
        /// What was counted.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
    /// More extensions than one node may have.
    #[error("{found} extensions are asked for, over the limit of {limit}")]
    TooManyExtensions {
        /// How many there are.
        found: usize,
        /// How many there may be.
        limit: usize,
    },
}

impl Failure for DesiredError {
    fn reason(&self) -> Reason {
        match self {
            DesiredError::Read { .. } | DesiredError::Document { .. } | DesiredError::Duplicate { .. } => {
                Reason::InvalidMachineConfig
            }
            DesiredError::ExtensionName { .. } => Reason::InvalidExtensionName,
            DesiredError::Limit { .. } | DesiredError::TooManyExtensions { .. } => Reason::LimitExceeded,
        }
    }

    fn cure(&self) -> Option<String> {
        let cure = match self {
            DesiredError::Read { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
                format!("create `{}`, or set `machine-config.directory`", path.display())
            }
            DesiredError::Read { path, source } if source.kind() == std::io::ErrorKind::NotADirectory => {
                format!("name the directory that `{}` lies in", path.display())
            }
            DesiredError::Read { path, .. } => format!("make `{}` readable for the agent", path.display()),
            DesiredError::Document { path, .. } => format!("correct or remove `{}`", path.display()),
            DesiredError::ExtensionName { path, .. } => {
                format!("correct the name under `extensions:` in `{}`", path.display())
            }
            DesiredError::Duplicate { .. } => "rename or remove one of the two".to_owned(),
            DesiredError::Limit { path, .. } => format!("make `{}` smaller", path.display()),
            DesiredError::TooManyExtensions { .. } => "ask for fewer extensions".to_owned(),
        };
        Some(cure)
    }
}
