//! One layer: what it holds, and how that becomes a tar archive that is the same on every run.

use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;

use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use crate::command::EPOCH;

/// What stands in a layer, in the order of the archive.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Layer {
    entries: Vec<(String, Content)>,
}

/// One entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A regular file.
    Bytes(Vec<u8>),
    /// A regular file with the content of that one.
    Copy(PathBuf),
    /// So many bytes that no compressor makes smaller, the same for the same seed.
    Noise(u64, String),
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink(String),
    /// A hard link to another entry.
    Link(String),
    /// A device or another thing that has no place in a payload.
    Device,
}

impl Layer {
    /// An empty layer.
    pub fn new() -> Self {
        Layer::default()
    }

    /// An entry at this path, written as given: `usr/share/x`, or `../x` for a hostile one.
    #[must_use]
    pub fn entry(mut self, path: &str, content: Content) -> Self {
        self.entries.push((path.to_owned(), content));
        self
    }

    /// A regular file, with the directories above it.
    #[must_use]
    pub fn file(self, path: &str, content: impl Into<Vec<u8>>) -> Self {
        self.with_parents(path).entry(path, Content::Bytes(content.into()))
    }

    /// A copy of that file, with the directories above it.
    #[must_use]
    pub fn copy(self, path: &str, from: impl Into<PathBuf>) -> Self {
        self.with_parents(path).entry(path, Content::Copy(from.into()))
    }

    /// Noise, with the directories above it.
    #[must_use]
    pub fn noise(self, path: &str, bytes: u64) -> Self {
        self.with_parents(path).entry(path, Content::Noise(bytes, path.to_owned()))
    }

    /// The mark that hides a path of the layers below.
    #[must_use]
    pub fn whiteout(self, path: &str) -> Self {
        let (parent, name) = path.rsplit_once('/').expect("a path with a directory");
        self.file(&format!("{parent}/.wh.{name}"), "")
    }

    /// The mark that hides everything the layers below have in a directory.
    #[must_use]
    pub fn opaque(self, directory: &str) -> Self {
        self.file(&format!("{directory}/.wh..wh..opq"), "")
    }

    fn with_parents(mut self, path: &str) -> Self {
        for (at, _) in path.match_indices('/') {
            let parent = format!("{}/", &path[..at]);
            if !self.entries.iter().any(|(path, _)| *path == parent) {
                self.entries.push((parent, Content::Directory));
            }
        }
        self
    }

    /// What the layer is made from, for the name it is kept under.
    pub(super) fn key(&self) -> Vec<u8> {
        let mut hash = Sha256::new();
        for (path, content) in &self.entries {
            hash.update(format!("{path} {content:?}\n"));
            if let Content::Copy(from) = content {
                hash.update(std::fs::read(from).unwrap());
            }
        }
        hash.finalize().to_vec()
    }

    /// Writes the archive.
    pub(super) fn write(&self, out: impl Write) {
        let mut archive = Builder::new(out);
        for (path, content) in &self.entries {
            append(&mut archive, path, content);
        }
        archive.into_inner().unwrap().flush().unwrap();
    }
}

fn append(archive: &mut Builder<impl Write>, path: &str, content: &Content) {
    let entry = |kind: EntryType, size: u64, mode: u32| {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(mode);
        header.set_mtime(EPOCH);
        header.set_uid(0);
        header.set_gid(0);
        // Set by hand, because the library refuses the paths that hostile layers have.
        let name = &mut header.as_old_mut().name;
        assert!(path.len() < name.len(), "`{path}` is too long for a plain header");
        name[..path.len()].copy_from_slice(path.as_bytes());
        header
    };
    let finish = |archive: &mut Builder<_>, mut header: Header, data: &mut dyn Read| {
        header.set_cksum();
        archive.append(&header, data).unwrap();
    };
    let nothing: &mut dyn Read = &mut std::io::empty();
    match content {
        Content::Bytes(bytes) => {
            finish(archive, entry(EntryType::Regular, bytes.len() as u64, 0o644), &mut bytes.as_slice());
        }
        Content::Copy(from) => {
            let mut file = File::open(from).unwrap();
            let size = file.metadata().unwrap().len();
            finish(archive, entry(EntryType::Regular, size, 0o644), &mut file);
        }
        Content::Noise(bytes, seed) => {
            let file = tempfile::NamedTempFile::new().unwrap();
            crate::packages::fill(file.path(), *bytes, seed);
            finish(archive, entry(EntryType::Regular, *bytes, 0o644), &mut File::open(file.path()).unwrap());
        }
        Content::Directory => finish(archive, entry(EntryType::Directory, 0, 0o755), nothing),
        Content::Symlink(target) | Content::Link(target) => {
            let soft = matches!(content, Content::Symlink(_));
            let mut header = entry(if soft { EntryType::Symlink } else { EntryType::Link }, 0, 0o777);
            header.set_link_name_literal(target).unwrap();
            finish(archive, header, nothing);
        }
        Content::Device => finish(archive, entry(EntryType::Char, 0, 0o600), nothing),
    }
}
