//! A value in a file of our own: versioned, checksummed, and after any crash either the old value or the new one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use extensions_manifest::Sha256Digest;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::ApplyError;

/// Largest file that is read back; a ledger of 4,096 packages is a tenth of it.
const BYTES: u64 = 16 << 20;

/// What a file held.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found<T> {
    /// There is no file.
    Nothing,
    /// A sound value.
    Value(T),
    /// Something else than what was written.
    Damaged(String),
}

#[derive(Serialize, Deserialize)]
struct Seal {
    format: u32,
    checksum: Sha256Digest,
    value: Value,
}

/// The one thing that every format has, so that a newer one is known whatever else it looks like.
#[derive(Deserialize)]
struct Format {
    format: u32,
}

/// A file that holds one value.
#[derive(Debug, Clone)]
pub(crate) struct Sealed {
    path: PathBuf,
    format: u32,
}

impl Sealed {
    pub(crate) fn new(path: PathBuf, format: u32) -> Self {
        Self { path, format }
    }

    /// Reads the value back.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<Found<T>, ApplyError> {
        let mut bytes = Vec::new();
        match File::open(&self.path).and_then(|file| file.take(BYTES + 1).read_to_end(&mut bytes)) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Found::Nothing),
            Err(source) => return Err(self.failed("reading")(source)),
        }
        if bytes.len() as u64 > BYTES {
            return Ok(Found::Damaged("it is too large".to_owned()));
        }
        if let Ok(Format { format: found }) = serde_json::from_slice(&bytes)
            && found > self.format
        {
            return Err(ApplyError::NewerFormat { path: self.path.clone(), found, known: self.format });
        }
        let seal: Seal = match serde_json::from_slice(&bytes) {
            Ok(seal) => seal,
            Err(error) => return Ok(Found::Damaged(error.to_string())),
        };
        let canonical = serde_json::to_vec(&seal.value).map_err(|source| self.encode(source))?;
        if Sha256Digest::of(&canonical) != seal.checksum {
            return Ok(Found::Damaged("its checksum is another".to_owned()));
        }
        Ok(match serde_json::from_value(seal.value) {
            Ok(value) => Found::Value(value),
            Err(error) => Found::Damaged(error.to_string()),
        })
    }

    /// Writes the value aside, syncs it, renames it into place and syncs the directory. Safe to repeat.
    pub(crate) fn write<T: Serialize>(&self, value: &T) -> Result<(), ApplyError> {
        let value = serde_json::to_value(value).map_err(|source| self.encode(source))?;
        let canonical = serde_json::to_vec(&value).map_err(|source| self.encode(source))?;
        let seal = Seal { format: self.format, checksum: Sha256Digest::of(&canonical), value };
        let bytes = serde_json::to_vec(&seal).map_err(|source| self.encode(source))?;
        let aside = self.path.with_extension("new");
        // A left-over of a crash is no obstacle, and a failed sync is never tried again on the same file.
        let mut file = remove(&aside)
            .and_then(|()| OpenOptions::new().write(true).create_new(true).mode(0o600).open(&aside))
            .map_err(self.failed("creating a new"))?;
        file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(self.failed("writing"))?;
        fs::rename(&aside, &self.path)
            .and_then(|()| sync_directory(&self.path))
            .map_err(self.failed("replacing"))
    }

    /// Removes the file. Safe to repeat.
    pub(super) fn remove(&self) -> Result<(), ApplyError> {
        remove(&self.path).and_then(|()| sync_directory(&self.path)).map_err(self.failed("removing"))
    }

    /// Puts a damaged file aside for whoever wants to look at it; the newest one is kept.
    pub(super) fn quarantine(&self) -> Result<(), ApplyError> {
        fs::rename(&self.path, self.path.with_extension("damaged"))
            .and_then(|()| sync_directory(&self.path))
            .map_err(self.failed("putting aside"))
    }

    fn failed(&self, operation: &'static str) -> impl FnOnce(io::Error) -> ApplyError {
        let path = self.path.clone();
        move |source| ApplyError::State { operation, path, source }
    }

    fn encode(&self, source: serde_json::Error) -> ApplyError {
        ApplyError::Encode { path: self.path.clone(), source }
    }
}

/// Makes the directory, readable by nobody else.
pub(super) fn make_directory(path: &Path) -> Result<(), ApplyError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|source| ApplyError::State {
        operation: "creating the directory",
        path: path.to_owned(),
        source,
    })
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn sync_directory(file: &Path) -> io::Result<()> {
    match file.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(directory: &tempfile::TempDir) -> Sealed {
        Sealed::new(directory.path().join("value.json"), 1)
    }

    #[test]
    fn a_value_comes_back_and_can_be_replaced_and_removed() {
        let directory = tempfile::tempdir().unwrap();
        let file = file(&directory);
        assert_eq!(file.read::<String>().unwrap(), Found::Nothing);
        for text in ["first", "second"] {
            file.write(&text).unwrap();
            assert_eq!(file.read::<String>().unwrap(), Found::Value(text.to_owned()));
        }
        file.remove().unwrap();
        file.remove().unwrap();
        assert_eq!(file.read::<String>().unwrap(), Found::Nothing);
    }

    #[test]
    fn any_flipped_or_missing_byte_is_noticed() {
        let directory = tempfile::tempdir().unwrap();
        let file = file(&directory);
        file.write(&vec![("usbguard", 7)]).unwrap();
        let sound = fs::read(&file.path).unwrap();
        for place in 0..sound.len() {
            let mut flipped = sound.clone();
            flipped[place] ^= 0x04;
            for bytes in [&flipped[..], &sound[..place]] {
                fs::write(&file.path, bytes).unwrap();
                let found = file.read::<Vec<(String, u32)>>();
                assert!(
                    matches!(found, Ok(Found::Damaged(_)) | Err(ApplyError::NewerFormat { .. })),
                    "byte {place}: {found:?}"
                );
            }
        }
    }

    #[test]
    fn a_file_of_a_newer_agent_is_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let newer = Sealed { format: 2, ..file(&directory) };
        newer.write(&"from tomorrow").unwrap();
        assert!(matches!(
            file(&directory).read::<String>(),
            Err(ApplyError::NewerFormat { found: 2, known: 1, .. })
        ));
        assert_eq!(newer.read::<String>().unwrap(), Found::Value("from tomorrow".to_owned()));
        // Nor is one damaged, and put aside, that is built otherwise.
        fs::write(&newer.path, r#"{"format":3,"content":[]}"#).unwrap();
        assert!(matches!(
            file(&directory).read::<String>(),
            Err(ApplyError::NewerFormat { found: 3, known: 1, .. })
        ));
    }

    #[test]
    fn a_crash_before_the_rename_leaves_the_old_value() {
        let directory = tempfile::tempdir().unwrap();
        let file = file(&directory);
        file.write(&"old").unwrap();
        fs::write(file.path.with_extension("new"), "half of the ne").unwrap();
        assert_eq!(file.read::<String>().unwrap(), Found::Value("old".to_owned()));
        file.write(&"new").unwrap();
        assert_eq!(file.read::<String>().unwrap(), Found::Value("new".to_owned()));
    }
}
