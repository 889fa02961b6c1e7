//! Images in a registry, pinned by digest before anything in them counts.
//!
//! The proxy checks digests too, but it translates manifests of docker's kind and chooses out of indexes: where what it
//! hands over does not have the digest that was asked for, the bytes as they lie in the registry are read beside it.

use std::io::{self, Read};
use std::pin::Pin;
use std::time::Duration;

use containers_image_proxy::OpenedImage;
use extensions_manifest::Sha256Digest;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::runtime::Handle;

use super::archive::Layer;
use super::error::PayloadError;
use super::fetch::{FetchStats, Transport};
use super::image::{Image, Manifest, choose, one_image};
use super::proxy::{Proxy, proxy_error};
use super::reference::Identifier;

/// A repository that is being read from.
pub(super) struct Registry {
    proxy: Proxy,
    repository: String,
    opened: Option<OpenedImage>,
}

/// The rest of a blob's transport, to be driven while the blob is read.
pub(super) type Driver<'a> = Pin<Box<dyn Future<Output = Result<(), PayloadError>> + Send + 'a>>;

impl Registry {
    /// Starts the transport.
    pub(super) async fn connect(
        transport: &Transport,
        silence_limit: Duration,
        repository: &str,
    ) -> Result<Self, PayloadError> {
        let proxy = Proxy::start(transport, silence_limit).await?;
        Ok(Self { proxy, repository: repository.to_owned(), opened: None })
    }

    /// The digest that is asked for: a tag is looked up once, and never used again.
    pub(super) async fn resolve(
        &self,
        identifier: &Identifier,
        stats: &mut FetchStats,
    ) -> Result<Sha256Digest, PayloadError> {
        let tag = match identifier {
            Identifier::Digest(digest) => return Ok(*digest),
            Identifier::Tag(tag) => tag,
        };
        let pullspec = format!("{}:{tag}", self.repository);
        stats.requests += 1;
        let image = self.proxy.open(&pullspec).await?;
        let (digest, bytes) = self.proxy.manifest(&image, &pullspec).await?;
        stats.bytes_received += bytes.len() as u64;
        Ok(digest)
    }

    /// Opens the image of that digest for that architecture: manifest and config, both held against their digests.
    pub(super) async fn open(
        &mut self,
        digest: Sha256Digest,
        arch: &str,
        stats: &mut FetchStats,
    ) -> Result<Image, PayloadError> {
        let pullspec = format!("{}@{digest}", self.repository);
        let object = format!("manifest of `{pullspec}`");
        stats.requests += 1;
        let mut opened = self.proxy.open(&pullspec).await?;
        let (seen, mut bytes) = self.proxy.manifest(&opened, &pullspec).await?;
        stats.bytes_received += bytes.len() as u64;
        if Sha256Digest::of(&bytes) != digest {
            bytes = self.raw(digest, stats).await?;
        }
        let (config, layers) = match Manifest::parse(&bytes, &object)? {
            Manifest::Image { config, layers } => (config, layers),
            Manifest::Index(images) => {
                let chosen = choose(images, arch, &object)?;
                if seen != chosen.digest {
                    opened = self.proxy.open(&format!("{}@{}", self.repository, chosen.digest)).await?;
                }
                let bytes = self.raw(chosen.digest, stats).await?;
                one_image(&bytes, &object)?
            }
        };
        stats.requests += 1;
        let config = self.proxy.small_blob(&opened, config.digest, config.size).await?;
        stats.bytes_received += config.len() as u64;
        self.opened = Some(opened);
        Image::new(layers, &config, arch, &object)
    }

    async fn raw(&self, digest: Sha256Digest, stats: &mut FetchStats) -> Result<Vec<u8>, PayloadError> {
        stats.requests += 1;
        let bytes = self.proxy.raw_manifest(&self.repository, digest).await?;
        stats.bytes_received += bytes.len() as u64;
        Ok(bytes)
    }

    /// A layer as a reader for blocking code, and what drives it.
    pub(super) async fn blob(
        &self,
        layer: &Layer,
    ) -> Result<(Box<dyn Read + Send>, Driver<'_>), PayloadError> {
        let opened = self.opened.as_ref().ok_or(PayloadError::Worker)?;
        let stream = self.proxy.blob(opened, layer.digest, layer.size).await?;
        let (inner, driver) = stream.into_parts();
        let object = layer.digest.to_string();
        let driver = async move { driver.await.map_err(|source| proxy_error("reading", &object, source)) };
        let reader = Bridge { inner, handle: Handle::current(), limit: self.proxy.silence_limit };
        Ok((Box::new(reader), Box::pin(driver)))
    }

    /// Ends the transport.
    pub(super) async fn close(self) {
        self.proxy.close().await;
    }
}

/// Lets blocking code read from the runtime, with a limit on how long nothing may come.
struct Bridge {
    inner: Box<dyn AsyncRead + Send + Unpin>,
    handle: Handle,
    limit: Duration,
}

impl Bridge {
    fn silence(&self) -> io::Error {
        io::Error::new(io::ErrorKind::TimedOut, format!("nothing arrived for {} s", self.limit.as_secs()))
    }
}

impl Read for Bridge {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = async { tokio::time::timeout(self.limit, self.inner.read(buffer)).await };
        self.handle.block_on(read).unwrap_or_else(|_| Err(self.silence()))
    }
}
