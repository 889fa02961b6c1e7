//! Images made entry by entry, written as OCI layouts.

use std::io::Write;
use std::path::Path;

use extensions_manifest::Sha256Digest;
use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};
use tempfile::TempDir;

use super::super::{FetchStats, Loader, Payload, PayloadError, Store, Transport};

pub(super) const CONTAINER: &str = "usr/share/rpm-ostree/extensions";
pub(super) const MAP: &str = r#"{"extensions": {"usbguard": {"packages": ["usbguard"]}}}"#;
pub(super) const ROOM: u64 = 1 << 30;

/// How a layer is packed.
#[derive(Clone, Copy)]
pub(super) enum Pack {
    Plain,
    Gzip,
    Zstd,
}

/// One layer, entry by entry.
pub(super) struct LayerCraft(Builder<Vec<u8>>);

pub(super) fn layer() -> LayerCraft {
    LayerCraft(Builder::new(Vec::new()))
}

impl LayerCraft {
    pub(super) fn file(self, path: &str, bytes: &[u8]) -> Self {
        self.entry(EntryType::Regular, path, "", bytes)
    }

    pub(super) fn entry(mut self, kind: EntryType, path: &str, link: &str, bytes: &[u8]) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        // Written by hand: the library would refuse the names that a hostile archive has.
        let raw = header.as_ustar_mut().unwrap();
        assert!(path.len() <= 100 && link.len() <= 100);
        raw.name[..path.len()].copy_from_slice(path.as_bytes());
        raw.linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        self.0.append(&header, bytes).unwrap();
        self
    }

    /// PAX attributes for the entry that follows.
    pub(super) fn attributes(mut self, attributes: &[(&str, &[u8])]) -> Self {
        self.0.append_pax_extensions(attributes.iter().copied()).unwrap();
        self
    }

    /// A package, by its file name.
    pub(super) fn rpm(self, directory: &str, name: &str) -> Self {
        let package = super::rpm(name).build();
        self.file(&format!("{directory}/{name}.rpm"), &package)
    }

    /// The map, and repository metadata that lists these packages.
    pub(super) fn metadata(self, directory: &str, names: &[&str]) -> Self {
        let locations: String =
            names.iter().map(|name| format!("<package><location href=\"{name}.rpm\"/></package>")).collect();
        let primary = pack(format!("<metadata>{locations}</metadata>").as_bytes(), Pack::Gzip);
        let index = "<repomd><data type=\"filelists\"><location href=\"repodata/f.xml.gz\"/></data>\
            <data type=\"primary\"><location href=\"repodata/p-primary.xml.gz\"/></data></repomd>";
        self.file(&format!("{directory}/extensions.json"), MAP.as_bytes())
            .file(&format!("{directory}/repodata/repomd.xml"), index.as_bytes())
            .file(&format!("{directory}/repodata/p-primary.xml.gz"), &primary)
    }

    pub(super) fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

pub(super) fn pack(bytes: &[u8], how: Pack) -> Vec<u8> {
    match how {
        Pack::Plain => bytes.to_vec(),
        Pack::Zstd => zstd::encode_all(bytes, 3).unwrap(),
        Pack::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

/// One blob of an image, free to be inconsistent.
#[derive(Clone)]
pub(super) struct Blob {
    pub(super) media_type: String,
    pub(super) bytes: Vec<u8>,
    pub(super) diff_id: String,
}

impl Blob {
    pub(super) fn of(archive: &[u8], how: Pack) -> Self {
        let suffix = match how {
            Pack::Plain => "",
            Pack::Gzip => "+gzip",
            Pack::Zstd => "+zstd",
        };
        Self {
            media_type: format!("application/vnd.oci.image.layer.v1.tar{suffix}"),
            bytes: pack(archive, how),
            diff_id: Sha256Digest::of(archive).to_string(),
        }
    }
}

/// An OCI layout in a directory, one image in it, lowest layer first.
pub(super) struct ImageCraft {
    pub(super) layers: Vec<Blob>,
    pub(super) config: Value,
    pub(super) manifest: Value,
}

pub(super) fn image(layers: Vec<LayerCraft>) -> ImageCraft {
    image_of(layers.into_iter().map(|layer| Blob::of(&layer.bytes(), Pack::Gzip)).collect())
}

pub(super) fn image_of(layers: Vec<Blob>) -> ImageCraft {
    let diff_ids: Vec<&str> = layers.iter().map(|layer| layer.diff_id.as_str()).collect();
    let config = json!({
        "architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": diff_ids},
        "config": {"Labels": {"version": "414.92"}},
    });
    let descriptors: Vec<Value> = layers
        .iter()
        .map(|l| json!({"mediaType": l.media_type, "digest": Sha256Digest::of(&l.bytes), "size": l.bytes.len()}))
        .collect();
    let manifest = json!({
        "schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json", "layers": descriptors,
    });
    ImageCraft { layers, config, manifest }
}

impl ImageCraft {
    /// Writes the image as the layout's only one and returns the digest of its manifest.
    pub(super) fn write(&self, directory: &Path) -> Sha256Digest {
        let config = self.config.to_string();
        let mut manifest = self.manifest.clone();
        if manifest.get("config").is_none() {
            manifest["config"] = json!({
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": blob(directory, config.as_bytes()), "size": config.len(),
            });
        }
        for layer in &self.layers {
            blob(directory, &layer.bytes);
        }
        let manifest = manifest.to_string();
        let digest = blob(directory, manifest.as_bytes());
        let entry = json!({
            "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": manifest.len(),
        });
        write_index(directory, &[entry]);
        digest
    }
}

pub(super) fn write_index(directory: &Path, entries: &[Value]) {
    std::fs::write(directory.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
    let index = json!({"schemaVersion": 2, "manifests": entries});
    std::fs::write(directory.join("index.json"), index.to_string()).unwrap();
}

pub(super) fn blob(directory: &Path, bytes: &[u8]) -> Sha256Digest {
    let digest = Sha256Digest::of(bytes);
    let shelf = directory.join("blobs/sha256");
    std::fs::create_dir_all(&shelf).unwrap();
    std::fs::write(shelf.join(digest.hex()), bytes).unwrap();
    digest
}

/// A layout and a store, gone with the test.
pub(super) struct Bench {
    pub(super) directory: TempDir,
    pub(super) loader: Loader,
}

pub(super) fn bench() -> Bench {
    let directory = tempfile::tempdir().unwrap();
    let loader = loader(directory.path(), ROOM);
    Bench { directory, loader }
}

pub(super) fn loader(directory: &Path, max_bytes: u64) -> Loader {
    Loader::new(Store::open(&directory.join("store"), max_bytes).unwrap(), Transport::default())
}

impl Bench {
    pub(super) fn layout(&self) -> std::path::PathBuf {
        let layout = self.directory.path().join("image");
        std::fs::create_dir_all(&layout).unwrap();
        layout
    }

    pub(super) fn load(&self, image: &ImageCraft) -> Result<(Payload, FetchStats), PayloadError> {
        image.write(&self.layout());
        self.load_reference(&format!("oci:{}", self.layout().display()))
    }

    pub(super) fn load_reference(&self, reference: &str) -> Result<(Payload, FetchStats), PayloadError> {
        load(&self.loader, reference)
    }
}

pub(super) fn load(loader: &Loader, reference: &str) -> Result<(Payload, FetchStats), PayloadError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(loader.load(&reference.parse().unwrap(), "x86_64", &|_| {}))
}

/// The names of a payload's packages.
pub(super) fn names(payload: &Payload) -> Vec<String> {
    payload.packages.iter().map(|package| package.get().facts.nevra.name().to_string()).collect()
}
