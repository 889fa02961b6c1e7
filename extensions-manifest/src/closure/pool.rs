//! Who provides what, by name: an index over payload and base that answers in the same order whatever the input's.

use std::cell::Cell;
use std::collections::HashMap;

use super::{Offer, Provider};
use crate::dependency::{Capability, Requirement, Rich};
use crate::limits;
use crate::nevra::Nevra;
use crate::package::{Base, BasePackage, PackageFacts};

mod features;

pub(super) use features::known as is_feature;

/// The smallest thing that a package meets or does not meet.
#[derive(Debug, Clone, Copy)]
pub(super) enum Leaf<'l> {
    /// A capability or path.
    One(&'l Capability),
    /// A `with` or `without`, which one package has to meet as a whole.
    Whole(&'l Rich),
}

/// Payload and base, indexed by the names that somebody asks for.
pub(super) struct Pool<'a> {
    pub(super) offer: Offer<'a>,
    pub(super) base: &'a Base,
    /// All packages of the payload, sorted.
    packages: Vec<&'a PackageFacts>,
    /// All packages of the base, sorted.
    base_packages: Vec<&'a BasePackage>,
    base_names: HashMap<&'a str, Vec<&'a BasePackage>>,
    slots: HashMap<&'a str, Slot<'a>>,
    steps: Cell<u64>,
}

/// Everybody who provides one name, in any version, sorted.
#[derive(Default)]
pub(super) struct Slot<'a> {
    /// Packages of the payload, of any architecture.
    pub(super) payload: Vec<(&'a PackageFacts, &'a Capability)>,
    /// Packages of the payload that own a file of this name.
    pub(super) owners: Vec<&'a PackageFacts>,
    /// Packages of the base.
    pub(super) base: Vec<(&'a BasePackage, &'a Capability)>,
}

impl<'l> From<&'l Rich> for Leaf<'l> {
    fn from(rich: &'l Rich) -> Self {
        match rich {
            Rich::Plain(capability) => Leaf::One(capability),
            Rich::And(_)
            | Rich::Or(_)
            | Rich::If(..)
            | Rich::Unless(..)
            | Rich::With(_)
            | Rich::Without(..) => Leaf::Whole(rich),
        }
    }
}

impl<'a> Pool<'a> {
    pub(super) fn new(offer: Offer<'a>, base: &'a Base) -> Self {
        let mut packages = offer.packages.to_vec();
        packages.sort_by(|left, right| left.nevra.cmp(&right.nevra));
        let mut base_packages: Vec<_> = base.packages.iter().collect();
        base_packages.sort_by(|left, right| left.nevra.cmp(&right.nevra));
        let mut base_names: HashMap<&str, Vec<_>> = HashMap::new();
        for package in &base_packages {
            base_names.entry(package.nevra.name().as_str()).or_default().push(*package);
        }
        let slots = HashMap::new();
        let mut pool = Self { offer, base, packages, base_packages, base_names, slots, steps: Cell::new(0) };
        pool.ask();
        pool.fill();
        pool
    }

    /// Makes a slot for each name that is asked for. Kernels provide tens of thousands of names that nobody asks for.
    fn ask(&mut self) {
        let of_payload =
            self.offer.packages.iter().copied().filter(|package| usable(package, self.offer.arch));
        let of_payload = of_payload.flat_map(|package| package.requires.iter().chain(&package.conflicts));
        let of_base = self.base.packages.iter().flat_map(|package| &package.conflicts);
        for capability in of_payload.chain(of_base).flat_map(Requirement::capabilities) {
            self.slots.entry(capability.name()).or_default();
        }
    }

    fn fill(&mut self) {
        for package in &self.packages {
            for capability in &package.provides {
                if let Some(slot) = self.slots.get_mut(capability.name()) {
                    slot.payload.push((package, capability));
                }
            }
            for path in &package.files {
                if let Some(slot) = self.slots.get_mut(path.as_str()) {
                    slot.owners.push(package);
                }
            }
        }
        for package in &self.base_packages {
            for capability in &package.provides {
                if let Some(slot) = self.slots.get_mut(capability.name()) {
                    slot.base.push((package, capability));
                }
            }
        }
    }

    /// All packages of the payload, sorted.
    pub(super) fn packages(&self) -> &[&'a PackageFacts] {
        &self.packages
    }

    /// All packages of the base, sorted.
    pub(super) fn base_packages(&self) -> &[&'a BasePackage] {
        &self.base_packages
    }

    /// The packages of the base that have this name.
    pub(super) fn base_named(&self, name: &str) -> &[&'a BasePackage] {
        self.base_names.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether this package could be installed on the host at all: built for it or for any, and not a source package.
    pub(super) fn usable(&self, package: &PackageFacts) -> bool {
        usable(package, self.offer.arch)
    }

    /// Everybody who provides `name`, if somebody asks for it.
    pub(super) fn slot(&self, name: &str) -> Option<&Slot<'a>> {
        self.spend(1);
        self.slots.get(name)
    }

    /// Whether too much work was done. Every answer after that is worthless.
    pub(super) fn is_exhausted(&self) -> bool {
        self.steps.get() > limits::CLOSURE_STEPS
    }

    fn spend(&self, steps: usize) {
        self.steps.set(self.steps.get().saturating_add(steps as u64));
    }

    /// Every usable package of the payload that meets `leaf`, sorted.
    pub(super) fn candidates(&self, leaf: Leaf<'_>) -> Vec<&'a PackageFacts> {
        if self.is_exhausted() {
            return Vec::new();
        }
        let mut found: Vec<&'a PackageFacts> = match leaf {
            Leaf::One(capability) => {
                self.meeting(capability).filter(|package| self.usable(package)).collect()
            }
            Leaf::Whole(rich) => {
                let named = rich.capabilities().into_iter().flat_map(|capability| self.meeting(capability));
                named.filter(|package| self.usable(package) && self.meets_whole(package, rich)).collect()
            }
        };
        found.sort_by(|left, right| left.nevra.cmp(&right.nevra));
        found.dedup_by(|left, right| left.nevra == right.nevra);
        found
    }

    /// Packages of the payload that meet one capability, some perhaps twice.
    fn meeting<'s>(&'s self, wanted: &'s Capability) -> impl Iterator<Item = &'a PackageFacts> + 's {
        // Only rpm itself has features of rpm, whatever a package says.
        let slot = self.slot(wanted.name()).filter(|_| !wanted.is_rpm_feature());
        self.spend(slot.map_or(0, |slot| slot.payload.len()));
        let by_name = slot.into_iter().flat_map(|slot| &slot.payload);
        let by_name = by_name.filter(|(_, provide)| provide.meets(wanted)).map(|(package, _)| *package);
        let by_file = slot.into_iter().flat_map(|slot| &slot.owners).copied();
        by_name.chain(by_file.filter(|_| wanted.bound().is_none()))
    }

    fn meets_whole(&self, package: &PackageFacts, rich: &Rich) -> bool {
        rich.met_by_one(&mut |wanted| self.meeting(wanted).any(|found| found.nevra == package.nevra))
    }

    /// The first package of the base that meets `leaf`.
    pub(super) fn base_package(&self, leaf: Leaf<'_>) -> Option<&'a BasePackage> {
        self.base_package_beside(leaf, None)
    }

    /// The first package of the base, other than `owner`, that meets `leaf`.
    pub(super) fn base_package_beside(
        &self,
        leaf: Leaf<'_>,
        owner: Option<&Nevra>,
    ) -> Option<&'a BasePackage> {
        let is_other = |package: &&BasePackage| owner.is_none_or(|owner| *owner != package.nevra);
        match leaf {
            Leaf::One(wanted) => self.base_meeting(wanted).find(is_other),
            Leaf::Whole(rich) => {
                let named = rich.capabilities().into_iter().flat_map(|wanted| self.base_meeting(wanted));
                let whole = named.filter(is_other).filter(|package| {
                    rich.met_by_one(&mut |wanted| {
                        self.base_meeting(wanted).any(|found| found.nevra == package.nevra)
                    })
                });
                whole.min_by(|left, right| left.nevra.cmp(&right.nevra))
            }
        }
    }

    fn base_meeting<'s>(&'s self, wanted: &'s Capability) -> impl Iterator<Item = &'a BasePackage> + 's {
        let slot = self.slot(wanted.name()).filter(|_| !wanted.is_rpm_feature());
        self.spend(slot.map_or(0, |slot| slot.base.len()));
        let provides = slot.into_iter().flat_map(|slot| &slot.base);
        provides.filter(|(_, provide)| provide.meets(wanted)).map(|(package, _)| *package)
    }

    /// Whether rpm or the base meets `leaf`, and how.
    pub(super) fn given(&self, leaf: Leaf<'_>) -> Option<Provider> {
        self.given_beside(leaf, None)
    }

    /// Whether rpm or a package of the base other than `owner` meets `leaf`, and how.
    pub(super) fn given_beside(&self, leaf: Leaf<'_>, owner: Option<&Nevra>) -> Option<Provider> {
        if let Leaf::One(wanted) = leaf
            && wanted.is_rpm_feature()
        {
            return is_feature(wanted).then_some(Provider::Rpm);
        }
        if let Some(package) = self.base_package_beside(leaf, owner) {
            return Some(Provider::Base(package.nevra.clone()));
        }
        match leaf {
            Leaf::One(wanted) if wanted.bound().is_none() && self.base.files.contains(wanted.name()) => {
                Some(Provider::BaseFile(wanted.name().to_owned()))
            }
            Leaf::One(_) | Leaf::Whole(_) => None,
        }
    }
}

fn usable(package: &PackageFacts, arch: &str) -> bool {
    let arch_of_package = package.nevra.arch();
    arch_of_package == "noarch" || arch_of_package == arch
}

/// The best of several packages that meet a requirement for `name`: the one of that name, else the one of the highest
/// version, else the first by name.
pub(super) fn best<'a>(
    candidates: impl IntoIterator<Item = &'a PackageFacts>,
    leaf: Leaf<'_>,
) -> Option<&'a PackageFacts> {
    let wanted = match leaf {
        Leaf::One(capability) => Some(capability.name()),
        Leaf::Whole(rich) => rich.capabilities().first().map(|capability| capability.name()),
    };
    let same_name = |package: &PackageFacts| Some(package.nevra.name().as_str()) == wanted;
    candidates.into_iter().reduce(|best, other| {
        let order = same_name(other)
            .cmp(&same_name(best))
            .then_with(|| other.nevra.evr().rpm_cmp(best.nevra.evr()))
            .then_with(|| best.nevra.cmp(&other.nevra));
        if order.is_gt() { other } else { best }
    })
}
