//! Which of several packages is taken.

use super::world::{World, package};

#[test]
fn of_several_providers_the_rule_takes_one() {
    // (what else the payload holds, who is taken)
    let cases: [(&[&str], &str); 5] = [
        (&["mta-1-1.noarch", "zzz-9-1.noarch"], "mta-1-1.noarch"),
        (&["aaa-1-1.noarch", "zzz-9-1.noarch"], "zzz-9-1.noarch"),
        (&["aaa-1-1.noarch", "zzz-1-1.noarch"], "aaa-1-1.noarch"),
        (&["zzz-1.10-1.noarch", "aaa-1.9-1.noarch"], "zzz-1.10-1.noarch"),
        (&["aaa-1-1.i686", "aaa-9-1.src", "zzz-1-1.x86_64"], "zzz-1-1.x86_64"),
    ];
    for (held, taken) in cases {
        let mut world = World::new().extension("x", ["a"]).holds(package("a-1-1.noarch").requires(["mta"]));
        for nevra in held {
            let offered = package(nevra);
            let own = offered.0.nevra.name().as_str() == "mta";
            world = world.holds(if own { offered } else { offered.provides(["mta"]) });
        }
        assert_eq!(world.names(&world.resolve(["x"]).unwrap()), ["a-1-1.noarch", taken]);
    }
}

#[test]
fn the_base_comes_before_the_payload_and_a_member_before_a_stranger() {
    let world = World::new()
        .extension("x", ["a", "postfix"])
        .holds(package("a-1-1.noarch").requires(["mta", "sh"]))
        .holds(package("mta-9-1.noarch"))
        .holds(package("postfix-1-1.noarch").provides(["mta"]))
        .holds(package("sh-9-1.noarch"))
        .base(package("bash-5-1.noarch").provides(["sh"]));
    assert_eq!(world.names(&world.resolve(["x"]).unwrap()), ["a-1-1.noarch", "postfix-1-1.noarch"]);
}

#[test]
fn what_has_no_alternative_is_taken_first_and_then_counts_as_a_member() {
    // `a` comes first by name, and would take `mta`; but `z` needs `postfix` and nothing else will do.
    let world = World::new()
        .extension("x", ["a", "z"])
        .holds(package("a-1-1.noarch").requires(["mta"]))
        .holds(package("z-1-1.noarch").requires(["postfix"]))
        .holds(package("mta-1-1.noarch"))
        .holds(package("postfix-1-1.noarch").provides(["mta"]));
    let closure = world.resolve(["x"]).unwrap();
    assert_eq!(world.names(&closure), ["a-1-1.noarch", "postfix-1-1.noarch", "z-1-1.noarch"]);
}

#[test]
fn a_choice_that_a_later_member_makes_needless_is_dropped() {
    // `a` is decided before `b`: `alt-9` for `cap`. Then `b` brings `cap` itself, which is the better provider.
    let world = World::new()
        .extension("x", ["a", "b"])
        .holds(package("a-1-1.noarch").requires(["cap"]))
        .holds(package("alt-9-1.noarch").provides(["cap"]))
        .holds(package("b-1-1.noarch").requires(["(cap and d)"]))
        .holds(package("cap-1-1.noarch"))
        .holds(package("d-1-1.noarch").requires(["cap = 1"]));
    assert_eq!(
        world.names(&world.resolve(["x"]).unwrap()),
        ["a-1-1.noarch", "b-1-1.noarch", "cap-1-1.noarch", "d-1-1.noarch"]
    );
}

#[test]
fn of_several_versions_the_newest_is_taken_for_a_name_and_the_right_one_for_a_version() {
    let world = World::new()
        .extension("x", ["lib"])
        .extension("y", ["lib-1.9-1"])
        .extension("z", ["a"])
        .holds(package("a-1-1.noarch").requires(["lib < 1.10"]))
        .holds(package("lib-1.9-1.x86_64"))
        .holds(package("lib-1.10~rc1-1.x86_64"))
        .holds(package("lib-1.8-1.noarch"));
    assert_eq!(world.names(&world.resolve(["x"]).unwrap()), ["lib-1.10~rc1-1.x86_64"]);
    assert_eq!(world.names(&world.resolve(["y"]).unwrap()), ["lib-1.9-1.x86_64"]);
    assert_eq!(world.names(&world.resolve(["z"]).unwrap()), ["a-1-1.noarch", "lib-1.10~rc1-1.x86_64"]);
}

#[test]
fn a_provider_of_which_the_base_has_another_version_is_passed_over() {
    let world = World::new()
        .extension("x", ["a"])
        .holds(package("a-1-1.noarch").requires(["cap >= 2"]))
        .holds(package("old-9-1.noarch").provides(["cap = 2"]))
        .holds(package("other-1-1.noarch").provides(["cap = 2"]))
        .base(package("old-1-1.noarch").provides(["cap = 1"]));
    assert_eq!(world.names(&world.resolve(["x"]).unwrap()), ["a-1-1.noarch", "other-1-1.noarch"]);
}

#[test]
fn a_file_is_found_in_the_payload_letter_by_letter() {
    let world = World::new()
        .extension("x", ["a"])
        .extension("y", ["b"])
        .holds(package("a-1-1.noarch").requires(["/usr/bin/perl"]))
        .holds(package("b-1-1.noarch").requires(["/bin/perl"]))
        .holds(package("perl-5-1.x86_64").file("/usr/bin/perl"))
        .holds(package("perl-5-1.i686").file("/bin/perl"));
    assert_eq!(world.names(&world.resolve(["x"]).unwrap()), ["a-1-1.noarch", "perl-5-1.x86_64"]);
    let near = &world.obstacles(["y"])[0]["near"];
    assert_eq!(near[0], "perl-5-1.i686 (payload), which is built for i686");
}
