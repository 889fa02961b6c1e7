//! The crash matrix: real processes, each killed right after another one of its writes, and one pass that finishes what they
//! began.

use std::os::unix::process::ExitStatusExt;
use std::process::Child;

use jiff::Timestamp;
use proof::cluster::{Fault, FaultProxy};
use proof::process::Finished;
use proof::wait;
use serde_json::Value;

use crate::bed::Bed;

/// How many processes run at a time.
const BESIDE: usize = 6;

/// A process before a proxy, and the command that it runs.
struct Victim {
    build: String,
    proxy: FaultProxy,
    child: Child,
}

impl Victim {
    fn start(bed: &Bed, build: &str, hit: u64, fault: Fault, args: &[&str]) -> Self {
        let proxy = FaultProxy::before(bed.cluster, hit, fault);
        let child = bed.start_as(proxy.kubeconfig(), args);
        proxy.victim(child.id());
        Victim { build: build.to_owned(), proxy, child }
    }
}

fn request(build: &str) -> [&str; 7] {
    ["request", "--build", build, "--label", "machine", "--wait", "created"]
}

/// How many writes a command has that nothing goes wrong with.
fn writes(bed: &Bed, build: &str, args: &[&str]) -> u64 {
    let whole = Victim::start(bed, build, 0, Fault::Kill, args);
    Finished::of(whole.child).expect_success();
    whole.proxy.writes()
}

/// Runs the command once for each of its writes, and kills it right after that one.
fn killed_at_each(bed: &Bed, writes: u64, builds: &[String], command: impl Fn(&str) -> Vec<String>) {
    let hits: Vec<u64> = (1..=writes).collect();
    for some in hits.chunks(BESIDE) {
        let started: Vec<Victim> = some
            .iter()
            .map(|hit| {
                let build = &builds[usize::try_from(*hit).unwrap() - 1];
                let args = command(build);
                let args: Vec<&str> = args.iter().map(String::as_str).collect();
                Victim::start(bed, build, *hit, Fault::Kill, &args)
            })
            .collect();
        for victim in started {
            let ended = Finished::of(victim.child);
            assert_eq!(ended.status.signal(), Some(9), "{}: {}", victim.build, ended.stderr);
        }
    }
}

fn names(kind: &str, count: u64) -> Vec<String> {
    (1..=count).map(|number| format!("{kind}-{number}")).collect()
}

/// Waits until every driver has been silent for so long that it counts as dead.
fn the_dead_are_known(bed: &Bed) {
    wait::until("every driver to be known as dead", || {
        let found = bed.json(&["list"]);
        let now = Timestamp::now();
        let late = |build: &Value| build["lapses"].as_str().unwrap().parse::<Timestamp>().unwrap() < now;
        let driven = |build: &&Value| build["phase"] != "ready" && !late(build);
        match found["builds"].as_array().unwrap().iter().filter(driven).count() {
            0 => Ok(()),
            left => Err(format!("{left} are believed to be alive")),
        }
    });
}

#[test]
fn row_06_one_pass_finishes_every_request_and_release_that_was_killed_at_any_write() {
    let bed = Bed::new();
    let of_request = writes(&bed, "whole", &request("whole"));
    let of_release = writes(&bed, "whole", &["release", "whole", "--wait"]);
    assert!(of_request >= 10 && of_release >= 3, "{of_request} {of_release}");
    let (asked, given) = (names("asked", of_request), names("given", of_release));
    killed_at_each(&bed, of_request, &asked, |build| request(build).map(str::to_owned).to_vec());
    for some in given.chunks(BESIDE) {
        let all: Vec<Child> = some.iter().map(|build| bed.start(&request(build))).collect();
        all.into_iter().for_each(|child| drop(Finished::of(child).expect_success()));
    }
    killed_at_each(&bed, of_release, &given, |build| {
        ["release", build, "--wait"].map(str::to_owned).to_vec()
    });
    the_dead_are_known(&bed);

    bed.run(&["serve", "--once"]).expect_success();

    let (records, reserved) = (bed.records().len(), bed.reserved().len());
    println!("{of_request} writes of a request, {of_release} of a release; left: {records} records");
    exactly_one_ready_node_or_none(&bed);
    assert_eq!(records, reserved);
    for build in asked.iter().chain(&given) {
        // One that is gone already is what was asked for.
        let ended = bed.run(&["release", build, "--wait"]);
        assert!(matches!(ended.status.code(), Some(0 | 66)), "{}", ended.stderr);
    }
    assert!(bed.namespaces().is_empty() && bed.records().is_empty() && bed.reserved().is_empty());
}

/// What the pass left: a build is ready and has its one namespace with its one pod, or there is nothing of it, but for a
/// namespace that is going away.
fn exactly_one_ready_node_or_none(bed: &Bed) {
    let label = format!("-lbuild-resources/system={}", bed.system);
    let namespaces = bed.cluster.get_json(&["namespaces", &label]);
    let pods = bed.cluster.get_json(&["pods", "-A", &label]);
    let builds = bed.json(&["list"]);
    let of = |items: &Value, build: &Value| {
        let items = items["items"].as_array().unwrap();
        let own = |one: &&Value| one["metadata"]["annotations"]["build-resources/build"] == *build;
        items.iter().filter(own).filter(|one| one["metadata"]["deletionTimestamp"].is_null()).count()
    };
    let mut living = 0;
    for build in builds["builds"].as_array().unwrap() {
        if build["phase"] == "ready" {
            living += 1;
            assert_eq!((of(&namespaces, &build["build"]), of(&pods, &build["build"])), (1, 1), "{build}");
        } else {
            assert_eq!(build["phase"], "releasing", "{build}");
            assert_eq!(of(&namespaces, &build["build"]), 0, "{build}");
        }
    }
    let staying = namespaces["items"].as_array().unwrap().iter();
    let staying = staying.filter(|one| one["metadata"]["deletionTimestamp"].is_null()).count();
    assert_eq!(staying, living, "no namespace without a ready build");
}
