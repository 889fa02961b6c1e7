//! From files to a payload: one package a NEVRA, the map, and only the paths that somebody requires.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::RandomState;
use std::sync::Arc;

use extensions_manifest::{ExtensionMap, Nevra, PackageFacts};

use super::error::PayloadError;
use super::harvest::{Found, Held};
use super::{Labels, Layout, Payload, Pinned};

/// What is known of a payload beside its files.
pub(super) struct Frame {
    pub(super) pinned: Pinned,
    pub(super) layout: Layout,
    pub(super) labels: Labels,
}

/// Puts a payload together.
///
/// # Errors
/// When two different files carry one NEVRA, or the payload's own map cannot be used.
pub(super) fn assemble(
    frame: Frame,
    files: BTreeMap<String, Found>,
    keys: &RandomState,
) -> Result<Payload, PayloadError> {
    let mut held: BTreeMap<Nevra, Held> = BTreeMap::new();
    let mut own_map = None;
    for found in files.into_values() {
        match found {
            Found::Map(bytes) => own_map = Some(bytes),
            Found::Metadata(_) => {}
            Found::Package(package) => add(&mut held, *package)?,
        }
    }
    let map = match own_map {
        Some(bytes) => ExtensionMap::from_inner_json(&bytes),
        None => {
            let names: BTreeSet<&str> = held.keys().map(|nevra| nevra.name().as_str()).collect();
            ExtensionMap::built_in(frame.labels.version.as_deref(), |name| names.contains(name))
        }
    };
    let map = map.map_err(|source| PayloadError::Map { source })?;
    let facts = held.values().map(|held| &held.package.get().facts);
    let wanted: BTreeSet<String> = facts.flat_map(PackageFacts::required_paths).map(str::to_owned).collect();
    let packages = held.into_values().map(|held| held.narrowed(&wanted, keys)).collect();
    let Frame { pinned, layout, labels } = frame;
    Ok(Payload { pinned, layout, map, packages: Arc::new(packages), labels })
}

/// The same file under two names is one package; two files under one NEVRA are none.
fn add(held: &mut BTreeMap<Nevra, Held>, package: Held) -> Result<(), PayloadError> {
    let nevra = package.package.get().facts.nevra.clone();
    let second = package.package.get().file;
    match held.get(&nevra).map(|first| first.package.get().file) {
        Some(first) if first != second => {
            Err(PayloadError::TwoFiles { nevra: Box::new(nevra), first, second })
        }
        Some(_) => Ok(()),
        None => {
            held.insert(nevra, package);
            Ok(())
        }
    }
}
