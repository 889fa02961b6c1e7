//! The metrics as a file, for the textfile collector of node-exporter.
//!
//! Decides: nothing; it writes what is given, whole or not at all. Must not: follow what lies at the path. Input: a path
//! from the settings.

use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use super::metrics::{Format, Metrics};
use crate::error::{Failure, Reason};

/// The collector runs as a user of its own; metrics are for anybody on the host.
const MODE: u32 = 0o644;

/// Why the file was not written.
#[derive(Debug, thiserror::Error)]
#[error("writing metrics to `{}`", path.display())]
pub struct TextfileError {
    /// Where it should be.
    path: PathBuf,
    /// What the system said.
    source: io::Error,
}

impl Failure for TextfileError {
    fn reason(&self) -> Reason {
        Reason::InvalidSettings
    }

    fn cure(&self) -> Option<String> {
        Some(
            "let `metrics.textfile` name a file in a directory that is there and that the agent may write"
                .to_owned(),
        )
    }
}

/// Replaces the file by what is measured now: in the plain form, for the collector takes no other. Made aside and renamed,
/// so that the collector never reads half of it; what is made aside has no name that it would read.
///
/// # Errors
/// When the directory is missing, or not to be written.
pub fn write(path: &Path, metrics: &Metrics) -> Result<(), TextfileError> {
    try_write(path, metrics).map_err(|source| TextfileError { path: path.to_owned(), source })
}

fn try_write(path: &Path, metrics: &Metrics) -> io::Result<()> {
    let directory = path.parent().ok_or(io::ErrorKind::NotFound)?;
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    file.write_all(metrics.encode(Format::Plain).as_bytes())?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(MODE))?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_replaced_as_a_whole_and_for_everybody_to_read() {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("extensions-agent.prom");
        std::fs::write(&path, "old").unwrap();
        let metrics = Metrics::new();
        write(&path, &metrics).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text, metrics.encode(Format::Plain));
        assert!(text.ends_with('\n') && !text.contains("# EOF") && !text.contains(" info\n"), "{text}");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, MODE);
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_link_at_the_path_is_replaced_and_not_followed() {
        let root = tempfile::tempdir().unwrap();
        let (path, precious) = (root.path().join("a.prom"), root.path().join("precious"));
        std::fs::write(&precious, "data").unwrap();
        std::os::unix::fs::symlink(&precious, &path).unwrap();
        write(&path, &Metrics::new()).unwrap();
        assert_eq!(std::fs::read_to_string(&precious).unwrap(), "data");
        assert!(std::fs::symlink_metadata(&path).unwrap().is_file());
    }

    #[test]
    fn a_directory_that_is_missing_is_a_setting_to_correct() {
        let error = write(Path::new("/nonexistent/a.prom"), &Metrics::new()).unwrap_err();
        assert_eq!(error.reason(), Reason::InvalidSettings);
        assert_eq!(error.to_string(), "writing metrics to `/nonexistent/a.prom`");
    }
}
