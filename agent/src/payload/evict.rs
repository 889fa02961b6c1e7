//! What has to go when the store is over its bound: packages that no record needs first, then the oldest records.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use extensions_manifest::Sha256Digest;

use super::error::PayloadError;
use super::record;
use super::store::{Store, remove};

/// A record of the store: which packages a payload needs.
struct Shelved {
    path: PathBuf,
    needs: BTreeSet<PathBuf>,
}

/// Removes the oldest records, and the packages that no record needs, until the bound holds. `keep` stays.
///
/// Safe to repeat: a record goes before its packages, so none is ever left that cannot be read in full.
pub(super) fn make_room(store: &Store, keep: Sha256Digest) -> Result<(), PayloadError> {
    let packages = store.packages()?.into_iter().map(|(path, meta)| (path, meta.len())).collect();
    if total(&packages) <= store.max_bytes() {
        return Ok(());
    }
    let mut records = store.records()?;
    records.sort_by_key(|(_, meta)| meta.modified().unwrap_or(SystemTime::UNIX_EPOCH));
    let records = records.into_iter().map(|(path, _)| {
        let needs = record::packages(&path).into_iter().map(|digest| store.package_path(digest));
        Shelved { needs: needs.collect(), path }
    });
    let surplus = surplus(packages, records.collect(), &store.record_path(keep), store.max_bytes());
    surplus.iter().try_for_each(|path| remove(path))
}

/// What to remove, in this order. `records` are sorted, the oldest first.
fn surplus(
    mut packages: BTreeMap<PathBuf, u64>,
    mut records: Vec<Shelved>,
    keep: &Path,
    bound: u64,
) -> Vec<PathBuf> {
    let mut gone = Vec::new();
    loop {
        if total(&packages) <= bound {
            return gone;
        }
        let is_needed = |path: &Path| records.iter().any(|record| record.needs.contains(path));
        let (needed, idle) = packages.into_iter().partition(|(path, _)| is_needed(path));
        packages = needed;
        gone.extend(BTreeMap::into_keys(idle));
        if total(&packages) <= bound {
            return gone;
        }
        let Some(oldest) = records.iter().position(|record| record.path != keep) else { return gone };
        gone.push(records.remove(oldest).path);
    }
}

fn total(packages: &BTreeMap<PathBuf, u64>) -> u64 {
    packages.values().sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelved(path: &str, needs: &[&str]) -> Shelved {
        Shelved { path: path.into(), needs: needs.iter().map(PathBuf::from).collect() }
    }

    /// Four packages of 10 bytes; `new` and `old` share one, and nobody needs `idle`.
    fn surplus_over(bound: u64) -> Vec<PathBuf> {
        let packages = ["idle", "own-of-new", "own-of-old", "shared"].map(|path| (path.into(), 10));
        let records =
            vec![shelved("old", &["own-of-old", "shared"]), shelved("new", &["own-of-new", "shared"])];
        surplus(packages.into(), records, Path::new("new"), bound)
    }

    #[test]
    fn inside_the_bound_nothing_goes_not_even_what_nobody_needs() {
        assert!(surplus_over(40).is_empty());
    }

    #[test]
    fn what_nobody_needs_goes_first_then_the_oldest_record_before_its_own_packages() {
        assert_eq!(surplus_over(30), [Path::new("idle")]);
        assert_eq!(surplus_over(29), ["idle", "old", "own-of-old"].map(Path::new));
    }

    #[test]
    fn the_payload_in_use_stays_even_over_the_bound() {
        assert_eq!(surplus_over(0), ["idle", "old", "own-of-old"].map(Path::new));
    }
}
