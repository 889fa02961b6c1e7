//! The plan as a document: what an admin, a support case or another program reads. Equal inputs give equal bytes.

use std::collections::{BTreeMap, BTreeSet};

use extensions_manifest::closure::{Because, ProofLine};
use extensions_manifest::{ExtensionName, MapOrigin, Nevra, Sha256Digest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::refusal::Objection;
use crate::desired::KernelType;

/// The version of the documents that the agent writes.
pub const API_VERSION: &str = "extensions.agent/v1";

/// What was decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// The host has what is wanted.
    Nothing,
    /// One transaction gets it there.
    Change,
    /// It cannot be had as things are; see `refusals`.
    Refuse,
}

/// The payload that the plan takes packages from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PayloadLine {
    /// Which image, with its digest.
    pub reference: String,
    /// The digest it is pinned by.
    pub digest: Sha256Digest,
    /// The OS version it was built for, where it says so.
    pub version: Option<String>,
    /// Where its extension map came from.
    pub map: MapOrigin,
    /// How many packages it holds.
    pub packages: usize,
}

/// The deployment that the change starts from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StartLine {
    /// Its id; calls accumulate on a staged deployment, so it may be one that is not booted yet.
    pub deployment: String,
    /// Whether it is the booted one.
    pub booted: bool,
    /// The commit of its base.
    pub base_checksum: String,
    /// The version of its base.
    pub version: Option<String>,
}

/// A package to install.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstallLine {
    /// Which package.
    pub nevra: Nevra,
    /// The digest of the whole file.
    pub file: Sha256Digest,
    /// The digest of everything before its payload, as the host will record it.
    pub head: Sha256Digest,
    /// Size of the file, in bytes.
    pub size: u64,
    /// Size of the installed files, in bytes.
    pub installed_size: u64,
    /// The package of ours that it replaces.
    pub replaces: Option<Nevra>,
    /// Every direct reason for it to be here.
    pub because: Vec<Because>,
    /// The extensions that need it.
    pub extensions: BTreeSet<ExtensionName>,
    /// From an extension down to this package, one line a step.
    pub path: Vec<String>,
}

/// A package of ours to uninstall.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UninstallLine {
    /// Which package.
    pub nevra: Nevra,
    /// The digest of everything before its payload.
    pub head: Sha256Digest,
    /// What takes its place; none when nothing needs it any more.
    pub replaced_by: Option<Nevra>,
}

/// A package that is wanted and layered already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct KeepLine {
    /// Which package.
    pub nevra: Nevra,
    /// Whether the agent layered it; if not it stays its owner's.
    pub ours: bool,
    /// The extensions that need it.
    pub extensions: BTreeSet<ExtensionName>,
}

/// A plan, complete: what would be done, why, and the proof that it is enough.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanDocument {
    /// Always `extensions.agent/v1`.
    pub api_version: String,
    /// Always `Plan`.
    pub kind: String,
    /// What was decided.
    pub decision: Decision,
    /// Which wish it answers.
    pub generation: Sha256Digest,
    /// Each wanted extension with the MachineConfigs that asked for it.
    pub requested_by: BTreeMap<ExtensionName, BTreeSet<String>>,
    /// The wanted kernel.
    pub kernel_type: KernelType,
    /// What the packages are taken from; none when nothing is wanted.
    pub payload: Option<PayloadLine>,
    /// What the change starts from; none on a host that is not booted from a deployment.
    pub start: Option<StartLine>,
    /// Packages to install.
    pub install: Vec<InstallLine>,
    /// Packages to uninstall.
    pub uninstall: Vec<UninstallLine>,
    /// Wanted packages that are layered already.
    pub keep: Vec<KeepLine>,
    /// Base packages to remove (kernel swap).
    pub override_remove: BTreeSet<String>,
    /// Base packages to bring back (kernel swap back).
    pub override_reset: BTreeSet<String>,
    /// Packages that an extension names but the base has already.
    pub in_base: BTreeMap<ExtensionName, BTreeSet<Nevra>>,
    /// Every requirement of every package that has to be layered, and who meets it.
    pub proof: Vec<ProofLine>,
    /// Everything that stands in the way.
    pub refusals: Vec<Objection>,
    /// What should be looked at although the settings allow it.
    #[serde(default)]
    pub warnings: Vec<Objection>,
    /// Bytes of the files to hand over.
    pub bytes: u64,
    /// Bytes they will take when installed.
    pub installed_bytes: u64,
    /// Whether the host has to reboot for the change to take effect.
    pub reboot_needed: bool,
}

impl PlanDocument {
    /// The document as indented JSON with a final newline. Equal documents give equal bytes.
    ///
    /// # Errors
    /// Never for a document made here; the type of the writer allows it.
    pub fn to_json(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string_pretty(self).map(|text| text + "\n")
    }

    /// The JSON schema of the document.
    pub fn schema() -> schemars::Schema {
        schemars::schema_for!(PlanDocument)
    }
}
