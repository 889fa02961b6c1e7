//! Everything that is refused, and with which words.

use serde_json::json;

use super::world::{World, package};

#[test]
fn a_name_the_payload_does_not_have_is_refused_with_those_it_has() {
    let world = World::new().extension("usbguard", ["usbguard"]).development("kernel", ["kernel"]).only_for(
        "kernel-64k",
        ["kernel-64k"],
        "aarch64",
    );
    let unknown = json!([{"obstacle": "unknown-extension", "extension": "nope", "offered": ["usbguard"]}]);
    assert_eq!(world.obstacles(["nope"]), unknown);
}

#[test]
fn an_extension_for_developers_is_not_layered() {
    let world = World::new().development("kernel", ["kernel"]).holds(package("kernel-1-1.x86_64"));
    assert_eq!(world.obstacles(["kernel"]), json!([{"obstacle": "not-for-hosts", "extension": "kernel"}]));
}

#[test]
fn another_architecture_is_refused_by_the_map_or_by_the_packages() {
    let other = |offered: &[&str]| json!([{"obstacle": "other-architecture", "extension": "x", "host": "x86_64", "offered": offered}]);
    let by_map = World::new().only_for("x", ["a"], "s390x").holds(package("a-1-1.noarch"));
    assert_eq!(by_map.obstacles(["x"]), other(&["s390x"]));
    let by_package =
        World::new().extension("x", ["a"]).holds(package("a-1-1.i686")).holds(package("a-1-1.src"));
    assert_eq!(by_package.obstacles(["x"]), other(&["i686", "src"]));
}

#[test]
fn a_package_that_only_the_map_has_is_missing() {
    let world = World::new().extension("x", ["a", "b"]).holds(package("a-1-1.noarch"));
    let missing = json!([{"obstacle": "package-missing", "extension": "x", "package": "b"}]);
    assert_eq!(world.obstacles(["x"]), missing);
}

#[test]
fn an_unmet_requirement_names_who_wants_it_and_who_comes_near() {
    let world = World::new()
        .extension("x", ["a"])
        .extension("y", ["b"])
        .holds(package("a-1-1.x86_64").requires(["b"]))
        .holds(package("b-1-1.x86_64").requires(["libqb(x86-64) >= 2.0-1"]))
        .holds(package("libqb-1.0-1.x86_64").provides(["libqb(x86-64) = 1.0-1"]))
        .holds(package("libqb-2.0-1.i686").provides(["libqb(x86-64) = 2.0-1"]))
        .base(package("compat-9-1.x86_64").provides(["libqb(x86-64) = 0.9"]));
    let obstacles = json!([{
        "obstacle": "unsatisfied",
        "requirement": "libqb(x86-64) >= 2.0-1",
        "package": "b-1-1.x86_64",
        "extensions": ["x", "y"],
        "near": [
            "compat-9-1.x86_64 (base), whose `libqb(x86-64) = 0.9` is older",
            "libqb-1.0-1.x86_64 (payload), which is older",
            "libqb-2.0-1.i686 (payload), which is built for i686",
        ],
    }]);
    assert_eq!(world.obstacles(["x", "y"]), obstacles);
}

#[test]
fn every_obstacle_is_told_not_only_the_first() {
    let world = World::new().extension("x", ["a", "gone"]).holds(package("a-1-1.noarch").requires([
        "one",
        "two",
        "rpmlib(Unheard) <= 9-1",
        "/no/such/file",
    ]));
    let found = world.resolve(["x", "nope"]).unwrap_err();
    let texts: Vec<String> = found.iter().map(|it| format!("{it:?}")).collect();
    assert_eq!(found.len(), 6, "{texts:#?}");
    assert!(found.is_sorted());
    for word in ["nope", "gone", "\"one\"", "\"two\"", "rpmlib(Unheard)", "/no/such/file"] {
        assert!(texts.iter().any(|text| text.contains(word)), "{word} in {texts:#?}");
    }
}

#[test]
fn a_newer_rpm_feature_than_rpm_has_is_not_met_by_anybody() {
    let world = World::new()
        .extension("x", ["a"])
        .holds(package("a-1-1.noarch").requires(["rpmlib(FileDigests) >= 9.0-1"]))
        .holds(package("liar-1-1.noarch").provides(["rpmlib(FileDigests) = 9.0-1"]));
    assert_eq!(world.obstacles(["x"])[0]["obstacle"], "unsatisfied");
}

#[test]
fn a_base_package_is_never_replaced() {
    let named = World::new()
        .extension("x", ["bash"])
        .holds(package("bash-5.2-1.x86_64"))
        .base(package("bash-5.1-1.x86_64"));
    let required = World::new()
        .extension("x", ["a"])
        .holds(package("a-1-1.x86_64").requires(["bash >= 5.2"]))
        .holds(package("bash-5.2-1.x86_64"))
        .base(package("bash-5.1-1.x86_64"));
    let obstacles = json!([{
        "obstacle": "other-version-in-base",
        "package": "bash-5.2-1.x86_64",
        "base": "bash-5.1-1.x86_64",
        "extensions": ["x"],
    }]);
    assert_eq!(named.obstacles(["x"]), obstacles);
    assert_eq!(required.obstacles(["x"]), obstacles);
}

#[test]
fn two_versions_of_one_package_do_not_go_together() {
    let world = World::new()
        .extension("x", ["a"])
        .holds(package("a-1-1.noarch").requires(["lib = 1", "b"]))
        .holds(package("b-1-1.noarch").requires(["lib = 2"]))
        .holds(package("lib-1-1.noarch"))
        .holds(package("lib-2-1.noarch"));
    let obstacles = json!([{
        "obstacle": "several-versions",
        "package": "lib-1-1.noarch",
        "other": "lib-2-1.noarch",
        "extensions": ["x"],
    }]);
    assert_eq!(world.obstacles(["x"]), obstacles);
    let named = World::new()
        .extension("x", ["lib-1-1"])
        .extension("y", ["lib-2-1"])
        .holds(package("lib-1-1.noarch"))
        .holds(package("lib-2-1.noarch"));
    let obstacles = named.obstacles(["x", "y"]);
    assert_eq!(obstacles[0]["obstacle"], "several-versions");
    assert_eq!(obstacles[0]["extensions"], json!(["x"]));
}

#[test]
fn one_name_on_two_packages_makes_the_payload_unusable() {
    let world =
        World::new().extension("x", ["a"]).holds(package("a-1-1.noarch")).holds(package("a-1-1.noarch"));
    assert_eq!(world.obstacles(["x"]), json!([{"obstacle": "duplicate-nevra", "package": "a-1-1.noarch"}]));
}

#[test]
fn a_version_that_should_follow_the_base_and_does_not_is_refused() {
    let world = |base: &str| {
        World::new()
            .pinned("kernel-devel", ["kernel-devel-5.14.0-427.el9"], "kernel")
            .holds(package("kernel-devel-5.14.0-427.el9.x86_64"))
            .base(package(base))
    };
    let mismatch = |base: Option<&str>| {
        json!([{
            "obstacle": "base-mismatch",
            "extension": "kernel-devel",
            "basePackage": "kernel",
            "base": base,
            "payload": "5.14.0-427.el9",
        }])
    };
    let newer = world("kernel-5.14.0-500.el9.x86_64");
    assert_eq!(newer.obstacles(["kernel-devel"]), mismatch(Some("5.14.0-500.el9")));
    let none = world("bash-5-1.x86_64");
    assert_eq!(none.obstacles(["kernel-devel"]), mismatch(None));
}

#[test]
fn a_pinned_package_that_is_not_there_is_missing() {
    let world = World::new()
        .pinned("kernel-devel", ["kernel-devel-5.14.0-427.el9"], "kernel")
        .base(package("kernel-5.14.0-427.el9.x86_64"));
    assert_eq!(world.obstacles(["kernel-devel"])[0]["obstacle"], "package-missing");
}

#[test]
fn packages_that_refuse_each_other_are_refused() {
    let plain = || package("a-1-1.noarch");
    let world = || World::new().extension("x", ["a", "b"]);
    let cases = [
        // a member refuses a member
        (world().holds(plain().conflicts(["b < 2"])).holds(package("b-1-1.noarch")), "a", "b < 2", "b"),
        (world().holds(plain().obsoletes(["b < 2"])).holds(package("b-1-1.noarch")), "a", "b < 2", "b"),
        // a member refuses the base
        (
            World::new()
                .extension("x", ["a"])
                .holds(plain().conflicts(["cap"]))
                .base(package("c-1-1.noarch").provides(["cap = 3"])),
            "a",
            "cap",
            "c",
        ),
        (
            World::new()
                .extension("x", ["a"])
                .holds(plain().obsoletes(["c <= 1-1"]))
                .base(package("c-1-1.noarch")),
            "a",
            "c <= 1-1",
            "c",
        ),
        // the base refuses a member
        (
            World::new().extension("x", ["a"]).holds(plain()).base(package("c-1-1.noarch").conflicts(["a"])),
            "c",
            "a",
            "a",
        ),
        (
            World::new().extension("x", ["a"]).holds(plain()).base(package("c-1-1.noarch").obsoletes(["a"])),
            "c",
            "a",
            "a",
        ),
        // the base refuses a member beside another package of the base, which has the name of the refusing one
        (
            World::new()
                .extension("x", ["a"])
                .holds(plain())
                .base(package("c-1-1.noarch").conflicts(["(c and a)"]))
                .base(package("c-1-1.x86_64")),
            "c",
            "(c and a)",
            "a",
        ),
        // a member refuses a file
        (
            world().holds(plain().conflicts(["/etc/b"])).holds(package("b-1-1.noarch").file("/etc/b")),
            "a",
            "/etc/b",
            "b",
        ),
        (
            World::new().extension("x", ["a"]).holds(plain().conflicts(["/etc/b"])).base_file("/etc/b"),
            "a",
            "/etc/b",
            "a",
        ),
    ];
    for (place, (world, who, what, whom)) in cases.into_iter().enumerate() {
        let found = world.obstacles(["x"]);
        assert_eq!(found.as_array().unwrap().len(), 1, "case {place}: {found}");
        let nevra = |name| format!("{name}-1-1.noarch");
        assert_eq!(found[0]["obstacle"], "conflict", "case {place}");
        assert_eq!(found[0]["package"], nevra(who), "case {place}");
        assert_eq!(found[0]["conflict"], what, "case {place}");
        assert_eq!(found[0]["other"], nevra(whom), "case {place}");
    }
}

#[test]
fn nobody_refuses_itself_or_an_absent_version() {
    let world = World::new()
        .extension("x", ["a"])
        .holds(
            package("a-2-1.noarch")
                .provides(["mta"])
                .conflicts(["mta", "c < 1"])
                .obsoletes(["a < 2", "mta2"]),
        )
        .base(package("c-1-1.noarch").provides(["mta2"]));
    assert_eq!(world.names(&world.resolve(["x"]).unwrap()), ["a-2-1.noarch"]);
}
