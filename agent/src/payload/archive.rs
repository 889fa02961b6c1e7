//! One archive, read once: hash, inflate, walk its entries, hold both digests against what was promised.
//!
//! Nothing counts before the whole blob has been held against its digest: whoever visits the entries keeps what it
//! finds aside until this has ended well.

use std::cell::Cell;
use std::io::Read;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use extensions_manifest::Sha256Digest;
use tar::{Archive, Entry, EntryType};

use super::error::PayloadError;
use super::harvest::limit;
use super::place::NAME_BYTES;
use super::unpack::{Blob, Compression, ENTRY_HEADER_BYTES, Fault, Inflated, drain};

/// Most entries of one layer.
const ENTRIES: u64 = 1_000_000;

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
    /// What the layer is called in errors.
    pub(super) fn object(&self) -> String {
        format!("layer `{}`", self.digest)
    }
}

/// Who is shown the entries of an archive, one after the other.
pub(super) type Visit<'a> =
    &'a mut dyn FnMut(&mut Entry<'_, Inflated>, &Walk<'_>) -> Result<(), PayloadError>;

/// Reads one layer to its end and shows every entry to `visit`.
pub(super) fn read_archive(
    blob: Box<dyn Read + Send>,
    layer: &Layer,
    watched: Arc<AtomicU64>,
    visit: Visit<'_>,
) -> Result<(), PayloadError> {
    let fault = Fault::default();
    let blob = Blob::new(blob, &layer.object(), layer.size, watched, fault.clone());
    let inflated = Inflated::new(blob, layer.compression)?;
    let walk = Walk { layer, fault, allowance: inflated.allowance() };
    let mut archive = Archive::new(inflated);
    let walked = walk.entries(&mut archive, visit);
    let mut inflated = archive.into_inner();
    let walked = walked.and_then(|()| walk.end(&mut inflated));
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
    Ok(())
}

fn is_about_content(error: &PayloadError) -> bool {
    matches!(error, PayloadError::Image { .. } | PayloadError::Package { .. })
}

/// The way through one archive.
pub(super) struct Walk<'a> {
    pub(super) layer: &'a Layer,
    /// What a reader below raises.
    pub(super) fault: Fault,
    allowance: Rc<Cell<u64>>,
}

impl Walk<'_> {
    fn entries(&self, archive: &mut Archive<Inflated>, visit: Visit<'_>) -> Result<(), PayloadError> {
        let mut entries = archive.entries().map_err(|error| self.broken(&error))?;
        let mut count = 0;
        loop {
            self.allowance.set(ENTRY_HEADER_BYTES);
            let Some(entry) = entries.next() else { return Ok(()) };
            let mut entry = entry.map_err(|error| self.broken(&error))?;
            self.allowance.set(u64::MAX);
            count += 1;
            limit(&format!("entries of {}", self.layer.object()), count, ENTRIES)?;
            self.check(&mut entry)?;
            visit(&mut entry, self)?;
            drain(&mut entry).map_err(|error| self.broken(&error))?;
        }
    }

    /// Behind the last entry there may be padding, and nothing else.
    fn end(&self, inflated: &mut Inflated) -> Result<(), PayloadError> {
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

    /// Sparse files are read differently by different tools, and global attributes apply to entries far away.
    fn check(&self, entry: &mut Entry<'_, Inflated>) -> Result<(), PayloadError> {
        let kind = entry.header().entry_type();
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
        let (what, length) =
            (format!("bytes of one name in {}", self.layer.object()), entry.path_bytes().len());
        limit(&what, length as u64, NAME_BYTES as u64)
    }

    /// The content of an entry, whose size its visitor has bounded.
    pub(super) fn bytes(&self, entry: &mut Entry<'_, Inflated>) -> Result<Vec<u8>, PayloadError> {
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(|error| self.broken(&error))?;
        Ok(bytes)
    }

    /// What a reader below has raised, or else that the archive cannot be read.
    pub(super) fn broken(&self, error: &std::io::Error) -> PayloadError {
        self.fault.take().unwrap_or_else(|| self.refused(&format!("the archive cannot be read: {error}")))
    }

    /// What is wrong with the archive.
    pub(super) fn refused(&self, problem: &str) -> PayloadError {
        PayloadError::Image { object: self.layer.object(), problem: problem.to_owned() }
    }
}
