//! Why nobody meets a requirement, in words that help.

use std::cmp::Ordering;
use std::collections::BTreeSet;

use super::super::Obstacle;
use super::super::pool::{Leaf, Pool, best};
use super::super::search::{Chosen, is_met};
use crate::dependency::{Capability, Requirement};
use crate::limits;
use crate::name::ExtensionName;
use crate::nevra::Nevra;
use crate::package::PackageFacts;

/// The obstacle behind one unmet requirement: a package that is there but may not be taken, or none at all.
pub(super) fn explain<'a>(
    pool: &Pool<'a>,
    chosen: &Chosen<'a>,
    (package, requirement): (&PackageFacts, &Requirement),
    extensions: BTreeSet<ExtensionName>,
) -> Obstacle {
    if let Requirement::Plain(capability) = requirement {
        let leaf = Leaf::One(capability);
        let taken = best(pool.candidates(leaf), leaf)
            .and_then(|package| Some((package, rival(pool, chosen, package)?)));
        match taken {
            Some((package, Rival::Base(base))) => {
                let (package, base) = (package.nevra.clone(), base.clone());
                return Obstacle::OtherVersionInBase { package, base, extensions };
            }
            Some((other, Rival::Member(package))) => {
                let (package, other) = (package.clone(), other.nevra.clone());
                return Obstacle::SeveralVersions { package, other, extensions };
            }
            None => {}
        }
    }
    let unmet = requirement.capabilities().into_iter();
    let unmet = unmet.filter(|capability| !is_met(pool, chosen, Leaf::One(capability)));
    let mut near: Vec<String> = unmet.flat_map(|capability| near(pool, chosen, capability)).collect();
    near.truncate(limits::NEAR_MISSES);
    Obstacle::Unsatisfied {
        requirement: requirement.to_string(),
        package: package.nevra.clone(),
        extensions,
        near,
    }
}

/// The other version of a package that keeps it from being taken.
enum Rival<'a> {
    Base(&'a Nevra),
    Member(&'a Nevra),
}

fn rival<'a>(pool: &Pool<'a>, chosen: &Chosen<'a>, package: &PackageFacts) -> Option<Rival<'a>> {
    let name = package.nevra.name().as_str();
    let base = pool.base_named(name).last().map(|base| Rival::Base(&base.nevra));
    base.or_else(|| Some(Rival::Member(&chosen.named(name)?.nevra)))
}

/// Who provides the name but does not do, and why.
fn near(pool: &Pool<'_>, chosen: &Chosen<'_>, wanted: &Capability) -> Vec<String> {
    let Some(slot) = pool.slot(wanted.name()) else { return Vec::new() };
    let base = slot.base.iter().map(|(package, provide)| {
        let nevra = &package.nevra;
        format!("{nevra} (base), {}", distance(nevra, provide, wanted))
    });
    let refused = |package: &PackageFacts| match rival(pool, chosen, package) {
        _ if !pool.usable(package) => format!("which is built for {}", package.nevra.arch()),
        Some(Rival::Base(other)) => format!("but the base has {other}"),
        Some(Rival::Member(other)) => format!("but {other} is needed too"),
        None => "but not as it is wanted".to_owned(),
    };
    let payload = slot.payload.iter().map(|(package, provide)| {
        let nevra = &package.nevra;
        let why = if provide.meets(wanted) { refused(package) } else { distance(nevra, provide, wanted) };
        format!("{nevra} (payload), {why}")
    });
    let owners = slot.owners.iter().map(|owner| format!("{} (payload), {}", owner.nevra, refused(owner)));
    base.chain(payload).chain(owners).take(limits::NEAR_MISSES).collect()
}

/// How far a provide is from what is wanted. Most provides are of the package's own version; others are shown.
fn distance(nevra: &Nevra, provide: &Capability, wanted: &Capability) -> String {
    let order = match (provide.bound(), wanted.bound()) {
        (Some(provide), Some(wanted)) => provide.order(wanted),
        (None, _) | (_, None) => Ordering::Equal,
    };
    let word = match order {
        Ordering::Less => "older",
        Ordering::Greater => "newer",
        Ordering::Equal => "another version",
    };
    match provide.bound() {
        Some(bound) if !bound.is_exactly(nevra.evr()) => format!("whose `{provide}` is {word}"),
        Some(_) | None => format!("which is {word}"),
    }
}
