//! Chooses packages: what has no alternative first, what has one last and one at a time.

use std::collections::{BTreeMap, BTreeSet};

use super::pool::{Leaf, Pool, best};
use crate::dependency::{Requirement, Rich};
use crate::nevra::Nevra;
use crate::package::PackageFacts;

/// The packages that are chosen, one version of a name.
#[derive(Default)]
pub(super) struct Chosen<'a> {
    by_name: BTreeMap<&'a str, &'a PackageFacts>,
}

impl<'a> Chosen<'a> {
    /// The packages, sorted by name.
    pub(super) fn packages(&self) -> impl Iterator<Item = &'a PackageFacts> + '_ {
        self.by_name.values().copied()
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_name.len()
    }

    /// The version of this name that is chosen.
    pub(super) fn named(&self, name: &str) -> Option<&'a PackageFacts> {
        self.by_name.get(name).copied()
    }

    /// Whether exactly this package is chosen.
    pub(super) fn holds(&self, package: &PackageFacts) -> bool {
        self.named(package.nevra.name().as_str()).is_some_and(|chosen| chosen.nevra == package.nevra)
    }

    /// Whether `package` can still be chosen: neither base nor closure has another version of it.
    pub(super) fn is_free(&self, pool: &Pool<'a>, package: &PackageFacts) -> bool {
        let name = package.nevra.name().as_str();
        pool.base_named(name).is_empty()
            && self.named(name).is_none_or(|chosen| chosen.nevra == package.nevra)
    }
}

/// Whose requirement, and which.
type Item<'a> = (&'a Nevra, &'a Requirement);

struct Search<'a, 'p> {
    pool: &'p Pool<'a>,
    chosen: Chosen<'a>,
    /// Plain requirements that nobody has looked at.
    new: BTreeSet<Item<'a>>,
    /// Plain requirements that several packages can meet.
    open: BTreeSet<Item<'a>>,
    /// Rich requirements. What they ask for changes with what is chosen, so they stay.
    rich: BTreeSet<Item<'a>>,
}

/// A leaf that has to be met for a rich dependency to hold.
struct Demand<'a> {
    leaf: Leaf<'a>,
    /// Whether it is certain, or was picked among alternatives that a later choice may change.
    certain: bool,
}

/// Everything that `start` needs, `start` included, as far as the payload has it. What it lacks the proof will tell.
pub(super) fn run<'a>(pool: &Pool<'a>, start: impl Iterator<Item = &'a PackageFacts>) -> Chosen<'a> {
    let mut search = Search {
        pool,
        chosen: Chosen::default(),
        new: BTreeSet::new(),
        open: BTreeSet::new(),
        rich: BTreeSet::new(),
    };
    let mut start: Vec<_> = start.collect();
    // Of several versions of one name, the newest stays.
    start.sort_by(|left, right| right.nevra.cmp(&left.nevra));
    start.into_iter().for_each(|package| search.add(package));
    while !pool.is_exhausted() {
        if let Some((_, requirement)) = search.new.first().copied() {
            search.look(requirement);
        } else if !search.add_certain() && !search.decide_open() && !search.decide_rich() {
            break;
        }
    }
    search.chosen
}

/// Whether base, rpm or a chosen package meets `leaf`.
pub(super) fn is_met(pool: &Pool<'_>, chosen: &Chosen<'_>, leaf: Leaf<'_>) -> bool {
    pool.given(leaf).is_some() || pool.candidates(leaf).into_iter().any(|package| chosen.holds(package))
}

/// Whether a rich dependency holds with what is chosen.
pub(super) fn holds(pool: &Pool<'_>, chosen: &Chosen<'_>, rich: &Rich) -> bool {
    rich.holds(&mut |leaf| is_met(pool, chosen, Leaf::from(leaf)))
}

impl<'a> Search<'a, '_> {
    fn add(&mut self, package: &'a PackageFacts) {
        if !self.chosen.is_free(self.pool, package) || self.chosen.holds(package) {
            return;
        }
        self.chosen.by_name.insert(package.nevra.name().as_str(), package);
        for requirement in &package.requires {
            let item = (&package.nevra, requirement);
            match requirement {
                Requirement::Plain(_) => self.new.insert(item),
                Requirement::Rich(_) => self.rich.insert(item),
            };
        }
    }

    /// Packages that could be chosen for `leaf`; none if it is met.
    fn choices(&self, leaf: Leaf<'_>) -> Vec<&'a PackageFacts> {
        if self.pool.given(leaf).is_some() {
            return Vec::new();
        }
        let mut found = self.pool.candidates(leaf);
        if found.iter().any(|package| self.chosen.holds(package)) {
            return Vec::new();
        }
        found.retain(|package| self.chosen.is_free(self.pool, package));
        found
    }

    /// Looks at the first new requirement: takes the only package that can meet it, or keeps it for later.
    fn look(&mut self, requirement: &'a Requirement) {
        let Some(item) = self.new.pop_first() else { return };
        let Requirement::Plain(capability) = requirement else { return };
        match self.choices(Leaf::One(capability)).as_slice() {
            [] => {}
            [only] => self.add(only),
            [_, ..] => {
                self.open.insert(item);
            }
        }
    }

    /// Chooses for the first open requirement.
    fn decide_open(&mut self) -> bool {
        let Some((_, requirement)) = self.open.pop_first() else { return false };
        let Requirement::Plain(capability) = requirement else { return true };
        let leaf = Leaf::One(capability);
        if let Some(package) = best(self.choices(leaf), leaf) {
            self.add(package);
        }
        true
    }

    /// Adds what rich dependencies certainly ask for and only one package can meet.
    fn add_certain(&mut self) -> bool {
        for rich in self.rich_dependencies() {
            for demand in self.demands_of(rich) {
                if let ([only], true) = (self.choices(demand.leaf).as_slice(), demand.certain) {
                    self.add(only);
                    return true;
                }
            }
        }
        false
    }

    /// Chooses for the first rich dependency that asks for anything.
    fn decide_rich(&mut self) -> bool {
        for rich in self.rich_dependencies() {
            for demand in self.demands_of(rich) {
                if let Some(package) = best(self.choices(demand.leaf), demand.leaf) {
                    self.add(package);
                    return true;
                }
            }
        }
        false
    }

    fn rich_dependencies(&self) -> Vec<&'a Rich> {
        let rich = self.rich.iter().filter_map(|(_, requirement)| match requirement {
            Requirement::Rich(rich) => Some(rich.as_ref()),
            Requirement::Plain(_) => None,
        });
        rich.collect()
    }

    fn demands_of(&self, rich: &'a Rich) -> Vec<Demand<'a>> {
        let mut demands = Vec::new();
        self.demand(rich, true, &mut demands);
        demands
    }

    /// What has to be met for `rich` to hold, given what is chosen now.
    fn demand(&self, rich: &'a Rich, certain: bool, demands: &mut Vec<Demand<'a>>) {
        match rich {
            Rich::Plain(_) | Rich::With(_) | Rich::Without(..) => {
                demands.push(Demand { leaf: Leaf::from(rich), certain });
            }
            Rich::And(parts) => parts.iter().for_each(|part| self.demand(part, certain, demands)),
            Rich::Or(parts) => {
                if parts.iter().any(|part| holds(self.pool, &self.chosen, part)) {
                    return;
                }
                let mut possible = parts.iter().filter(|part| self.is_possible(part));
                if let Some(first) = possible.next() {
                    let only = possible.next().is_none();
                    self.demand(first, certain && only, demands);
                }
            }
            // A condition that holds goes on holding; one that does not may come to hold, so `else` can wait.
            Rich::If(then, condition, otherwise) => {
                if holds(self.pool, &self.chosen, condition) {
                    self.demand(then, certain, demands);
                } else if let Some(otherwise) = otherwise {
                    self.demand(otherwise, false, demands);
                }
            }
            Rich::Unless(then, condition, otherwise) => {
                if !holds(self.pool, &self.chosen, condition) {
                    self.demand(then, false, demands);
                } else if let Some(otherwise) = otherwise {
                    self.demand(otherwise, certain, demands);
                }
            }
        }
    }

    /// Whether base, closure and what can still be chosen are enough for `rich`.
    fn is_possible(&self, rich: &Rich) -> bool {
        let is_met = |rich: &Rich| holds(self.pool, &self.chosen, rich);
        match rich {
            Rich::Plain(_) | Rich::With(_) | Rich::Without(..) => {
                is_met(rich) || !self.choices(Leaf::from(rich)).is_empty()
            }
            Rich::And(parts) => parts.iter().all(|part| self.is_possible(part)),
            Rich::Or(parts) => parts.iter().any(|part| self.is_possible(part)),
            Rich::If(then, condition, otherwise) => match is_met(condition) {
                true => self.is_possible(then),
                false => otherwise.as_ref().is_none_or(|otherwise| self.is_possible(otherwise)),
            },
            Rich::Unless(then, condition, otherwise) => match is_met(condition) {
                true => otherwise.as_ref().is_some_and(|otherwise| self.is_possible(otherwise)),
                false => self.is_possible(then),
            },
        }
    }
}
