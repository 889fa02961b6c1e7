//! A private copy of a package database, to ask questions of.
//!
//! **Trap:** `rpm -qa` *writes*: it opens SQLite's write-ahead log, changes or creates the shared-memory file beside the
//! database, and creates a whole database where there is none. In a deployment these files are hard links into the
//! repository, so that a question would corrupt it; and on a read-only mount without that file, the question fails.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use nix::fcntl::OFlag;
use tempfile::TempDir;

/// The files of rpm's database formats: SQLite with its log, ndb, and Berkeley DB. Not SQLite's shared memory, which is
/// derived from the log, nor locks.
const FILES: [&str; 5] = ["rpmdb.sqlite", "rpmdb.sqlite-wal", "Packages.db", "Index.db", "Packages"];
/// The files that each hold a whole database of their format.
const WHOLE: [&str; 3] = ["rpmdb.sqlite", "Packages.db", "Packages"];
/// Largest file that is copied. A full desktop has some 300 MiB.
const LARGEST: u64 = 2 << 30;

/// Whether the directory holds a package database. What it is not asked about, it is not left to rpm to find out.
///
/// A directory that is a link is none: an absolute one would lead out of the deployment, to the database of the running
/// host, and a relative one leads to another place that is looked at.
pub(super) fn is_database(directory: &Path) -> bool {
    if !fs::symlink_metadata(directory).is_ok_and(|metadata| metadata.is_dir()) {
        return false;
    }
    WHOLE.iter().any(|name| {
        fs::symlink_metadata(directory.join(name))
            .is_ok_and(|metadata| metadata.is_file() && metadata.len() > 0)
    })
}

/// Copies the database to a directory that vanishes with the value returned.
pub(super) fn copy(directory: &Path) -> Result<TempDir, String> {
    // Not in memory where that can be helped: `/tmp` often is.
    let copied = TempDir::new_in("/var/tmp").or_else(|_| TempDir::new());
    let copied = copied.map_err(|error| format!("no room for a copy: {error}"))?;
    for name in FILES {
        match copy_file(&directory.join(name), &copied.path().join(name)) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(format!("copying `{name}`: {error}")),
        }
    }
    Ok(copied)
}

fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let mut source = File::options().read(true).custom_flags(flags.bits()).open(from)?;
    let metadata = source.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if metadata.len() > LARGEST {
        return Err(io::Error::other("it is too large"));
    }
    // Shares the blocks where the file system can.
    io::copy(&mut source, &mut File::create_new(to)?)?;
    Ok(())
}
