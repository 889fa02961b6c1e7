//! Images that carry extensions, as releases build them: the extensions container, and the older flat one.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use super::{Compression, Image, Layer, Layout};
use crate::cache;
use crate::command::{EPOCH, run, tool};
use crate::packages::{Extension, Release, build_all, extensions};

/// Where the extensions container has its packages.
pub const EXTENSIONS: &str = "usr/share/rpm-ostree/extensions";

/// Which layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// 4.12 and later: packages below [`EXTENSIONS`], on top of a small operating system.
    ExtensionsContainer,
    /// 4.8 to 4.12: packages below `/extensions`, on top of the host's own operating system.
    MachineOsContent,
}

/// The description of a payload; every part can be replaced before it is built.
#[derive(Debug, Clone)]
pub struct Payload {
    kind: Kind,
    release: Release,
    architecture: String,
    compression: Compression,
    base_layers: u32,
    base_layer_bytes: u64,
    repodata: bool,
    map: Option<Value>,
    labels: Vec<(String, String)>,
    rpms: BTreeMap<String, PathBuf>,
}

impl Payload {
    /// What a release offers, in an extensions container.
    pub fn of(release: Release) -> Self {
        Self::with(release, &extensions(release))
    }

    /// These extensions and nothing else.
    pub fn with(release: Release, extensions: &[Extension]) -> Self {
        let rpms: Vec<_> = extensions.iter().flat_map(|extension| extension.rpms.clone()).collect();
        let mut payload = Payload {
            kind: Kind::ExtensionsContainer,
            release,
            architecture: "amd64".to_owned(),
            compression: Compression::Gzip,
            base_layers: 1,
            base_layer_bytes: 64 << 10,
            repodata: true,
            map: Some(map(extensions)),
            labels: Vec::new(),
            rpms: BTreeMap::new(),
        };
        for file in build_all(&rpms) {
            payload = payload.package(&file);
        }
        payload
    }

    /// The other layout.
    #[must_use]
    pub fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// The architecture that the image is for: `arm64`.
    #[must_use]
    pub fn architecture(mut self, architecture: &str) -> Self {
        architecture.clone_into(&mut self.architecture);
        self
    }

    /// How the layers are packed.
    #[must_use]
    pub fn compression(mut self, compression: Compression) -> Self {
        self.compression = compression;
        self
    }

    /// So many layers of so many bytes of noise below the packages.
    #[must_use]
    pub fn base_layers(mut self, layers: u32, bytes: u64) -> Self {
        (self.base_layers, self.base_layer_bytes) = (layers, bytes);
        self
    }

    /// Leaves out the repository's metadata, or puts it back.
    #[must_use]
    pub fn repodata(mut self, there: bool) -> Self {
        self.repodata = there;
        self
    }

    /// Another extension map, or none at all.
    #[must_use]
    pub fn map(mut self, map: Option<Value>) -> Self {
        self.map = map;
        self
    }

    /// Another label of the image.
    #[must_use]
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.labels.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The label by which a release says that the image belongs to that build of the operating system.
    #[must_use]
    pub fn built_for(self, version: &str) -> Self {
        self.label("io.openshift.build.versions", &format!("machine-os={version}"))
    }

    /// Another package; one with the same file name is replaced.
    #[must_use]
    pub fn package(self, file: &Path) -> Self {
        let name = file.file_name().unwrap().to_str().unwrap().to_owned();
        self.package_as(&name, file)
    }

    /// Another package under a file name that is not its own.
    #[must_use]
    pub fn package_as(mut self, name: &str, file: &Path) -> Self {
        self.rpms.insert(name.to_owned(), file.to_owned());
        self
    }

    /// Takes away every package whose file name starts so.
    #[must_use]
    pub fn remove(mut self, start: &str) -> Self {
        self.rpms.retain(|name, _| !name.starts_with(start));
        self
    }

    /// The files of its packages, by name.
    pub fn rpms(&self) -> &BTreeMap<String, PathBuf> {
        &self.rpms
    }

    /// The image; change it further before it is built, if need be.
    pub fn image(&self) -> Image {
        match self.kind {
            Kind::ExtensionsContainer => self.extensions_container(),
            Kind::MachineOsContent => self.machine_os_content(),
        }
    }

    /// The layout on disk.
    pub fn build(&self) -> Layout {
        self.image().build()
    }

    /// The packages alone in a directory, as `dir:` reads them.
    pub fn directory(&self) -> PathBuf {
        let parts =
            self.rpms.iter().flat_map(|(name, file)| [name.clone().into_bytes(), fs::read(file).unwrap()]);
        let mut parts: Vec<Vec<u8>> = parts.collect();
        parts.push(self.map.as_ref().map(ToString::to_string).unwrap_or_default().into_bytes());
        cache::entry("directory", &cache::key(parts.iter().map(Vec::as_slice)), |place| {
            for (name, file) in &self.rpms {
                fs::copy(file, place.join(name)).unwrap();
            }
            if let Some(map) = &self.map {
                fs::write(place.join("extensions.json"), map.to_string()).unwrap();
            }
        })
    }

    /// A small operating system, one layer with the packages, a last one with the list of versions.
    fn extensions_container(&self) -> Image {
        let versions: Map<String, Value> = self.rpms.keys().map(|name| version_line(name)).collect();
        let list = Value::Object(versions).to_string();
        self.labelled(self.base("usr/share/ubi"))
            .label("io.openshift.os.extensions", "true")
            .layer(self.packages(Layer::new(), EXTENSIONS))
            .layer(Layer::new().file("usr/share/rpm-ostree/extensions.json", list))
    }

    /// The operating system with `pkglist.txt` and `srv/repo`, and the packages among it.
    fn machine_os_content(&self) -> Image {
        let mut top = Layer::new().file("pkglist.txt", "kernel-5.14.0\n").file("srv/repo/config", "[core]\n");
        top = self.packages(top, "extensions");
        self.labelled(self.base("srv/repo/objects"))
            .label("com.coreos.ostree-commit", &"0123456789abcdef".repeat(4))
            .label("io.openshift.build.versions", &format!("machine-os={}", self.release.version()))
            .layer(top)
    }

    fn labelled(&self, image: Image) -> Image {
        let image = image.compression(self.compression).label("version", self.release.version());
        self.labels.iter().fold(image, |image, (name, value)| image.label(name, value))
    }

    fn base(&self, place: &str) -> Image {
        let layer =
            |number: u32| Layer::new().noise(&format!("{place}/noise-{number}"), self.base_layer_bytes);
        (0..self.base_layers).fold(Image::new(&self.architecture), |image, number| image.layer(layer(number)))
    }

    fn packages(&self, mut layer: Layer, place: &str) -> Layer {
        if self.repodata {
            let repodata = self.create_repodata();
            let mut names: Vec<_> =
                fs::read_dir(&repodata).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            for name in names {
                let path = format!("{place}/repodata/{}", name.to_str().unwrap());
                layer = layer.copy(&path, repodata.join(&name));
            }
        }
        if let Some(map) = &self.map {
            layer = layer.file(&format!("{place}/extensions.json"), map.to_string());
            layer = layer.file(&format!("{place}/.rpm-ostree-state-chksum"), "0".repeat(128));
        }
        for (name, file) in &self.rpms {
            layer = layer.copy(&format!("{place}/{name}"), file);
        }
        layer
    }

    /// Real repository metadata of what rpm can read; a hurt package is left out, as nobody could have indexed it.
    fn create_repodata(&self) -> PathBuf {
        let parts =
            self.rpms.iter().flat_map(|(name, file)| [name.clone().into_bytes(), fs::read(file).unwrap()]);
        let parts: Vec<Vec<u8>> = parts.collect();
        let place = cache::entry("repodata", &cache::key(parts.iter().map(Vec::as_slice)), |place| {
            for (name, file) in &self.rpms {
                let copy = place.join(name);
                fs::copy(file, &copy).unwrap();
                let moment = std::time::UNIX_EPOCH + std::time::Duration::from_secs(EPOCH);
                fs::File::options().write(true).open(&copy).unwrap().set_modified(moment).unwrap();
            }
            let mut command = tool("createrepo_c", place);
            command.args([
                "--quiet",
                "--no-database",
                "--simple-md-filenames",
                "--set-timestamp-to-revision",
            ]);
            run(command.args(["--revision", &EPOCH.to_string()]).arg(place));
            for name in self.rpms.keys() {
                fs::remove_file(place.join(name)).unwrap();
            }
        });
        place.join("repodata")
    }
}

/// The map as `rpm-ostree compose extensions` writes it.
fn map(extensions: &[Extension]) -> Value {
    let mut entries = Map::new();
    for extension in extensions {
        let mut entry = json!({"packages": extension.packages, "kind": extension.kind});
        if let Some(package) = extension.match_base_evr {
            entry["match-base-evr"] = package.into();
        }
        entries.insert(extension.name.to_owned(), entry);
    }
    json!({"repos": ["coreos-extensions"], "extensions": entries})
}

/// `name-version-release.arch.rpm` as the list of versions has it: name → `version-release.arch`.
fn version_line(file_name: &str) -> (String, Value) {
    let stem = file_name.trim_end_matches(".rpm");
    let mut parts = stem.rsplitn(3, '-');
    let (release, version) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    (parts.next().unwrap_or(stem).to_owned(), format!("{version}-{release}").into())
}
