//! Writes what comes as a tar stream into a new place, and moves it to its own when all of it is proven.
//!
//! Decides: which kinds of entries are written, and in which order. Must not: follow a link: links are made last. Input: a tar
//! stream and the digests after it, untrusted.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::{self, File, Permissions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::{Duration, SystemTime};

use sha2::{Digest as _, Sha256};
use tar::{Archive, Entry, EntryType};
use tempfile::TempDir;

use super::manifest::{Digest, Digests, compare};
use super::place::{link, place};
use super::{Bounds, Copied, CopyError};

/// What the head of one entry may take, long names and all: it is read into memory.
const HEAD: u64 = 1 << 20;
/// Bytes that are read at a time.
const BUFFER: usize = 64 << 10;

/// Where a copy is written, and where it goes.
#[derive(Debug)]
pub(super) struct Place {
    dir: TempDir,
    local: PathBuf,
}

impl Place {
    /// A new place in the directory of `local`.
    pub(super) fn beside(local: &Path) -> Result<Self, CopyError> {
        let failed = |source| CopyError::Local { path: local.to_owned(), source };
        if fs::symlink_metadata(local).is_ok_and(|meta| !meta.is_file()) {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        let parent = local.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let dir = tempfile::Builder::new().prefix(".build-resources-").tempdir_in(parent).map_err(failed)?;
        Ok(Place { dir, local: local.to_owned() })
    }

    fn root(&self) -> PathBuf {
        self.dir.path().join("x")
    }

    /// Moves it to its place, by one rename.
    pub(super) fn finish(self) -> Result<(), CopyError> {
        let failed = |source| CopyError::Local { path: self.local.clone(), source };
        let root = self.root();
        // A rename would put a directory in the place of an empty one.
        if root.is_dir() && fs::symlink_metadata(&self.local).is_ok() {
            return Err(failed(io::ErrorKind::AlreadyExists.into()));
        }
        fs::rename(&root, &self.local).map_err(failed)
    }
}

/// Counts what is read, and stops before it is more than may come now.
struct Meter<R> {
    inner: R,
    left: Rc<Cell<u64>>,
}

impl<R: Read> Read for Meter<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 && !buffer.is_empty() {
            return Err(io::Error::other("the head of an entry is too large"));
        }
        let most = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(buffer.get_mut(..most).unwrap_or_default())?;
        self.left.set(left.saturating_sub(u64::try_from(read).unwrap_or(left)));
        Ok(read)
    }
}

/// What lies where, so far.
struct Tree {
    root: PathBuf,
    bounds: Bounds,
    copied: Copied,
    digests: Digests,
    /// Each directory with its mode, to be set when nothing is written into it any more.
    dirs: BTreeMap<PathBuf, u32>,
    links: BTreeMap<PathBuf, PathBuf>,
    /// Whether the copy is one file.
    single: bool,
}

/// Writes everything, and holds it against the digests that follow.
pub(super) fn unpack(from: impl Read, to: &Place, bounds: Bounds) -> Result<Copied, CopyError> {
    let left = Rc::new(Cell::new(HEAD));
    let mut archive = Archive::new(Meter { inner: from, left: left.clone() });
    let mut tree = Tree {
        root: to.root(),
        bounds,
        copied: Copied::default(),
        digests: Digests::new(),
        dirs: BTreeMap::new(),
        links: BTreeMap::new(),
        single: false,
    };
    for entry in archive.entries().map_err(CopyError::Stream)? {
        let mut entry = entry.map_err(CopyError::Stream)?;
        left.set(u64::MAX); // the entry itself is bounded by what it says of its size, and that is held to the bounds
        tree.take(&mut entry)?;
        io::copy(&mut entry, &mut io::sink()).map_err(CopyError::Stream)?;
        left.set(HEAD);
    }
    left.set(u64::MAX);
    let rest = after_padding(archive.into_inner()).map_err(CopyError::Stream)?;
    compare(std::mem::take(&mut tree.digests), &mut BufReader::new(rest))?;
    tree.finish()?;
    Ok(tree.copied)
}

impl Tree {
    fn take(&mut self, entry: &mut Entry<'_, impl Read>) -> Result<(), CopyError> {
        let bytes = entry.path_bytes().into_owned();
        let refused = |why: &str| CopyError::Refused {
            path: String::from_utf8_lossy(&bytes).into_owned(),
            why: why.to_owned(),
        };
        let path = place(&bytes).map_err(refused)?;
        self.copied.entries = self.copied.entries.saturating_add(1);
        if self.copied.entries > self.bounds.entries {
            return Err(CopyError::TooLarge(format!("{} entries", self.bounds.entries)));
        }
        if self.single {
            return Err(refused("a file was all that was asked for"));
        }
        let kind = entry.header().entry_type();
        if self.copied.entries == 1 {
            let first = self.first(entry, &path);
            return first.unwrap_or_else(|| Err(refused("a file or directory must come first")));
        }
        let parent = path.parent().map(Path::to_owned).unwrap_or_default();
        if path.as_os_str().is_empty() || !self.dirs.contains_key(&parent) {
            return Err(refused("it does not lie in a directory of the copy"));
        }
        if self.dirs.contains_key(&path)
            || self.links.contains_key(&path)
            || self.digests.contains_key(key(&path))
        {
            return Err(refused("it comes twice"));
        }
        if kind.is_dir() {
            self.directory(path, mode(entry))
        } else if is_file(kind) {
            self.file(entry, path)
        } else if kind.is_symlink() {
            let to = entry.link_name_bytes().unwrap_or_default();
            let to = link(&path, &to).map_err(refused)?;
            self.links.insert(path, to);
            Ok(())
        } else if kind.is_hard_link() {
            let to = entry.link_name_bytes().unwrap_or_default();
            let to = place(&to).map_err(refused)?;
            let digest = self.digests.get(key(&to)).copied();
            let digest = digest.ok_or_else(|| refused("it is linked to no file of the copy"))?;
            self.did(&path, fs::hard_link(self.at(&to), self.at(&path)))?;
            self.digests.insert(key(&path).to_vec(), digest);
            Ok(())
        } else {
            Err(refused("it is no file, directory or link"))
        }
    }

    /// The first entry is the root: a directory, or the one file of the copy. None where it is neither.
    fn first(&mut self, entry: &mut Entry<'_, impl Read>, path: &Path) -> Option<Result<(), CopyError>> {
        let kind = entry.header().entry_type();
        if kind.is_dir() && path.as_os_str().is_empty() {
            return Some(self.directory(PathBuf::new(), mode(entry)));
        }
        if !is_file(kind) || path.components().count() != 1 {
            return None;
        }
        self.single = true;
        Some(self.file(entry, PathBuf::new()).map(|()| {
            // Here it is the root itself, but the far side calls it by its name.
            if let Some(digest) = self.digests.remove(&b""[..]) {
                self.digests.insert(key(path).to_vec(), digest);
            }
        }))
    }

    fn directory(&mut self, path: PathBuf, mode: u32) -> Result<(), CopyError> {
        self.did(&path, fs::create_dir(self.at(&path)))?;
        self.dirs.insert(path, mode);
        Ok(())
    }

    fn file(&mut self, entry: &mut Entry<'_, impl Read>, path: PathBuf) -> Result<(), CopyError> {
        self.copied.bytes = self.copied.bytes.saturating_add(entry.size());
        if self.copied.bytes > self.bounds.bytes {
            return Err(CopyError::TooLarge(format!("{} bytes", self.bounds.bytes)));
        }
        let size = entry.size();
        let mode = mode(entry);
        let time = entry.header().mtime().unwrap_or(0);
        let at = self.at(&path);
        let mut file = self.did(&path, File::create_new(&at))?;
        let digest = self.write(entry, &mut file, &path)?;
        self.did(&path, file.set_len(size))?; // what ended in a hole was not written
        self.did(&path, file.set_permissions(Permissions::from_mode(mode)))?;
        if let Some(time) = SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(time)) {
            self.did(&path, file.set_modified(time))?;
        }
        self.digests.insert(key(&path).to_vec(), digest);
        Ok(())
    }

    /// Writes a file; what is all zeros becomes a hole.
    fn write(&self, from: &mut impl Read, file: &mut File, path: &Path) -> Result<Digest, CopyError> {
        let mut hash = Sha256::new();
        let mut buffer = vec![0; BUFFER];
        loop {
            let length = fill(from, &mut buffer).map_err(CopyError::Stream)?;
            let Some(bytes @ [_, ..]) = buffer.get(..length) else { return Ok(hash.finalize().into()) };
            hash.update(bytes);
            let written = match bytes.iter().all(|byte| *byte == 0) {
                true => file.seek(SeekFrom::Current(i64::try_from(length).unwrap_or(0))).map(|_| ()),
                false => file.write_all(bytes),
            };
            self.did(path, written)?;
        }
    }

    /// Makes the links, and gives the directories their modes, the deepest first.
    fn finish(&self) -> Result<(), CopyError> {
        for (path, to) in &self.links {
            self.did(path, std::os::unix::fs::symlink(to, self.at(path)))?;
        }
        for (path, mode) in self.dirs.iter().rev() {
            self.did(path, fs::set_permissions(self.at(path), Permissions::from_mode(*mode)))?;
        }
        Ok(())
    }

    fn at(&self, path: &Path) -> PathBuf {
        if path.as_os_str().is_empty() { self.root.clone() } else { self.root.join(path) }
    }

    fn did<T>(&self, path: &Path, result: io::Result<T>) -> Result<T, CopyError> {
        result.map_err(|source| CopyError::Local { path: self.at(path), source })
    }
}

/// Bits of the mode that are kept: who may do what, and nothing of another identity.
fn mode(entry: &Entry<'_, impl Read>) -> u32 {
    entry.header().mode().unwrap_or(0o644) & 0o777
}

fn is_file(kind: EntryType) -> bool {
    kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse()
}

fn key(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// Reads until the buffer is full or the end has come.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while let Some(rest @ [_, ..]) = buffer.get_mut(length..) {
        match from.read(rest)? {
            0 => break,
            read => length += read,
        }
    }
    Ok(length)
}

/// The rest of a stream after the padding of an archive.
fn after_padding(mut from: impl Read) -> io::Result<impl Read> {
    let mut byte = [0];
    while from.read(&mut byte)? == 1 {
        if byte != [0] {
            return Ok(io::Cursor::new(byte).chain(from));
        }
    }
    Ok(io::Cursor::new([0]).chain(from))
}
