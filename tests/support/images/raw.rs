//! Images written straight to disk, entry by entry and document by document: as large, as many and as wrong as a test
//! wants, and gone with it. [`super::Image`] keeps what it makes; this keeps nothing.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use tar::{Builder, Header};

use super::payload::EXTENSIONS;
use super::write::{CONFIG, Hashing, INDEX, MANIFEST, write_blob};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// An OCI layout of one image for amd64, in the making.
#[derive(Debug)]
pub struct RawImage {
    dir: PathBuf,
    /// The config as it will be written; its layers are added.
    pub config: Value,
    /// The manifest as it will be written; its config is added where it has none.
    pub manifest: Value,
}

/// One layer, open for entries.
pub struct RawLayer(Builder<Hashing<GzEncoder<Hashing<BufWriter<File>>>>>);

impl RawImage {
    /// An image without layers, to be written into that directory.
    pub fn at(dir: &Path) -> Self {
        fs::create_dir_all(dir.join("blobs/sha256")).unwrap();
        let rootfs = json!({"type": "layers", "diff_ids": []});
        RawImage {
            dir: dir.to_owned(),
            config: json!({"architecture": "amd64", "os": "linux", "rootfs": rootfs}),
            manifest: json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": []}),
        }
    }

    /// A layer on top, packed with gzip.
    #[must_use]
    pub fn layer(mut self, fill: impl FnOnce(&mut RawLayer)) -> Self {
        let aside = self.blobs().join(".layer");
        let packed = Hashing::new(BufWriter::new(File::create(&aside).unwrap()));
        let plain = Hashing::new(GzEncoder::new(packed, Compression::default()));
        let mut layer = RawLayer(Builder::new(plain));
        fill(&mut layer);
        let (packer, diff_id) = layer.0.into_inner().unwrap().finish();
        let (mut file, digest) = packer.finish().unwrap().finish();
        file.flush().unwrap();
        let size = fs::metadata(&aside).unwrap().len();
        fs::rename(&aside, self.blobs().join(digest.trim_start_matches("sha256:"))).unwrap();
        list(&mut self.config["rootfs"]["diff_ids"]).push(diff_id.into());
        let layer = json!({"mediaType": LAYER, "digest": digest, "size": size});
        list(&mut self.manifest["layers"]).push(layer);
        self
    }

    /// The same layer so many times more.
    #[must_use]
    pub fn again(mut self, times: usize) -> Self {
        for layers in [&mut self.config["rootfs"]["diff_ids"], &mut self.manifest["layers"]] {
            let layers = list(layers);
            let last = layers.last().cloned().expect("a layer to repeat");
            layers.extend(std::iter::repeat_n(last, times));
        }
        self
    }

    /// The image after a change of its documents.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut Self)) -> Self {
        change(&mut self);
        self
    }

    /// Writes the rest and gives the reference by which the image is read.
    pub fn write(mut self) -> String {
        if self.manifest.get("config").is_none() {
            let (digest, size) = write_blob(&self.blobs(), &padded(&self.config));
            self.manifest["config"] = json!({"mediaType": CONFIG, "digest": digest, "size": size});
        }
        let (digest, size) = write_blob(&self.blobs(), &padded(&self.manifest));
        let image = json!({"mediaType": MANIFEST, "digest": digest, "size": size});
        let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": [image]});
        fs::write(self.dir.join("oci-layout"), r#"{"imageLayoutVersion":"1.0.0"}"#).unwrap();
        fs::write(self.dir.join("index.json"), index.to_string()).unwrap();
        format!("oci:{}", self.dir.display())
    }

    fn blobs(&self) -> PathBuf {
        self.dir.join("blobs/sha256")
    }
}

/// A document of exactly so many bytes: `pad_to` in it is replaced by blanks behind it.
fn padded(document: &Value) -> Vec<u8> {
    let mut document = document.clone();
    let size = document.as_object_mut().unwrap().remove("pad_to");
    let mut bytes = serde_json::to_vec(&document).unwrap();
    if let Some(size) = size.and_then(|size| size.as_u64()) {
        bytes.resize(usize::try_from(size).unwrap(), b' ');
    }
    bytes
}

fn list(value: &mut Value) -> &mut Vec<Value> {
    value.as_array_mut().expect("a list")
}

impl RawLayer {
    /// A regular file. Names that are too long for a plain header get GNU's second one.
    pub fn file(&mut self, path: &str, bytes: &[u8]) {
        self.stream(path, bytes.len() as u64, &mut &*bytes);
    }

    /// A regular file among the packages.
    pub fn package(&mut self, name: &str, bytes: &[u8]) {
        self.file(&format!("{EXTENSIONS}/{name}"), bytes);
    }

    /// The map that names one extension for each package of that name.
    pub fn map(&mut self, names: &[&str]) {
        let entries = names.iter().map(|name| ((*name).to_owned(), json!({"packages": [name]})));
        let map = json!({"extensions": entries.collect::<serde_json::Map<_, _>>()});
        self.package("extensions.json", map.to_string().as_bytes());
    }

    /// A regular file of so many bytes from `content`.
    pub fn stream(&mut self, path: &str, size: u64, content: &mut dyn Read) {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(size);
        self.0.append_data(&mut header, path, content.take(size)).unwrap();
    }
}

/// Blocks of 64 KiB that a compressor makes about a hundred times smaller, for ever.
#[derive(Debug, Default)]
pub struct NearlyNothing(u64);

impl Read for NearlyNothing {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        const NOISE: u64 = 384;
        let place = self.0 % (64 << 10);
        let left = if place < NOISE { NOISE - place } else { (64 << 10) - place };
        let count = buffer.len().min(usize::try_from(left).unwrap());
        buffer[..count].fill(0);
        if place < NOISE {
            for (at, byte) in (self.0..).zip(&mut buffer[..count]) {
                *byte = (at.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8;
            }
        }
        self.0 += count as u64;
        Ok(count)
    }
}
