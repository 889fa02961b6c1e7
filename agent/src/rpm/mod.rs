//! 2 · *check*: is a package what it says.
//!
//! Decides: whether a file may be treated as a package at all. Must not: know where the file came from or what it is
//! wanted for. Input: bytes of an untrusted file. Only `verify.rs` can make a [`Verified`].

use extensions_manifest::{PackageFacts, Sha256Digest};
use serde::{Deserialize, Serialize};

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
}

/// A value whose bytes have been held against their digests. Nothing outside this folder can make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// The value.
    pub fn get(&self) -> &T {
        &self.0
    }
}
