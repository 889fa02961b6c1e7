//! Makes a tar stream of a local file or directory, and the digest of each file in it.
//!
//! Decides: what of a tree is sent, in which order. Must not: follow a link. Input: a local tree.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata};
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use super::manifest::Digests;
use super::place::{link, place};
use super::{Bounds, Copied, CopyError};

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One file.
    File,
    /// A directory and what it holds.
    Dir,
}

impl Kind {
    /// What lies there; a link counts as what it leads to.
    pub(super) fn of(local: &Path) -> Result<Self, CopyError> {
        let meta =
            fs::metadata(local).map_err(|source| CopyError::Local { path: local.to_owned(), source })?;
        match (meta.is_file(), meta.is_dir()) {
            (true, _) => Ok(Kind::File),
            (_, true) => Ok(Kind::Dir),
            _ => Err(refused(local, "it is no file or directory")),
        }
    }

    pub(super) fn as_str(self) -> &'static str {
        match self {
            Kind::File => "file",
            Kind::Dir => "dir",
        }
    }
}

fn refused(path: &Path, why: &str) -> CopyError {
    CopyError::Refused { path: path.to_string_lossy().into_owned(), why: why.to_owned() }
}

struct Packer<W: Write> {
    out: Builder<W>,
    bounds: Bounds,
    copied: Copied,
    digests: Digests,
}

/// Sends `local`: the content of a directory, or a file under the name that it will have.
pub(super) fn pack(
    local: &Path,
    name: &OsStr,
    kind: Kind,
    to: impl Write,
    bounds: Bounds,
) -> Result<(Digests, Copied), CopyError> {
    let mut packer =
        Packer { out: Builder::new(to), bounds, copied: Copied::default(), digests: Digests::new() };
    match kind {
        Kind::File => {
            let meta = did(local, fs::metadata(local))?;
            packer.file(local, Path::new(name), &meta)?;
        }
        Kind::Dir => packer.tree(local)?,
    }
    let mut out = packer.out.into_inner().map_err(CopyError::Stream)?;
    out.flush().map_err(CopyError::Stream)?;
    Ok((packer.digests, packer.copied))
}

fn did<T>(path: &Path, result: io::Result<T>) -> Result<T, CopyError> {
    result.map_err(|source| CopyError::Local { path: path.to_owned(), source })
}

impl<W: Write> Packer<W> {
    /// Everything below a directory. What lies in one directory comes in the order of its names, so that two streams of one
    /// tree are the same.
    fn tree(&mut self, root: &Path) -> Result<(), CopyError> {
        let mut waiting = vec![PathBuf::new()];
        while let Some(dir) = waiting.pop() {
            let mut names = Vec::new();
            for entry in did(root, fs::read_dir(root.join(&dir)))? {
                names.push(did(root, entry)?.file_name());
            }
            names.sort();
            for name in names {
                let path = dir.join(name);
                place(path.as_os_str().as_bytes()).map_err(|why| refused(&path, why))?;
                let local = root.join(&path);
                let meta = did(&local, fs::symlink_metadata(&local))?;
                if meta.is_dir() {
                    self.entry(&path, &meta, EntryType::Directory, io::empty())?;
                    waiting.push(path);
                } else if meta.is_symlink() {
                    let to = did(&local, fs::read_link(&local))?;
                    let to = link(&path, to.as_os_str().as_bytes()).map_err(|why| refused(&path, why))?;
                    self.count(0)?;
                    let mut header = header(&meta, EntryType::Symlink, 0);
                    self.out.append_link(&mut header, &path, &to).map_err(CopyError::Stream)?;
                } else if meta.is_file() {
                    self.file(&local, &path, &meta)?;
                } else {
                    return Err(refused(&path, "it is no file, directory or link"));
                }
            }
        }
        Ok(())
    }

    fn file(&mut self, local: &Path, path: &Path, meta: &Metadata) -> Result<(), CopyError> {
        let mut hashed =
            Hashed { inner: did(local, File::open(local))?.take(meta.len()), hash: Sha256::new(), read: 0 };
        self.entry(path, meta, EntryType::Regular, &mut hashed)?;
        if hashed.read != meta.len() {
            return Err(refused(path, "it became shorter while it was read"));
        }
        self.digests.insert(path.as_os_str().as_bytes().to_vec(), hashed.hash.finalize().into());
        Ok(())
    }

    fn entry(
        &mut self,
        path: &Path,
        meta: &Metadata,
        kind: EntryType,
        data: impl Read,
    ) -> Result<(), CopyError> {
        let size = if kind == EntryType::Regular { meta.len() } else { 0 };
        self.count(size)?;
        let mut header = header(meta, kind, size);
        self.out.append_data(&mut header, path, data).map_err(CopyError::Stream)
    }

    fn count(&mut self, bytes: u64) -> Result<(), CopyError> {
        self.copied.entries = self.copied.entries.saturating_add(1);
        self.copied.bytes = self.copied.bytes.saturating_add(bytes);
        if self.copied.entries > self.bounds.entries {
            return Err(CopyError::TooLarge(format!("{} entries", self.bounds.entries)));
        }
        if self.copied.bytes > self.bounds.bytes {
            return Err(CopyError::TooLarge(format!("{} bytes", self.bounds.bytes)));
        }
        Ok(())
    }
}

/// No owner: files belong to whoever unpacks them.
fn header(meta: &Metadata, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(meta.mode() & 0o777);
    header.set_mtime(u64::try_from(meta.mtime()).unwrap_or(0));
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(size);
    header
}

/// Hashes what is read through it.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
    read: u64,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.hash.update(buffer.get(..read).unwrap_or_default());
        self.read = self.read.saturating_add(u64::try_from(read).unwrap_or(0));
        Ok(read)
    }
}
