//! The map that a directory layout is: one directory per extension, as payloads of 4.6 and 4.7 have it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Extension, ExtensionMap, MapOrigin, PackageSpec};
use crate::error::{ManifestError, excerpt};
use crate::limits;
use crate::name::ExtensionName;

/// Directories that hold no extension: packages that come along, and the repository's metadata.
const NOT_EXTENSIONS: [&str; 2] = ["dependencies", "repodata"];

impl ExtensionMap {
    /// Reads the paths below `extensions/`: every directory but `dependencies` and `repodata` that holds a package is an
    /// extension of that name, and the packages that lie in it are the ones to install.
    ///
    /// Paths are relative and have one directory; anything else (the top level, deeper trees, other files) says nothing.
    ///
    /// # Errors
    /// When a directory with packages is not an extension name, a file name is not that of a package, no directory
    /// holds a package, or there are too many.
    pub fn from_directories<'a>(paths: impl IntoIterator<Item = &'a str>) -> Result<Self, ManifestError> {
        let mut found: BTreeMap<ExtensionName, BTreeSet<PackageSpec>> = BTreeMap::new();
        let mut packages = 0_usize;
        for path in paths {
            let path = path.strip_prefix("./").unwrap_or(path);
            let Some((directory, file)) = path.split_once('/') else { continue };
            let Some(stem) = file.strip_suffix(".rpm") else { continue };
            if file.contains('/') || NOT_EXTENSIONS.contains(&directory) {
                continue;
            }
            packages = packages.saturating_add(1);
            bounded("packages of the payload", packages, limits::PAYLOAD_PACKAGES)?;
            let refused = |problem: String| ManifestError::Document { path: excerpt(path), problem };
            let name = directory.parse().map_err(|error: ManifestError| refused(error.to_string()))?;
            // A file is called name-version-release.arch; the epoch is not in it.
            let (spec, _arch) = stem
                .rsplit_once('.')
                .ok_or_else(|| refused("the file name has no architecture".to_owned()))?;
            let spec = spec.parse().map_err(|error: ManifestError| refused(error.to_string()))?;
            let specs = found.entry(name).or_default();
            specs.insert(spec);
            bounded("packages of one extension", specs.len(), limits::PACKAGES_PER_EXTENSION)?;
            bounded("extensions of the payload", found.len(), limits::OFFERED_EXTENSIONS)?;
        }
        if found.is_empty() {
            let problem = "no directory holds a package".to_owned();
            return Err(ManifestError::Document { path: "extensions".to_owned(), problem });
        }
        let extension = |(name, specs): (_, BTreeSet<_>)| (name, Extension::new(specs.into_iter().collect()));
        Ok(Self { origin: MapOrigin::Directories, extensions: found.into_iter().map(extension).collect() })
    }
}

fn bounded(what: &str, found: usize, limit: usize) -> Result<(), ManifestError> {
    if found <= limit {
        return Ok(());
    }
    Err(ManifestError::Limit { what: what.to_owned(), found: found as u64, limit: limit as u64 })
}
