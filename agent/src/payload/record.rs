//! What is remembered of a payload, so that the same digest is never fetched twice.
//!
//! Two lines: the SHA-256 of the second, and the second. A record that is cut, altered or of another schema counts as
//! not there: the payload is fetched again.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::Arc;

use extensions_manifest::{ExtensionMap, Sha256Digest, limits};
use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::error::PayloadError;
use super::store::{HashWriter, Store, digest_of, failed, open_options};
use super::{Labels, Layout, Payload, Pinned};
use crate::rpm::{Package, restore_from_checked_record};

/// What this code writes and reads; a record of any other number counts as not there.
const SCHEMA: u32 = 2;
/// Largest record. The facts of a payload are bounded to less than half of that.
const RECORD_BYTES: u64 = 64 << 20;

#[derive(Serialize)]
struct Written<'a> {
    schema: u32,
    arch: &'a str,
    layout: Layout,
    labels: &'a Labels,
    map: &'a ExtensionMap,
    packages: Vec<&'a Package>,
}

#[derive(Deserialize)]
struct Record {
    schema: u32,
    arch: String,
    layout: Layout,
    labels: Labels,
    map: ExtensionMap,
    packages: Vec<Package>,
}

/// The few fields that eviction needs.
#[derive(Deserialize)]
struct Needs {
    packages: Vec<Need>,
}

#[derive(Deserialize)]
struct Need {
    file: Sha256Digest,
}

/// The payload of that digest, if it was recorded for this architecture and all its packages are there.
pub(super) fn load(store: &Store, pinned: &Pinned, arch: &str) -> Option<Payload> {
    let path = store.record_path(pinned.digest());
    let record: Record = match read(&path) {
        Ok(record) => record?,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a payload record is unusable and is dropped");
            // It is written anew when the payload has been fetched.
            let _ = fs::remove_file(&path);
            return None;
        }
    };
    let fits =
        record.schema == SCHEMA && record.arch == arch && record.packages.len() <= limits::PAYLOAD_PACKAGES;
    if !fits || !record.packages.iter().all(|package| store.has_package(package)) {
        return None;
    }
    let packages = record.packages.into_iter().map(restore_from_checked_record).collect();
    Some(Payload {
        pinned: pinned.clone(),
        layout: record.layout,
        map: record.map,
        packages: Arc::new(packages),
        labels: record.labels,
    })
}

/// Records a payload whose packages are all in place.
pub(super) fn save(store: &Store, payload: &Payload, arch: &str) -> Result<(), PayloadError> {
    let path = store.record_path(payload.pinned.digest());
    let Payload { layout, map, labels, .. } = payload;
    let packages = payload.packages.iter().map(|package| package.get()).collect();
    let record = Written { schema: SCHEMA, arch, layout: *layout, labels, map, packages };
    write(store, &path, &record)
}

/// Writes a document aside, with its checksum in the first line, and puts it in its place.
pub(super) fn write(store: &Store, path: &Path, document: &impl Serialize) -> Result<(), PayloadError> {
    let mut hash = Sha256::new();
    let mut aside = store.temporary()?;
    let mut write = || -> io::Result<()> {
        // Written twice, so that a record never lies in memory as one text.
        serde_json::to_writer(HashWriter(&mut hash), document)?;
        let checksum = Sha256Digest::from_bytes(hash.clone().finalize().into());
        let mut out = BufWriter::new(aside.as_file_mut());
        writeln!(out, "{}", checksum.hex())?;
        serde_json::to_writer(&mut out, document)?;
        out.flush()?;
        drop(out);
        aside.as_file().sync_all()
    };
    write().map_err(|source| failed("writing", path, source))?;
    aside.persist(path).map_err(|error| failed("renaming to", path, error.error))?;
    let shelf = path.parent().unwrap_or(path);
    File::open(shelf).and_then(|shelf| shelf.sync_all()).map_err(|source| failed("syncing", shelf, source))
}

/// The packages that a record needs; none when it cannot be read, for then nobody can use it either.
pub(super) fn packages(path: &Path) -> Vec<Sha256Digest> {
    let needs: Option<Needs> = read(path).unwrap_or(None);
    needs.map(|needs| needs.packages.into_iter().map(|need| need.file).collect()).unwrap_or_default()
}

/// `None` when there is no record; an error when it is not what it says.
pub(super) fn read<T: for<'a> Deserialize<'a>>(path: &Path) -> io::Result<Option<T>> {
    let file = match open_options(OFlag::O_NOFOLLOW).read(true).open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if file.metadata()?.len() > RECORD_BYTES {
        return Err(io::Error::other("it is too large"));
    }
    let mut file = BufReader::new(file);
    let mut line = Vec::new();
    file.by_ref().take(65).read_until(b'\n', &mut line)?;
    let text = std::str::from_utf8(&line).unwrap_or_default();
    let checksum = Sha256Digest::from_hex(text.trim_end()).map_err(io::Error::other)?;
    if digest_of(&mut file)? != checksum {
        return Err(io::Error::other("its checksum does not match"));
    }
    file.seek(SeekFrom::Start(line.len() as u64))?;
    Ok(Some(serde_json::from_reader(file)?))
}
