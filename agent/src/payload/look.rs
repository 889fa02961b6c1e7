//! A look at an image without its packages: its labels, or the list of a release. Kept by digest, so that the same image
//! is looked at once.

use std::fs;
use std::path::Path;

use extensions_manifest::Sha256Digest;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::directory::{OciLayout, small_file};
use super::error::PayloadError;
use super::fetch::FetchStats;
use super::image::Image;
use super::layers::{Source, worker};
use super::loader::{Loader, pinned};
use super::note::{self, Kind};
use super::pick::{Wanted, pick};
use super::reference::{Identifier, Reference};
use super::registry::Registry;
use super::release::{PATH, REFERENCES_BYTES, Release, ReleaseError};
use super::{Labels, Pinned};

/// An image, found but not read.
enum Found {
    Registry(Registry),
    Layout(OciLayout),
}

impl Loader {
    /// Reads what the release image at `reference` names, as its image for the architecture `arch` says.
    ///
    /// Only the top layers are read, down to the one that has the list; a digest that was read before makes no request.
    ///
    /// # Errors
    /// When it cannot be had, or is no release image.
    pub async fn release(&self, reference: &Reference, arch: &str) -> Result<Release, ReleaseError> {
        let release = reference.to_string();
        let mut stats = FetchStats::default();
        let read = match reference {
            Reference::Directory { directory } => references_in(directory).await,
            Reference::Registry { .. } | Reference::OciLayout { .. } => {
                self.references(reference, arch, &mut stats).await
            }
        };
        match read {
            Ok((pinned, Some(text))) => Release::parse(text.as_bytes(), pinned),
            Ok((pinned, None)) => {
                let problem = format!("it holds no text `/{}`", PATH.join("/"));
                Err(ReleaseError::Unreadable { release: pinned.to_string(), problem })
            }
            Err(source) => Err(ReleaseError::Fetch { release, source: Box::new(source) }),
        }
    }

    /// The labels of the image at `reference` for the architecture `arch`: manifest and config are read, no layer.
    ///
    /// # Errors
    /// When they cannot be had. A plain directory has none.
    pub async fn labels(&self, reference: &Reference, arch: &str) -> Result<Labels, PayloadError> {
        let mut stats = FetchStats::default();
        let key = (Kind::Labels, arch);
        if let Some(labels) = self.noted_for(reference, key).await? {
            return Ok(labels);
        }
        let Some((found, pinned)) = self.find(reference, arch, &mut stats).await? else {
            return Ok(Labels::default());
        };
        if let Some(labels) = self.noted(pinned.digest, key).await? {
            found.close().await;
            return Ok(labels);
        }
        let mut found = found;
        let labels = found.image(pinned.digest, arch, &mut stats).await?.labels;
        found.close().await;
        self.note(pinned.digest, key, labels).await
    }

    async fn references(
        &self,
        reference: &Reference,
        arch: &str,
        stats: &mut FetchStats,
    ) -> Result<(Pinned, Option<String>), PayloadError> {
        let key = (Kind::Release, arch);
        if let Reference::Registry { repository, identifier: Identifier::Digest(digest) } = reference
            && let Some(text) = self.noted(*digest, key).await?
        {
            return Ok((pinned(repository, *digest), Some(text)));
        }
        let Some((mut found, pinned)) = self.find(reference, arch, stats).await? else {
            return Err(PayloadError::Worker);
        };
        if let Some(text) = self.noted(pinned.digest, key).await? {
            found.close().await;
            return Ok((pinned, Some(text)));
        }
        let image = found.image(pinned.digest, arch, stats).await?;
        let wanted = Wanted { path: PATH, bytes: REFERENCES_BYTES };
        let source = match &found {
            Found::Registry(registry) => Source::Registry(registry),
            Found::Layout(layout) => Source::Layout(layout),
        };
        let bytes = pick(&source, image, wanted, stats).await?;
        found.close().await;
        let text = match bytes.map(String::from_utf8) {
            Some(Ok(text)) => Some(self.note(pinned.digest, key, text).await?),
            Some(Err(_)) | None => None,
        };
        tracing::debug!(requests = stats.requests, bytes = stats.bytes_received, "read a release image");
        Ok((pinned, text))
    }

    /// Finds the image and pins it; none for a plain directory.
    async fn find(
        &self,
        reference: &Reference,
        arch: &str,
        stats: &mut FetchStats,
    ) -> Result<Option<(Found, Pinned)>, PayloadError> {
        match reference {
            Reference::Registry { repository, identifier } => {
                let registry = Registry::connect(&self.transport, self.silence_limit, repository).await?;
                let digest = registry.resolve(identifier, stats).await?;
                Ok(Some((Found::Registry(registry), pinned(repository, digest))))
            }
            Reference::OciLayout { directory, name } => {
                let layout = OciLayout::find(directory, name.as_deref(), arch)?;
                let display = format!("oci:{}@{}", directory.display(), layout.digest);
                let pinned = Pinned { display, digest: layout.digest };
                Ok(Some((Found::Layout(layout), pinned)))
            }
            Reference::Directory { .. } => Ok(None),
        }
    }

    async fn noted_for<T: DeserializeOwned + Send + 'static>(
        &self,
        reference: &Reference,
        key: (Kind, &str),
    ) -> Result<Option<T>, PayloadError> {
        match reference {
            Reference::Registry { identifier: Identifier::Digest(digest), .. } => {
                self.noted(*digest, key).await
            }
            Reference::Registry { .. } | Reference::OciLayout { .. } | Reference::Directory { .. } => {
                Ok(None)
            }
        }
    }

    async fn noted<T: DeserializeOwned + Send + 'static>(
        &self,
        digest: Sha256Digest,
        (kind, arch): (Kind, &str),
    ) -> Result<Option<T>, PayloadError> {
        let (store, arch) = (self.store.clone(), arch.to_owned());
        worker(move || note::load(&store, (kind, digest), &arch)).await
    }

    async fn note<T: Serialize + Send + 'static>(
        &self,
        digest: Sha256Digest,
        (kind, arch): (Kind, &str),
        value: T,
    ) -> Result<T, PayloadError> {
        let (store, arch) = (self.store.clone(), arch.to_owned());
        worker(move || note::save(&store, (kind, digest), &arch, &value).map(|()| value)).await?
    }
}

impl Found {
    async fn image(
        &mut self,
        digest: Sha256Digest,
        arch: &str,
        stats: &mut FetchStats,
    ) -> Result<Image, PayloadError> {
        match self {
            Found::Registry(registry) => registry.open(digest, arch, stats).await,
            Found::Layout(layout) => layout.image(arch),
        }
    }

    async fn close(self) {
        match self {
            Found::Registry(registry) => registry.close().await,
            Found::Layout(_) => {}
        }
    }
}

/// The list in an unpacked tree, or the directory that holds it.
async fn references_in(directory: &Path) -> Result<(Pinned, Option<String>), PayloadError> {
    let [inner, file] = PATH;
    let nested = directory.join(inner).join(file);
    let path = if fs::exists(&nested).unwrap_or(false) { nested } else { directory.join(file) };
    let bytes = worker(move || small_file(&path, REFERENCES_BYTES)).await??;
    let digest = Sha256Digest::of(&bytes);
    let display = format!("dir:{}@{digest}", directory.display());
    Ok((Pinned { display, digest }, String::from_utf8(bytes).ok()))
}
