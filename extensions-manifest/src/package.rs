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
    /// What it provides, its own `name = evr` included, which rpm writes into every header.
    pub provides: Vec<Capability>,
    /// What it requires to be installed; `rpmlib(…)` features included.
    pub requires: Vec<Requirement>,
    /// What it cannot stand beside.
    pub conflicts: Vec<Requirement>,
    /// What it replaces.
    pub obsoletes: Vec<Capability>,
    /// Absolute paths of the files it owns. A requirement that names a path is compared with them letter by letter:
    /// neither rpm-ostree's solver nor this crate looks through symbolic links such as `/bin`.
    pub files: Vec<String>,
}

impl PackageFacts {
    /// A package that provides itself and nothing else, and requires nothing.
    pub fn new(nevra: Nevra) -> Self {
        Self {
            provides: vec![Capability::exactly(&nevra)],
            nevra,
            requires: Vec::new(),
            conflicts: Vec::new(),
            obsoletes: Vec::new(),
            files: Vec::new(),
        }
    }

    /// Every path that it requires or conflicts with: what a base has to be asked for.
    pub fn required_paths(&self) -> impl Iterator<Item = &str> {
        self.requires.iter().chain(&self.conflicts).flat_map(Requirement::paths)
    }
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

impl BasePackage {
    /// A package that provides itself and nothing else.
    pub fn new(nevra: Nevra) -> Self {
        Self {
            provides: vec![Capability::exactly(&nevra)],
            nevra,
            conflicts: Vec::new(),
            obsoletes: Vec::new(),
        }
    }
}
