//! The payload's own map from extension names to packages.
//!
//! Decides: which names a payload offers and which packages each names. Must not: know what else is in the payload, nor
//! choose versions of dependencies. Input: the untrusted map document, the directory listing, or our own table.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{ExtensionName, PackageName};

mod builtin;
mod directories;
mod inner;
mod json;
mod spec;
#[cfg(test)]
mod tests;

pub use spec::PackageSpec;

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

impl Extension {
    /// An extension for layering, on every architecture.
    pub fn new(packages: Vec<PackageSpec>) -> Self {
        Self { packages, kind: Kind::OsExtension, architectures: BTreeSet::new(), match_base_evr: None }
    }

    /// Whether it exists for `arch`.
    pub fn is_for(&self, arch: &str) -> bool {
        self.architectures.is_empty() || self.architectures.contains(arch)
    }
}

impl ExtensionMap {
    /// The names that can be layered on a host of architecture `arch`.
    pub fn offered(&self, arch: &str) -> BTreeSet<ExtensionName> {
        let layered = |extension: &Extension| match extension.kind {
            Kind::OsExtension => extension.is_for(arch),
            Kind::Development => false,
        };
        let names = self.extensions.iter().filter(|(_, extension)| layered(extension));
        names.map(|(name, _)| name.clone()).collect()
    }
}
