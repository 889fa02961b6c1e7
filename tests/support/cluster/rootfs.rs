//! The files of an image, gathered on this machine: links are followed, and libraries come along with what needs them.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use tar::{Builder, EntryType, Header};

use crate::command::EPOCH;

/// One thing in a layer.
#[derive(Debug)]
pub(super) enum Entry {
    /// A copy of that file, with this mode.
    File(PathBuf, u32),
    /// A file with these bytes and this mode.
    Bytes(Vec<u8>, u32),
    /// A directory with this mode.
    Directory(u32),
    /// A symbolic link.
    Link(PathBuf),
}

/// What goes into the layer, by its place; no place begins with a slash.
#[derive(Debug, Default)]
pub(super) struct Found {
    entries: BTreeMap<PathBuf, Entry>,
    /// The programs and libraries among it, as they lie on this machine.
    binaries: Vec<PathBuf>,
}

impl Found {
    pub(super) fn has(&self, path: &Path) -> bool {
        self.entries.contains_key(path.strip_prefix("/").unwrap_or(path))
    }

    pub(super) fn put(&mut self, path: &Path, entry: Entry) {
        let path = path.strip_prefix("/").unwrap_or(path);
        for parent in path.ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty()) {
            self.entries.entry(parent.to_owned()).or_insert(Entry::Directory(0o755));
        }
        self.entries.insert(path.to_owned(), entry);
    }

    /// A file; through a link, the link and the file.
    pub(super) fn take(&mut self, from: &Path, to: &Path) {
        let meta = fs::symlink_metadata(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
        let to = real_place(to);
        if meta.is_symlink() {
            let target = fs::read_link(from).unwrap();
            let next = from.parent().unwrap().join(&target);
            // A link that dangles here dangles there.
            if next.is_file() {
                self.take(&next, &to.parent().unwrap().join(&target));
            }
            self.put(&to, Entry::Link(target));
            return;
        }
        let mut magic = [0; 4];
        if File::open(from).unwrap().read_exact(&mut magic).is_ok() && &magic == b"\x7fELF" {
            self.binaries.push(from.to_owned());
        }
        self.put(&to, Entry::File(from.to_owned(), meta.permissions().mode() & 0o7777));
    }

    pub(super) fn take_tree(&mut self, from: &Path, without: &[&str]) {
        self.put(&real_place(from), Entry::Directory(0o755));
        for entry in fs::read_dir(from).unwrap_or_else(|error| panic!("{}: {error}", from.display())) {
            let path = entry.unwrap().path();
            if without.iter().any(|name| path.file_name().is_some_and(|own| own == *name)) {
                continue;
            }
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                self.take_tree(&path, without);
            } else {
                self.take(&path, &path);
            }
        }
    }

    /// What the loader would load for the binaries, and the loader.
    pub(super) fn take_libraries(&mut self) {
        if self.binaries.is_empty() {
            return;
        }
        // It fails when one of them is static, and prints what the others need.
        let output = Command::new("ldd").args(&self.binaries).stdin(Stdio::null()).output().unwrap();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            // A line that ends with a colon names the binary; `name => /path (0x…)` or `/path (0x…)` what it needs.
            let path = line.split_whitespace().find(|word| word.starts_with('/') && !word.ends_with(':'));
            if let Some(path) = path.map(Path::new).filter(|path| !self.has(&real_place(path))) {
                self.take(path, path);
            }
        }
    }

    pub(super) fn write(&self, layer: &Path) {
        let mut archive = Builder::new(File::create(layer).unwrap());
        for (path, entry) in &self.entries {
            let mut header = header(entry);
            match entry {
                Entry::File(from, _) => archive.append_data(&mut header, path, File::open(from).unwrap()),
                Entry::Bytes(bytes, _) => archive.append_data(&mut header, path, bytes.as_slice()),
                Entry::Directory(_) => archive.append_data(&mut header, path, std::io::empty()),
                Entry::Link(target) => archive.append_link(&mut header, path, target),
            }
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        }
        archive.finish().unwrap();
    }
}

/// The head of an entry, the same on every run.
pub(super) fn header(entry: &Entry) -> Header {
    let (kind, size, mode) = match entry {
        Entry::File(from, mode) => (EntryType::Regular, fs::metadata(from).unwrap().len(), *mode),
        Entry::Bytes(bytes, mode) => (EntryType::Regular, bytes.len() as u64, *mode),
        Entry::Directory(mode) => (EntryType::Directory, 0, *mode),
        Entry::Link(_) => (EntryType::Symlink, 0, 0o777),
    };
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_size(size);
    header.set_mode(mode);
    header.set_mtime(EPOCH);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// The place with the links above it followed: `/lib/x` is `/usr/lib/x`.
fn real_place(path: &Path) -> PathBuf {
    let (parent, name) = (path.parent().unwrap(), path.file_name().unwrap());
    fs::canonicalize(parent).map_or_else(|_| path.to_owned(), |parent| parent.join(name))
}
