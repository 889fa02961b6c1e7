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
pub mod table;
#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{Failure, Reason};

pub use docs::{default_file, page};
pub use fragments::{CONFIG_ROOT_ENV, DIRECTORIES};
pub use merge::{Overrides, load};

/// Everything the agent can be told about itself; every value has passed its check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `[machine-config]`: where the wish comes from.
    pub machine_config: MachineConfigSettings,
    /// `[payload]`: what is offered when no MachineConfig says it.
    pub payload: PayloadSettings,
    /// `[store]`: packages that were fetched and checked.
    pub store: StoreSettings,
    /// `[state]`: journal, ledger and status.
    pub state: StateSettings,
    /// `[host]`: the machine.
    pub host: HostSettings,
    /// `[metrics]`: where they are served.
    pub metrics: MetricsSettings,
    /// `[reconcile]`: the pace of the loop.
    pub reconcile: ReconcileSettings,
    /// `[log]`: how much is said.
    pub log: LogSettings,
}

/// `[machine-config]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MachineConfigSettings {
    /// The directory of MachineConfig documents.
    pub directory: PathBuf,
}

/// `[payload]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PayloadSettings {
    /// The image to use when no MachineConfig names one.
    pub image: Option<String>,
    /// Credentials for registries, in the format of `containers-auth.json(5)`.
    pub authfile: Option<PathBuf>,
    /// Another `containers-registries.conf(5)` than the host's.
    pub registries_conf: Option<PathBuf>,
}

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreSettings {
    /// Where verified packages are kept.
    pub directory: PathBuf,
    /// How large the store may grow.
    pub max_bytes: u64,
}

/// `[state]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateSettings {
    /// Where the journal of intents, the ledger and the status are kept.
    pub directory: PathBuf,
}

/// `[host]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostSettings {
    /// The D-Bus address of rpm-ostreed; the system bus where it is unset.
    pub bus: Option<String>,
    /// The root of the host's file system.
    pub sysroot: PathBuf,
}

/// `[metrics]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetricsSettings {
    /// The unix socket that serves `/metrics`.
    pub socket: PathBuf,
}

/// `[reconcile]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReconcileSettings {
    /// How long changes must have settled before a pass starts.
    pub dwell: Duration,
    /// The first pause after a failed pass; doubled each time.
    pub backoff_initial: Duration,
    /// The longest pause after a failed pass.
    pub backoff_limit: Duration,
    /// A pass at least this often, whether anything changed or not.
    pub interval: Duration,
    /// How long to wait for somebody else's transaction.
    pub wait_limit: Duration,
    /// How long our own transaction may take before it is given up as lost.
    pub transaction_limit: Duration,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSettings {
    /// The least level that is written.
    pub level: Level,
}

/// How much the agent says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Level {
    /// Only what failed.
    Error,
    /// And what an admin should look at.
    Warn,
    /// And the story of each pass.
    #[default]
    Info,
    /// And how decisions were made.
    Debug,
    /// And everything else.
    Trace,
}

impl Level {
    /// The level as it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Level::Error => "error",
            Level::Warn => "warn",
            Level::Info => "info",
            Level::Debug => "debug",
            Level::Trace => "trace",
        }
    }
}

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
