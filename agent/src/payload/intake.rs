//! Packages on their way into the store: written aside and held against their digests in one pass, put in place together.

use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::Arc;

use extensions_manifest::{Sha256Digest, excerpt};
use tempfile::TempPath;

use super::error::{PayloadError, STORE_LIMIT};
use super::harvest::limit;
use super::store::Store;
use super::unpack::Fault;
use crate::rpm::{Package, RpmError, Verified, inspect};

/// Packages of one load on their way into the store.
#[derive(Debug)]
pub(super) struct Intake {
    store: Arc<Store>,
    staged: Vec<(TempPath, Sha256Digest)>,
    claimed: u64,
    pub(super) written: u64,
}

impl Intake {
    pub(super) fn new(store: Arc<Store>) -> Self {
        Self { store, staged: Vec::new(), claimed: 0, written: 0 }
    }

    /// Writes one package aside while it is held against its digests.
    pub(super) fn package(
        &mut self,
        name: &str,
        from: &mut dyn Read,
        size: u64,
        fault: &Fault,
    ) -> Result<Verified<Package>, PayloadError> {
        self.claimed = self.claimed.saturating_add(size);
        limit(STORE_LIMIT, self.claimed, self.store.max_bytes())?;
        let mut aside = self.store.temporary()?;
        let mut tee = Tee { from, to: aside.as_file_mut(), written: 0, store: &self.store, fault };
        let inspected = inspect(&mut tee, size);
        let written = tee.written;
        let package = inspected.map_err(|source| package_error(name, source))?;
        let digest = package.get().file;
        let known = self.staged.iter().any(|(_, staged)| *staged == digest);
        if !known && !self.store.has_package(package.get()) {
            self.written += written;
            self.staged.push((aside.into_temp_path(), digest));
        }
        Ok(package)
    }

    /// Puts everything in place.
    pub(super) fn commit(&mut self) -> Result<(), PayloadError> {
        self.store.put(std::mem::take(&mut self.staged))
    }
}

/// Hands on what it reads, and writes it to a file on the way.
struct Tee<'a> {
    from: &'a mut dyn Read,
    to: &'a mut File,
    written: u64,
    store: &'a Store,
    fault: &'a Fault,
}

impl Read for Tee<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.from.read(buffer)?;
        let chunk = buffer.get(..read).unwrap_or_default();
        self.to.write_all(chunk).map_err(|error| self.fault.raise(self.store.write_error(read, error)))?;
        self.written += read as u64;
        Ok(read)
    }
}

/// Bytes that could not be had are the archive's fault, not the package's.
fn package_error(name: &str, source: RpmError) -> PayloadError {
    if let RpmError::Read(error) = &source {
        return PayloadError::Image {
            object: format!("package `{}`", excerpt(name)),
            problem: format!("it cannot be read from the archive: {error}"),
        };
    }
    PayloadError::Package { name: excerpt(name), source }
}
