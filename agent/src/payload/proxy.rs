//! The one file that knows skopeo: the image proxy it offers, and its raw view of a manifest.
//!
//! The host's skopeo brings the host's mirrors, pull secrets and signature policy. It is a child of ours, and it may
//! hang on a silent registry: every step has a limit, and a child that has not ended well is killed, whoever lets go of
//! it. The library around the proxy keeps the child's id to itself, so the child is known by a mark in its environment.

use std::process::{Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use containers_image_proxy::{BlobStream, Error, ImageProxy, ImageProxyConfig, OpenedImage};
use extensions_manifest::Sha256Digest;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use oci_spec::image::Digest;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::error::PayloadError;
use super::fetch::Transport;
use super::image::{DOCUMENT_BYTES, check_document_size};
use crate::text::one_line;

/// The mark by which a child of ours is known.
const MARK: &str = "EXTENSIONS_AGENT_PROXY";
/// How long a child may take to end when it is asked to.
const FAREWELL: Duration = Duration::from_secs(5);
/// Most characters of what skopeo says that go into an error.
const SAID_CHARS: usize = 600;

/// A running proxy.
pub(super) struct Proxy {
    inner: ImageProxy,
    child: Child,
    transport: Transport,
    /// How long nothing may arrive.
    pub(super) silence_limit: Duration,
}

/// Kills the child unless it has ended well.
struct Child {
    mark: String,
    ended: bool,
}

impl Proxy {
    /// Starts the proxy.
    pub(super) async fn start(transport: &Transport, silence_limit: Duration) -> Result<Self, PayloadError> {
        let child = Child { mark: uuid::Uuid::new_v4().to_string(), ended: false };
        // The library's own way to tie the child's life to ours is lost with a command of our own; this is the same.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "--", "skopeo"]).env(MARK, &child.mark);
        if let Some(registries) = &transport.registries {
            command.arg("--registries-conf").arg(registries);
        }
        let mut config = ImageProxyConfig::default();
        config.authfile = transport.authfile.clone();
        config.skopeo_cmd = Some(command);
        let inner =
            limited(silence_limit, ("starting", "the image proxy"), ImageProxy::new_with_config(config))
                .await?;
        Ok(Self { inner, child, transport: transport.clone(), silence_limit })
    }

    /// Opens an image; `pullspec` is without a scheme.
    pub(super) async fn open(&self, pullspec: &str) -> Result<OpenedImage, PayloadError> {
        self.limited(("opening", pullspec), self.inner.open_image(&format!("docker://{pullspec}"))).await
    }

    /// The digest of the image's manifest as the proxy sees it, and the manifest, which it may have translated.
    pub(super) async fn manifest(
        &self,
        image: &OpenedImage,
        pullspec: &str,
    ) -> Result<(Sha256Digest, Vec<u8>), PayloadError> {
        let operation = "reading the manifest of";
        let (digest, bytes) =
            self.limited((operation, pullspec), self.inner.fetch_manifest_raw_oci(image)).await?;
        check_document_size(bytes.len() as u64, "the manifest")?;
        let digest = digest.parse().map_err(|source| PayloadError::Unavailable {
            operation,
            object: pullspec.to_owned(),
            source: Box::new(source),
        })?;
        Ok((digest, bytes))
    }

    /// The bytes of a manifest or index as they lie in the registry, held against `digest`.
    pub(super) async fn raw_manifest(
        &self,
        repository: &str,
        digest: Sha256Digest,
    ) -> Result<Vec<u8>, PayloadError> {
        let pullspec = format!("{repository}@{digest}");
        let bytes = self.limited(("reading the manifest of", &pullspec), self.inspect_raw(&pullspec)).await?;
        check_document_size(bytes.len() as u64, "the manifest")?;
        let found = Sha256Digest::of(&bytes);
        if found == digest {
            Ok(bytes)
        } else {
            Err(PayloadError::Digest { object: format!("manifest of `{pullspec}`"), expected: digest, found })
        }
    }

    async fn inspect_raw(&self, pullspec: &str) -> Result<Vec<u8>, Error> {
        let mut command = tokio::process::Command::new("skopeo");
        command.kill_on_drop(true);
        if let Some(registries) = &self.transport.registries {
            command.arg("--registries-conf").arg(registries);
        }
        command.args(["inspect", "--raw"]);
        if let Some(authfile) = &self.transport.authfile {
            command.arg("--authfile").arg(authfile);
        }
        command.arg(format!("docker://{pullspec}"));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().map_err(Error::SkopeoSpawnError)?;
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (bytes, said) = tokio::join!(up_to(stdout, DOCUMENT_BYTES + 1), up_to(stderr, 16 << 10));
        // Whatever was more than its bound is not read, so the child must not wait for a reader.
        let status = child.wait().await?;
        if status.success() {
            Ok(bytes?)
        } else {
            Err(Error::Other(String::from_utf8_lossy(&said?).into_owned().into()))
        }
    }

    /// A small blob, whole, held against its digest.
    pub(super) async fn small_blob(
        &self,
        image: &OpenedImage,
        digest: Sha256Digest,
        size: u64,
    ) -> Result<Vec<u8>, PayloadError> {
        let object = digest.to_string();
        check_document_size(size, "the config")?;
        let stream = self.blob(image, digest, size).await?;
        let (reader, driver) = stream.into_parts();
        let read = async {
            let (bytes, driven) = tokio::join!(up_to(Some(reader), size.saturating_add(1)), driver);
            bytes.map_err(Error::from).map(|bytes| (bytes, driven))
        };
        let (bytes, driven) = self.limited(("reading", &object), read).await?;
        let found = Sha256Digest::of(&bytes);
        if found != digest {
            return Err(PayloadError::Digest {
                object: format!("config `{digest}`"),
                expected: digest,
                found,
            });
        }
        driven.map_err(|source| proxy_error("reading", &object, source))?;
        Ok(bytes)
    }

    /// A blob as a stream.
    pub(super) async fn blob(
        &self,
        image: &OpenedImage,
        digest: Sha256Digest,
        size: u64,
    ) -> Result<BlobStream<'_>, PayloadError> {
        let object = digest.to_string();
        let id = Digest::from_str(&object).map_err(|source| PayloadError::Unavailable {
            operation: "reading",
            object: object.clone(),
            source: Box::new(source),
        })?;
        self.limited(("reading", &object), self.inner.get_blob_stream(image, &id, size)).await
    }

    async fn limited<T>(
        &self,
        what: (&'static str, &str),
        step: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, PayloadError> {
        limited(self.silence_limit, what, step).await
    }

    /// Ends the child; one that does not go is killed.
    pub(super) async fn close(mut self) {
        match tokio::time::timeout(FAREWELL, self.inner.finalize()).await {
            Ok(Ok(())) => self.child.ended = true,
            Ok(Err(error)) => tracing::debug!(%error, "the image proxy did not end well"),
            Err(_) => tracing::debug!("the image proxy did not end in time"),
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.ended {
            for pid in marked_children(&self.mark) {
                // It may have gone by itself in between.
                let _ = kill(pid, Signal::SIGKILL);
            }
        }
    }
}

/// Children of this process that carry the mark.
fn marked_children(mark: &str) -> Vec<Pid> {
    let mark = format!("{MARK}={mark}");
    let carries = |pid: &i32| {
        let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environ.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
    };
    let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let lists = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
    let pids: Vec<i32> = lists
        .flat_map(|list| list.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<_>>())
        .collect();
    pids.into_iter().filter(carries).map(Pid::from_raw).collect()
}

async fn up_to(from: Option<impl AsyncRead + Unpin>, limit: u64) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(from) = from {
        from.take(limit).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

/// One step of the proxy, in the time it may take.
async fn limited<T>(
    limit: Duration,
    (operation, object): (&'static str, &str),
    step: impl Future<Output = Result<T, Error>>,
) -> Result<T, PayloadError> {
    match tokio::time::timeout(limit, step).await {
        Ok(done) => done.map_err(|source| proxy_error(operation, object, source)),
        Err(_) => {
            Err(PayloadError::Silent { operation, object: object.to_owned(), seconds: limit.as_secs() })
        }
    }
}

/// What the proxy said, escaped and cut; never a secret, since it gets none from us but the path of a file.
pub(super) fn proxy_error(operation: &'static str, object: &str, source: Error) -> PayloadError {
    let said = one_line(&source.to_string(), SAID_CHARS);
    let object = object.to_owned();
    // The proxy has found what we would have found a moment later.
    let altered = said.contains("does not match provided manifest digest");
    let source = said.into();
    if altered {
        PayloadError::Altered { operation, object, source }
    } else {
        PayloadError::Unavailable { operation, object, source }
    }
}
