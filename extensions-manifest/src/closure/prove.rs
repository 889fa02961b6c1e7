//! The proof: for every requirement of every chosen package, who meets it, or that nobody does.

use std::collections::{BTreeMap, BTreeSet};

use super::pool::{Leaf, Pool, best};
use super::roots::Roots;
use super::search::{Chosen, holds};
use super::{Because, Obstacle, ProofLine, Provider};
use crate::dependency::{Requirement, Rich};
use crate::name::ExtensionName;
use crate::nevra::Nevra;
use crate::package::PackageFacts;

mod unmet;

/// What the proof says of one closure, good or bad.
pub(super) struct Proof<'a> {
    lines: BTreeSet<ProofLine>,
    /// Requirements that nobody meets.
    unmet: Vec<(&'a PackageFacts, &'a Requirement)>,
    /// Members that were taken for the part of an unmet requirement that can be met.
    in_vain: BTreeSet<(Nevra, Nevra)>,
}

impl<'a> Proof<'a> {
    /// Holds every requirement of every chosen package against base and closure.
    pub(super) fn of(pool: &Pool<'a>, chosen: &Chosen<'a>) -> Self {
        let mut proof = Self { lines: BTreeSet::new(), unmet: Vec::new(), in_vain: BTreeSet::new() };
        for package in chosen.packages() {
            let requires: BTreeSet<&Requirement> = package.requires.iter().collect();
            for requirement in requires {
                let prover = Prover { pool, chosen, package };
                match prover.providers(requirement) {
                    Some(providers) => proof.lines.extend(providers.into_iter().map(|provider| ProofLine {
                        package: package.nevra.clone(),
                        requirement: requirement.to_string(),
                        provider,
                    })),
                    None => {
                        proof.in_vain.extend(prover.members_for(requirement));
                        proof.unmet.push((package, requirement));
                    }
                }
            }
        }
        proof
    }

    pub(super) fn into_lines(self) -> Vec<ProofLine> {
        self.lines.into_iter().collect()
    }

    /// Whether every requirement is met.
    pub(super) fn is_complete(&self) -> bool {
        self.unmet.is_empty()
    }

    /// Each package and the others that it takes.
    fn edges(&self) -> BTreeMap<&Nevra, BTreeSet<&Nevra>> {
        let mut edges: BTreeMap<&Nevra, BTreeSet<&Nevra>> = BTreeMap::new();
        for line in &self.lines {
            if let Provider::Member(provider) = &line.provider {
                edges.entry(&line.package).or_default().insert(provider);
            }
        }
        for (package, taken) in &self.in_vain {
            edges.entry(package).or_default().insert(taken);
        }
        edges
    }

    /// The chosen packages that the extensions need by this proof.
    pub(super) fn needed(&self, roots: &Roots<'a>, chosen: &Chosen<'a>) -> Vec<&'a PackageFacts> {
        let extensions = self.extensions(roots);
        chosen.packages().filter(|package| extensions.contains_key(&package.nevra)).collect()
    }

    /// For each package the extensions that need it, directly or through others.
    pub(super) fn extensions(&self, roots: &Roots<'a>) -> BTreeMap<Nevra, BTreeSet<ExtensionName>> {
        let edges = self.edges();
        let mut needed: BTreeMap<Nevra, BTreeSet<ExtensionName>> = BTreeMap::new();
        let mut queue: Vec<(&Nevra, &ExtensionName)> = Vec::new();
        for (package, extensions) in roots.named() {
            queue.extend(extensions.iter().map(|extension| (package, extension)));
        }
        while let Some((package, extension)) = queue.pop() {
            if needed.entry(package.clone()).or_default().insert(extension.clone()) {
                queue.extend(edges.get(package).into_iter().flatten().map(|next| (*next, extension)));
            }
        }
        needed
    }

    /// For each package every direct reason for it to be here.
    pub(super) fn because(&self, roots: &Roots<'a>) -> BTreeMap<Nevra, BTreeSet<Because>> {
        let mut because: BTreeMap<Nevra, BTreeSet<Because>> = BTreeMap::new();
        for (package, extensions) in roots.named() {
            let reasons = extensions.iter().cloned().map(Because::Extension);
            because.entry(package.clone()).or_default().extend(reasons);
        }
        for line in &self.lines {
            match &line.provider {
                Provider::Member(provider) if *provider != line.package => {
                    because.entry(provider.clone()).or_default().insert(Because::RequiredBy {
                        package: line.package.clone(),
                        requirement: line.requirement.clone(),
                    });
                }
                Provider::Member(_)
                | Provider::Base(_)
                | Provider::BaseFile(_)
                | Provider::Rpm
                | Provider::NotNeeded => {}
            }
        }
        because
    }

    /// What is in the way of each unmet requirement.
    pub(super) fn obstacles(
        &self,
        pool: &Pool<'a>,
        chosen: &Chosen<'a>,
        extensions: &BTreeMap<Nevra, BTreeSet<ExtensionName>>,
    ) -> BTreeSet<Obstacle> {
        let mut obstacles = BTreeSet::new();
        for (package, requirement) in &self.unmet {
            let who = extensions.get(&package.nevra).cloned().unwrap_or_default();
            obstacles.insert(unmet::explain(pool, chosen, (package, requirement), who));
        }
        obstacles
    }
}

struct Prover<'a, 'p> {
    pool: &'p Pool<'a>,
    chosen: &'p Chosen<'a>,
    package: &'a PackageFacts,
}

impl Prover<'_, '_> {
    /// Who meets the requirement; `None` if nobody does.
    fn providers(&self, requirement: &Requirement) -> Option<Vec<Provider>> {
        match requirement {
            Requirement::Plain(capability) => Some(vec![self.provider(Leaf::One(capability))?]),
            Requirement::Rich(rich) => {
                let mut providers = self.witnesses(rich)?;
                // That one branch asks for nothing is worth a line only if no branch asks for anything.
                if providers.iter().any(|provider| *provider != Provider::NotNeeded) {
                    providers.retain(|provider| *provider != Provider::NotNeeded);
                }
                Some(providers)
            }
        }
    }

    /// The members that meet anything that the requirement mentions.
    fn members_for(&self, requirement: &Requirement) -> Vec<(Nevra, Nevra)> {
        let providers =
            requirement.capabilities().into_iter().filter_map(|one| self.provider(Leaf::One(one)));
        let members = providers.filter_map(|provider| match provider {
            Provider::Member(nevra) => Some((self.package.nevra.clone(), nevra)),
            Provider::Base(_) | Provider::BaseFile(_) | Provider::Rpm | Provider::NotNeeded => None,
        });
        members.collect()
    }

    /// rpm or the base; else the package itself; else the best of the closure.
    fn provider(&self, leaf: Leaf<'_>) -> Option<Provider> {
        if let Some(given) = self.pool.given(leaf) {
            return Some(given);
        }
        let found = self.pool.candidates(leaf).into_iter().filter(|package| self.chosen.holds(package));
        let found: Vec<_> = found.collect();
        let itself = found.iter().find(|package| package.nevra == self.package.nevra).copied();
        let package = itself.or_else(|| best(found, leaf))?;
        Some(Provider::Member(package.nevra.clone()))
    }

    fn witnesses(&self, rich: &Rich) -> Option<Vec<Provider>> {
        match rich {
            Rich::Plain(_) | Rich::With(_) | Rich::Without(..) => {
                Some(vec![self.provider(Leaf::from(rich))?])
            }
            Rich::And(parts) => {
                let each: Option<Vec<_>> = parts.iter().map(|part| self.witnesses(part)).collect();
                Some(each?.into_iter().flatten().collect())
            }
            Rich::Or(parts) => {
                let mut holding: Vec<_> = parts.iter().filter_map(|part| self.witnesses(part)).collect();
                // An alternative that takes no member comes first; the order that is written decides the rest.
                holding.sort_by_key(|providers| providers.iter().any(is_member));
                holding.into_iter().next()
            }
            Rich::If(then, condition, otherwise) => match (self.holds(condition), otherwise) {
                (true, _) => self.witnesses(then),
                (false, Some(otherwise)) => self.witnesses(otherwise),
                (false, None) => Some(vec![Provider::NotNeeded]),
            },
            Rich::Unless(then, condition, otherwise) => match (self.holds(condition), otherwise) {
                (false, _) => self.witnesses(then),
                (true, Some(otherwise)) => self.witnesses(otherwise),
                (true, None) => None,
            },
        }
    }

    fn holds(&self, rich: &Rich) -> bool {
        holds(self.pool, self.chosen, rich)
    }
}

fn is_member(provider: &Provider) -> bool {
    match provider {
        Provider::Member(_) => true,
        Provider::Base(_) | Provider::BaseFile(_) | Provider::Rpm | Provider::NotNeeded => false,
    }
}
