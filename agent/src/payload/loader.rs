//! One payload, loaded: from the store when it is there, else from its source, layer by layer, newest first.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use extensions_manifest::Sha256Digest;

use super::assemble::{Frame, assemble};
use super::directory::{Listing, OciLayout};
use super::error::PayloadError;
use super::evict::make_room;
use super::fetch::{FetchProgress, FetchStats, Transport};
use super::harvest::Harvest;
use super::intake::Intake;
use super::layers::{Opened, Source, read_layers, worker};
use super::reference::{Identifier, Reference};
use super::registry::Registry;
use super::store::Store;
use super::{Labels, Payload, Pinned, record};
use crate::rpm::{Package, Verified};

/// How long nothing may arrive before a load is given up, to be tried again later.
const SILENCE: Duration = Duration::from_secs(60);

/// Loads payloads into a store and opens their packages from there.
#[derive(Debug)]
pub struct Loader {
    pub(super) store: Arc<Store>,
    pub(super) transport: Transport,
    pub(super) silence_limit: Duration,
}

/// What is asked of one load beside the reference.
#[derive(Clone, Copy)]
struct Ask<'a> {
    arch: &'a str,
    progress: &'a (dyn Fn(FetchProgress) + Send + Sync),
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
        let payload = read_layers(opened, &self.store, ask.progress, stats).await?;
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
        let payload = read_layers(opened, &self.store, ask.progress, stats).await?;
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
            let frame = Frame { pinned, layout: listing.layout(), labels: Labels::default() };
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
            make_room(&store, payload.pinned.digest())?;
            Ok(payload)
        })
        .await?
    }
}

/// The image of that digest in a repository.
pub(super) fn pinned(repository: &str, digest: Sha256Digest) -> Pinned {
    Pinned { display: Reference::at_digest(repository, digest).to_string(), digest }
}
