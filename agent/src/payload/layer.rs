//! One layer, read once: hash, inflate, walk the archive, take what is ours, check the digests.
//!
//! Nothing counts before the whole blob has been held against its digest: packages are written aside by then, and the
//! harvest learns of the layer only afterwards.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use extensions_manifest::{Sha256Digest, excerpt, limits};
use tar::{Archive, Entry, EntryType};

use super::Layout;
use super::error::PayloadError;
use super::harvest::{Found, Harvest, Scanned, limit, shelves};
use super::intake::Intake;
use super::place::{NAME_BYTES, Place, place};
use super::unpack::{Blob, Compression, ENTRY_HEADER_BYTES, Fault, Inflated, drain};

/// Most entries of one layer.
const ENTRIES: u64 = 1_000_000;
/// Most entries of one layer in our directories.
const OWN_ENTRIES: usize = 16_384;

/// A layer as the manifest and the config describe it.
#[derive(Debug, Clone)]
pub(super) struct Layer {
    /// Digest of the blob.
    pub(super) digest: Sha256Digest,
    /// Size of the blob.
    pub(super) size: u64,
    /// How the blob is compressed.
    pub(super) compression: Compression,
    /// Digest of the archive inside.
    pub(super) diff_id: Sha256Digest,
}

impl Layer {
    fn object(&self) -> String {
        format!("layer `{}`", self.digest)
    }
}

/// Reads one layer to its end and adds what it holds to the harvest.
pub(super) fn read_layer(
    blob: Box<dyn Read + Send>,
    layer: &Layer,
    harvest: &mut Harvest,
    intake: &mut Intake,
    watched: Arc<AtomicU64>,
) -> Result<(), PayloadError> {
    let fault = Fault::default();
    let blob = Blob::new(blob, &layer.object(), layer.size, watched, fault.clone());
    let inflated = Inflated::new(blob, layer.compression)?;
    let mut walk = Walk {
        layer,
        harvest,
        intake,
        fault: fault.clone(),
        allowance: inflated.allowance(),
        shelves: shelves(),
        own: 0,
    };
    let mut archive = Archive::new(inflated);
    let walked = walk.entries(&mut archive);
    let mut inflated = archive.into_inner();
    let walked = walked.and_then(|()| walk.end(&mut inflated));
    let shelves = walk.shelves;
    let (diff_id, blob) = inflated.into_parts();
    if let Err(error) = walked {
        // Bytes that are not those of the digest explain anything else that is wrong with them.
        if is_about_content(&error) {
            blob.finish(layer.digest)?;
        }
        return Err(error);
    }
    blob.finish(layer.digest)?;
    if diff_id != layer.diff_id {
        let object = format!("the archive in {}", layer.object());
        return Err(PayloadError::Digest { object, expected: layer.diff_id, found: diff_id });
    }
    harvest.merge(shelves);
    Ok(())
}

fn is_about_content(error: &PayloadError) -> bool {
    matches!(error, PayloadError::Image { .. } | PayloadError::Package { .. })
}

struct Walk<'a> {
    layer: &'a Layer,
    harvest: &'a mut Harvest,
    intake: &'a mut Intake,
    fault: Fault,
    allowance: Rc<Cell<u64>>,
    shelves: [(Layout, Scanned); 2],
    own: usize,
}

impl Walk<'_> {
    fn entries(&mut self, archive: &mut Archive<Inflated>) -> Result<(), PayloadError> {
        let mut entries = archive.entries().map_err(|error| self.broken(&error))?;
        let mut count = 0;
        loop {
            self.allowance.set(ENTRY_HEADER_BYTES);
            let Some(entry) = entries.next() else { return Ok(()) };
            let mut entry = entry.map_err(|error| self.broken(&error))?;
            self.allowance.set(u64::MAX);
            count += 1;
            limit(&format!("entries of {}", self.layer.object()), count, ENTRIES)?;
            self.entry(&mut entry)?;
            drain(&mut entry).map_err(|error| self.broken(&error))?;
        }
    }

    /// Behind the last entry there may be padding, and nothing else.
    fn end(&mut self, inflated: &mut Inflated) -> Result<(), PayloadError> {
        self.allowance.set(u64::MAX);
        if inflated.ended() {
            return Err(self.refused("the archive has no end"));
        }
        let mut buffer = vec![0; 16 << 10];
        loop {
            let read = inflated.read(&mut buffer).map_err(|error| self.broken(&error))?;
            if read == 0 {
                return Ok(());
            }
            if buffer.iter().take(read).any(|byte| *byte != 0) {
                return Err(self.refused("there is data behind the end of the archive"));
            }
        }
    }

    fn entry(&mut self, entry: &mut Entry<'_, Inflated>) -> Result<(), PayloadError> {
        let kind = entry.header().entry_type();
        self.check_attributes(entry, kind)?;
        let name = entry.path_bytes();
        limit(
            &format!("bytes of one name in {}", self.layer.object()),
            name.len() as u64,
            NAME_BYTES as u64,
        )?;
        let found = place(&name).map_err(|problem| self.refused(problem))?;
        let is_directory = kind == EntryType::Directory;
        match found {
            Place::Elsewhere => Ok(()),
            Place::Top if is_directory => Ok(()),
            Place::Top => Err(self.refused("the top of the tree is not a directory")),
            Place::Above(_) if is_directory => Ok(()),
            Place::Above(layout) | Place::Hides(layout) => {
                self.shelf(layout).closed = true;
                Ok(())
            }
            Place::HidesAll => {
                self.shelves.iter_mut().for_each(|(_, shelf)| shelf.closed = true);
                Ok(())
            }
            Place::HidesFile(layout, name) => self.hide(layout, name),
            Place::File(_, name) if is_directory && name == "repodata" => Ok(()),
            Place::File(layout, name) => self.file(entry, layout, name),
            Place::Deeper => {
                self.harvest.deeper += 1;
                Ok(())
            }
        }
    }

    /// Sparse files are read differently by different tools, and global attributes apply to entries far away.
    fn check_attributes(&self, entry: &mut Entry<'_, Inflated>, kind: EntryType) -> Result<(), PayloadError> {
        if kind == EntryType::GNUSparse {
            return Err(self.refused("it holds a sparse file"));
        }
        if kind == EntryType::XGlobalHeader {
            return Err(self.refused("it holds global attributes"));
        }
        let extensions = entry.pax_extensions().map_err(|error| self.broken(&error))?;
        for extension in extensions.into_iter().flatten() {
            let extension =
                extension.map_err(|_| self.refused("the attributes of an entry are malformed"))?;
            if extension.key_bytes().starts_with(b"GNU.sparse") {
                return Err(self.refused("it holds a sparse file"));
            }
        }
        Ok(())
    }

    fn hide(&mut self, layout: Layout, name: String) -> Result<(), PayloadError> {
        self.count_own()?;
        self.shelf(layout).hidden.insert(name);
        Ok(())
    }

    fn file(
        &mut self,
        entry: &mut Entry<'_, Inflated>,
        layout: Layout,
        name: String,
    ) -> Result<(), PayloadError> {
        self.count_own()?;
        if !self.shelf(layout).names.insert(name.clone()) {
            return Err(self.refused(&format!("`{}` is there twice", excerpt(&name))));
        }
        if self.harvest.hides(layout, &name) {
            return Ok(());
        }
        let kind = entry.header().entry_type();
        let found = if kind.is_file() || kind.is_contiguous() {
            self.take(entry, &name)?
        } else if kind.is_hard_link() {
            self.link(entry, layout, &name)?
        } else {
            // Links, devices and directories are never made; their names hide what lies below, as a file would.
            None
        };
        if let Some(found) = found {
            self.shelf(layout).files.insert(name, found);
        }
        Ok(())
    }

    /// Takes a regular file, where it is of a kind that we read.
    fn take(&mut self, entry: &mut Entry<'_, Inflated>, name: &str) -> Result<Option<Found>, PayloadError> {
        let size = entry.size();
        if name == "extensions.json" {
            limit("bytes of the extension map", size, limits::MAP_BYTES as u64)?;
            return self.bytes(entry).map(|bytes| Some(Found::Map(bytes)));
        }
        if name.starts_with("repodata/") {
            let wanted = name.ends_with("/repomd.xml") || name.contains("primary.xml");
            let fits = wanted && usize::try_from(size).is_ok_and(|size| self.harvest.may_keep(size));
            return if fits { self.bytes(entry).map(|bytes| Some(Found::Metadata(bytes))) } else { Ok(None) };
        }
        if !name.ends_with(".rpm") {
            return Ok(None);
        }
        let package = self.intake.package(name, entry, size, &self.fault);
        let package = package.map_err(|error| self.fault.take().unwrap_or(error))?;
        self.harvest.hold(package).map(|held| Some(Found::Package(Box::new(held))))
    }

    fn bytes(&self, entry: &mut Entry<'_, Inflated>) -> Result<Vec<u8>, PayloadError> {
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|error| self.broken(&error))?;
        Ok(bytes)
    }

    /// A second name of a file that this archive has already given.
    fn link(
        &mut self,
        entry: &Entry<'_, Inflated>,
        layout: Layout,
        name: &str,
    ) -> Result<Option<Found>, PayloadError> {
        if !name.ends_with(".rpm") && name != "extensions.json" {
            return Ok(None);
        }
        let target = entry.link_name_bytes().unwrap_or_default();
        let found = match place(&target) {
            Ok(Place::File(other, target)) if other == layout => {
                self.shelf(layout).files.get(&target).cloned()
            }
            Ok(_) | Err(_) => None,
        };
        let problem = format!("`{}` is a link to something that is not before it", excerpt(name));
        found.map(Some).ok_or_else(|| self.refused(&problem))
    }

    fn count_own(&mut self) -> Result<(), PayloadError> {
        self.own += 1;
        limit("entries among the packages", self.own as u64, OWN_ENTRIES as u64)
    }

    fn shelf(&mut self, layout: Layout) -> &mut Scanned {
        let [(_, container), (_, flat)] = &mut self.shelves;
        match layout {
            Layout::ExtensionsContainer => container,
            Layout::MachineOsContent | Layout::Directory => flat,
        }
    }

    /// What a reader below has raised, or else that the archive cannot be read.
    fn broken(&self, error: &std::io::Error) -> PayloadError {
        self.fault.take().unwrap_or_else(|| self.refused(&format!("the archive cannot be read: {error}")))
    }

    fn refused(&self, problem: &str) -> PayloadError {
        PayloadError::Image { object: self.layer.object(), problem: problem.to_owned() }
    }
}
