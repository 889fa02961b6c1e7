//! The packages of the base, from its own package database.
//!
//! Decides: which database is the base's, and that it is read without being touched. Must not: know what the packages are
//! for. Input: the deployment's tree, through the host's `rpm`, which knows every format that its databases have.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use extensions_manifest::Base;

use super::HostError;

mod copy;
mod parse;
mod query;

/// Where the database of the base may be, best first. A layered deployment keeps its base's beside its own; elsewhere the
/// only one there is, is the base's.
const PLACES: [&str; 3] = ["usr/lib/sysimage/rpm-ostree-base-db", "usr/share/rpm", "usr/lib/sysimage/rpm"];

/// How long one query may take. Half a second is usual.
const PATIENCE: Duration = Duration::from_secs(60);
/// Most output of the query for packages; a full desktop has some 20 MiB.
const PACKAGES_BYTES: u64 = 256 << 20;
/// Most output of the query for files; a full desktop has some 50 MiB.
const FILES_BYTES: u64 = 1 << 30;

/// The base packages of the deployment whose tree is `root`, with those of their files that are in `paths`.
///
/// # Errors
/// [`HostError::Base`].
pub(super) async fn base(root: &Path, paths: &BTreeSet<String>) -> Result<Base, HostError> {
    let database = find(root)?;
    let refused = |problem: String| HostError::Base { path: database.clone(), problem };
    let from = database.clone();
    let copied = tokio::task::spawn_blocking(move || copy::copy(&from)).await;
    let copied = copied.map_err(|error| refused(error.to_string()))?.map_err(refused)?;

    let mut packages = parse::Packages::default();
    let question = query::Query { database: copied.path(), format: parse::FORMAT, most: PACKAGES_BYTES };
    query::run(question, PATIENCE, |line| packages.line(line)).await.map_err(refused)?;
    let packages = packages.finish().map_err(refused)?;

    let mut files = BTreeSet::new();
    if !paths.is_empty() {
        let question =
            query::Query { database: copied.path(), format: "[%{FILENAMES}\\n]", most: FILES_BYTES };
        let keep = |line: &str| {
            if paths.contains(line) {
                files.insert(line.to_owned());
            }
            Ok(())
        };
        query::run(question, PATIENCE, keep).await.map_err(refused)?;
    }
    Ok(Base { packages, files })
}

/// The database of the base.
fn find(root: &Path) -> Result<PathBuf, HostError> {
    let candidates = PLACES.map(|place| root.join(place));
    let found = candidates.iter().find(|path| copy::is_database(path));
    found.cloned().ok_or_else(|| HostError::Base {
        path: candidates.last().cloned().unwrap_or_default(),
        problem: format!(
            "there is no package database in {}",
            PLACES.map(|place| format!("`{place}`")).join(", ")
        ),
    })
}

#[cfg(test)]
mod tests;
