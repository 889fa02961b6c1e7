//! Packages on disk, named by their content, and records of which payload needs which.
//!
//! ```text
//!  <dir>/rpm/sha256/<hex>          one package, written aside, synced, renamed; hashed again whenever it is opened
//!  <dir>/payload/<manifest>.json   one payload, with the checksum of the record in its first line
//!  <dir>/tmp/                      what is being written; a crash leaves it, the next start clears it
//!  <dir>/lock                      shared by all who use the store; exclusive for the clearing
//! ```

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Seek, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use extensions_manifest::Sha256Digest;
use nix::fcntl::OFlag;
use nix::sys::statvfs::statvfs;
use sha2::{Digest, Sha256};
use tempfile::{NamedTempFile, TempPath};

use super::error::PayloadError;
use super::layer::excerpt;
use super::record;
use super::unpack::Fault;
use crate::rpm::{Package, RpmError, Verified, inspect};

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
        for part in ["rpm/sha256", "payload", "tmp"] {
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

    /// Removes the oldest records, and the packages that no record needs, until the bound holds. `keep` stays.
    pub(super) fn prune(&self, keep: Sha256Digest) -> Result<(), PayloadError> {
        let mut records = self.list("payload")?;
        records.sort_by_key(|(_, meta)| meta.modified().unwrap_or(SystemTime::UNIX_EPOCH));
        let keep = self.record_path(keep);
        loop {
            let packages = self.list("rpm/sha256")?;
            let total: u64 = packages.iter().map(|(_, meta)| meta.len()).sum();
            if total <= self.max_bytes {
                return Ok(());
            }
            let needed: BTreeSet<PathBuf> = records
                .iter()
                .flat_map(|(path, _)| record::packages(path))
                .map(|d| self.package_path(d))
                .collect();
            let idle: Vec<&PathBuf> =
                packages.iter().map(|(path, _)| path).filter(|path| !needed.contains(*path)).collect();
            if !idle.is_empty() {
                idle.into_iter().try_for_each(|path| remove(path))?;
                continue;
            }
            let Some(oldest) = records.iter().position(|(path, _)| *path != keep) else { return Ok(()) };
            remove(&records.remove(oldest).0)?;
        }
    }

    pub(super) fn record_path(&self, digest: Sha256Digest) -> PathBuf {
        self.directory.join("payload").join(format!("{}.json", digest.hex()))
    }

    /// A file to write aside, readable by nobody else; it goes away unless it is put in place.
    pub(super) fn temporary(&self) -> Result<NamedTempFile, PayloadError> {
        let aside = self.directory.join("tmp");
        NamedTempFile::new_in(&aside).map_err(|source| failed("writing in", &aside, source))
    }

    fn package_path(&self, digest: Sha256Digest) -> PathBuf {
        self.directory.join("rpm/sha256").join(digest.hex())
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
        super::harvest::limit("bytes of all packages of one payload", self.claimed, self.store.max_bytes)?;
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

    /// Puts everything in place: content reaches the disk before any name does.
    pub(super) fn commit(&mut self) -> Result<(), PayloadError> {
        let shelf = self.store.directory.join("rpm/sha256");
        let directory = File::open(&shelf).map_err(|source| failed("opening", &shelf, source))?;
        if self.staged.is_empty() {
            return Ok(());
        }
        // One flush of the file system instead of one for each of thousands of files.
        nix::unistd::syncfs(&directory).map_err(|errno| failed("syncing", &shelf, errno.into()))?;
        for (aside, digest) in self.staged.drain(..) {
            let path = self.store.package_path(digest);
            aside.persist(&path).map_err(|error| failed("renaming to", &path, error.error))?;
        }
        directory.sync_all().map_err(|source| failed("syncing", &shelf, source))
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
        self.to.write_all(chunk).map_err(|error| self.fault.raise(write_error(self.store, read, error)))?;
        self.written += read as u64;
        Ok(read)
    }
}

fn write_error(store: &Store, bytes: usize, source: io::Error) -> PayloadError {
    if matches!(source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        // Somebody else was quicker than the preflight; the numbers are those of now.
        if let Err(error @ PayloadError::Space { .. }) = store.preflight(bytes as u64) {
            return error;
        }
        return PayloadError::Space { needs: bytes as u64, has: 0, directory: store.directory.clone() };
    }
    failed("writing in", &store.directory.join("tmp"), source)
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

/// SHA-256 of the rest of a file.
pub(super) fn digest_of(file: &mut dyn Read) -> io::Result<Sha256Digest> {
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 128 << 10];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => return Ok(Sha256Digest::from_bytes(hash.finalize().into())),
            Ok(read) => hash.update(buffer.get(..read).unwrap_or_default()),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
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

fn remove(path: &Path) -> Result<(), PayloadError> {
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
