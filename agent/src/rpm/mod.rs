//! 2 · *check*: is a package what it says.
//!
//! Decides: whether a file may be treated as a package at all. Must not: know where the file came from or what it is
//! wanted for. Input: bytes of an untrusted file.
//!
//! `guard` holds the bytes against librpm's bounds before any parser sees them, `slim` leaves of them what is read,
//! `header` turns that into facts, `verify` holds file, header and payload against their digests. Only `verify` can make a [`Verified`].

#[cfg(test)]
pub(crate) mod craft;
mod error;
mod guard;
mod header;
mod slim;
#[cfg(test)]
mod tests;
mod verify;

use extensions_manifest::{PackageFacts, Sha256Digest};
use serde::{Deserialize, Serialize};

pub use error::RpmError;
pub(crate) use verify::restore_from_checked_record;
pub use verify::{Verified, inspect};

/// One package file, as its verified header and its bytes say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Name, dependencies, files.
    pub facts: PackageFacts,
    /// SHA-256 of the whole file; its key in the store.
    pub file: Sha256Digest,
    /// SHA-256 of everything before the payload (lead, signature header, header): what rpm-ostree records for a local
    /// package as `requested-local=<digest>:<nevra>`.
    pub head: Sha256Digest,
    /// Size of the file, in bytes.
    pub size: u64,
    /// Size of the installed files, in bytes, as the header says.
    pub installed_size: u64,
    /// What was done about the OpenPGP signature, so that status can say it honestly.
    #[serde(default)]
    pub signature: Signature,
}

/// What is known of a package's OpenPGP signature.
///
/// Digests are always checked; the policy for signatures (`require`, `if-signed`, `off`) has its place in
/// [`inspect`], and its outcomes become variants here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Signature {
    /// Nobody looked at it.
    #[default]
    NotChecked,
}
