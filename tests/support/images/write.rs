//! Writes an OCI layout: blobs named by digest, manifests, an index.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Compression, Image, Layer, Layout};
use crate::cache;

/// Changes whenever the way of writing does.
const RECIPE: &str = "image recipe 1";

/// The layout of one image, or of an index over several.
pub(super) fn layout(images: &[Image], index: bool) -> Layout {
    let mut parts = vec![RECIPE.as_bytes().to_vec(), vec![u8::from(index)]];
    for image in images {
        parts.push(format!("{} {:?} {:?}", image.architecture, image.compression, image.labels).into_bytes());
        parts.extend(image.layers.iter().map(Layer::key));
    }
    let key = cache::key(parts.iter().map(Vec::as_slice));
    Layout::at(cache::entry("image", &key, |place| write(images, index, place)))
}

fn write(images: &[Image], index: bool, place: &Path) {
    let blobs = place.join("blobs/sha256");
    fs::create_dir_all(&blobs).unwrap();
    let manifests: Vec<Value> = images.iter().map(|image| write_image(image, &blobs)).collect();
    let top = if index {
        let document = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests});
        let (digest, size) = write_blob(&blobs, &bytes(&document));
        json!({"mediaType": INDEX, "digest": digest, "size": size})
    } else {
        manifests.into_iter().next().expect("an image to write")
    };
    fs::write(place.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
    let document = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [top]});
    fs::write(place.join("index.json"), bytes(&document)).unwrap();
}

pub(super) const INDEX: &str = "application/vnd.oci.image.index.v1+json";
pub(super) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
pub(super) const CONFIG: &str = "application/vnd.oci.image.config.v1+json";

/// Writes one image and gives the descriptor of its manifest.
fn write_image(image: &Image, blobs: &Path) -> Value {
    let layers: Vec<Written> =
        image.layers.iter().map(|layer| write_layer(layer, image.compression, blobs)).collect();
    let labels: serde_json::Map<String, Value> =
        image.labels.iter().map(|(name, value)| (name.clone(), value.clone().into())).collect();
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let config = json!({
        "created": "2024-11-21T00:00:00Z",
        "architecture": image.architecture,
        "os": "linux",
        "config": {"Labels": labels},
        "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "history": layers.iter().map(|_| json!({"created": "2024-11-21T00:00:00Z"})).collect::<Vec<_>>(),
    });
    let (config_digest, config_size) = write_blob(blobs, &bytes(&config));
    let kind = match image.compression {
        Compression::None => "application/vnd.oci.image.layer.v1.tar",
        Compression::Gzip => "application/vnd.oci.image.layer.v1.tar+gzip",
        Compression::Zstd => "application/vnd.oci.image.layer.v1.tar+zstd",
    };
    let describe = |layer: &Written| json!({"mediaType": kind, "digest": layer.digest, "size": layer.size});
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": config_digest, "size": config_size},
        "layers": layers.iter().map(describe).collect::<Vec<_>>(),
    });
    let (digest, size) = write_blob(blobs, &bytes(&manifest));
    let platform = json!({"architecture": image.architecture, "os": "linux"});
    json!({"mediaType": MANIFEST, "digest": digest, "size": size, "platform": platform})
}

struct Written {
    digest: String,
    size: u64,
    diff_id: String,
}

/// Packs a layer as it is written: plain bytes are hashed for the config, packed ones for the manifest.
fn write_layer(layer: &Layer, compression: Compression, blobs: &Path) -> Written {
    let aside = blobs.join(".layer");
    let packed = Hashing::new(BufWriter::new(File::create(&aside).unwrap()));
    let (packed, diff_id) = match compression {
        Compression::None => {
            let mut plain = Hashing::new(packed);
            layer.write(&mut plain);
            plain.finish()
        }
        Compression::Gzip => {
            let mut plain = Hashing::new(flate2::write::GzEncoder::new(packed, flate2::Compression::fast()));
            layer.write(&mut plain);
            let (packer, diff_id) = plain.finish();
            (packer.finish().unwrap(), diff_id)
        }
        Compression::Zstd => {
            let mut plain = Hashing::new(zstd::Encoder::new(packed, 3).unwrap());
            layer.write(&mut plain);
            let (packer, diff_id) = plain.finish();
            (packer.finish().unwrap(), diff_id)
        }
    };
    let (mut file, digest) = packed.finish();
    file.flush().unwrap();
    let size = fs::metadata(&aside).unwrap().len();
    fs::rename(&aside, blobs.join(digest.trim_start_matches("sha256:"))).unwrap();
    Written { digest, size, diff_id }
}

pub(super) fn write_blob(blobs: &Path, content: &[u8]) -> (String, usize) {
    let name = hex::encode(Sha256::digest(content));
    fs::write(blobs.join(&name), content).unwrap();
    (format!("sha256:{name}"), content.len())
}

fn bytes(document: &Value) -> Vec<u8> {
    serde_json::to_vec(document).unwrap()
}

/// Hashes what passes through.
pub(super) struct Hashing<W> {
    inner: W,
    hash: Sha256,
}

impl<W> Hashing<W> {
    pub(super) fn new(inner: W) -> Self {
        Hashing { inner, hash: Sha256::new() }
    }

    pub(super) fn finish(self) -> (W, String) {
        (self.inner, format!("sha256:{}", hex::encode(self.hash.finalize())))
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = self.inner.write(bytes)?;
        self.hash.update(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
