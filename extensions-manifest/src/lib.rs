//! The vocabulary of optional host software: names, versions, digests, the payload's extension map and the
//! closure of packages an extension needs.
//!
//! Everything here is a noun of the domain or a rule that can be stated without a host, a cluster or a clock.
//! There is no I/O and no async: bytes come in as arguments, values go out.

pub mod closure;
pub mod dependency;
pub mod digest;
pub mod error;
pub mod limits;
pub mod map;
pub mod name;
pub mod nevra;
pub mod package;

pub use closure::{Closure, Flaw, Obstacle, Offer, resolve, verify_proof};
pub use dependency::{Capability, Relation, Requirement};
pub use digest::Sha256Digest;
pub use error::ManifestError;
pub use map::{Extension, ExtensionMap, MapOrigin, PackageSpec};
pub use name::{ExtensionName, PackageName};
pub use nevra::{Evr, Nevra};
pub use package::{Base, BasePackage, PackageFacts};
