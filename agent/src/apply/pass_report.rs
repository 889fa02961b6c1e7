//! What one pass found and did, as one value: status, metrics and the journal are all read from it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use extensions_manifest::{ExtensionName, Nevra, Sha256Digest};
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::desired::Desired;
use crate::error::{Class, Failure, Reason, chain};
use crate::host::Observed;
use crate::owner::Owner;
use crate::plan::PlanDocument;

/// Why a pass did not get there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Problem {
    /// What it is, in one closed word.
    pub reason: Reason,
    /// What to do about it.
    pub class: Class,
    /// What happened, with all causes.
    pub message: String,
    /// What would cure it.
    pub cure: Option<String>,
}

/// How a pass ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "result", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum PassOutcome {
    /// Nothing is wanted and nothing of ours is layered.
    NothingWanted,
    /// The host runs what is wanted.
    Booted {
        /// The deployment it runs from.
        deployment: String,
    },
    /// What is wanted was staged before; the next reboot brings it.
    AwaitingReboot {
        /// The deployment that the next boot takes.
        deployment: String,
    },
    /// This pass staged it, and it was confirmed; the next reboot brings it.
    Staged {
        /// The deployment that the next boot takes.
        deployment: String,
    },
    /// The pass only said what it would do.
    Planned,
    /// Somebody else owns the extensions of this host: the pass looked and changed nothing.
    Observed {
        /// Who.
        owner: Owner,
    },
    /// It did not get there.
    NotDone {
        /// Why.
        #[serde(flatten)]
        problem: Problem,
    },
}

/// The payload that was looked at, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PayloadSummary {
    /// Which image, with its digest.
    pub reference: String,
    /// The digest it is pinned by.
    pub digest: Sha256Digest,
    /// The OS version it was built for.
    pub version: Option<String>,
    /// How many packages it holds.
    pub packages: usize,
    /// The extensions it offers.
    pub offers: BTreeSet<ExtensionName>,
    /// What fetching it took in this pass.
    pub fetch: FetchSummary,
}

/// What fetching took.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FetchSummary {
    /// Requests to the source.
    pub requests: u64,
    /// Bytes that came over the network or from the layout.
    pub bytes_received: u64,
    /// Bytes written to the store.
    pub bytes_written: u64,
    /// Whether everything was in the store already.
    pub cached: bool,
}

/// Where one extension stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ExtensionState {
    /// Whether it is wanted now.
    pub desired: bool,
    /// Whether the deployment of the next boot has all of it.
    pub staged: bool,
    /// Whether the booted deployment has all of it.
    pub booted: bool,
    /// The version that was decided on, once known.
    pub version: Option<String>,
    /// The MachineConfigs that asked for it.
    pub requested_by: BTreeSet<String>,
    /// The packages it needs layered.
    pub packages: BTreeSet<Nevra>,
    /// The packages it names that the base has.
    pub in_base: BTreeSet<Nevra>,
}

/// How long each step took; zero for a step that was not taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Timings {
    /// Asking the host and settling what an earlier run left open.
    #[serde(rename = "observeMillis", with = "millis")]
    #[schemars(with = "u64")]
    pub observe: Duration,
    /// Fetching and verifying the payload.
    #[serde(rename = "payloadMillis", with = "millis")]
    #[schemars(with = "u64")]
    pub payload: Duration,
    /// Deciding and checking.
    #[serde(rename = "planMillis", with = "millis")]
    #[schemars(with = "u64")]
    pub plan: Duration,
    /// Waiting for transactions of others.
    #[serde(rename = "waitMillis", with = "millis")]
    #[schemars(with = "u64")]
    pub wait: Duration,
    /// Opening files, the transaction, and confirming it.
    #[serde(rename = "applyMillis", with = "millis")]
    #[schemars(with = "u64")]
    pub apply: Duration,
    /// The whole pass.
    #[serde(rename = "totalMillis", with = "millis")]
    #[schemars(with = "u64")]
    pub total: Duration,
}

/// What one pass found and did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PassReport {
    /// When it ended.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// How it ended.
    pub outcome: PassOutcome,
    /// Who owns the extensions of this host, where it is not the agent.
    pub owner: Option<Owner>,
    /// Why the source of the wish cannot be asked at the moment; the wish is then the last good one.
    pub source_problem: Option<Problem>,
    /// Mutating calls it made to the host; 0 when there was nothing to do, never more than one that was carried out.
    pub calls: u32,
    /// Where each extension stands that is wanted or was layered.
    pub extensions: BTreeMap<ExtensionName, ExtensionState>,
    /// Whether what is wanted is staged and waits for a reboot.
    pub reboot_pending: bool,
    /// The wish, where it could be read.
    pub desired: Option<Desired>,
    /// The payload, where it had to be looked at.
    pub payload: Option<PayloadSummary>,
    /// The plan, where one was made.
    pub plan: Option<PlanDocument>,
    /// What the host said last, where it could be asked.
    pub observed: Option<Observed>,
    /// How long it took.
    pub timings: Timings,
}

impl Problem {
    /// The problem that `failure` is, with all its causes.
    pub fn of(failure: &impl Failure) -> Self {
        Self {
            reason: failure.reason(),
            class: failure.class(),
            message: chain(failure),
            cure: failure.cure(),
        }
    }
}

impl PassReport {
    /// Why the pass did not get there, if it did not.
    pub fn problem(&self) -> Option<&Problem> {
        match &self.outcome {
            PassOutcome::NotDone { problem } => Some(problem),
            PassOutcome::NothingWanted
            | PassOutcome::Booted { .. }
            | PassOutcome::AwaitingReboot { .. }
            | PassOutcome::Staged { .. }
            | PassOutcome::Planned
            | PassOutcome::Observed { .. } => None,
        }
    }

    /// Why the pass did not get there, in one closed word.
    pub fn reason(&self) -> Option<Reason> {
        self.problem().map(|problem| problem.reason)
    }

    /// The exit code of a command that ends with this report.
    pub fn exit_code(&self) -> u8 {
        self.reason().map_or(0, Reason::exit_code)
    }
}

mod millis {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(time: &Duration, out: S) -> Result<S::Ok, S::Error> {
        out.serialize_u64(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Duration, D::Error> {
        u64::deserialize(input).map(Duration::from_millis)
    }
}
