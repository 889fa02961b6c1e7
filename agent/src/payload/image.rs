//! Manifests, indexes and configs: bytes that have been held against their digest → what is in the image. Pure.

use extensions_manifest::{Sha256Digest, excerpt};
use serde::Deserialize;

use super::archive::Layer;
use super::error::PayloadError;
use super::harvest::limit;
use super::labels::{Labels, RawLabels};
use super::unpack::Compression;

/// Largest manifest, index or config.
pub(super) const DOCUMENT_BYTES: u64 = 4 << 20;
/// Most layers of one image.
const LAYERS: usize = 128;
/// Most bytes of all layers of one image.
const IMAGE_BYTES: u64 = 8 << 30;
/// Most images in one index.
const IMAGES: usize = 1024;

/// A blob as a manifest describes it. `urls` are not even read: bytes come from where the image comes from.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    pub(super) media_type: String,
    pub(super) digest: Sha256Digest,
    pub(super) size: u64,
    platform: Option<Platform>,
    #[serde(default)]
    annotations: Annotations,
}

/// The one annotation that means anything here; the others may be many, and are not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
struct Annotations {
    #[serde(rename = "org.opencontainers.image.ref.name")]
    name: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Platform {
    architecture: String,
    os: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    media_type: Option<String>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

/// What the bytes behind a digest are.
#[derive(Debug)]
pub(super) enum Manifest {
    /// One image.
    Image {
        /// Its config.
        config: Descriptor,
        /// Its layers, lowest first.
        layers: Vec<Descriptor>,
    },
    /// One image for each of several platforms.
    Index(Vec<Descriptor>),
}

#[derive(Deserialize)]
struct ConfigDocument {
    architecture: String,
    os: String,
    rootfs: RootFs,
    config: Option<Runtime>,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<Sha256Digest>,
}

#[derive(Deserialize)]
struct Runtime {
    #[serde(rename = "Labels")]
    labels: Option<RawLabels>,
}

/// An image that can be read.
#[derive(Debug)]
pub(super) struct Image {
    /// Its layers, newest first.
    pub(super) layers: Vec<Layer>,
    /// Which build it belongs to.
    pub(super) labels: Labels,
}

impl Manifest {
    /// Reads the bytes of a manifest or an index, of OCI's or docker's kind.
    pub(super) fn parse(bytes: &[u8], object: &str) -> Result<Self, PayloadError> {
        check_document_size(bytes.len() as u64, object)?;
        let refused = |problem: String| PayloadError::Image { object: object.to_owned(), problem };
        let document: Document = serde_json::from_slice(bytes)
            .map_err(|error| refused(format!("it is not a manifest: {error}")))?;
        if document.schema_version != 2 {
            return Err(refused(format!("its schema version is {}, not 2", document.schema_version)));
        }
        let media_type = document.media_type.as_deref();
        let says_index = media_type.map(is_index);
        match (document.config, document.layers, document.manifests) {
            (Some(config), Some(layers), None) if says_index != Some(true) => {
                limit("layers of the image", layers.len() as u64, LAYERS as u64)?;
                Ok(Self::Image { config, layers })
            }
            (None, None, Some(images)) if says_index != Some(false) => {
                limit("images of the index", images.len() as u64, IMAGES as u64)?;
                Ok(Self::Index(images))
            }
            _ => Err(refused("it is neither plainly a manifest nor plainly an index".into())),
        }
    }
}

/// What must be one image by now.
pub(super) fn one_image(bytes: &[u8], object: &str) -> Result<(Descriptor, Vec<Descriptor>), PayloadError> {
    match Manifest::parse(bytes, object)? {
        Manifest::Image { config, layers } => Ok((config, layers)),
        Manifest::Index(_) => Err(PayloadError::Image {
            object: object.to_owned(),
            problem: "an index inside an index is not followed".into(),
        }),
    }
}

/// The one image of an index that is for this architecture.
pub(super) fn choose(images: Vec<Descriptor>, arch: &str, object: &str) -> Result<Descriptor, PayloadError> {
    let wanted = image_arch(arch);
    let fits = |image: &&Descriptor| {
        image
            .platform
            .as_ref()
            .is_some_and(|platform| platform.architecture == wanted && platform.os == "linux")
    };
    let chosen: Vec<&Descriptor> = images.iter().filter(fits).collect();
    match chosen.as_slice() {
        [one] if is_index(&one.media_type) => Err(PayloadError::Image {
            object: object.to_owned(),
            problem: "an index inside an index is not followed".into(),
        }),
        [one] => Ok((*one).clone()),
        [] => {
            let known = images.iter().filter_map(|image| image.platform.as_ref());
            let known: Vec<String> = known.map(|platform| excerpt(&platform.architecture)).collect();
            Err(PayloadError::Architecture { image: known.join(", "), host: arch.to_owned() })
        }
        _ => Err(PayloadError::Image {
            object: object.to_owned(),
            problem: format!("it has more than one image for `{wanted}`"),
        }),
    }
}

/// The one entry of a layout's `index.json` that `name` names. Without a name the only one, or, where all say their
/// platform, the one for this architecture.
pub(super) fn named(
    images: Vec<Descriptor>,
    name: Option<&str>,
    arch: &str,
    object: &str,
) -> Result<Descriptor, PayloadError> {
    let is_named =
        |image: &Descriptor| name.is_none_or(|name| image.annotations.name.as_deref() == Some(name));
    let chosen: Vec<Descriptor> = images.into_iter().filter(is_named).collect();
    let count = match chosen.as_slice() {
        [one] => return Ok(one.clone()),
        [] => "no",
        many if many.iter().all(|image| image.platform.is_some()) => return choose(chosen, arch, object),
        _ => "more than one",
    };
    let problem = match name {
        Some(name) => format!("it has {count} image `{}`", excerpt(name)),
        None => format!("it has {count} image, and the reference names none"),
    };
    Err(PayloadError::Image { object: object.to_owned(), problem })
}

impl Image {
    /// Puts manifest and config together and refuses an image for other machines.
    pub(super) fn new(
        layers: Vec<Descriptor>,
        config: &[u8],
        arch: &str,
        object: &str,
    ) -> Result<Self, PayloadError> {
        check_document_size(config.len() as u64, object)?;
        let refused = |problem: String| PayloadError::Image { object: object.to_owned(), problem };
        let config: ConfigDocument = serde_json::from_slice(config)
            .map_err(|error| refused(format!("its config cannot be read: {error}")))?;
        if config.architecture != image_arch(arch) || config.os != "linux" {
            let image = format!("{}/{}", excerpt(&config.os), excerpt(&config.architecture));
            return Err(PayloadError::Architecture { image, host: arch.to_owned() });
        }
        let diff_ids = config.rootfs.diff_ids;
        if diff_ids.len() != layers.len() {
            return Err(refused(format!("it has {} layers and {} diff ids", layers.len(), diff_ids.len())));
        }
        let total = layers.iter().fold(0u64, |total, layer| total.saturating_add(layer.size));
        limit("bytes of the image", total, IMAGE_BYTES)?;
        let layers = layers.into_iter().zip(diff_ids).rev().map(|(layer, diff_id)| {
            let compression = Compression::of_media_type(&layer.media_type);
            let unknown = || refused(format!("a layer has the media type `{}`", excerpt(&layer.media_type)));
            let compression = compression.ok_or_else(unknown)?;
            Ok(Layer { digest: layer.digest, size: layer.size, compression, diff_id })
        });
        let layers = layers.collect::<Result<_, PayloadError>>()?;
        let labels = config.config.and_then(|config| config.labels).unwrap_or_default();
        Ok(Self { layers, labels: labels.into() })
    }
}

/// An architecture in the words of images.
fn image_arch(arch: &str) -> &str {
    match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn is_index(media_type: &str) -> bool {
    matches!(
        media_type,
        "application/vnd.oci.image.index.v1+json"
            | "application/vnd.docker.distribution.manifest.list.v2+json"
    )
}

/// Holds the size of a manifest or config against its bound.
pub(super) fn check_document_size(size: u64, object: &str) -> Result<(), PayloadError> {
    limit(&format!("bytes of {object}"), size, DOCUMENT_BYTES)
}
