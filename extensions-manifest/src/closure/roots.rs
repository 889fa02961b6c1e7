//! From names of extensions to the packages that they name.

use std::collections::{BTreeMap, BTreeSet};

use super::Obstacle;
use super::pool::Pool;
use super::search::Chosen;
use crate::map::{Extension, Kind, PackageSpec};
use crate::name::{ExtensionName, PackageName};
use crate::nevra::{Evr, Nevra};
use crate::package::PackageFacts;

/// What the extensions name.
#[derive(Default)]
pub(super) struct Roots<'a> {
    /// Packages to layer, each with the extensions that name it.
    named: BTreeMap<&'a Nevra, (&'a PackageFacts, BTreeSet<ExtensionName>)>,
    /// Packages that the base has already.
    pub(super) in_base: BTreeMap<ExtensionName, BTreeSet<Nevra>>,
    /// What is in the way.
    pub(super) obstacles: BTreeSet<Obstacle>,
}

/// Looks every wanted extension up in the map, and its packages in the payload.
pub(super) fn find<'a>(wanted: &BTreeSet<ExtensionName>, pool: &Pool<'a>) -> Roots<'a> {
    let mut roots = Roots::default();
    for name in wanted {
        match layered(name, pool) {
            Ok(extension) => {
                for spec in &extension.packages {
                    if let Err(obstacle) = roots.add(name, extension, spec, pool) {
                        roots.obstacles.insert(*obstacle);
                    }
                }
            }
            Err(obstacle) => {
                roots.obstacles.insert(*obstacle);
            }
        }
    }
    roots
}

/// The extension, if a host of this architecture may have it.
fn layered<'a>(name: &ExtensionName, pool: &Pool<'a>) -> Result<&'a Extension, Box<Obstacle>> {
    let (map, arch) = (pool.offer.map, pool.offer.arch);
    let extension = name.clone();
    let Some(found) = map.extensions.get(name) else {
        return Err(Box::new(Obstacle::UnknownExtension { extension, offered: map.offered(arch) }));
    };
    match found.kind {
        Kind::Development => Err(Box::new(Obstacle::NotForHosts { extension })),
        Kind::OsExtension if found.is_for(arch) => Ok(found),
        Kind::OsExtension => {
            let offered = found.architectures.clone();
            Err(Box::new(Obstacle::OtherArchitecture { extension, host: arch.to_owned(), offered }))
        }
    }
}

impl<'a> Roots<'a> {
    /// The packages to layer.
    pub(super) fn packages(&self) -> impl Iterator<Item = &'a PackageFacts> + '_ {
        self.named.values().map(|(package, _)| *package)
    }

    /// The packages to layer, with the extensions that name each.
    pub(super) fn named(&self) -> impl Iterator<Item = (&'a Nevra, &BTreeSet<ExtensionName>)> + '_ {
        self.named.iter().map(|(nevra, (_, extensions))| (*nevra, extensions))
    }

    /// Packages that extensions name in several versions.
    pub(super) fn several_versions(&self, chosen: &Chosen<'a>) -> Vec<Obstacle> {
        let lost = self.named.values().filter_map(|(package, extensions)| {
            let winner = chosen.named(package.nevra.name().as_str())?;
            (winner.nevra != package.nevra).then(|| Obstacle::SeveralVersions {
                package: winner.nevra.clone(),
                other: package.nevra.clone(),
                extensions: extensions.clone(),
            })
        });
        lost.collect()
    }

    fn add(
        &mut self,
        name: &ExtensionName,
        extension: &Extension,
        spec: &PackageSpec,
        pool: &Pool<'a>,
    ) -> Result<(), Box<Obstacle>> {
        let all = spec.select(pool.packages().iter().copied(), |package| &package.nevra);
        let usable: Vec<_> = all.iter().copied().filter(|package| pool.usable(package)).collect();
        let pinned = match &extension.match_base_evr {
            Some(base_package) => Some(pinned(name, base_package, spec, &usable, pool)?),
            None => None,
        };
        let fits = |package: &&&PackageFacts| pinned.is_none_or(|evr| package.nevra.evr() == evr);
        let Some(package) = usable.iter().rev().find(fits).copied() else {
            return self.absent(name, spec, &all, pool);
        };
        let of_name = pool.base_named(package.nevra.name().as_str());
        let same = of_name.iter().find(|base| usable.iter().any(|package| package.nevra == base.nevra));
        match (same, of_name.last()) {
            (Some(same), _) => {
                self.in_base.entry(name.clone()).or_default().insert(same.nevra.clone());
                Ok(())
            }
            (None, Some(other)) => Err(Box::new(Obstacle::OtherVersionInBase {
                package: package.nevra.clone(),
                base: other.nevra.clone(),
                extensions: BTreeSet::from([name.clone()]),
            })),
            (None, None) => {
                let named = self.named.entry(&package.nevra);
                named.or_insert_with(|| (package, BTreeSet::new())).1.insert(name.clone());
                Ok(())
            }
        }
    }

    /// Nothing in the payload can be installed for `spec`.
    fn absent(
        &mut self,
        name: &ExtensionName,
        spec: &PackageSpec,
        all: &[&'a PackageFacts],
        pool: &Pool<'a>,
    ) -> Result<(), Box<Obstacle>> {
        // The composer leaves out what the base has.
        let in_base = spec.select(pool.base_packages().iter().copied(), |package| &package.nevra);
        if let Some(package) = in_base.last() {
            self.in_base.entry(name.clone()).or_default().insert(package.nevra.clone());
            return Ok(());
        }
        let extension = name.clone();
        if all.is_empty() {
            return Err(Box::new(Obstacle::PackageMissing { extension, package: spec.to_string() }));
        }
        let offered = all.iter().map(|package| package.nevra.arch().to_owned()).collect();
        Err(Box::new(Obstacle::OtherArchitecture { extension, host: pool.offer.arch.to_owned(), offered }))
    }
}

/// The version that the base fixes for an extension with `match-base-evr`, if the payload was built for it.
fn pinned<'a>(
    name: &ExtensionName,
    base_package: &PackageName,
    spec: &PackageSpec,
    usable: &[&'a PackageFacts],
    pool: &Pool<'a>,
) -> Result<&'a Evr, Box<Obstacle>> {
    let base = pool.base_named(base_package.as_str()).last().map(|package| package.nevra.evr());
    let newest = usable.last().map(|package| package.nevra.evr());
    // Where the payload lacks the package, that is what is wrong, whatever the version.
    let matches = |evr: &&Evr| usable.is_empty() || usable.iter().any(|package| package.nevra.evr() == *evr);
    base.filter(matches).ok_or_else(|| {
        Box::new(Obstacle::BaseMismatch {
            extension: name.clone(),
            base_package: base_package.clone(),
            base: base.map(Evr::to_string),
            payload: newest.map_or_else(|| spec.to_string(), Evr::to_string),
        })
    })
}
