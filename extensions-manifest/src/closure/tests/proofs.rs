//! The second check finds what is wrong with a proof that was altered.

use std::collections::BTreeSet;

use super::world::{World, package};
use crate::closure::{Because, Closure, Provider, verify_proof};
use crate::nevra::Nevra;

fn world() -> World {
    World::new()
        .extension("x", ["a"])
        .holds(package("a-1-1.x86_64").requires(["lib >= 1", "sh", "/etc/f", "(tool if sh)"]))
        .holds(package("lib-1-1.x86_64"))
        .holds(package("tool-1-1.x86_64"))
        .holds(package("free-1-1.x86_64").requires(["lib"]))
        .base(package("bash-5-1.x86_64").provides(["sh"]))
        .base_file("/etc/f")
}

fn nevra(text: &str) -> Nevra {
    text.parse().unwrap()
}

#[test]
fn an_altered_proof_is_found_out() {
    type Alteration = (&'static str, fn(&mut Closure));
    let alter: [Alteration; 9] = [
        ("the proof says nothing of `sh`", |closure| closure.proof.retain(|line| line.requirement != "sh")),
        ("the proof is wrong about who meets `sh`", |closure| {
            let mut lines = closure.proof.iter_mut();
            lines.find(|line| line.requirement == "sh").unwrap().provider = Provider::Rpm;
        }),
        ("the proof is wrong about who meets `/etc/f`", |closure| {
            let mut lines = closure.proof.iter_mut();
            let line = lines.find(|line| line.requirement == "/etc/f").unwrap();
            line.provider = Provider::BaseFile("/etc/g".to_owned());
        }),
        ("the proof is wrong about who meets `lib >= 1`", |closure| {
            closure.members.remove(&nevra("lib-1-1.x86_64"));
        }),
        ("the proof speaks of `nothing`, which is not required", |closure| {
            let mut line = closure.proof[0].clone();
            line.requirement = "nothing".to_owned();
            closure.proof.push(line);
        }),
        ("its index is that of another package", |closure| {
            closure.members.get_mut(&nevra("lib-1-1.x86_64")).unwrap().index = 0;
        }),
        ("no extension needs it", |closure| {
            closure.members.get_mut(&nevra("tool-1-1.x86_64")).unwrap().because = BTreeSet::new();
        }),
        ("extension `y` does not name it", |closure| {
            let member = closure.members.get_mut(&nevra("tool-1-1.x86_64")).unwrap();
            member.because.insert(Because::Extension("y".parse().unwrap()));
        }),
        ("the proof does not take it for `sh` of a-1-1.x86_64", |closure| {
            let member = closure.members.get_mut(&nevra("tool-1-1.x86_64")).unwrap();
            let because =
                Because::RequiredBy { package: nevra("a-1-1.x86_64"), requirement: "sh".to_owned() };
            member.because.insert(because);
        }),
    ];
    for (problem, change) in alter {
        let world = world();
        let mut closure = world.resolve(["x"]).unwrap();
        change(&mut closure);
        let flaw = verify_proof(&closure, world.offer(), &world.base).unwrap_err();
        assert_eq!(flaw.problem, problem);
    }
}

#[test]
fn a_proof_for_another_base_or_host_is_found_out() {
    let closure = world().resolve(["x"]).unwrap();
    let check = |world: World, arch: &str| {
        let mut offer = world.offer();
        offer.arch = arch;
        verify_proof(&closure, offer, &world.base).unwrap_err().problem
    };
    assert_eq!(check(world(), "aarch64"), "it is built for x86_64");
    let has_lib = world().base(package("lib-9-1.x86_64"));
    assert_eq!(check(has_lib, "x86_64"), "the base has a package of that name");
    let conflicts = world().base(package("c-1-1.x86_64").conflicts(["a"]));
    assert_eq!(check(conflicts, "x86_64"), "c-1-1.x86_64 of the base conflicts with it");
    let obsoletes = world().base(package("c-1-1.x86_64").obsoletes(["a < 2"]));
    assert_eq!(check(obsoletes, "x86_64"), "it and c-1-1.x86_64 of the base do not go together");
    let mut no_file = world();
    no_file.base.files.clear();
    assert_eq!(check(no_file, "x86_64"), "the proof is wrong about who meets `/etc/f`");
}
