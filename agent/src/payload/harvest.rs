//! What the layers read so far have yielded, newest first: an upper layer wins over a lower one.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{BuildHasher, RandomState};

use extensions_manifest::{Capability, Requirement, limits};

use super::error::PayloadError;
use super::{Layout, repodata};
use crate::rpm::{Package, Verified};

/// Most bytes that the facts of all packages of one payload may take in memory.
const FACTS_BYTES: u64 = 18 << 20;
/// Most files that all packages of one payload may own.
const FILES: u64 = 1_000_000;
/// Roughly what one node of a rich dependency takes.
const NODE_BYTES: u64 = 120;
/// Most repository metadata that is kept to see whether an image has been read far enough.
const REPODATA_BYTES: usize = 8 << 20;

/// One package as it lies in the payload: its own paths are kept as fingerprints, because only those that somebody
/// requires are wanted in the end, and which these are is known only when all packages have been read.
#[derive(Debug, Clone)]
pub(super) struct Held {
    pub(super) package: Verified<Package>,
    files: Vec<u64>,
}

/// One file of ours.
#[derive(Debug, Clone)]
pub(super) enum Found {
    Package(Box<Held>),
    /// `extensions.json`.
    Map(Vec<u8>),
    /// `repodata/…`; empty when it was too much to keep.
    Metadata(Vec<u8>),
}

/// What one layer says of one directory.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// Files, by name.
    pub(super) files: BTreeMap<String, Found>,
    /// Every name that was there, of use or not: an archive must not have one twice.
    pub(super) names: BTreeSet<String>,
    /// Names that lower layers may have in vain.
    pub(super) hidden: BTreeSet<String>,
    /// Whether nothing of lower layers counts.
    pub(super) closed: bool,
}

/// Everything so far.
#[derive(Debug)]
pub(super) struct Harvest {
    shelves: [(Layout, Scanned); 2],
    /// Packages in the layout of 4.6 and 4.7, which is not read.
    pub(super) deeper: u64,
    packages: u64,
    facts: u64,
    files: u64,
    metadata: usize,
    keys: RandomState,
}

impl Harvest {
    pub(super) fn new() -> Self {
        Self {
            shelves: shelves(),
            deeper: 0,
            packages: 0,
            facts: 0,
            files: 0,
            metadata: 0,
            keys: RandomState::new(),
        }
    }

    /// Whether a lower layer's file of that name would be in vain.
    pub(super) fn hides(&self, layout: Layout, name: &str) -> bool {
        let shelves = self.shelves.iter().filter(|(own, _)| *own == layout);
        shelves.into_iter().any(|(_, shelf)| {
            let directory = name.split_once('/').map(|(directory, _)| directory);
            shelf.closed
                || shelf.names.contains(name)
                || shelf.hidden.contains(name)
                || directory.is_some_and(|directory| shelf.hidden.contains(directory))
        })
    }

    /// Counts a package in, and lets go of its paths but for their fingerprints.
    pub(super) fn hold(&mut self, mut package: Verified<Package>) -> Result<Held, PayloadError> {
        let facts = &package.get().facts;
        let named = |capability: &Capability| capability.weight() as u64;
        let wanted = |requirement: &Requirement| match requirement {
            Requirement::Plain(capability) => named(capability),
            // A tree: at worst a node for every other byte of text.
            Requirement::Rich(_) => String::from(requirement.clone()).len() as u64 * NODE_BYTES / 2,
        };
        let capabilities: u64 = facts.provides.iter().chain(&facts.obsoletes).map(named).sum();
        let requirements: u64 = facts.requires.iter().chain(&facts.conflicts).map(wanted).sum();
        self.packages += 1;
        self.facts += capabilities + requirements;
        self.files += facts.files.len() as u64;
        limit("packages of one payload", self.packages, limits::PAYLOAD_PACKAGES as u64)?;
        limit("bytes of all dependencies of one payload", self.facts, FACTS_BYTES)?;
        limit("files of all packages of one payload", self.files, FILES)?;
        package.shrink();
        let files = package.replace_files(Vec::new());
        let files = files.iter().map(|path| self.keys.hash_one(path)).collect();
        Ok(Held { package, files })
    }

    /// Whether that much more metadata may be kept; counts it in.
    pub(super) fn may_keep(&mut self, bytes: usize) -> bool {
        let total = self.metadata.saturating_add(bytes);
        let fits = total <= REPODATA_BYTES;
        if fits {
            self.metadata = total;
        }
        fits
    }

    /// Puts a layer that has been held against its digest below those before.
    pub(super) fn merge(&mut self, scanned: [(Layout, Scanned); 2]) {
        for ((_, shelf), (_, below)) in self.shelves.iter_mut().zip(scanned) {
            if shelf.closed {
                continue;
            }
            for (name, found) in below.files {
                shelf.files.entry(name).or_insert(found);
            }
            shelf.names.extend(below.names);
            shelf.hidden.extend(below.hidden);
            shelf.closed = below.closed;
        }
    }

    /// Whether lower layers can change nothing any more: there are a map and repository metadata, and every package
    /// that these list. The metadata decides only how far is read, never what a package is.
    pub(super) fn is_complete(&self) -> bool {
        self.shelves.iter().any(|(_, shelf)| {
            let has_map = shelf.files.contains_key("extensions.json");
            let metadata = |name: &str| match shelf.files.get(name) {
                Some(Found::Metadata(bytes)) => Some(bytes.as_slice()),
                Some(Found::Package(_) | Found::Map(_)) | None => None,
            };
            let has_package = |name: &str| matches!(shelf.files.get(name), Some(Found::Package(_)));
            has_map
                && repodata::listed(metadata).is_some_and(|names| names.iter().all(|name| has_package(name)))
        })
    }

    /// What paths were hashed with.
    pub(super) fn into_keys(self) -> RandomState {
        self.keys
    }

    /// The files of the layout that holds packages.
    pub(super) fn into_files(self) -> Option<(Layout, BTreeMap<String, Found>, RandomState)> {
        let is_package = |found: &Found| matches!(found, Found::Package(_));
        let mut shelves = self.shelves.into_iter();
        let (layout, shelf) = shelves.find(|(_, shelf)| shelf.files.values().any(is_package))?;
        Some((layout, shelf.files, self.keys))
    }
}

impl Held {
    /// The package with those of `wanted` as its files that it owns.
    pub(super) fn narrowed(mut self, wanted: &BTreeSet<String>, keys: &RandomState) -> Verified<Package> {
        let owned: BTreeSet<u64> = self.files.into_iter().collect();
        let files = wanted.iter().filter(|path| owned.contains(&keys.hash_one(path))).cloned().collect();
        self.package.replace_files(files);
        self.package
    }
}

/// The two empty shelves of one layer, in the order of [`Harvest`].
pub(super) fn shelves() -> [(Layout, Scanned); 2] {
    [(Layout::ExtensionsContainer, Scanned::default()), (Layout::MachineOsContent, Scanned::default())]
}

pub(super) fn limit(what: &str, found: u64, limit: u64) -> Result<(), PayloadError> {
    if found > limit {
        return Err(PayloadError::Limit { what: what.to_owned(), found, limit });
    }
    Ok(())
}
