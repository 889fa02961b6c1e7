//! A package is what its digests say, or it is refused: the only file that makes a [`Verified`].
//!
//! The chain, link by link: the signature header holds the SHA-256 of the main header; the main header holds the
//! SHA-256 of the payload; nothing follows the payload. A missing digest is a refusal, not a pass. The OpenPGP signature
//! over the main header is the link above these; the policy for it comes in as one more step of [`inspect`], between
//! the header's digest and the payload's.

use std::io::{self, Read};

use extensions_manifest::Sha256Digest;
use sha2::{Digest, Sha256};

use super::error::RpmError;
use super::guard::{self, Part};
use super::slim::slim;
use super::{Package, Signature, header};

/// A value whose bytes have been held against their digests. Nothing outside this file can make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<T>(T);

impl<T> Verified<T> {
    /// The value.
    pub fn get(&self) -> &T {
        &self.0
    }
}

impl Verified<Package> {
    /// Gives back the room that its lists were grown for.
    pub(crate) fn shrink(&mut self) {
        let facts = &mut self.0.facts;
        facts.provides.shrink_to_fit();
        facts.requires.shrink_to_fit();
        facts.conflicts.shrink_to_fit();
        facts.obsoletes.shrink_to_fit();
    }

    /// Puts other paths in the place of the package's files and returns those that were there.
    ///
    /// A payload keeps only the paths that somebody requires. Knowing less of a package does not make it less verified;
    /// the caller must not add a path that the header does not have.
    pub(crate) fn replace_files(&mut self, files: Vec<String>) -> Vec<String> {
        std::mem::replace(&mut self.0.facts.files, files)
    }
}

/// Reads one package from `file` to its end, in one pass, and holds it against its own digests.
///
/// `size` is the size that the container of the file (archive, directory) claims. Memory is bounded by the headers; the
/// payload passes through a buffer and is only hashed, never unpacked.
///
/// # Errors
/// Says which bound or which link of the chain is broken.
pub fn inspect(file: &mut dyn Read, size: u64) -> Result<Verified<Package>, RpmError> {
    let mut head = Vec::new();
    guard::read_lead(file, &mut head)?;
    guard::read_header(file, Part::Signature, &mut head)?;
    let main = guard::read_header(file, Part::Main, &mut head)?;
    let head_bytes = head.len() as u64;
    let mut whole = Sha256::new_with_prefix(&head);
    let head_digest = Sha256Digest::from_bytes(whole.clone().finalize().into());
    let (before, main) = head.split_at_checked(main.start).ok_or(RpmError::Truncated)?;
    let header_digest = Sha256Digest::of(main);
    let shown = slim(before, main)?;
    drop(head);
    let headers = header::parse(shown)?;
    check("header", headers.header_digest, header_digest)?;

    let (payload, payload_bytes) = hash_to_end(file, &mut whole)?;
    let found = head_bytes + payload_bytes;
    if found != size {
        return Err(RpmError::Size { expected: size, found });
    }
    check("payload", headers.payload_digest, payload)?;
    Ok(Verified(Package {
        facts: headers.facts,
        file: Sha256Digest::from_bytes(whole.finalize().into()),
        head: head_digest,
        size,
        installed_size: headers.installed_size,
        signature: Signature::NotChecked,
    }))
}

/// Takes a package back from the store's own record of a payload that was verified when it was fetched.
///
/// Sound because the caller has held the record against its checksum, and because the record alone opens nothing:
/// whoever wants the bytes gets a descriptor whose content was hashed on that very descriptor and found to be
/// [`Package::file`]. A record that was altered to name other bytes needs other bytes in the store under their own digest,
/// and both need the rights of the agent's own user, who could alter the agent as well.
pub(crate) fn restore_from_checked_record(package: Package) -> Verified<Package> {
    Verified(package)
}

fn check(link: &'static str, expected: Option<Sha256Digest>, found: Sha256Digest) -> Result<(), RpmError> {
    match expected {
        None => Err(RpmError::NoDigest { link }),
        Some(expected) if expected == found => Ok(()),
        Some(expected) => Err(RpmError::Digest { link, expected, found }),
    }
}

/// Hashes the rest of the file, into a digest of its own and into that of the whole file.
fn hash_to_end(file: &mut dyn Read, whole: &mut Sha256) -> Result<(Sha256Digest, u64), RpmError> {
    let mut payload = Sha256::new();
    let mut bytes = 0;
    let mut buffer = vec![0; 128 << 10];
    loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(RpmError::Read(error)),
        };
        let chunk = buffer.get(..read).unwrap_or_default();
        payload.update(chunk);
        whole.update(chunk);
        bytes += read as u64;
    }
    Ok((Sha256Digest::from_bytes(payload.finalize().into()), bytes))
}
