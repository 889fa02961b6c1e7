//! The second pair of eyes: checks a closure from nothing but the facts.
//!
//! Slow and simple on purpose. It shares the overlap rule with the search, and nothing else: no index, no order of
//! work, no choice.

use std::collections::{BTreeMap, BTreeSet};

use super::{Because, Closure, Offer, Provider, pool};
use crate::dependency::{Capability, Requirement, Rich};
use crate::nevra::Nevra;
use crate::package::{Base, PackageFacts};

/// What is wrong with a closure that was thought to be proved. Always a bug of ours or a document that was altered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("closure of `{package}`: {problem}")]
pub struct Flaw {
    /// The package at which the proof breaks, by NEVRA.
    pub package: String,
    /// How it breaks.
    pub problem: String,
}

/// Checks a closure and its proof again, from nothing but the facts: none of the code that found them is used.
///
/// # Errors
/// The first flaw that was found.
pub fn verify_proof(closure: &Closure, offer: Offer<'_>, base: &Base) -> Result<(), Flaw> {
    let checker = Checker::new(closure, offer, base)?;
    for package in checker.members.values() {
        checker.stands_alone(package)?;
        checker.is_needed(package)?;
        checker.is_complete(package)?;
        checker.is_at_peace(package)?;
    }
    checker.all_lead_to_an_extension()?;
    checker.lines_speak_of_members()
}

struct Checker<'c> {
    closure: &'c Closure,
    offer: Offer<'c>,
    base: &'c Base,
    members: BTreeMap<&'c Nevra, &'c PackageFacts>,
    by_name: BTreeMap<&'c str, &'c Nevra>,
    /// Who meets each requirement of each member, as the proof has it.
    lines: BTreeMap<(&'c Nevra, &'c str), BTreeSet<&'c Provider>>,
}

fn flaw(package: &Nevra, problem: impl Into<String>) -> Flaw {
    Flaw { package: package.to_string(), problem: problem.into() }
}

fn check(holds: bool, package: &Nevra, problem: impl FnOnce() -> String) -> Result<(), Flaw> {
    if holds { Ok(()) } else { Err(flaw(package, problem())) }
}

impl<'c> Checker<'c> {
    fn new(closure: &'c Closure, offer: Offer<'c>, base: &'c Base) -> Result<Self, Flaw> {
        let (mut members, mut by_name) = (BTreeMap::new(), BTreeMap::new());
        for (nevra, member) in &closure.members {
            let package = offer.packages.get(member.index).copied();
            let package = package.filter(|package| package.nevra == *nevra);
            members
                .insert(nevra, package.ok_or_else(|| flaw(nevra, "its index is that of another package"))?);
            if by_name.insert(nevra.name().as_str(), nevra).is_some() {
                return Err(flaw(nevra, "another version of it is a member too"));
            }
        }
        let mut lines: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for line in &closure.proof {
            let key = (&line.package, line.requirement.as_str());
            lines.entry(key).or_default().insert(&line.provider);
        }
        Ok(Self { closure, offer, base, members, by_name, lines })
    }

    /// Built for this host, and not in the base.
    fn stands_alone(&self, package: &PackageFacts) -> Result<(), Flaw> {
        let nevra = &package.nevra;
        let fits = nevra.arch() == self.offer.arch || nevra.arch() == "noarch";
        check(fits, nevra, || format!("it is built for {}", nevra.arch()))?;
        let in_base = self.base.packages.iter().any(|other| other.nevra.name() == nevra.name());
        check(!in_base, nevra, || "the base has a package of that name".to_owned())
    }

    /// Each of its reasons is one: an extension that names it, or a line of the proof that takes it.
    fn is_needed(&self, package: &PackageFacts) -> Result<(), Flaw> {
        let nevra = &package.nevra;
        let reasons = self.closure.members.get(nevra).into_iter().flat_map(|member| &member.because);
        for reason in reasons {
            match reason {
                Because::Extension(extension) => {
                    let found = self.offer.map.extensions.get(extension);
                    let mut specs = found.into_iter().flat_map(|extension| &extension.packages);
                    let named = specs.any(|spec| spec.is_name_of(nevra) || spec.is_version_of(nevra));
                    check(named, nevra, || format!("extension `{extension}` does not name it"))?;
                }
                Because::RequiredBy { package: above, requirement } => {
                    let providers = self.lines.get(&(above, requirement.as_str()));
                    let told = providers
                        .is_some_and(|providers| providers.contains(&Provider::Member(nevra.clone())));
                    check(told, nevra, || {
                        format!("the proof does not take it for `{requirement}` of {above}")
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Following the reasons up from any member ends at an extension.
    fn all_lead_to_an_extension(&self) -> Result<(), Flaw> {
        let mut below: BTreeMap<&Nevra, Vec<&Nevra>> = BTreeMap::new();
        let mut reached = Vec::new();
        for (nevra, member) in &self.closure.members {
            for reason in &member.because {
                match reason {
                    Because::Extension(_) => reached.push(nevra),
                    Because::RequiredBy { package, .. } => below.entry(package).or_default().push(nevra),
                }
            }
        }
        let mut seen = BTreeSet::new();
        while let Some(nevra) = reached.pop() {
            if seen.insert(nevra) {
                reached.extend(below.get(nevra).into_iter().flatten());
            }
        }
        let lost = self.members.keys().find(|nevra| !seen.contains(**nevra));
        lost.map_or(Ok(()), |nevra| Err(flaw(nevra, "no extension needs it")))
    }

    /// Every requirement holds, and everybody the proof names for it meets it.
    fn is_complete(&self, package: &PackageFacts) -> Result<(), Flaw> {
        let nevra = &package.nevra;
        for requirement in &package.requires {
            let text = requirement.to_string();
            let said = self.lines.get(&(nevra, text.as_str()));
            let said = said.ok_or_else(|| flaw(nevra, format!("the proof says nothing of `{text}`")))?;
            for provider in said {
                let good = self.is_true(provider, requirement);
                check(good, nevra, || format!("the proof is wrong about who meets `{text}`"))?;
            }
            // One true line proves a plain requirement. A rich one may need several, so it is evaluated.
            let holds = match requirement {
                Requirement::Plain(_) => true,
                Requirement::Rich(rich) => rich.holds(&mut |leaf| self.is_met(leaf)),
            };
            check(holds, nevra, || format!("`{text}` does not hold"))?;
        }
        Ok(())
    }

    /// Whether this provider is there and provides something that the requirement mentions.
    fn is_true(&self, provider: &Provider, requirement: &Requirement) -> bool {
        let wanted = requirement.capabilities();
        match provider {
            Provider::Rpm => wanted.iter().any(|capability| pool::is_feature(capability)),
            Provider::BaseFile(path) => {
                self.base.files.contains(path) && wanted.iter().any(|capability| capability.name() == path)
            }
            Provider::Base(nevra) => self.base.packages.iter().any(|package| {
                package.nevra == *nevra
                    && wanted.iter().any(|capability| meets(&package.provides, &[], capability))
            }),
            Provider::Member(nevra) => self.members.get(nevra).is_some_and(|package| {
                wanted.iter().any(|capability| meets(&package.provides, &package.files, capability))
            }),
            Provider::NotNeeded => match requirement {
                Requirement::Plain(_) => false,
                Requirement::Rich(_) => true,
            },
        }
    }

    /// Whether rpm, the base or a member meets a leaf.
    fn is_met(&self, leaf: &Rich) -> bool {
        self.is_met_beside(leaf, None)
    }

    /// Whether rpm, a file of the base, or a package of base or closure other than `owner` meets a leaf.
    fn is_met_beside(&self, leaf: &Rich, owner: Option<&Nevra>) -> bool {
        if let Rich::Plain(capability) = leaf {
            if capability.is_rpm_feature() {
                return pool::is_feature(capability);
            }
            if capability.bound().is_none() && self.base.files.contains(capability.name()) {
                return true;
            }
        }
        let is_other = |nevra: &Nevra| owner.is_none_or(|owner| owner != nevra);
        let base = self.base.packages.iter().filter(|package| is_other(&package.nevra));
        let base = base.map(|package| (&package.provides, [].as_slice()));
        let members = self.members.values().filter(|package| is_other(&package.nevra));
        let members = members.map(|package| (&package.provides, package.files.as_slice()));
        base.chain(members)
            .any(|(provides, files)| leaf.met_by_one(&mut |wanted| meets(provides, files, wanted)))
    }

    /// Nobody refuses to stand beside it, and it refuses nobody.
    fn is_at_peace(&self, package: &PackageFacts) -> Result<(), Flaw> {
        let nevra = &package.nevra;
        for conflict in &package.conflicts {
            check(!self.refuses(conflict, nevra), nevra, || format!("it conflicts with `{conflict}`"))?;
        }
        for other in &self.base.packages {
            let refuses = other.conflicts.iter().any(|conflict| {
                let mut named = conflict.capabilities().into_iter();
                named.any(|wanted| meets(&package.provides, &package.files, wanted))
                    && self.refuses(conflict, &other.nevra)
            });
            check(!refuses, nevra, || format!("{} of the base conflicts with it", other.nevra))?;
            let obsolete = other.obsoletes.iter().any(|it| it.names(nevra))
                || package.obsoletes.iter().any(|it| it.names(&other.nevra));
            check(!obsolete, nevra, || format!("it and {} of the base do not go together", other.nevra))?;
        }
        for obsoleted in package.obsoletes.iter().filter(|it| it.name() != nevra.name().as_str()) {
            let member = self.by_name.get(obsoleted.name()).filter(|member| obsoleted.names(member));
            check(member.is_none(), nevra, || format!("it obsoletes the member `{obsoleted}`"))?;
        }
        Ok(())
    }

    /// Whether a conflict of `owner` holds, with everybody but `owner` there.
    fn refuses(&self, conflict: &Requirement, owner: &Nevra) -> bool {
        match conflict {
            Requirement::Plain(capability) => {
                self.is_met_beside(&Rich::Plain(capability.clone()), Some(owner))
            }
            Requirement::Rich(rich) => rich.holds(&mut |leaf| self.is_met_beside(leaf, Some(owner))),
        }
    }

    fn lines_speak_of_members(&self) -> Result<(), Flaw> {
        let mut texts: BTreeMap<&Nevra, BTreeSet<String>> = BTreeMap::new();
        for (nevra, package) in &self.members {
            texts.insert(nevra, package.requires.iter().map(Requirement::to_string).collect());
        }
        for (package, requirement) in self.lines.keys() {
            let said = texts.get(package).is_some_and(|texts| texts.contains(*requirement));
            check(said, package, || format!("the proof speaks of `{requirement}`, which is not required"))?;
        }
        Ok(())
    }
}

fn meets(provides: &[Capability], files: &[String], wanted: &Capability) -> bool {
    (!wanted.is_rpm_feature() && provides.iter().any(|provide| provide.meets(wanted)))
        || (wanted.bound().is_none() && wanted.is_path() && files.iter().any(|file| file == wanted.name()))
}
