//! A file as an OCI artifact: one layer, with its name as the title. Any OCI client can fetch it.
//!
//! Decides: the manifest, and when a file that was fetched is whole. Must not: choose the registry. Input: a local file; bytes
//! of a registry, untrusted until their digest is computed.

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use oci_spec::OciSpecError;
use oci_spec::image::{Descriptor, DescriptorBuilder, ImageManifestBuilder, MediaType};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::{AsyncRead, AsyncReadExt};

use super::digest::Digest;
use super::remote::{Remote, Stored};
use super::{ArtifactError, document};
use crate::error::shown;

/// What our artifacts are.
pub const TYPE: &str = "application/vnd.build-resources.file.v1";
/// The configuration of what has none, as the specification of images has it.
const EMPTY: &[u8] = b"{}";
/// Bytes of one read.
const PIECE: usize = 256 << 10;
/// The annotation that names a file.
const TITLE: &str = "org.opencontainers.image.title";

/// A file, and what was computed of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Measured {
    /// Its name without directories.
    pub(super) title: String,
    /// Of its bytes.
    pub(super) digest: Digest,
    /// How many they are.
    pub(super) size: u64,
}

fn local(path: &Path) -> impl Fn(io::Error) -> ArtifactError + use<'_> {
    |source| ArtifactError::Local { path: path.to_owned(), source }
}

/// Reads a file once, to know its digest.
///
/// # Errors
/// When it cannot be read, or is larger than `most` bytes.
pub(super) async fn measure(path: &Path, most: u64) -> Result<Measured, ArtifactError> {
    let mut file = File::open(path).await.map_err(local(path))?;
    let what = path.display().to_string();
    let (digest, size) = pass(&mut file, &mut io::sink(), &what, most).await?;
    let title = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    Ok(Measured { title, digest, size })
}

/// The manifest of a file.
///
/// # Errors
/// Only by a defect.
pub(super) fn manifest(file: &Measured) -> Result<Stored, ArtifactError> {
    let build = || {
        let layer =
            describe(&MediaType::Other("application/octet-stream".to_owned()), file.size, &file.digest)?;
        let mut layer = layer;
        layer.set_annotations(Some(HashMap::from([(TITLE.to_owned(), file.title.clone())])));
        ImageManifestBuilder::default()
            .schema_version(2_u32)
            .media_type(MediaType::ImageManifest)
            .artifact_type(MediaType::Other(TYPE.to_owned()))
            .config(empty()?)
            .layers(vec![layer])
            .build()
    };
    document(build().map_err(|error: OciSpecError| error.to_string()))
}

/// The descriptor of the configuration of what has none.
pub(crate) fn empty() -> Result<Descriptor, OciSpecError> {
    let size = u64::try_from(EMPTY.len()).unwrap_or(0);
    describe(&MediaType::EmptyJSON, size, &Digest::of(EMPTY))
}

/// What one document says of another.
pub(crate) fn describe(kind: &MediaType, size: u64, digest: &Digest) -> Result<Descriptor, OciSpecError> {
    let digest: oci_spec::image::Digest = digest.to_string().parse()?;
    DescriptorBuilder::default().media_type(kind.clone()).size(size).digest(digest).build()
}

/// Sends a file: its bytes first, then the manifest that names them. Safe to repeat.
///
/// # Errors
/// When the file has changed since it was measured, or the registry refuses or is away.
pub(super) async fn push(
    remote: &Remote,
    repository: &str,
    path: &Path,
    file: &Measured,
    manifest: &Stored,
) -> Result<(), ArtifactError> {
    let bytes = File::open(path).await.map_err(local(path))?;
    remote.send(repository, (&file.digest, file.size), bytes).await?;
    send_empty(remote, repository).await?;
    remote.store(repository, &Digest::of(&manifest.bytes).to_string(), manifest).await
}

/// Sends the configuration of what has none.
///
/// # Errors
/// When the registry refuses it or is away.
pub(crate) async fn send_empty(remote: &Remote, repository: &str) -> Result<(), ArtifactError> {
    let size = u64::try_from(EMPTY.len()).unwrap_or(0);
    remote.send(repository, (&Digest::of(EMPTY), size), EMPTY).await
}

/// Fetches a file: `path` has all of it, proven, or is as it was before. Safe to repeat.
///
/// # Errors
/// When it is not there, is another, or cannot be written.
pub(super) async fn fetch(
    remote: &Remote,
    repository: &str,
    wanted: &Measured,
    path: &Path,
) -> Result<(), ArtifactError> {
    settle(remote.blob(repository, &wanted.digest).await?, wanted, path).await
}

/// Writes bytes beside `path`, and moves them there only when they are those that are wanted.
async fn settle(bytes: impl AsyncRead + Unpin, wanted: &Measured, path: &Path) -> Result<(), ArtifactError> {
    let path = std::path::absolute(path).map_err(local(path))?;
    let beside = path.parent().unwrap_or(Path::new("/"));
    let mode = std::fs::Permissions::from_mode(0o644);
    let file = tempfile::Builder::new().permissions(mode).tempfile_in(beside);
    let mut file = file.map_err(local(&path))?;
    let what = format!("the file `{}`", shown(&wanted.title));
    let (digest, size) = pass(bytes, file.as_file_mut(), &what, wanted.size).await?;
    if (&digest, size) != (&wanted.digest, wanted.size) {
        return Err(ArtifactError::Different { what, why: format!("{size} bytes with {digest} came") });
    }
    file.as_file().sync_all().map_err(local(&path))?;
    file.persist(&path).map_err(|error| local(&path)(error.error))?;
    Ok(())
}

/// Passes bytes on, and tells their digest and number. More than `most` of them are refused.
pub(super) async fn pass(
    mut from: impl AsyncRead + Unpin,
    to: &mut impl Write,
    what: &str,
    most: u64,
) -> Result<(Digest, u64), ArtifactError> {
    let away = |error: io::Error| ArtifactError::Away {
        operation: format!("reading {what}"),
        problem: shown(&error.to_string()),
    };
    let written = |source| ArtifactError::Local { path: what.into(), source };
    let (mut hash, mut size) = (Sha256::new(), 0_u64);
    let mut piece = vec![0; PIECE];
    loop {
        let read = from.read(&mut piece).await.map_err(away)?;
        let Some(bytes) = piece.get(..read).filter(|bytes| !bytes.is_empty()) else {
            return Ok((Digest::computed(hash), size));
        };
        size = size.saturating_add(u64::try_from(read).unwrap_or(u64::MAX));
        if size > most {
            return Err(ArtifactError::TooLarge { what: what.to_owned(), most });
        }
        hash.update(bytes);
        to.write_all(bytes).map_err(written)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn row_20_a_file_is_a_manifest_with_one_layer_and_the_same_file_the_same_manifest() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("payload.tar");
        std::fs::write(&path, b"hello").unwrap();
        let file = measure(&path, 5).await.unwrap();
        assert_eq!((file.title.as_str(), file.size, &file.digest), ("payload.tar", 5, &Digest::of(b"hello")));
        let stored = manifest(&file).unwrap();
        let said: serde_json::Value = serde_json::from_slice(&stored.bytes).unwrap();
        assert_eq!(said["artifactType"], TYPE);
        assert_eq!(said["layers"][0]["digest"], Digest::of(b"hello").to_string());
        assert_eq!(said["layers"][0]["size"], 5);
        assert_eq!(said["layers"][0]["annotations"][TITLE], "payload.tar");
        assert_eq!(said["config"]["mediaType"], "application/vnd.oci.empty.v1+json");
        assert_eq!(said["config"]["size"], 2);
        assert_eq!(stored, manifest(&file).unwrap());
        assert!(matches!(measure(&path, 4).await, Err(ArtifactError::TooLarge { most: 4, .. })));
    }

    #[tokio::test]
    async fn row_20_a_file_arrives_whole_or_what_was_there_stays() {
        let room = tempfile::tempdir().unwrap();
        let path = room.path().join("payload.tar");
        std::fs::write(&path, b"old").unwrap();
        let wanted = Measured { title: "payload".to_owned(), digest: Digest::of(b"hello"), size: 5 };
        for bad in [&b"hell"[..], b"hullo", b"hello!", b""] {
            settle(bad, &wanted, &path).await.unwrap_err();
            assert_eq!(std::fs::read(&path).unwrap(), b"old");
            assert_eq!(std::fs::read_dir(room.path()).unwrap().count(), 1, "nothing else is left");
        }
        settle(&b"hello"[..], &wanted, &path).await.unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"hello");
    }
}
