//! Packages on disk, named by their content, and records of which payload needs which.
//!
//! ```text
//!  <dir>/rpm/sha256/<hex>          one package, written aside, synced, renamed; hashed again whenever it is opened
//!  <dir>/payload/<manifest>.json   one payload, with the checksum of the record in its first line
//!  <dir>/note/<kind>-<manifest>.json   what was read of an image that is no payload, in the same form
//!  <dir>/tmp/                      what is being written; a crash leaves it, the next start clears it
//!  <dir>/lock                      shared by all who use the store; exclusive for the clearing
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use extensions_manifest::Sha256Digest;
use nix::fcntl::OFlag;
use nix::sys::statvfs::statvfs;
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempPath};

use super::error::PayloadError;
use crate::rpm::{Package, Verified};

/// Room that is left for everybody else on the file system.
const RESERVE_BYTES: u64 = 16 << 20;

/// A directory of packages named by their SHA-256, and of records that say which payload needs which.
#[derive(Debug)]
pub struct Store {
    directory: PathBuf,
    max_bytes: u64,
    /// Held shared for as long as the store is open.
    _lock: File,
}

impl Store {
    /// Opens the store in `directory`, makes it if it is not there, and clears away what a crash left behind.
    ///
    /// `max_bytes` bounds the packages that are kept; one payload that is larger is refused, older payloads make way.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn open(directory: &Path, max_bytes: u64) -> Result<Self, PayloadError> {
        for part in ["rpm/sha256", "payload", "note", "tmp"] {
            let path = directory.join(part);
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.map_err(|source| failed("making", &path, source))?;
        }
        let path = directory.join("lock");
        let lock = open_options(OFlag::empty()).write(true).create(true).truncate(false).open(&path);
        let lock = lock.map_err(|source| failed("opening", &path, source))?;
        // Alone here, whatever lies in `tmp` belongs to nobody any more.
        if lock.try_lock().is_ok() {
            clear(&directory.join("tmp"))?;
            lock.unlock().map_err(|source| failed("unlocking", &path, source))?;
        }
        lock.lock_shared().map_err(|source| failed("locking", &path, source))?;
        Ok(Self { directory: directory.to_owned(), max_bytes, _lock: lock })
    }

    /// Refuses before the fetch what would not fit.
    pub(super) fn preflight(&self, bytes: u64) -> Result<(), PayloadError> {
        let directory = self.directory.clone();
        let found = statvfs(&directory).map_err(|errno| failed("measuring", &directory, errno.into()))?;
        let has = found.blocks_available().saturating_mul(found.fragment_size());
        let needs = bytes.saturating_add(RESERVE_BYTES);
        if needs > has { Err(PayloadError::Space { needs, has, directory }) } else { Ok(()) }
    }

    /// Opens a package read-only, hashes it on this very descriptor, and rewinds it.
    pub(super) fn open_package(&self, package: &Verified<Package>) -> Result<OwnedFd, PayloadError> {
        let package = package.get();
        let path = self.package_path(package.file);
        let dropped = |problem| {
            // Gone is as good as removed, and what cannot be removed is found wanting again next time.
            let _ = fs::remove_file(&path);
            PayloadError::Stored { nevra: Box::new(package.facts.nevra.clone()), problem }
        };
        let mut file = match open_options(OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK).read(true).open(&path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(dropped("gone")),
            Err(error) if error.raw_os_error() == Some(nix::libc::ELOOP) => return Err(dropped("a link")),
            Err(source) => return Err(failed("opening", &path, source)),
        };
        let meta = file.metadata().map_err(|source| failed("reading", &path, source))?;
        if !meta.is_file() || meta.len() != package.size {
            return Err(dropped("of another size"));
        }
        let found = digest_of(&mut file).map_err(|source| failed("reading", &path, source))?;
        if found != package.file {
            return Err(dropped("altered"));
        }
        file.rewind().map_err(|source| failed("rewinding", &path, source))?;
        Ok(file.into())
    }

    /// Whether a package's file is there in its size; its content is checked when it is opened.
    pub(super) fn has_package(&self, package: &Package) -> bool {
        let meta = fs::symlink_metadata(self.package_path(package.file));
        meta.is_ok_and(|meta| meta.is_file() && meta.len() == package.size)
    }

    /// Puts packages that were written aside in their places: content reaches the disk before any name does.
    pub(super) fn put(&self, staged: Vec<(TempPath, Sha256Digest)>) -> Result<(), PayloadError> {
        if staged.is_empty() {
            return Ok(());
        }
        let shelf = self.directory.join("rpm/sha256");
        let directory = File::open(&shelf).map_err(|source| failed("opening", &shelf, source))?;
        // One flush of the file system instead of one for each of thousands of files.
        nix::unistd::syncfs(&directory).map_err(|errno| failed("syncing", &shelf, errno.into()))?;
        for (aside, digest) in staged {
            let path = self.package_path(digest);
            aside.persist(&path).map_err(|error| failed("renaming to", &path, error.error))?;
        }
        directory.sync_all().map_err(|source| failed("syncing", &shelf, source))
    }

    /// Why a package could not be written aside.
    pub(super) fn write_error(&self, bytes: usize, source: io::Error) -> PayloadError {
        if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            // Somebody else was quicker than the preflight; the numbers are those of now.
            if let Err(error @ PayloadError::Space { .. }) = self.preflight(bytes as u64) {
                return error;
            }
            return PayloadError::Space { needs: bytes as u64, has: 0, directory: self.directory.clone() };
        }
        failed("writing in", &self.directory.join("tmp"), source)
    }

    /// Where the record of a payload is, or would be.
    pub(super) fn record_path(&self, digest: Sha256Digest) -> PathBuf {
        self.directory.join("payload").join(format!("{}.json", digest.hex()))
    }

    /// Where a note is, or would be.
    pub(super) fn note_path(&self, name: &str) -> PathBuf {
        self.directory.join("note").join(name)
    }

    /// Every note, as the file system has it.
    pub(super) fn notes(&self) -> Result<Vec<(PathBuf, fs::Metadata)>, PayloadError> {
        self.list("note")
    }

    /// A file to write aside, readable by nobody else; it goes away unless it is put in place.
    pub(super) fn temporary(&self) -> Result<NamedTempFile, PayloadError> {
        let aside = self.directory.join("tmp");
        NamedTempFile::new_in(&aside).map_err(|source| failed("writing in", &aside, source))
    }

    /// Where a package is, or would be.
    pub(super) fn package_path(&self, digest: Sha256Digest) -> PathBuf {
        self.directory.join("rpm/sha256").join(digest.hex())
    }

    /// How many bytes of packages are kept.
    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// Every package, as the file system has it.
    pub(super) fn packages(&self) -> Result<Vec<(PathBuf, fs::Metadata)>, PayloadError> {
        self.list("rpm/sha256")
    }

    /// Every record, as the file system has it.
    pub(super) fn records(&self) -> Result<Vec<(PathBuf, fs::Metadata)>, PayloadError> {
        self.list("payload")
    }

    fn list(&self, part: &str) -> Result<Vec<(PathBuf, fs::Metadata)>, PayloadError> {
        let path = self.directory.join(part);
        let read = || -> io::Result<Vec<_>> {
            let entries = fs::read_dir(&path)?;
            entries.map(|entry| entry.and_then(|entry| Ok((entry.path(), entry.metadata()?)))).collect()
        };
        read().map_err(|source| failed("listing", &path, source))
    }
}

/// SHA-256 of the rest of a file.
pub(super) fn digest_of(file: &mut dyn Read) -> io::Result<Sha256Digest> {
    let mut hash = Sha256::new();
    io::copy(&mut BufReader::with_capacity(128 << 10, file), &mut HashWriter(&mut hash))?;
    Ok(Sha256Digest::from_bytes(hash.finalize().into()))
}

/// Hashes what is written to it.
pub(super) struct HashWriter<'a>(pub(super) &'a mut Sha256);

impl Write for HashWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn clear(directory: &Path) -> Result<(), PayloadError> {
    let entries = fs::read_dir(directory).map_err(|source| failed("listing", directory, source))?;
    for entry in entries {
        let entry = entry.map_err(|source| failed("listing", directory, source))?;
        remove(&entry.path())?;
    }
    Ok(())
}

/// Removes a file of the store; one that is gone is as good as removed.
pub(super) fn remove(path: &Path) -> Result<(), PayloadError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("removing", path, error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(super) fn open_options(flags: OFlag) -> OpenOptions {
    let mut options = OpenOptions::new();
    options.mode(0o600).custom_flags((flags | OFlag::O_CLOEXEC).bits());
    options
}

pub(super) fn failed(operation: &'static str, path: &Path, source: io::Error) -> PayloadError {
    PayloadError::Store { operation, path: path.to_owned(), source }
}
