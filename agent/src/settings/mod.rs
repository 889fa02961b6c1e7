//! How the agent itself is configured: drop-in fragments → merged inputs → validated settings.
//!
//! Decides: which value each key has and where it came from. Must not: touch what a value names (a directory that is
//! missing is found by whoever needs it). Input: `*.toml` drop-ins below three directories, and arguments.
//!
//! One [table](table::KEYS) of keys drives the parser, the shipped `10-defaults.toml`, the page `docs/settings.md` and
//! the tests that hold the three together.

mod check;
mod docs;
mod fragments;
mod merge;
mod sections;
pub mod table;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Failure, Reason};

pub use docs::{default_file, page};
pub use fragments::{CONFIG_ROOT_ENV, DIRECTORIES};
pub use merge::{Overrides, load};
pub use sections::{
    ClusterSettings, HostSettings, Level, LogSettings, MachineConfigSettings, MetricsSettings, Mode,
    PayloadSettings, ReconcileSettings, RolloutSettings, Settings, Skew, Source, StateSettings,
    StoreSettings, Strategy,
};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// The agent's own default.
    Default,
    /// A drop-in file.
    File(PathBuf),
    /// An argument of this command.
    Argument(&'static str),
}

impl std::fmt::Display for Origin {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Origin::Default => out.write_str("default"),
            Origin::File(path) => write!(out, "{}", path.display()),
            Origin::Argument(name) => write!(out, "argument {name}"),
        }
    }
}

/// One line of `config dump`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DumpLine {
    /// `section.key`.
    pub key: String,
    /// The value as it would be written; nothing where the key is unset.
    pub value: Option<String>,
    /// Where it came from.
    pub origin: Origin,
}

/// The settings with their story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// What the agent uses.
    pub settings: Settings,
    /// Every key with its value and origin, in the order of the table.
    pub dump: Vec<DumpLine>,
    /// What was passed over, for the log: an unknown key is news, not a failure, so that agent and file may differ in age.
    pub warnings: Vec<String>,
}

/// Why the settings cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// A drop-in or its directory cannot be read.
    #[error("reading settings from `{path}`")]
    Read {
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A drop-in is larger than any honest one, or there are too many of them.
    #[error("settings in `{path}`: {what} is over the limit of {limit}")]
    Limit {
        /// The file or directory.
        path: PathBuf,
        /// What was counted.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
    /// A drop-in is not TOML.
    #[error("parsing settings in `{path}`: {problem}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line and fault, without the text itself: a file put there by mistake may hold a secret.
        problem: String,
    },
    /// A value that its key does not allow.
    #[error("`{key}` in {origin}: {found} is not allowed; use {allowed}")]
    Value {
        /// `section.key`.
        key: String,
        /// Where the value stands.
        origin: Origin,
        /// What was found there.
        found: String,
        /// What may stand there.
        allowed: String,
    },
}

impl Failure for SettingsError {
    fn reason(&self) -> Reason {
        match self {
            SettingsError::Read { .. }
            | SettingsError::Limit { .. }
            | SettingsError::Syntax { .. }
            | SettingsError::Value { .. } => Reason::InvalidSettings,
        }
    }
}
