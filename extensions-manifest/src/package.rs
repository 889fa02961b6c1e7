//! What the resolver must know of one package, and of the base it will stand on.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::dependency::{Capability, Requirement};
use crate::nevra::Nevra;

/// The facts of one package that decide whether it can be layered, read from its header and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PackageFacts {
    /// Who it is.
    pub nevra: Nevra,
    /// What it provides, its own `name = evr` included.
    pub provides: Vec<Capability>,
    /// What it requires to be installed; `rpmlib(…)` features included.
    pub requires: Vec<Requirement>,
    /// What it cannot stand beside.
    pub conflicts: Vec<Requirement>,
    /// What it replaces.
    pub obsoletes: Vec<Capability>,
    /// Absolute paths of the files it owns. Requirements may name a path.
    pub files: Vec<String>,
}

/// The booted base as far as the closure needs it: its packages without their requirements, and those of its files
/// that somebody may require.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Base {
    /// The packages of the base image, without anything layered.
    pub packages: Vec<BasePackage>,
    /// Paths owned by base packages. May be narrowed to the paths that the payload's packages require.
    pub files: BTreeSet<String>,
}

/// One package of the base.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BasePackage {
    /// Who it is.
    pub nevra: Nevra,
    /// What it provides.
    pub provides: Vec<Capability>,
    /// What it refuses to stand beside.
    #[serde(default)]
    pub conflicts: Vec<Requirement>,
    /// What it replaces.
    #[serde(default)]
    pub obsoletes: Vec<Capability>,
}
