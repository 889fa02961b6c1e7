//! The payload's own map from extension names to packages.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{ExtensionName, PackageName};

/// Where a map came from; shown to the admin, because a built-in map may lag behind the payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MapOrigin {
    /// `extensions.json` beside the RPMs, written when the payload was composed.
    Payload,
    /// One directory per extension, as payloads of 4.6 and 4.7 have it.
    Directories,
    /// Our own table, for payloads without a map.
    BuiltIn,
}

/// What an extension is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Meant to be layered on a host.
    #[default]
    OsExtension,
    /// Bundled for developers; never layered by its own name.
    Development,
}

/// A package as a map names it: `usbguard`, or `kernel-devel-5.14.0-427.el9` where `match-base-evr` fixed a version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageSpec {
    /// The text of the map.
    pub text: String,
}

/// One extension of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extension {
    /// The packages to install, as the map names them.
    pub packages: Vec<PackageSpec>,
    /// What it is for.
    pub kind: Kind,
    /// The architectures it exists for; empty means all.
    pub architectures: BTreeSet<String>,
    /// The base package whose version its packages carry.
    pub match_base_evr: Option<PackageName>,
}

/// Extension name → packages, for one payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtensionMap {
    /// Where the map came from.
    pub origin: MapOrigin,
    /// The extensions, by name.
    pub extensions: BTreeMap<ExtensionName, Extension>,
}
