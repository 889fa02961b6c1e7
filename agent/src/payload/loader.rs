//! One payload, loaded: from the store when it is there, else from its source, layer by layer, newest first.

use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use extensions_manifest::Sha256Digest;
use tokio::task::spawn_blocking;

use super::assemble::{Frame, assemble};
use super::directory::{Listing, OciLayout};
use super::error::PayloadError;
use super::harvest::Harvest;
use super::image::Image;
use super::layer::{Layer, read_layer};
use super::reference::{Identifier, Reference};
use super::registry::{Driver, Registry};
use super::store::{Intake, Store};
use super::{Payload, Pinned, record};
use crate::rpm::{Package, Verified};

/// How long nothing may arrive before a load is given up, to be tried again later.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a transport may take for its last word when all bytes are there.
const FAREWELL: Duration = Duration::from_secs(30);
/// How often progress is told.
const TICK: Duration = Duration::from_millis(200);

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

/// Loads payloads into a store and opens their packages from there.
#[derive(Debug)]
pub struct Loader {
    store: Arc<Store>,
    transport: Transport,
    silence_limit: Duration,
}

/// What is asked of one load beside the reference.
#[derive(Clone, Copy)]
struct Ask<'a> {
    arch: &'a str,
    progress: &'a (dyn Fn(FetchProgress) + Send + Sync),
}

/// Where layers come from.
enum Source<'a> {
    Registry(&'a Registry),
    Layout(&'a OciLayout),
}

/// An image that is pinned and ready to be read.
struct Opened<'a> {
    source: Source<'a>,
    image: Image,
    pinned: Pinned,
}

/// What one load works on; it wanders between the runtime and the blocking workers.
struct Work {
    harvest: Harvest,
    intake: Intake,
}

impl Loader {
    /// A loader that keeps what it fetches in `store`.
    pub fn new(store: Store, transport: Transport) -> Self {
        Self { store: Arc::new(store), transport, silence_limit: SILENCE }
    }

    /// The same, with another limit on how long nothing may arrive.
    pub fn with_silence_limit(self, silence_limit: Duration) -> Self {
        Self { silence_limit, ..self }
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
        reference: &Reference,
        arch: &str,
        progress: &(dyn Fn(FetchProgress) + Send + Sync),
    ) -> Result<(Payload, FetchStats), PayloadError> {
        let ask = Ask { arch, progress };
        let mut stats = FetchStats::default();
        let payload = match reference {
            Reference::Registry { repository, identifier } => {
                self.registry(repository, identifier, ask, &mut stats).await
            }
            Reference::OciLayout { directory, name } => {
                self.layout(directory, name.as_deref(), ask, &mut stats).await
            }
            Reference::Directory { directory } => self.directory(directory, arch, &mut stats).await,
        }?;
        Ok((payload, stats))
    }

    /// Opens the stored file of a package, read-only, hashed on this very descriptor and rewound.
    ///
    /// # Errors
    /// When the file is gone or altered; it is dropped then, and the next load fetches it again.
    pub fn open_package(&self, package: &Verified<Package>) -> Result<OwnedFd, PayloadError> {
        self.store.open_package(package)
    }

    async fn registry(
        &self,
        repository: &str,
        identifier: &Identifier,
        ask: Ask<'_>,
        stats: &mut FetchStats,
    ) -> Result<Payload, PayloadError> {
        let arch = ask.arch;
        if let Identifier::Digest(digest) = identifier
            && let Some(payload) = self.recorded(&pinned(repository, *digest), arch, stats).await?
        {
            return Ok(payload);
        }
        let mut registry = Registry::connect(&self.transport, self.silence_limit, repository).await?;
        let digest = registry.resolve(identifier, stats).await?;
        let pinned = pinned(repository, digest);
        // A digest was looked for already; a tag may name one that is there.
        if matches!(identifier, Identifier::Tag(_))
            && let Some(payload) = self.recorded(&pinned, arch, stats).await?
        {
            registry.close().await;
            return Ok(payload);
        }
        let image = registry.open(digest, arch, stats).await?;
        let opened = Opened { source: Source::Registry(&registry), image, pinned };
        let payload = self.read(opened, ask, stats).await?;
        registry.close().await;
        self.keep(payload, arch).await
    }

    async fn layout(
        &self,
        directory: &Path,
        name: Option<&str>,
        ask: Ask<'_>,
        stats: &mut FetchStats,
    ) -> Result<Payload, PayloadError> {
        let arch = ask.arch;
        let layout = OciLayout::find(directory, name, arch)?;
        let display = format!("oci:{}@{}", directory.display(), layout.digest);
        let pinned = Pinned { display, digest: layout.digest };
        if let Some(payload) = self.recorded(&pinned, arch, stats).await? {
            return Ok(payload);
        }
        let image = layout.image(arch)?;
        let opened = Opened { source: Source::Layout(&layout), image, pinned };
        let payload = self.read(opened, ask, stats).await?;
        self.keep(payload, arch).await
    }

    async fn directory(
        &self,
        directory: &Path,
        arch: &str,
        stats: &mut FetchStats,
    ) -> Result<Payload, PayloadError> {
        let place = directory.to_owned();
        let listing = worker(move || Listing::of(&place)).await??;
        let digest = listing.digest();
        let pinned = Pinned { display: format!("dir:{}@{digest}", directory.display()), digest };
        if let Some(payload) = self.recorded(&pinned, arch, stats).await? {
            return Ok(payload);
        }
        self.store.preflight(listing.bytes())?;
        let store = self.store.clone();
        let read = worker(move || {
            let (mut harvest, mut intake) = (Harvest::new(), Intake::new(store));
            let (files, bytes) = listing.read(&mut harvest, &mut intake)?;
            let frame = Frame { pinned, layout: listing.layout(), version: None };
            let payload = assemble(frame, files, &harvest.into_keys())?;
            intake.commit()?;
            Ok((payload, bytes, intake.written))
        });
        let (payload, received, written) = read.await??;
        (stats.bytes_received, stats.bytes_written) = (received, written);
        self.keep(payload, arch).await
    }

    async fn recorded(
        &self,
        pinned: &Pinned,
        arch: &str,
        stats: &mut FetchStats,
    ) -> Result<Option<Payload>, PayloadError> {
        let (store, pinned, arch) = (self.store.clone(), pinned.clone(), arch.to_owned());
        let found = worker(move || record::load(&store, &pinned, &arch)).await?;
        stats.cached = found.is_some();
        Ok(found)
    }

    async fn keep(&self, payload: Payload, arch: &str) -> Result<Payload, PayloadError> {
        let (store, arch) = (self.store.clone(), arch.to_owned());
        worker(move || {
            record::save(&store, &payload, &arch)?;
            store.prune(payload.pinned.digest())?;
            Ok(payload)
        })
        .await?
    }

    /// Reads layers, newest first, until lower ones can change nothing.
    async fn read(
        &self,
        opened: Opened<'_>,
        ask: Ask<'_>,
        stats: &mut FetchStats,
    ) -> Result<Payload, PayloadError> {
        let Opened { source, image, pinned } = opened;
        let mut work = Work { harvest: Harvest::new(), intake: Intake::new(self.store.clone()) };
        let layers = image.layers.len();
        for (index, layer) in image.layers.into_iter().enumerate() {
            if work.harvest.is_complete() {
                break;
            }
            self.store.preflight(layer.size)?;
            let told = FetchProgress { layer: index + 1, layers, bytes: 0, total: layer.size };
            let (back, received) =
                read_one(&source, layer, work, &|bytes| (ask.progress)(FetchProgress { bytes, ..told }))
                    .await?;
            work = back;
            stats.requests += 1;
            stats.bytes_received += received;
        }
        let object = pinned.to_string();
        let version = image.version;
        let (payload, written) = worker(move || finish(work, pinned, version, object)).await??;
        stats.bytes_written += written;
        Ok(payload)
    }
}

fn pinned(repository: &str, digest: Sha256Digest) -> Pinned {
    Pinned { display: Reference::at_digest(repository, digest).to_string(), digest }
}

fn finish(
    work: Work,
    pinned: Pinned,
    version: Option<String>,
    object: String,
) -> Result<(Payload, u64), PayloadError> {
    let Work { harvest, mut intake } = work;
    let deeper = harvest.deeper;
    let Some((layout, files, keys)) = harvest.into_files() else {
        let problem = if deeper > 0 {
            "its packages lie one directory deeper, as in payloads of 4.6 and 4.7, which are not read yet"
        } else {
            "it holds no RPMs in `/usr/share/rpm-ostree/extensions` or `/extensions`"
        };
        return Err(PayloadError::Image { object, problem: problem.to_owned() });
    };
    let payload = assemble(Frame { pinned, layout, version }, files, &keys)?;
    intake.commit()?;
    Ok((payload, intake.written))
}

/// Reads one layer in a blocking worker while its transport is driven and progress is told.
async fn read_one(
    source: &Source<'_>,
    layer: Layer,
    work: Work,
    tell: &(dyn Fn(u64) + Send + Sync),
) -> Result<(Work, u64), PayloadError> {
    let (blob, driver): (_, Driver<'_>) = match source {
        Source::Registry(registry) => registry.blob(&layer).await?,
        Source::Layout(layout) => (layout.blob(&layer)?, Box::pin(async { Ok(()) })),
    };
    let watched = Arc::new(AtomicU64::new(0));
    let counter = watched.clone();
    let mut job = spawn_blocking(move || {
        let Work { mut harvest, mut intake } = work;
        let read = read_layer(blob, &layer, &mut harvest, &mut intake, counter);
        read.map(|()| Work { harvest, intake })
    });
    let mut driver = driver;
    let mut driven = None;
    let mut tick = tokio::time::interval(TICK);
    let read = loop {
        // Each arm keeps its state outside of the select, so none of them loses anything when another is taken.
        tokio::select! {
            done = &mut job => break done.map_err(|_| PayloadError::Worker)?,
            done = &mut driver, if driven.is_none() => driven = Some(done),
            _ = tick.tick() => tell(watched.load(Ordering::Relaxed)),
        }
    };
    let received = watched.load(Ordering::Relaxed);
    tell(received);
    if driven.is_none() && matches!(read, Ok(_) | Err(PayloadError::Size { .. })) {
        // The blob is at its end: what is left is one answer of the transport.
        driven = tokio::time::timeout(FAREWELL, driver).await.ok();
    }
    match (read, driven) {
        // A blob that ends early because the connection did is no lie of the registry.
        (Err(PayloadError::Size { expected, found, .. }), Some(Err(error))) if found < expected => Err(error),
        (Err(error), _) | (Ok(_), Some(Err(error))) => Err(error),
        (Ok(work), _) => Ok((work, received)),
    }
}

/// Runs blocking work aside.
async fn worker<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PayloadError> {
    spawn_blocking(work).await.map_err(|_| PayloadError::Worker)
}
