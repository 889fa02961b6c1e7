//! Boolean dependencies in a closure.

use super::world::{World, package};

/// A payload with `x` and a few small packages, `x` requiring `requirement`.
fn world(requirement: &str) -> World {
    World::new()
        .extension("e", ["x"])
        .holds(package("x-1-1.noarch").requires([requirement]))
        .holds(package("a-1-1.noarch").provides(["cap = 1", "other"]))
        .holds(package("b-1-1.noarch").provides(["cap = 2"]))
        .holds(package("c-1-1.noarch").provides(["cap = 3", "other"]))
        .base(package("base-1-1.noarch").provides(["in-base = 1"]))
}

#[test]
fn each_operator_takes_what_it_means() {
    let cases: [(&str, &[&str]); 19] = [
        ("(a and b)", &["a", "b"]),
        ("(a and in-base)", &["a"]),
        ("(a or b)", &["a"]),
        ("(a or in-base)", &[]),
        ("(gone or b)", &["b"]),
        ("((a and gone) or (b and c))", &["b", "c"]),
        ("(a if in-base)", &["a"]),
        ("(a if in-base > 1)", &[]),
        ("(a if gone)", &[]),
        ("(a if gone else b)", &["b"]),
        ("(a if in-base else b)", &["a"]),
        ("(a unless gone)", &["a"]),
        ("(a unless in-base else b)", &["b"]),
        ("(cap with other)", &["a"]),
        ("(cap > 1 with other)", &["c"]),
        ("(cap without other)", &["b"]),
        ("(cap >= 2 with cap <= 2)", &["b"]),
        ("(in-base with base)", &[]),
        ("((a if b) and b)", &["a", "b"]),
    ];
    for (requirement, taken) in cases {
        let world = world(requirement);
        let closure = world.resolve(["e"]).unwrap_or_else(|found| panic!("{requirement}: {found:?}"));
        let names: Vec<String> = closure.members().keys().map(|nevra| nevra.name().to_string()).collect();
        assert_eq!(names, [taken, &["x"]].concat(), "{requirement}");
    }
}

#[test]
fn what_cannot_hold_is_refused_with_its_whole_text() {
    for requirement in [
        "(a and gone)",
        "(gone or nope)",
        "(gone if in-base)",
        "(a unless in-base)",
        "(cap > 3 with other)",
        "(b without cap)",
        "(in-base with a)",
    ] {
        let found = world(requirement).obstacles(["e"]);
        assert_eq!(found[0]["obstacle"], "unsatisfied", "{requirement}");
        assert_eq!(found[0]["requirement"], requirement);
        assert_eq!(found[0]["package"], "x-1-1.noarch");
    }
}

#[test]
fn a_condition_that_a_later_member_fulfils_still_counts() {
    let world = World::new()
        .extension("e", ["x", "y"])
        .holds(package("x-1-1.noarch").requires(["(glue if late)"]))
        .holds(package("y-1-1.noarch").requires(["mid"]))
        .holds(package("mid-1-1.noarch").requires(["late"]))
        .holds(package("late-1-1.noarch"))
        .holds(package("glue-1-1.noarch"));
    let closure = world.resolve(["e"]).unwrap();
    assert!(world.names(&closure).contains(&"glue-1-1.noarch".to_owned()));
    assert_eq!(
        closure.explain(&"glue-1-1.noarch".parse().unwrap())[1],
        "x-1-1.noarch requires `(glue if late)`, which glue-1-1.noarch provides"
    );
}

#[test]
fn a_condition_that_does_not_hold_is_proved_to_ask_for_nothing() {
    let world = world("(a if gone)");
    assert_eq!(world.proof(&world.resolve(["e"]).unwrap()), ["x-1-1.noarch: (a if gone) <- not needed"]);
}

#[test]
fn a_rich_conflict_is_one_only_while_it_holds() {
    let world = |conflict: &str| {
        World::new()
            .extension("e", ["x", "a"])
            .holds(package("x-1-1.noarch").conflicts([conflict]))
            .holds(package("a-1-1.noarch"))
            .base(package("base-1-1.noarch"))
    };
    for peace in ["(a and gone)", "(a unless base)", "(a with base)", "(x and gone)"] {
        assert!(world(peace).resolve(["e"]).is_ok(), "{peace}");
    }
    for (war, other) in [("(a and base)", "base-1-1.noarch"), ("(a unless gone)", "a-1-1.noarch")] {
        assert_eq!(world(war).obstacles(["e"])[0]["other"], other, "{war}");
    }
}
