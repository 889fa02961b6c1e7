//! 2 · *offer*: what this release offers.
//!
//! Decides: which packages and which extension map an image holds. Must not: know what is wanted or what the host has.
//! Input: an image in a registry, an OCI layout or a directory, all untrusted.
//!
//! ```text
//!  reference ─► registry (proxy) ─┐                                             ┌─► store: files by digest
//!  reference ─► directory ────────┴─► manifest ─► layer: hash ► inflate ► tar ──┴─► rpm::inspect ─► Payload
//! ```
//!
//! No archive is ever unpacked to a tree: names in it become keys of a map, never paths of ours.

mod archive;
mod assemble;
mod directory;
mod error;
mod evict;
mod fetch;
mod harvest;
mod image;
mod intake;
mod labels;
mod layer;
mod layers;
mod loader;
mod look;
mod note;
mod pick;
mod place;
mod proxy;
mod record;
mod reference;
mod registry;
mod release;
mod repodata;
mod store;
#[cfg(test)]
mod tests;
mod unpack;

use std::collections::BTreeSet;
use std::sync::Arc;

use extensions_manifest::{ExtensionMap, PackageFacts, Sha256Digest};

use crate::rpm::{Package, Verified};

pub use error::PayloadError;
pub use fetch::{FetchProgress, FetchStats, Transport};
pub use labels::Labels;
pub use loader::Loader;
pub use reference::{Identifier, Reference};
pub use release::{Release, ReleaseError};
pub use store::Store;

/// An image or directory whose content is fixed by digest. Only the sources in this folder can make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// What to show: the reference with its digest.
    pub(crate) display: String,
    /// The digest of the manifest, or of the listing of a plain directory.
    pub(crate) digest: Sha256Digest,
}

/// How the packages lie in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Layout {
    /// `/usr/share/rpm-ostree/extensions/`: the extensions container, 4.12 and later.
    ExtensionsContainer,
    /// `/extensions/`, flat: machine-os-content of 4.8 to 4.12.
    MachineOsContent,
    /// A plain directory of RPMs.
    Directory,
}

/// What one release offers, complete and verified.
#[derive(Debug, Clone)]
pub struct Payload {
    /// Which image.
    pub pinned: Pinned,
    /// How it lies there.
    pub layout: Layout,
    /// Its extension map.
    pub map: ExtensionMap,
    /// Its packages, sorted by NEVRA. The files of each are narrowed to [`Payload::required_paths`].
    pub packages: Arc<Vec<Verified<Package>>>,
    /// Which build of the operating system it was made for, as its labels say.
    pub labels: Labels,
}

impl Payload {
    /// Every file path that a package of the payload requires or conflicts with: the only paths that matter to a plan,
    /// and so the only ones that are kept here and asked of the base.
    pub fn required_paths(&self) -> BTreeSet<String> {
        let facts = self.packages.iter().map(|package| &package.get().facts);
        facts.flat_map(PackageFacts::required_paths).map(str::to_owned).collect()
    }
}

impl Pinned {
    /// The digest.
    pub fn digest(&self) -> Sha256Digest {
        self.digest
    }
}

impl std::fmt::Display for Pinned {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(&self.display)
    }
}
