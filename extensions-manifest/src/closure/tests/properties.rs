//! What holds of every closure, whatever the payload.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::world::{Package, World, package};
use crate::closure::resolve;
use crate::package::PackageFacts;

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

fn a_dependency() -> impl Strategy<Value = String> {
    let name = || prop::sample::select(vec!["a", "b", "c", "d", "e", "f", "g", "h", "cap", "cup", "/file"]);
    let plain =
        (name(), prop::sample::select(vec!["", " = 1", " >= 2", " < 2"])).prop_map(|(name, bound)| {
            if name.starts_with('/') { name.to_owned() } else { format!("{name}{bound}") }
        });
    let rich = (name(), prop::sample::select(vec!["and", "or", "if", "with", "without"]), name())
        .prop_map(|(left, operator, right)| format!("({left} {operator} {right})"));
    let otherwise = (name(), name(), name()).prop_map(|(a, b, c)| format!("({a} if {b} else {c})"));
    prop_oneof![6 => plain, 2 => rich, 1 => otherwise]
}

fn a_package() -> impl Strategy<Value = PackageFacts> {
    let nevra = (
        prop::sample::select(NAMES.to_vec()),
        1..3_u8,
        prop::sample::select(vec!["noarch", "x86_64", "i686"]),
    )
        .prop_map(|(name, version, arch)| format!("{name}-{version}-1.{arch}"));
    let few = prop::collection::vec(a_dependency(), 0..4);
    let conflicts = vec![
        "a < 2",
        "cap = 2",
        "h",
        "(b and c)",
        "(cup without d)",
        "(a unless /file)",
        "(b if /file)",
        "(c unless rpmlib(FileDigests) <= 4.6.0-1)",
    ];
    let rare = prop::option::weighted(0.1, prop::sample::select(conflicts));
    let provide = prop::option::of(prop::sample::select(vec!["cap = 1", "cap = 2", "cup"]));
    (nevra, few, rare, provide, any::<bool>()).prop_map(|(nevra, requires, conflict, provide, file)| {
        let Package(mut facts) = package(&nevra);
        facts.requires = requires.iter().map(|text| text.parse().unwrap()).collect();
        facts.conflicts = conflict.iter().map(|text| text.parse().unwrap()).collect();
        facts.provides.extend(provide.iter().map(|text| text.parse().unwrap()));
        facts.files = if file { vec!["/file".to_owned()] } else { Vec::new() };
        facts
    })
}

/// A payload in two orders, on a base that is part of it.
fn two_orders() -> impl Strategy<Value = (World, World)> {
    let packages = prop::collection::vec(a_package(), 1..12).prop_map(|mut packages| {
        packages.sort_by(|left, right| left.nevra.cmp(&right.nevra));
        packages.dedup_by(|left, right| left.nevra == right.nevra);
        packages
    });
    let shuffled = packages.prop_flat_map(|packages| (Just(packages.clone()), Just(packages).prop_shuffle()));
    let based = prop::collection::vec(prop::bool::weighted(0.2), 12);
    (shuffled, based, prop::bool::weighted(0.2)).prop_map(|((one, two), based, file)| {
        let base: Vec<_> =
            one.iter().zip(&based).filter(|(_, based)| **based).map(|(facts, _)| facts.clone()).collect();
        let world = |packages: Vec<PackageFacts>, base: Vec<PackageFacts>| {
            let mut world = World::new().extension("x", ["a"]).extension("y", ["b", "c"]);
            world.packages = packages;
            let world = if file { world.base_file("/file") } else { world };
            base.into_iter().fold(world, |world, facts| world.base(Package(facts)))
        };
        let mut turned = two;
        for facts in &mut turned {
            facts.requires.reverse();
            facts.provides.reverse();
        }
        let backwards = base.iter().rev().cloned().collect();
        (world(one, base), world(turned, backwards))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn the_order_of_the_input_changes_nothing((one, two) in two_orders()) {
        // `World::resolve` holds every closure against the second check: it is complete, nobody refuses anybody, and
        // every member has a reason that leads to an extension.
        match (one.resolve(["x", "y"]), two.resolve(["x", "y"])) {
            (Ok(one_found), Ok(two_found)) => {
                prop_assert_eq!(one.names(&one_found), two.names(&two_found));
                prop_assert_eq!(one.proof(&one_found), two.proof(&two_found));
                prop_assert_eq!(one_found.in_base(), two_found.in_base());
                for (nevra, member) in one_found.members() {
                    prop_assert_eq!(&one.packages[member.index].nevra, nevra);
                    prop_assert!(!member.because.is_empty() && !member.extensions.is_empty());
                    prop_assert!(!one_found.explain(nevra).is_empty());
                }
            }
            (one, two) => prop_assert_eq!(one.err(), two.err()),
        }
    }

    #[test]
    fn what_is_refused_is_refused_for_a_reason_that_is_told((world, _) in two_orders()) {
        if let Err(obstacles) = world.resolve(["x"]) {
            prop_assert!(!obstacles.is_empty() && obstacles.is_sorted());
        }
    }
}

/// The largest payload that is read at all: 4,096 packages with 25 provides each, chained so that all are needed.
fn largest() -> World {
    let mut world = World::new().extension("x", ["p0"]);
    for number in 0..4_096_u32 {
        let Package(mut facts) = package(&format!("p{number}-1-1.x86_64"));
        for place in 0..24 {
            facts.provides.push(format!("lib{number}.so.{place}()(64bit)").parse().unwrap());
        }
        for next in [number + 1, number * 2 + 1, number * 3 + 1].into_iter().filter(|next| *next < 4_096) {
            facts.requires.push(format!("lib{next}.so.{}()(64bit)", next % 24).parse().unwrap());
        }
        facts.requires.push("libc.so.6(64bit)".parse().unwrap());
        world = world.holds(Package(facts));
    }
    world.base(package("glibc-2.34-1.x86_64").provides(["libc.so.6(64bit)"]))
}

#[test]
fn the_largest_payload_is_resolved_within_the_bound() {
    let world = largest();
    let wanted = BTreeSet::from(["x".parse().unwrap()]);
    let closure = resolve(&wanted, world.offer(), &world.base).unwrap();
    crate::closure::verify_proof(&closure, world.offer(), &world.base).unwrap();
    assert_eq!(closure.members().len(), 4_096);
}

#[test]
fn a_payload_made_to_take_for_ever_is_refused() {
    let mut world = World::new().extension("x", ["p0"]);
    for number in 0..4_096_u32 {
        let Package(mut facts) = package(&format!("p{number}-1-1.x86_64")).provides(["same"]);
        facts.requires.push("(same without same)".parse().unwrap());
        facts.requires.push(format!("p{}", (number + 1) % 4_096).parse().unwrap());
        world = world.holds(Package(facts));
    }
    assert_eq!(world.obstacles(["x"])[0]["obstacle"], "too-complex");
}
