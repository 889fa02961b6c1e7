//! Where payloads come from, as the pass needs it: load one, open its packages.

use std::future::Future;
use std::os::fd::OwnedFd;

use crate::payload::{
    FetchProgress, FetchStats, Labels, Loader, Payload, PayloadError, Reference, Release, ReleaseError,
};
use crate::rpm::{Package, Verified};

/// A source of payloads. The [`Loader`] is the one that is shipped.
pub trait PayloadSource: Send + Sync {
    /// Loads the payload that `reference` names for the architecture `arch`.
    ///
    /// # Errors
    /// See [`Loader::load`].
    fn load(
        &self,
        reference: &Reference,
        arch: &str,
        progress: &(dyn Fn(FetchProgress) + Send + Sync),
    ) -> impl Future<Output = Result<(Payload, FetchStats), PayloadError>> + Send;

    /// Reads what the release image at `reference` names.
    ///
    /// # Errors
    /// See [`Loader::release`].
    fn release(
        &self,
        reference: &Reference,
        arch: &str,
    ) -> impl Future<Output = Result<Release, ReleaseError>> + Send;

    /// Reads the labels of an image, and nothing else of it.
    ///
    /// # Errors
    /// See [`Loader::labels`].
    fn labels(
        &self,
        reference: &Reference,
        arch: &str,
    ) -> impl Future<Output = Result<Labels, PayloadError>> + Send;

    /// Opens the file of a package: read-only, hashed on this very descriptor, rewound.
    ///
    /// # Errors
    /// See [`Loader::open_package`].
    fn open_package(&self, package: &Verified<Package>) -> Result<OwnedFd, PayloadError>;
}

impl PayloadSource for Loader {
    async fn load(
        &self,
        reference: &Reference,
        arch: &str,
        progress: &(dyn Fn(FetchProgress) + Send + Sync),
    ) -> Result<(Payload, FetchStats), PayloadError> {
        Loader::load(self, reference, arch, progress).await
    }

    async fn release(&self, reference: &Reference, arch: &str) -> Result<Release, ReleaseError> {
        Loader::release(self, reference, arch).await
    }

    async fn labels(&self, reference: &Reference, arch: &str) -> Result<Labels, PayloadError> {
        Loader::labels(self, reference, arch).await
    }

    fn open_package(&self, package: &Verified<Package>) -> Result<OwnedFd, PayloadError> {
        Loader::open_package(self, package)
    }
}
