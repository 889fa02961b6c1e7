//! Payload images as OCI layouts: written here byte by byte, so that every digest, order and flaw is meant.
//!
//! [`Image`] is any image; [`Payload`] is one that carries extensions, in either of the layouts that releases use;
//! [`damage`] is what becomes of one in bad hands. The same description always gives the same bytes.

pub mod damage;
mod layer;
mod payload;
pub mod raw;
mod release;
mod write;

use std::path::{Path, PathBuf};

use serde_json::Value;

pub use layer::{Content, Layer};
pub use payload::{EXTENSIONS, Kind, Payload};
pub use release::ReleaseImage;

/// How a layer is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Plain tar.
    None,
    /// As most images are.
    Gzip,
    /// As newer ones are.
    Zstd,
}

/// The description of an image for one platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// `amd64`, `arm64`: the name that images use.
    pub architecture: String,
    /// How its layers are packed.
    pub compression: Compression,
    /// The labels of its config.
    pub labels: Vec<(String, String)>,
    /// From the lowest to the topmost.
    pub layers: Vec<Layer>,
}

impl Image {
    /// An image without layers for this architecture.
    pub fn new(architecture: &str) -> Self {
        Image {
            architecture: architecture.to_owned(),
            compression: Compression::Gzip,
            labels: Vec::new(),
            layers: Vec::new(),
        }
    }

    /// Another label.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A layer on top.
    #[must_use]
    pub fn layer(mut self, layer: Layer) -> Self {
        self.layers.push(layer);
        self
    }

    /// Packs the layers another way.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// The layout of this image alone.
    pub fn build(&self) -> Layout {
        write::layout(std::slice::from_ref(self), false)
    }

    /// The layout of an index that offers one image for each platform.
    pub fn build_index(images: &[Image]) -> Layout {
        write::layout(images, true)
    }
}

/// An OCI layout on disk, kept and shared: never write to it, see [`damage`] for copies that may be hurt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// The layout in that directory.
    pub fn at(dir: PathBuf) -> Self {
        Layout { dir }
    }

    /// Where it lies.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The reference by which it is read in place.
    pub fn reference(&self) -> String {
        format!("oci:{}", self.dir.display())
    }

    /// `sha256:…` of the manifest or index that the layout holds.
    pub fn digest(&self) -> String {
        let index = self.json(&self.dir.join("index.json"));
        index["manifests"][0]["digest"].as_str().unwrap().to_owned()
    }

    /// The manifest for the first or only platform.
    pub fn manifest(&self) -> Value {
        let top = self.json(&self.blob(&self.digest()));
        match top["manifests"][0]["digest"].as_str() {
            Some(first) => self.json(&self.blob(first)),
            None => top,
        }
    }

    /// The digests of the layers, from the lowest to the topmost.
    pub fn layers(&self) -> Vec<String> {
        let manifest = self.manifest();
        let layers = manifest["layers"].as_array().unwrap().iter();
        layers.map(|layer| layer["digest"].as_str().unwrap().to_owned()).collect()
    }

    /// The file of a blob.
    pub fn blob(&self, digest: &str) -> PathBuf {
        self.dir.join("blobs").join(digest.replace(':', "/"))
    }

    fn json(&self, path: &Path) -> Value {
        serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
    }
}
