//! What stands in the way of a closure, in words that name who wants what.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::name::{ExtensionName, PackageName};
use crate::nevra::Nevra;

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
        /// The package that is refused; `package` itself where it refuses a file of the base, which does not say whose.
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
