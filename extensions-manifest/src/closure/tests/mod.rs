//! Closures as stories: what is offered and wanted in a few words, and what comes of it.

mod choices;
mod proofs;
mod properties;
mod refusals;
mod rich;
mod world;

use world::{World, package};

#[test]
fn an_extension_comes_with_what_it_needs_and_the_base_lacks() {
    let world = World::new()
        .extension("usbguard", ["usbguard"])
        .holds(
            package("usbguard-1.0.0-15.el9.x86_64")
                .requires([
                    "libqb.so.100()(64bit)",
                    "libprotobuf.so.25()(64bit)",
                    "/bin/sh",
                    "config(usbguard) = 1.0.0-15.el9",
                ])
                .requires(["rpmlib(FileDigests) <= 4.6.0-1", "libc.so.6(GLIBC_2.34)(64bit)"])
                .provides(["config(usbguard) = 1.0.0-15.el9"]),
        )
        .holds(
            package("libqb-2.0.6-1.el9.x86_64")
                .provides(["libqb.so.100()(64bit)"])
                .requires(["libc.so.6(GLIBC_2.34)(64bit)"]),
        )
        .holds(package("protobuf-3.14.0-13.el9.x86_64").provides(["libprotobuf.so.25()(64bit)"]))
        .holds(package("sysstat-12.5.4-7.el9.x86_64"))
        .base(package("glibc-2.34-100.el9.x86_64").provides(["libc.so.6(GLIBC_2.34)(64bit)"]))
        .base_file("/bin/sh");
    let closure = world.resolve(["usbguard"]).unwrap();
    assert_eq!(
        world.names(&closure),
        ["libqb-2.0.6-1.el9.x86_64", "protobuf-3.14.0-13.el9.x86_64", "usbguard-1.0.0-15.el9.x86_64"]
    );
    assert_eq!(
        world.proof(&closure),
        [
            "libqb-2.0.6-1.el9.x86_64: libc.so.6(GLIBC_2.34)(64bit) <- base glibc-2.34-100.el9.x86_64",
            "usbguard-1.0.0-15.el9.x86_64: /bin/sh <- base file /bin/sh",
            "usbguard-1.0.0-15.el9.x86_64: config(usbguard) = 1.0.0-15.el9 <- usbguard-1.0.0-15.el9.x86_64",
            "usbguard-1.0.0-15.el9.x86_64: libc.so.6(GLIBC_2.34)(64bit) <- base glibc-2.34-100.el9.x86_64",
            "usbguard-1.0.0-15.el9.x86_64: libprotobuf.so.25()(64bit) <- protobuf-3.14.0-13.el9.x86_64",
            "usbguard-1.0.0-15.el9.x86_64: libqb.so.100()(64bit) <- libqb-2.0.6-1.el9.x86_64",
            "usbguard-1.0.0-15.el9.x86_64: rpmlib(FileDigests) <= 4.6.0-1 <- rpm",
        ]
    );
}

#[test]
fn two_extensions_share_a_dependency_and_both_are_named_for_it() {
    let world = World::new()
        .extension("one", ["a"])
        .extension("two", ["b"])
        .holds(package("a-1-1.noarch").requires(["lib"]))
        .holds(package("b-1-1.noarch").requires(["lib"]))
        .holds(package("lib-1-1.noarch"));
    let closure = world.resolve(["one", "two"]).unwrap();
    assert_eq!(world.extensions(&closure, "lib-1-1.noarch"), ["one", "two"]);
    assert_eq!(world.extensions(&closure, "a-1-1.noarch"), ["one"]);
    assert_eq!(world.names(&world.resolve(["two"]).unwrap()), ["b-1-1.noarch", "lib-1-1.noarch"]);
    assert!(world.resolve([]).unwrap().members().is_empty());
}

#[test]
fn the_path_from_an_extension_to_a_package_can_be_told() {
    let world = World::new()
        .extension("two-node-ha", ["pcs"])
        .holds(package("pcs-1-1.x86_64").requires(["pacemaker", "ruby"]))
        .holds(package("pacemaker-2-1.x86_64").requires(["libqb >= 2"]))
        .holds(package("libqb-2-1.x86_64"))
        .holds(package("ruby-3-1.x86_64"));
    let closure = world.resolve(["two-node-ha"]).unwrap();
    assert_eq!(
        closure.explain(&"libqb-2-1.x86_64".parse().unwrap()),
        [
            "extension `two-node-ha` names pcs-1-1.x86_64",
            "pcs-1-1.x86_64 requires `pacemaker`, which pacemaker-2-1.x86_64 provides",
            "pacemaker-2-1.x86_64 requires `libqb >= 2`, which libqb-2-1.x86_64 provides",
        ]
    );
    assert_eq!(closure.explain(&"absent-1-1.noarch".parse().unwrap()), [""; 0]);
}

#[test]
fn packages_may_require_each_other_in_a_ring() {
    let world = World::new()
        .extension("x", ["a"])
        .holds(package("a-1-1.noarch").requires(["b", "a"]))
        .holds(package("b-1-1.noarch").requires(["a"]));
    assert_eq!(world.names(&world.resolve(["x"]).unwrap()), ["a-1-1.noarch", "b-1-1.noarch"]);
}

#[test]
fn what_the_base_has_in_the_same_version_is_no_member() {
    let world = World::new()
        .extension("x", ["a", "b"])
        .holds(package("a-1-1.noarch"))
        .holds(package("b-1-1.noarch").requires(["a = 1-1"]))
        .base(package("a-1-1.noarch"));
    let closure = world.resolve(["x"]).unwrap();
    assert_eq!(world.names(&closure), ["b-1-1.noarch"]);
    assert_eq!(world.in_base(&closure), ["x: a-1-1.noarch"]);
}

#[test]
fn what_the_composer_left_out_because_the_base_has_it_is_in_the_base() {
    let world = World::new().extension("x", ["a"]).base(package("a-1-1.noarch"));
    let closure = world.resolve(["x"]).unwrap();
    assert!(closure.members().is_empty());
    assert_eq!(world.in_base(&closure), ["x: a-1-1.noarch"]);
}

#[test]
fn a_version_that_follows_the_base_is_taken_when_it_does() {
    let world = World::new()
        .pinned("kernel-devel", ["kernel-devel-5.14.0-427.el9"], "kernel")
        .holds(package("kernel-devel-5.14.0-427.el9.x86_64"))
        .holds(package("kernel-devel-5.14.0-500.el9.x86_64"))
        .base(package("kernel-5.14.0-427.el9.x86_64"));
    let closure = world.resolve(["kernel-devel"]).unwrap();
    assert_eq!(world.names(&closure), ["kernel-devel-5.14.0-427.el9.x86_64"]);
}

#[test]
fn a_plain_name_that_follows_the_base_takes_the_version_of_the_base() {
    let world = World::new()
        .pinned("kernel-devel", ["kernel-devel"], "kernel")
        .holds(package("kernel-devel-5.14.0-427.el9.x86_64"))
        .holds(package("kernel-devel-5.14.0-500.el9.x86_64"))
        .base(package("kernel-5.14.0-427.el9.x86_64"));
    let closure = world.resolve(["kernel-devel"]).unwrap();
    assert_eq!(world.names(&closure), ["kernel-devel-5.14.0-427.el9.x86_64"]);
}
