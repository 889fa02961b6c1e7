//! Packages that refuse to stand beside each other: `Conflicts` and `Obsoletes`, in both directions, between members and
//! base and among members.

use std::collections::BTreeSet;

use super::Obstacle;
use super::pool::{Leaf, Pool};
use super::search::Chosen;
use crate::dependency::{Capability, Requirement};
use crate::nevra::Nevra;
use crate::package::PackageFacts;

/// Everything that refuses anything. The base alone is taken to be at peace with itself.
pub(super) fn find(pool: &Pool<'_>, chosen: &Chosen<'_>) -> BTreeSet<Obstacle> {
    let mut found = BTreeSet::new();
    for package in chosen.packages() {
        conflicts_of_member(pool, chosen, package, &mut found);
        for obsoleted in &package.obsoletes {
            let of_base = pool.base_named(obsoleted.name()).iter().map(|base| &base.nevra);
            let of_members = chosen.named(obsoleted.name()).map(|member| &member.nevra);
            found.extend(obsoletes(&package.nevra, obsoleted, of_base.chain(of_members)));
        }
    }
    for package in pool.base_packages() {
        for conflict in &package.conflicts {
            let other = holds(conflict, &|leaf| {
                pool.given_beside(leaf, Some(&package.nevra)).is_some()
                    || member(pool, chosen, leaf, None).is_some()
            });
            let other = other.then(|| first_member(pool, chosen, conflict, None)).flatten();
            found.extend(other.map(|other| obstacle(&package.nevra, conflict, other)));
        }
        for obsoleted in &package.obsoletes {
            let members = chosen.named(obsoleted.name()).map(|member| &member.nevra);
            found.extend(obsoletes(&package.nevra, obsoleted, members.into_iter()));
        }
    }
    found
}

fn conflicts_of_member(
    pool: &Pool<'_>,
    chosen: &Chosen<'_>,
    package: &PackageFacts,
    found: &mut BTreeSet<Obstacle>,
) {
    for conflict in &package.conflicts {
        // What a package itself provides it does not conflict with.
        let holds = holds(conflict, &|leaf| {
            pool.given(leaf).is_some() || member(pool, chosen, leaf, Some(package)).is_some()
        });
        if !holds {
            continue;
        }
        let mut in_base = conflict.capabilities().into_iter();
        let other = in_base
            .find_map(|capability| pool.base_package(Leaf::One(capability)))
            .map(|base| &base.nevra)
            .or_else(|| first_member(pool, chosen, conflict, Some(package)))
            // A file of the base, and the base does not say whose.
            .unwrap_or(&package.nevra);
        found.insert(obstacle(&package.nevra, conflict, other));
    }
}

fn holds(conflict: &Requirement, met: &dyn Fn(Leaf<'_>) -> bool) -> bool {
    match conflict {
        Requirement::Plain(capability) => met(Leaf::One(capability)),
        Requirement::Rich(rich) => rich.holds(&mut |leaf| met(Leaf::from(leaf))),
    }
}

/// The first member, other than `except`, that meets `leaf`.
fn member<'a>(
    pool: &Pool<'a>,
    chosen: &Chosen<'a>,
    leaf: Leaf<'_>,
    except: Option<&PackageFacts>,
) -> Option<&'a PackageFacts> {
    let is_other = |package: &&PackageFacts| except.is_none_or(|except| except.nevra != package.nevra);
    pool.candidates(leaf).into_iter().filter(is_other).find(|package| chosen.holds(package))
}

fn first_member<'a>(
    pool: &Pool<'a>,
    chosen: &Chosen<'a>,
    conflict: &Requirement,
    except: Option<&PackageFacts>,
) -> Option<&'a Nevra> {
    let mut leaves = conflict.capabilities().into_iter();
    leaves.find_map(|leaf| member(pool, chosen, Leaf::One(leaf), except)).map(|package| &package.nevra)
}

fn obstacle(package: &Nevra, conflict: &Requirement, other: &Nevra) -> Obstacle {
    Obstacle::Conflict {
        package: package.clone(),
        conflict: conflict.to_string(),
        other: other.clone(),
        obsoletes: false,
    }
}

/// `Obsoletes` speaks of names and versions of packages, never of what they provide, and never of the package's own
/// older versions: another version of one name is refused before.
fn obsoletes<'o>(
    package: &'o Nevra,
    obsoleted: &'o Capability,
    others: impl Iterator<Item = &'o Nevra>,
) -> impl Iterator<Item = Obstacle> {
    let others = others.filter(move |other| other.name() != package.name() && obsoleted.names(other));
    others.map(move |other| Obstacle::Conflict {
        package: package.clone(),
        conflict: obsoleted.to_string(),
        other: other.clone(),
        obsoletes: true,
    })
}
