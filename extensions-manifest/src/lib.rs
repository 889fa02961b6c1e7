//! The vocabulary of optional host software: names, versions, digests, the payload's extension map and the
//! closure of packages an extension needs.
//!
//! Everything here is a noun of the domain or a rule that can be stated without a host, a cluster or a clock.
//! There is no I/O and no async: bytes come in as arguments, values go out.
//!
//! ```text
//!  extensions.json ─► map ────────┐
//!  package headers ─► package ────┼─► closure ─► members, proof, explanation — or every obstacle
//!  the host's rpmdb ─► base ──────┘        └─► verify_proof: the same answer, reached another way
//! ```
//!
//! # A worked example
//!
//! ```
//! use std::collections::BTreeSet;
//!
//! use extensions_manifest::{Base, BasePackage, ExtensionMap, Offer, PackageFacts, resolve, verify_proof};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // What the payload says of itself: its map, and the facts of its packages' headers.
//! let map = ExtensionMap::from_inner_json(br#"{"extensions": {"usbguard": {"packages": ["usbguard"]}}}"#)?;
//! let mut usbguard = PackageFacts::new("usbguard-1.0.0-15.el9.x86_64".parse()?);
//! usbguard.requires = vec!["libqb.so.100()(64bit)".parse()?, "/bin/sh".parse()?, "bash >= 5".parse()?];
//! let mut libqb = PackageFacts::new("libqb-2.0.6-1.el9.x86_64".parse()?);
//! libqb.provides.push("libqb.so.100()(64bit)".parse()?);
//! let packages = [&usbguard, &libqb];
//!
//! // What the host has.
//! let base = Base {
//!     packages: vec![BasePackage::new("bash-5.1.8-9.el9.x86_64".parse()?)],
//!     files: BTreeSet::from(["/bin/sh".to_owned()]),
//! };
//!
//! let offer = Offer { packages: &packages, map: &map, arch: "x86_64" };
//! let wanted = BTreeSet::from(["usbguard".parse()?]);
//! let closure = resolve(&wanted, offer, &base).expect("the payload is complete");
//! verify_proof(&closure, offer, &base)?;
//!
//! let names: Vec<String> = closure.members().keys().map(ToString::to_string).collect();
//! assert_eq!(names, ["libqb-2.0.6-1.el9.x86_64", "usbguard-1.0.0-15.el9.x86_64"]);
//! assert_eq!(
//!     closure.explain(&"libqb-2.0.6-1.el9.x86_64".parse()?),
//!     [
//!         "extension `usbguard` names usbguard-1.0.0-15.el9.x86_64",
//!         "usbguard-1.0.0-15.el9.x86_64 requires `libqb.so.100()(64bit)`, which libqb-2.0.6-1.el9.x86_64 provides",
//!     ]
//! );
//!
//! // Without the library nothing is layered, and the obstacle says who wants what.
//! let alone = Offer { packages: &packages[..1], ..offer };
//! let obstacles = resolve(&wanted, alone, &base).expect_err("libqb is missing");
//! assert!(format!("{obstacles:?}").contains("libqb.so.100()(64bit)"));
//! # Ok(())
//! # }
//! ```

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
pub use error::{ManifestError, excerpt};
pub use map::{Extension, ExtensionMap, MapOrigin, PackageSpec};
pub use name::{ExtensionName, PackageName};
pub use nevra::{Evr, Nevra};
pub use package::{Base, BasePackage, PackageFacts};
