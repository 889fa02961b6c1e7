//! One value that says where the node stands: the daemon writes it, `status` shows it, a schema describes it.

mod build;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use extensions_manifest::{ExtensionName, Nevra, Sha256Digest};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::apply::{PassOutcome, Problem, Timings};
use crate::desired::KernelType;
use crate::error::{Failure, Reason};
use crate::host::RunningTransaction;

/// The file in the state directory.
pub const FILE: &str = "status.json";
/// Largest status that is read back, in bytes.
const FILE_BYTES: u64 = 16 << 20;
/// Anybody on the host may ask how it stands; nothing in it is secret.
const MODE: u32 = 0o644;

/// Where the node stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    /// Always `extensions.agent/v1`.
    pub api_version: String,
    /// Always `Status`.
    pub kind: String,
    /// The version of the agent that wrote it.
    pub agent_version: String,
    /// When the pass that it tells of ended.
    #[schemars(with = "String")]
    pub as_of: Timestamp,
    /// The short answers: `Ready` first.
    pub conditions: Vec<Condition>,
    /// A digest of what is wanted, whoever asked, where it could be read.
    pub wish: Option<Sha256Digest>,
    /// The kernel that is wanted, where the wish could be read.
    pub kernel_type: Option<KernelType>,
    /// The architecture of the host, where it could be asked.
    pub arch: Option<String>,
    /// Each extension that is wanted or was layered.
    pub extensions: BTreeMap<ExtensionName, ExtensionStatus>,
    /// Whether what is wanted is staged and waits for a reboot.
    pub reboot_pending: bool,
    /// The payload that extensions are taken from.
    pub payload: Option<PayloadStatus>,
    /// The deployment that runs.
    pub booted: Option<DeploymentStatus>,
    /// The deployment that the next boot takes, where it is another one.
    pub next: Option<DeploymentStatus>,
    /// A transaction that was running when the host was asked.
    pub transaction: Option<RunningTransaction>,
    /// Why the source of the wish cannot be asked at the moment; the wish is then the last good one.
    #[serde(default)]
    pub source_problem: Option<Problem>,
    /// What the last pass came to.
    pub last_pass: LastPass,
}

/// One short answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Condition {
    /// What is asked.
    #[serde(rename = "type")]
    pub kind: ConditionKind,
    /// The answer.
    pub status: Truth,
    /// Why, in one word: a reason of the agent, or how the pass ended.
    pub reason: String,
    /// Why, in words.
    pub message: String,
}

/// What a condition asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum ConditionKind {
    /// Does the running system have what is wanted?
    Ready,
    /// Will the next boot have it?
    Staged,
}

/// An answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Truth {
    /// Yes.
    True,
    /// No.
    False,
    /// The host could not be asked, or the wish could not be read.
    Unknown,
}

/// Where one extension stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtensionStatus {
    /// The three facts below in one word.
    pub stage: Stage,
    /// Whether it is wanted now.
    pub desired: bool,
    /// Whether the next boot has all of it.
    pub staged: bool,
    /// Whether the running system has all of it.
    pub booted: bool,
    /// Its version, once known.
    pub version: Option<String>,
    /// The MachineConfigs that asked for it.
    pub requested_by: BTreeSet<String>,
    /// The packages that are layered for it.
    pub packages: BTreeSet<Nevra>,
    /// The packages it names that the base has already.
    pub in_base: BTreeSet<Nevra>,
    /// Why it is not where it should be.
    pub problems: Vec<ExtensionProblem>,
}

/// Why an extension is not where it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExtensionProblem {
    /// What it is, in one closed word.
    pub reason: Reason,
    /// What happened.
    pub message: String,
    /// What would cure it.
    pub cure: Option<String>,
}

/// Where an extension is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Wanted and running.
    Active,
    /// Wanted; the next boot brings it.
    AfterReboot,
    /// Wanted and running, but the next boot would lose it.
    LostAtReboot,
    /// Wanted and not there yet.
    Pending,
    /// Wanted and not to be had; see its problems.
    Blocked,
    /// No longer wanted; the next boot is without it.
    RemovedAtReboot,
    /// No longer wanted and not removed yet.
    Leftover,
    /// Neither wanted nor there.
    Gone,
}

/// The payload in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PayloadStatus {
    /// Which image, as a MachineConfig carries it; with its digest where the pass had to look at it.
    pub reference: String,
    /// The digest it is pinned by: by its name, or because the pass had to look at it.
    pub digest: Option<Sha256Digest>,
    /// The OS version it was built for.
    pub version: Option<String>,
    /// The MachineConfig that names it; none where the settings do.
    pub requested_by: Option<String>,
}

/// A deployment in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeploymentStatus {
    /// `osname-checksum.serial`.
    pub id: String,
    /// The commit of its base.
    pub base_checksum: String,
    /// The version of its base.
    pub version: Option<String>,
    /// Packages layered on it, whoever did.
    pub layered: BTreeSet<Nevra>,
}

/// The last pass in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastPass {
    /// How it ended.
    #[serde(flatten)]
    pub outcome: PassOutcome,
    /// Calls it made that change the host.
    pub calls: u32,
    /// How long each step took.
    pub timings: Timings,
}

/// Why a status cannot be kept or shown.
#[derive(Debug, thiserror::Error)]
pub enum StatusError {
    /// It cannot be written.
    #[error("writing status to `{}`", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be read.
    #[error("reading status from `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Failure for StatusError {
    fn reason(&self) -> Reason {
        match self {
            StatusError::Write { .. } | StatusError::Read { .. } => Reason::StateUnusable,
        }
    }
}

impl Status {
    /// The problem of the last pass, if it had one.
    pub fn problem(&self) -> Option<&Problem> {
        match &self.last_pass.outcome {
            PassOutcome::NotDone { problem } => Some(problem),
            PassOutcome::NothingWanted
            | PassOutcome::Booted { .. }
            | PassOutcome::AwaitingReboot { .. }
            | PassOutcome::Staged { .. }
            | PassOutcome::Planned
            | PassOutcome::Observed { .. } => None,
        }
    }

    /// The first answer on one line: `Booted: the running system has what is wanted`.
    pub fn headline(&self) -> String {
        let ready = self.conditions.first();
        ready.map(|ready| format!("{}: {}", ready.reason, ready.message)).unwrap_or_default()
    }

    /// Keeps the status in `directory`. Whoever reads sees the old one or the new one, never a part.
    ///
    /// Not synced to disk: after a crash the next pass writes it anew.
    ///
    /// # Errors
    /// When the directory cannot be written.
    pub fn write(&self, directory: &Path) -> Result<(), StatusError> {
        let path = directory.join(FILE);
        let failed = |source| StatusError::Write { path: path.clone(), source };
        let text = serde_json::to_string_pretty(self).map_err(|error| failed(error.into()))?;
        let mut file = tempfile::NamedTempFile::new_in(directory).map_err(failed)?;
        file.write_all(text.as_bytes()).and_then(|()| file.write_all(b"\n")).map_err(failed)?;
        file.as_file().set_permissions(fs::Permissions::from_mode(MODE)).map_err(failed)?;
        file.persist(&path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// The status that was kept in `directory`, if one was.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(directory: &Path) -> Result<Option<Self>, StatusError> {
        let path = directory.join(FILE);
        let failed = |source| StatusError::Read { path: path.clone(), source };
        let file = match fs::File::open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut text = String::new();
        file.take(FILE_BYTES).read_to_string(&mut text).map_err(failed)?;
        serde_json::from_str(&text).map(Some).map_err(|error| failed(error.into()))
    }

    /// The JSON schema of a status.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(Status)
    }
}

#[cfg(test)]
mod tests;
