//! 2 · *offer*: what this release offers.
//!
//! Decides: which packages and which extension map an image holds. Must not: know what is wanted or what the host has.
//! Input: an image in a registry, an OCI layout or a directory, all untrusted.

use std::sync::Arc;

use extensions_manifest::{ExtensionMap, Sha256Digest};

use crate::rpm::{Package, Verified};

/// An image or directory whose content is fixed by digest. Only `reference.rs` and the sources can make one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pinned {
    /// What to show: the reference with its digest.
    pub(crate) display: String,
    /// The digest of the manifest, or of the listing of a plain directory.
    pub(crate) digest: Sha256Digest,
}

/// How the packages lie in the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
    /// Its packages, sorted by NEVRA.
    pub packages: Arc<Vec<Verified<Package>>>,
    /// The OS version the image was built for, from its labels.
    pub version: Option<String>,
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
