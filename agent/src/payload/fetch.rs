//! What a fetch is told, what it tells on its way, and what it has cost.

use std::path::PathBuf;

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
    /// How many layers there are at most; reading stops when lower ones can change nothing.
    pub layers: usize,
    /// How much of this layer has been read.
    pub bytes: u64,
    /// The size of this layer.
    pub total: u64,
}
