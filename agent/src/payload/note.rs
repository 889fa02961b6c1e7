//! What was read of images that are no payloads: a few small documents, kept by digest.
//!
//! They are not counted against the bound of the store; instead there are never more than a few of them.

use std::fs;
use std::path::PathBuf;
use std::time::SystemTime;

use extensions_manifest::Sha256Digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::PayloadError;
use super::record;
use super::store::{Store, remove};

/// What this code writes and reads; a note of any other number counts as not there.
const SCHEMA: u32 = 1;
/// Most notes that are kept.
const NOTES: usize = 32;

/// What was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// `image-references`.
    Release,
    /// Labels.
    Labels,
}

#[derive(Serialize)]
struct Written<'a, T> {
    schema: u32,
    arch: &'a str,
    value: &'a T,
}

#[derive(Deserialize)]
struct Note<T> {
    schema: u32,
    arch: String,
    value: T,
}

/// What was noted of the image of that digest for this architecture. What cannot be read counts as not there.
pub(super) fn load<T: DeserializeOwned>(store: &Store, key: (Kind, Sha256Digest), arch: &str) -> Option<T> {
    let path = path(store, key);
    let note: Note<T> = match record::read(&path) {
        Ok(note) => note?,
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a note of an image is unusable and is dropped");
            // It is written anew when the image has been looked at.
            let _ = fs::remove_file(&path);
            return None;
        }
    };
    (note.schema == SCHEMA && note.arch == arch).then_some(note.value)
}

/// Notes what was read of an image; the oldest notes make way.
pub(super) fn save<T: Serialize>(
    store: &Store,
    key: (Kind, Sha256Digest),
    arch: &str,
    value: &T,
) -> Result<(), PayloadError> {
    record::write(store, &path(store, key), &Written { schema: SCHEMA, arch, value })?;
    let mut notes = store.notes()?;
    notes.sort_by_key(|(_, meta)| meta.modified().unwrap_or(SystemTime::UNIX_EPOCH));
    let surplus = notes.len().saturating_sub(NOTES);
    notes.iter().take(surplus).try_for_each(|(path, _)| remove(path))
}

fn path(store: &Store, (kind, digest): (Kind, Sha256Digest)) -> PathBuf {
    let kind = match kind {
        Kind::Release => "release",
        Kind::Labels => "labels",
    };
    store.note_path(&format!("{kind}-{}.json", digest.hex()))
}
