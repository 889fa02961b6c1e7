//! What must outlive the agent: the last good wish, and which state of the cluster it came from.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::super::{Desired, DesiredError};
use super::seen::Seen;
use crate::error::chain;

/// The last good wish.
pub const DESIRED: &str = "desired.json";
/// Which state of the cluster was acted upon.
const SEEN: &str = "seen.json";
/// The newest format that is written and read.
const FORMAT: u32 = 1;
/// Largest file that is read back, in bytes.
const BYTES: u64 = 4 << 20;

#[derive(Serialize, Deserialize)]
struct Versioned<T> {
    format: u32,
    value: T,
}

/// The two files.
#[derive(Debug, Clone)]
pub(super) struct Kept {
    directory: PathBuf,
}

impl Kept {
    pub(super) fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The last good wish. One that cannot be read counts as none: the cluster says it anew.
    pub(super) fn desired(&self) -> Option<Desired> {
        self.or_none(DESIRED)
    }

    /// What was seen; nothing where that cannot be read.
    pub(super) fn seen(&self) -> Seen {
        self.or_none(SEEN).unwrap_or_default()
    }

    fn or_none<T: DeserializeOwned>(&self, file: &str) -> Option<T> {
        read(&self.directory.join(file)).unwrap_or_else(|error| {
            tracing::warn!(error = %chain(&error), file, "what was kept of the cluster is not used");
            None
        })
    }

    /// Keeps both; what was seen first, so that a crash in between cannot leave a wish that an older one may replace.
    pub(super) fn keep(&self, seen: &Seen, desired: Option<&Desired>) {
        let seen = write(&self.directory.join(SEEN), seen);
        let desired = desired.map_or(Ok(()), |desired| write(&self.directory.join(DESIRED), desired));
        for error in [seen, desired].into_iter().filter_map(Result::err) {
            // It is still in memory, and acted upon; a restart without the API server would not know it.
            tracing::warn!(%error, directory = %self.directory.display(), "the wish could not be kept");
        }
    }
}

/// The last good wish that is kept below `directory`.
///
/// # Errors
/// When there is a file that cannot be read.
pub fn kept(directory: &Path) -> Result<Option<Desired>, DesiredError> {
    let path = directory.join(DESIRED);
    read(&path).map_err(|source| DesiredError::Kept { path, source })
}

fn read<T: DeserializeOwned>(path: &Path) -> io::Result<Option<T>> {
    let mut bytes = Vec::new();
    match File::open(path).and_then(|file| file.take(BYTES).read_to_end(&mut bytes)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    }
    let Versioned { format, value } = serde_json::from_slice(&bytes)?;
    if format == FORMAT {
        Ok(Some(value))
    } else {
        Err(io::Error::other(format!("it has format {format}, and {FORMAT} is known")))
    }
}

/// After any crash there is the old value or the new one. Safe to repeat.
fn write<T: Serialize>(path: &Path, value: &T) -> io::Result<()> {
    let text = serde_json::to_vec(&Versioned { format: FORMAT, value })?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(directory)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(&text)?;
    file.as_file().sync_all()?;
    file.persist(path).map_err(|error| error.error)?;
    File::open(directory)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::merge::merge;
    use crate::error::{Failure, Reason};

    #[test]
    fn a_wish_outlives_the_agent() {
        let directory = tempfile::tempdir().unwrap();
        let files = Kept::new(directory.path().to_owned());
        assert_eq!((files.desired(), files.seen()), (None, Seen::default()));
        let desired = merge(&[]).unwrap();
        files.keep(&Seen::default(), Some(&desired));
        assert_eq!(files.desired(), Some(desired.clone()));
        assert_eq!(kept(directory.path()).unwrap(), Some(desired));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "nothing is left beside them");
    }

    #[test]
    fn what_cannot_be_read_counts_as_nothing_but_a_command_says_so() {
        let directory = tempfile::tempdir().unwrap();
        for text in ["{", r#"{"format":2,"value":{}}"#, ""] {
            fs::write(directory.path().join(DESIRED), text).unwrap();
            assert_eq!(Kept::new(directory.path().to_owned()).desired(), None);
            assert_eq!(kept(directory.path()).unwrap_err().reason(), Reason::StateUnusable);
        }
    }
}
