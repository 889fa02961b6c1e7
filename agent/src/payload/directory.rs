//! Images and packages on disk: OCI layouts, and plain directories of RPMs.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use extensions_manifest::{Sha256Digest, excerpt, limits};
use nix::fcntl::OFlag;

use super::Layout;
use super::archive::Layer;
use super::error::PayloadError;
use super::harvest::{Found, Harvest, limit};
use super::image::{
    DOCUMENT_BYTES, Descriptor, Image, Manifest, check_document_size, choose, named, one_image,
};
use super::intake::Intake;
use super::store::{digest_of, open_options};
use super::unpack::Fault;

/// An image in an OCI layout.
#[derive(Debug)]
pub(super) struct OciLayout {
    directory: PathBuf,
    /// The digest of its manifest.
    pub(super) digest: Sha256Digest,
    manifest: Vec<u8>,
}

impl OciLayout {
    /// Finds the image of that name (or the only one) for that architecture. `index.json` is believed as a tag is:
    /// everything below it is held against its digest.
    pub(super) fn find(directory: &Path, name: Option<&str>, arch: &str) -> Result<Self, PayloadError> {
        let path = directory.join("index.json");
        let object = path.display().to_string();
        let mut bytes = Vec::new();
        let index = open(&path)?.take(DOCUMENT_BYTES + 1).read_to_end(&mut bytes);
        index.map_err(|source| unavailable("reading", &path, source))?;
        let images = match Manifest::parse(&bytes, &object)? {
            Manifest::Index(images) => images,
            Manifest::Image { .. } => {
                let problem = "it is a manifest, not an index".to_owned();
                return Err(PayloadError::Image { object, problem });
            }
        };
        let mut chosen = named(images, name, arch, &object)?;
        let mut manifest = document(directory, &chosen)?;
        if let Manifest::Index(images) = Manifest::parse(&manifest, &object)? {
            chosen = choose(images, arch, &object)?;
            manifest = document(directory, &chosen)?;
        }
        Ok(Self { directory: directory.to_owned(), digest: chosen.digest, manifest })
    }

    /// Its layers, newest first.
    pub(super) fn image(&self, arch: &str) -> Result<Image, PayloadError> {
        let object = format!("manifest `{}`", self.digest);
        let (config, layers) = one_image(&self.manifest, &object)?;
        let config = document(&self.directory, &config)?;
        Image::new(layers, &config, arch, &object)
    }

    /// The bytes of a layer.
    pub(super) fn blob(&self, layer: &Layer) -> Result<Box<dyn Read + Send>, PayloadError> {
        Ok(Box::new(open(&blob_path(&self.directory, layer.digest))?))
    }
}

fn blob_path(directory: &Path, digest: Sha256Digest) -> PathBuf {
    directory.join("blobs/sha256").join(digest.hex())
}

/// A manifest, index or config, held against its digest.
fn document(directory: &Path, descriptor: &Descriptor) -> Result<Vec<u8>, PayloadError> {
    let object = format!("blob `{}`", descriptor.digest);
    check_document_size(descriptor.size, &object)?;
    let path = blob_path(directory, descriptor.digest);
    let mut bytes = Vec::new();
    let read = open(&path)?.take(descriptor.size.saturating_add(1)).read_to_end(&mut bytes);
    read.map_err(|source| unavailable("reading", &path, source))?;
    let found = Sha256Digest::of(&bytes);
    if found != descriptor.digest {
        return Err(PayloadError::Digest { object, expected: descriptor.digest, found });
    }
    Ok(bytes)
}

/// A small file, whole.
pub(super) fn small_file(path: &Path, bytes: u64) -> Result<Vec<u8>, PayloadError> {
    let mut read = Vec::new();
    let done = open(path)?.take(bytes.saturating_add(1)).read_to_end(&mut read);
    done.map_err(|source| unavailable("reading", path, source))?;
    limit(&format!("bytes of `{}`", path.display()), read.len() as u64, bytes)?;
    Ok(read)
}

/// A directory of RPMs as it was listed.
#[derive(Debug)]
pub(super) struct Listing {
    directory: PathBuf,
    layout: Layout,
    files: BTreeMap<String, Sha256Digest>,
}

impl Listing {
    /// Lists and hashes what is ours in `directory`, or in the extensions directory of the tree below it.
    pub(super) fn of(directory: &Path) -> Result<Self, PayloadError> {
        let places = [
            (directory.to_owned(), Layout::Directory),
            (directory.join("usr/share/rpm-ostree/extensions"), Layout::ExtensionsContainer),
            (directory.join("extensions"), Layout::MachineOsContent),
        ];
        // The named directory itself must be there; the others are guesses.
        fs::read_dir(directory).map_err(|source| unavailable("listing", directory, source))?;
        for (place, layout) in places {
            let names = names(&place)?;
            if names.iter().any(|name| name.ends_with(".rpm")) {
                let files = names.into_iter().map(|name| {
                    let path = place.join(&name);
                    let digest = digest_of(&mut open(&path)?);
                    digest
                        .map(|digest| (name, digest))
                        .map_err(|source| unavailable("reading", &path, source))
                });
                let files = files.collect::<Result<_, PayloadError>>()?;
                return Ok(Self { directory: place, layout, files });
            }
        }
        let problem =
            "it holds no RPMs, and neither do `usr/share/rpm-ostree/extensions` or `extensions` in it";
        Err(PayloadError::Image { object: directory.display().to_string(), problem: problem.to_owned() })
    }

    /// The digest of the listing: how it lies in its tree, names and contents.
    pub(super) fn digest(&self) -> Sha256Digest {
        let lines = self.files.iter().map(|(name, digest)| format!("{name}\t{digest}\n"));
        let listing: String = std::iter::once(format!("{:?}\n", self.layout)).chain(lines).collect();
        Sha256Digest::of(listing.as_bytes())
    }

    /// How the directory lies in its tree.
    pub(super) fn layout(&self) -> Layout {
        self.layout
    }

    /// Reads every file, and returns how many bytes there were.
    pub(super) fn read(
        &self,
        harvest: &mut Harvest,
        intake: &mut Intake,
    ) -> Result<(BTreeMap<String, Found>, u64), PayloadError> {
        let mut found = BTreeMap::new();
        let mut total = 0;
        for (name, digest) in &self.files {
            let path = self.directory.join(name);
            let mut file = open(&path)?;
            let size = file.metadata().map_err(|source| unavailable("reading", &path, source))?.len();
            total += size;
            let read = if name == "extensions.json" {
                limit("bytes of the extension map", size, limits::MAP_BYTES as u64)?;
                let mut bytes = Vec::new();
                file.take(size)
                    .read_to_end(&mut bytes)
                    .map_err(|source| unavailable("reading", &path, source))?;
                changed_since(&path, *digest, Sha256Digest::of(&bytes))?;
                Found::Map(bytes)
            } else {
                let fault = Fault::default();
                let package = intake.package(name, &mut file, size, &fault);
                let package = package.map_err(|error| fault.take().unwrap_or(error))?;
                changed_since(&path, *digest, package.get().file)?;
                Found::Package(Box::new(harvest.hold(package)?))
            };
            found.insert(name.clone(), read);
        }
        Ok((found, total))
    }

    /// Roughly how much room the packages take.
    pub(super) fn bytes(&self) -> u64 {
        let size =
            |name: &String| fs::metadata(self.directory.join(name)).map(|meta| meta.len()).unwrap_or(0);
        self.files.keys().map(size).sum()
    }
}

fn changed_since(path: &Path, expected: Sha256Digest, found: Sha256Digest) -> Result<(), PayloadError> {
    if expected == found {
        return Ok(());
    }
    Err(PayloadError::Digest {
        object: format!("`{}`, which changed while it was read,", path.display()),
        expected,
        found,
    })
}

/// The regular files in a directory that we read, by name; none where there is no such directory.
fn names(directory: &Path) -> Result<Vec<String>, PayloadError> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(unavailable("listing", directory, source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| unavailable("listing", directory, source))?;
        let kind = entry.file_type().map_err(|source| unavailable("listing", directory, source))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        if !kind.is_file() || !(name.ends_with(".rpm") || name == "extensions.json") {
            continue;
        }
        if name.chars().any(char::is_control) {
            let problem = format!("the name `{}` holds control characters", excerpt(&name));
            return Err(PayloadError::Image { object: directory.display().to_string(), problem });
        }
        names.push(name);
        limit("files in the directory", names.len() as u64, limits::PAYLOAD_PACKAGES as u64 + 1)?;
    }
    Ok(names)
}

/// Opens a regular file; anything else could block or be without end.
fn open(path: &Path) -> Result<File, PayloadError> {
    let file = open_options(OFlag::O_NONBLOCK).read(true).open(path);
    let file = file.map_err(|source| unavailable("opening", path, source))?;
    let meta = file.metadata().map_err(|source| unavailable("opening", path, source))?;
    if !meta.is_file() {
        return Err(unavailable("opening", path, io::Error::other("it is not a regular file")));
    }
    Ok(file)
}

fn unavailable(operation: &'static str, path: &Path, source: io::Error) -> PayloadError {
    PayloadError::Unavailable { operation, object: path.display().to_string(), source: Box::new(source) }
}
