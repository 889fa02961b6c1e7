//! Puts the files of a job down, all of them at once.
//!
//! Decides: their modes. Must not: leave half a directory, or a token readable for others. Input: a handover.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};
use serde_json::Value;

use super::secrets::secrets;
use super::{Handover, beside, inventory, kubeconfig};
use crate::error::{Failure, Reason};

/// Why the files could not be put down.
#[derive(Debug, thiserror::Error)]
#[error("writing `{}`", path.display())]
pub struct InventoryError {
    path: PathBuf,
    source: io::Error,
}

impl InventoryError {
    /// What happened at `path`.
    pub fn of(path: &Path, source: io::Error) -> Self {
        InventoryError { path: path.to_owned(), source }
    }
}

impl Failure for InventoryError {
    fn reason(&self) -> Reason {
        Reason::Output
    }
}

/// Marks a directory as ours, so that only such a one is ever replaced.
const MARK: &str = ".build-resources";

/// Writes `inventory.yaml`, `inventory.json`, `kubeconfig`, and `secrets.json` where there are any, into `directory`, by one rename: a reader sees all of the old
/// ones or all of the new ones.
///
/// # Errors
/// When the directory is another's, or the file system refuses.
pub fn write(handover: &Handover<'_>, directory: &Path) -> Result<(), InventoryError> {
    let failed = |source| InventoryError { path: directory.to_owned(), source };
    let directory = std::path::absolute(directory).map_err(failed)?;
    let failed = |source| InventoryError { path: directory.clone(), source };
    let foreign =
        directory.exists() && !directory.join(MARK).exists() && !is_empty(&directory).map_err(failed)?;
    if foreign {
        let text = "the directory holds other files; name one that is empty or not there yet";
        return Err(failed(io::Error::other(text)));
    }
    let parent = directory.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(parent).map_err(failed)?;
    let aside = tempfile::Builder::new()
        .prefix(".build-resources-")
        .permissions(fs::Permissions::from_mode(0o700))
        .tempdir_in(parent)
        .map_err(failed)?;
    fill(handover, &directory, aside.path()).map_err(failed)?;
    let flags = if directory.exists() { RenameFlags::RENAME_EXCHANGE } else { RenameFlags::RENAME_NOREPLACE };
    renameat2(AT_FDCWD, aside.path(), AT_FDCWD, &directory, flags).map_err(|errno| failed(errno.into()))
    // What was exchanged away goes with `aside`.
}

fn is_empty(directory: &Path) -> io::Result<bool> {
    Ok(fs::read_dir(directory)?.next().is_none())
}

fn fill(handover: &Handover<'_>, directory: &Path, aside: &Path) -> io::Result<()> {
    let inventory = inventory(handover, &directory.join("kubeconfig"));
    put(&aside.join("inventory.yaml"), &yaml(&inventory)?)?;
    put(&aside.join("inventory.json"), &format!("{inventory:#}\n"))?;
    put(&aside.join("kubeconfig"), &yaml(&kubeconfig(handover))?)?;
    if let Some(secrets) = secrets(handover) {
        put(&aside.join("secrets.json"), &format!("{secrets:#}\n"))?;
    }
    if let Some(files) = handover.client.files(&beside::doors(handover), directory) {
        put(&aside.join("ssh_config"), &files.config)?;
        put(&aside.join("known_hosts"), &files.known_hosts)?;
        for (name, key) in &files.keys {
            put(&aside.join(name), key)?;
        }
    }
    put(&aside.join(MARK), "")?;
    fs::File::open(aside)?.sync_all()
}

fn yaml(value: &Value) -> io::Result<String> {
    serde_saphyr::to_string(value).map_err(io::Error::other)
}

fn put(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
