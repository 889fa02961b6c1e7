//! One layer of a payload: every entry is put on its shelf, and the harvest learns of the layer when all of it has been
//! held against its digest.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use extensions_manifest::{excerpt, limits};
use tar::{Entry, EntryType};

use super::Layout;
use super::archive::{Layer, Walk, read_archive};
use super::error::PayloadError;
use super::harvest::{Found, Harvest, Scanned, limit, shelves};
use super::intake::Intake;
use super::place::{Place, place};
use super::unpack::Inflated;

/// Most entries of one layer in our directories.
const OWN_ENTRIES: usize = 16_384;

/// Reads one layer to its end and adds what it holds to the harvest.
pub(super) fn read_layer(
    blob: Box<dyn Read + Send>,
    layer: &Layer,
    harvest: &mut Harvest,
    intake: &mut Intake,
    watched: Arc<AtomicU64>,
) -> Result<(), PayloadError> {
    let mut shelving = Shelving { harvest, intake, shelves: shelves(), own: 0 };
    read_archive(blob, layer, watched, &mut |entry, walk| shelving.entry(entry, walk))?;
    let shelves = shelving.shelves;
    harvest.merge(shelves);
    Ok(())
}

struct Shelving<'a> {
    harvest: &'a mut Harvest,
    intake: &'a mut Intake,
    shelves: [(Layout, Scanned); 2],
    own: usize,
}

impl Shelving<'_> {
    fn entry(&mut self, entry: &mut Entry<'_, Inflated>, walk: &Walk<'_>) -> Result<(), PayloadError> {
        let found = place(&entry.path_bytes()).map_err(|problem| walk.refused(problem))?;
        let is_directory = entry.header().entry_type() == EntryType::Directory;
        match found {
            Place::Elsewhere => Ok(()),
            Place::Top if is_directory => Ok(()),
            Place::Top => Err(walk.refused("the top of the tree is not a directory")),
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
            Place::File(layout, name) => self.file(entry, walk, (layout, name)),
            Place::Deeper => {
                self.harvest.deeper += 1;
                Ok(())
            }
        }
    }

    fn hide(&mut self, layout: Layout, name: String) -> Result<(), PayloadError> {
        self.count_own()?;
        self.shelf(layout).hidden.insert(name);
        Ok(())
    }

    fn file(
        &mut self,
        entry: &mut Entry<'_, Inflated>,
        walk: &Walk<'_>,
        (layout, name): (Layout, String),
    ) -> Result<(), PayloadError> {
        self.count_own()?;
        if !self.shelf(layout).names.insert(name.clone()) {
            return Err(walk.refused(&format!("`{}` is there twice", excerpt(&name))));
        }
        if self.harvest.hides(layout, &name) {
            return Ok(());
        }
        let kind = entry.header().entry_type();
        let found = if kind.is_file() || kind.is_contiguous() {
            self.take(entry, walk, &name)?
        } else if kind.is_hard_link() {
            self.link(entry, walk, (layout, &name))?
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
    fn take(
        &mut self,
        entry: &mut Entry<'_, Inflated>,
        walk: &Walk<'_>,
        name: &str,
    ) -> Result<Option<Found>, PayloadError> {
        let size = entry.size();
        if name == "extensions.json" {
            limit("bytes of the extension map", size, limits::MAP_BYTES as u64)?;
            return walk.bytes(entry).map(|bytes| Some(Found::Map(bytes)));
        }
        if name.starts_with("repodata/") {
            let wanted = name.ends_with("/repomd.xml") || name.contains("primary.xml");
            let fits = wanted && usize::try_from(size).is_ok_and(|size| self.harvest.may_keep(size));
            return if fits { walk.bytes(entry).map(|bytes| Some(Found::Metadata(bytes))) } else { Ok(None) };
        }
        if !name.ends_with(".rpm") {
            return Ok(None);
        }
        let package = self.intake.package(name, entry, size, &walk.fault);
        let package = package.map_err(|error| walk.fault.take().unwrap_or(error))?;
        self.harvest.hold(package).map(|held| Some(Found::Package(Box::new(held))))
    }

    /// A second name of a file that this archive has already given.
    fn link(
        &mut self,
        entry: &Entry<'_, Inflated>,
        walk: &Walk<'_>,
        (layout, name): (Layout, &str),
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
        found.map(Some).ok_or_else(|| walk.refused(&problem))
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
}
