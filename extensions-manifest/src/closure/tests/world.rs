//! A few words for payloads and bases.

use std::collections::BTreeSet;

use crate::closure::{Closure, Obstacle, Offer, Provider, resolve, verify_proof};
use crate::map::{Extension, ExtensionMap, Kind, MapOrigin};
use crate::package::{Base, BasePackage, PackageFacts};

/// A package in the making.
pub(super) struct Package(pub(super) PackageFacts);

/// A package that provides itself.
pub(super) fn package(nevra: &str) -> Package {
    Package(PackageFacts::new(nevra.parse().unwrap()))
}

impl Package {
    pub(super) fn requires<const N: usize>(mut self, all: [&str; N]) -> Self {
        self.0.requires.extend(all.map(|text| text.parse().unwrap()));
        self
    }

    pub(super) fn provides<const N: usize>(mut self, all: [&str; N]) -> Self {
        self.0.provides.extend(all.map(|text| text.parse().unwrap()));
        self
    }

    pub(super) fn conflicts<const N: usize>(mut self, all: [&str; N]) -> Self {
        self.0.conflicts.extend(all.map(|text| text.parse().unwrap()));
        self
    }

    pub(super) fn obsoletes<const N: usize>(mut self, all: [&str; N]) -> Self {
        self.0.obsoletes.extend(all.map(|text| text.parse().unwrap()));
        self
    }

    pub(super) fn file(mut self, path: &str) -> Self {
        self.0.files.push(path.to_owned());
        self
    }
}

/// A payload for x86_64 and a base.
#[derive(Debug)]
pub(super) struct World {
    pub(super) packages: Vec<PackageFacts>,
    pub(super) map: ExtensionMap,
    pub(super) base: Base,
}

impl World {
    pub(super) fn new() -> Self {
        let map = ExtensionMap { origin: MapOrigin::Payload, extensions: Default::default() };
        Self { packages: Vec::new(), map, base: Base::default() }
    }

    pub(super) fn holds(mut self, package: Package) -> Self {
        self.packages.push(package.0);
        self
    }

    pub(super) fn base(mut self, package: Package) -> Self {
        let PackageFacts { nevra, provides, conflicts, obsoletes, .. } = package.0;
        self.base.packages.push(BasePackage { nevra, provides, conflicts, obsoletes });
        self
    }

    pub(super) fn base_file(mut self, path: &str) -> Self {
        self.base.files.insert(path.to_owned());
        self
    }

    pub(super) fn extension<const N: usize>(self, name: &str, specs: [&str; N]) -> Self {
        self.extension_with(name, specs, |_| {})
    }

    pub(super) fn pinned<const N: usize>(self, name: &str, specs: [&str; N], to: &str) -> Self {
        self.extension_with(name, specs, |extension| extension.match_base_evr = Some(to.parse().unwrap()))
    }

    pub(super) fn only_for<const N: usize>(self, name: &str, specs: [&str; N], arch: &str) -> Self {
        self.extension_with(name, specs, |extension| {
            extension.architectures.insert(arch.to_owned());
        })
    }

    pub(super) fn development<const N: usize>(self, name: &str, specs: [&str; N]) -> Self {
        self.extension_with(name, specs, |extension| extension.kind = Kind::Development)
    }

    fn extension_with<const N: usize>(
        mut self,
        name: &str,
        specs: [&str; N],
        change: impl FnOnce(&mut Extension),
    ) -> Self {
        let mut extension = Extension::new(specs.map(|spec| spec.parse().unwrap()).to_vec());
        change(&mut extension);
        self.map.extensions.insert(name.parse().unwrap(), extension);
        self
    }

    pub(super) fn offer(&self) -> Offer<'_> {
        // Leaked: the world is changed between questions, and a test's memory goes with the test.
        let packages =
            Vec::leak(self.packages.iter().map(|package| &*Box::leak(Box::new(package.clone()))).collect());
        Offer { packages, map: &self.map, arch: "x86_64" }
    }

    /// Resolves; a closure that is found must also stand the second check.
    pub(super) fn resolve<const N: usize>(&self, wanted: [&str; N]) -> Result<Closure, Vec<Obstacle>> {
        let wanted: BTreeSet<_> = wanted.map(|name| name.parse().unwrap()).into();
        let found = resolve(&wanted, self.offer(), &self.base);
        if let Ok(closure) = &found {
            verify_proof(closure, self.offer(), &self.base).unwrap();
        }
        found
    }

    /// What is in the way, as JSON.
    pub(super) fn obstacles<const N: usize>(&self, wanted: [&str; N]) -> serde_json::Value {
        serde_json::to_value(self.resolve(wanted).unwrap_err()).unwrap()
    }

    pub(super) fn names(&self, closure: &Closure) -> Vec<String> {
        closure.members().keys().map(ToString::to_string).collect()
    }

    pub(super) fn extensions(&self, closure: &Closure, nevra: &str) -> Vec<String> {
        closure.members()[&nevra.parse().unwrap()].extensions.iter().map(ToString::to_string).collect()
    }

    pub(super) fn in_base(&self, closure: &Closure) -> Vec<String> {
        let pairs = closure.in_base().iter();
        pairs.flat_map(|(name, all)| all.iter().map(move |nevra| format!("{name}: {nevra}"))).collect()
    }

    pub(super) fn proof(&self, closure: &Closure) -> Vec<String> {
        let line = |provider: &Provider| match provider {
            Provider::Base(nevra) => format!("base {nevra}"),
            Provider::BaseFile(path) => format!("base file {path}"),
            Provider::Member(nevra) => nevra.to_string(),
            Provider::Rpm => "rpm".to_owned(),
            Provider::NotNeeded => "not needed".to_owned(),
        };
        let lines = closure.proof().iter();
        lines.map(|it| format!("{}: {} <- {}", it.package, it.requirement, line(&it.provider))).collect()
    }
}
