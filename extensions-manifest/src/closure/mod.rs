//! The closure of packages that a set of extensions needs, with its proof and its explanation.
//!
//! No solver: one provider is chosen by a fixed rule, every requirement of every chosen package is then *proved* to be
//! met by the payload or the base, and anything else is an [`Obstacle`].

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::map::ExtensionMap;
use crate::name::{ExtensionName, PackageName};
use crate::nevra::Nevra;
use crate::package::{Base, PackageFacts};

/// What a payload offers to the resolver.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The payload's packages. Indexes into this slice are stable.
    pub packages: &'a [PackageFacts],
    /// The payload's map.
    pub map: &'a ExtensionMap,
    /// The architecture of the host, in rpm's words (`x86_64`).
    pub arch: &'a str,
}

/// Why a package is in the closure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Because {
    /// An extension names it.
    Extension(ExtensionName),
    /// Another member of the closure requires it.
    RequiredBy {
        /// Who requires it.
        package: Nevra,
        /// The requirement it meets, as rpm writes it.
        requirement: String,
    },
}

/// Who meets a requirement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// A package of the base.
    Base(Nevra),
    /// A file of the base.
    BaseFile(String),
    /// Another member of the closure, or the package itself.
    Member(Nevra),
    /// rpm itself (`rpmlib(…)`).
    Rpm,
    /// Nobody has to: a rich dependency whose condition does not hold.
    NotNeeded,
}

/// One line of the proof: this requirement of this package is met by that.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ProofLine {
    /// Whose requirement it is.
    pub package: Nevra,
    /// The requirement, as rpm writes it.
    pub requirement: String,
    /// Who meets it.
    pub provider: Provider,
}

/// One package of the closure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its place in [`Offer::packages`].
    pub index: usize,
    /// Every direct reason for it to be here, sorted.
    pub because: BTreeSet<Because>,
    /// The extensions that need it, directly or through others.
    pub extensions: BTreeSet<ExtensionName>,
}

/// A set of payload packages that is complete on the given base, with the proof of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closure {
    members: BTreeMap<Nevra, Member>,
    proof: Vec<ProofLine>,
    in_base: BTreeMap<ExtensionName, BTreeSet<Nevra>>,
}

/// Why a set of extensions cannot be layered from this payload on this base.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "obstacle", rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Obstacle {
    /// The payload has no extension of that name.
    UnknownExtension {
        /// The name that was asked for.
        extension: ExtensionName,
        /// The names that the payload offers on this architecture.
        offered: BTreeSet<ExtensionName>,
    },
    /// The payload offers it, but not for layering (`kind: development`).
    NotForHosts {
        /// The extension.
        extension: ExtensionName,
    },
    /// The map offers it for other architectures only.
    OtherArchitecture {
        /// The extension.
        extension: ExtensionName,
        /// The architecture of the host.
        host: String,
        /// The architectures that it, or its package, exists for.
        offered: BTreeSet<String>,
    },
    /// The map names a package that the payload does not hold.
    PackageMissing {
        /// The extension.
        extension: ExtensionName,
        /// The package, as the map names it.
        package: String,
    },
    /// Nobody in payload or base provides this.
    Unsatisfied {
        /// The requirement, as rpm writes it.
        requirement: String,
        /// The package that has it.
        package: Nevra,
        /// The extensions that need that package.
        extensions: BTreeSet<ExtensionName>,
        /// Packages that provide the name in another version, with why they do not do:
        /// `libqb-1.0-1.x86_64 (payload), which is older`.
        near: Vec<String>,
    },
    /// The base has this package in another version, and base packages are not replaced.
    OtherVersionInBase {
        /// The payload's package.
        package: Nevra,
        /// The base's package.
        base: Nevra,
        /// The extensions that need the payload's.
        extensions: BTreeSet<ExtensionName>,
    },
    /// Two packages refuse to stand beside each other.
    Conflict {
        /// The package that refuses.
        package: Nevra,
        /// What it refuses, as rpm writes it.
        conflict: String,
        /// The package that is refused.
        other: Nevra,
        /// Whether it is an `Obsoletes` rather than a `Conflicts`.
        obsoletes: bool,
    },
    /// Different members of the closure need different versions of one package, and only one can be installed.
    SeveralVersions {
        /// The package that the closure has settled on.
        package: Nevra,
        /// The one that would be needed too.
        other: Nevra,
        /// The extensions that need the other.
        extensions: BTreeSet<ExtensionName>,
    },
    /// Finding the closure takes more work than any real payload does.
    TooComplex {
        /// How many steps were allowed.
        steps: u64,
    },
    /// Two different files of the payload carry one name and version.
    DuplicateNevra {
        /// The name they share.
        package: Nevra,
    },
    /// A version that must follow a base package does not.
    BaseMismatch {
        /// The extension.
        extension: ExtensionName,
        /// The base package whose version must match.
        base_package: PackageName,
        /// The version the base has, if it has the package.
        base: Option<String>,
        /// The version the payload was built for.
        payload: String,
    },
}

/// Finds the packages that `wanted` needs and proves the set complete on `base`.
///
/// The result depends on the sets alone: the order of `offer.packages` and of the lists inside it changes nothing.
///
/// # Errors
/// Every obstacle that was found, sorted, never only the first.
pub fn resolve(
    _wanted: &BTreeSet<ExtensionName>,
    _offer: Offer<'_>,
    _base: &Base,
) -> Result<Closure, Vec<Obstacle>> {
    Err(Vec::new())
}

impl Closure {
    /// The packages to layer, by NEVRA.
    pub fn members(&self) -> &BTreeMap<Nevra, Member> {
        &self.members
    }

    /// Every requirement of every member, and who meets it.
    pub fn proof(&self) -> &[ProofLine] {
        &self.proof
    }

    /// Packages that an extension names but the base has already, in the same version.
    pub fn in_base(&self) -> &BTreeMap<ExtensionName, BTreeSet<Nevra>> {
        &self.in_base
    }

    /// The path from an extension to `package`, one line a step, for people: why is this package here.
    pub fn explain(&self, _package: &Nevra) -> Vec<String> {
        Vec::new()
    }
}

/// Checks a closure and its proof again, from nothing but the facts: none of the code that found them is used.
///
/// # Errors
/// The first flaw that was found.
pub fn verify_proof(_closure: &Closure, _offer: Offer<'_>, _base: &Base) -> Result<(), Flaw> {
    Ok(())
}

/// What is wrong with a closure that was thought to be proved. Always a bug of ours or a document that was altered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("closure of `{package}`: {problem}")]
pub struct Flaw {
    /// The package at which the proof breaks.
    pub package: Nevra,
    /// How it breaks.
    pub problem: String,
}
