//! A pool never holds more than it may, and whoever waits comes to his turn.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use build_resources::drive::{Desk, Stop, Until};
use build_resources::request::id;
use build_resources::schedule::PASSES;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::Client;
use kube::api::{Api, ListParams};
use proof::process::Finished;

use crate::bed::{Bed, asking, block};
use crate::size;

/// A pool of so many pods in one namespace, and the kubeconfig of an account that may use it. No namespace has to go away, so
/// what is given back is free within a second.
fn shared(most: usize) -> (Bed, PathBuf) {
    let bed = Bed::shared_with("max-servers: 1000", &format!("max-servers: {most}"));
    let tool = bed.least();
    (bed, tool)
}

#[test]
fn row_10_a_pool_of_seven_never_holds_eight() {
    let bed = Bed::with("max-servers: 1000", "max-servers: 7");
    let most = ten_processes(&bed, size::EACH.count(), Api::<Namespace>::all, &|args| {
        bed.run(&[args, &["--label", "space"]].concat()).expect_success();
    });
    assert!(
        (5..=7).contains(&most),
        "at most {most} at a time: never more than seven, and the pool was full"
    );
    assert!(bed.reserved().is_empty());
}

#[test]
fn row_10_ten_processes_go_through_a_pool_of_seven_in_one_namespace() {
    let (bed, tool) = shared(7);
    let pods = |client| Api::<Pod>::namespaced(client, &bed.hub);
    let most = ten_processes(&bed, size::SHARED.count(), pods, &|args| {
        bed.run_as(&tool, &[args, &["--label", "machine", "--wait", "created"]].concat()).expect_success();
    });
    assert!((5..=7).contains(&most), "at most {most} at a time");
    assert!(bed.reserved().is_empty());
}

/// Each process of ten asks so often, and gives back what it got; returns how much there was at most at one time.
fn ten_processes<K>(
    bed: &Bed,
    each: usize,
    api: impl Fn(Client) -> Api<K> + Send + Sync,
    request: &(dyn Fn(&[&str]) + Sync),
) -> usize
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send,
{
    let (over, most) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..10)
            .map(|worker| {
                scope.spawn(move || {
                    for number in 0..each {
                        let build = format!("{worker}-{number}");
                        request(&["request", "--build", &build]);
                        bed.run(&["release", &build, "--wait"]).expect_success();
                    }
                })
            })
            .collect();
        scope
            .spawn(|| block(async { watch(bed, &api(bed.clusters().await.hub.client), &over, &most).await }));
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join().is_ok()).collect();
        over.store(true, Ordering::Relaxed);
        assert!(ended.into_iter().all(|well| well), "every request is served");
    });
    most.into_inner()
}

async fn watch<K>(bed: &Bed, api: &Api<K>, over: &AtomicBool, most: &AtomicUsize)
where
    K: kube::Resource + Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let ours = ListParams::default().labels(&format!("build-resources/system={}", bed.system));
    while !over.load(Ordering::Relaxed) {
        most.fetch_max(api.list(&ours).await.unwrap().items.len(), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await; // the pace of the samples
    }
}

/// Waits until a build has a place in the order of the only pool.
fn waits(bed: &Bed, build: &str) {
    let name = format!("pool-{0}-here-{0}", bed.system);
    let id = id(&bed.config.system, build);
    proof::wait::until("a place in the order", || {
        let lease = bed.cluster.get_json(&["lease", "-n", &bed.hub, &name]);
        let text = lease["metadata"]["annotations"]["build-resources/waiting"].as_str().unwrap_or("{}");
        let queue: serde_json::Value = serde_json::from_str(text).unwrap();
        if queue["waiting"].get(&id).is_some() { Ok(()) } else { Err(text.to_owned()) }
    });
}

const THREE: [&str; 6] = ["--label", "machine=a", "--label", "machine=b", "--label", "machine=c"];

#[test]
fn row_10_small_requests_pass_a_large_one_only_so_often() {
    let (bed, tool) = shared(3);
    let run = |args: &[&str]| bed.run_as(&tool, args).expect_success();
    let (served, small) = (AtomicBool::new(false), AtomicUsize::new(0));
    // Otherwise the large one may come when all places are free, and wait for nobody.
    run(&["request", "--build", "holder", "--label", "machine", "--wait", "created"]);
    let passed = std::thread::scope(|scope| {
        for worker in 0..3 {
            let (served, small) = (&served, &small);
            scope.spawn(move || {
                // Were it unfair, it would be served after the last of these.
                for build in (0..30).map(|number| format!("{worker}-{number}")) {
                    if served.load(Ordering::Relaxed) {
                        break;
                    }
                    run(&["request", "--build", &build, "--label", "machine", "--wait", "created"]);
                    small.fetch_add(1, Ordering::Relaxed);
                    run(&["release", &build, "--wait"]);
                }
            });
        }
        proof::wait::until_true("the pool to be full", || small.load(Ordering::Relaxed) >= 3);
        let request = [&["request", "--build", "large", "--wait", "created"], &THREE[..]].concat();
        let large = bed.start_as(&tool, &request);
        waits(&bed, "large");
        let before = small.load(Ordering::Relaxed);
        run(&["release", "holder", "--wait"]);
        let large = Finished::of(large);
        served.store(true, Ordering::Relaxed);
        let passed = small.load(Ordering::Relaxed) - before;
        run(&["release", "large", "--wait"]); // who waits for its room goes on then
        large.expect_success();
        passed
    });
    // Three were served before it came, but had not been counted yet.
    assert!(passed <= usize::try_from(PASSES).unwrap() + 3, "{passed} small ones passed it");
}

/// A clock that stands still, so that no Lease is ever over.
fn frozen() -> Timestamp {
    static NOW: OnceLock<Timestamp> = OnceLock::new();
    *NOW.get_or_init(Timestamp::now)
}

fn in_a_minute() -> Timestamp {
    Timestamp::now() + SignedDuration::from_mins(1)
}

#[test]
fn row_10_a_dead_process_keeps_its_place_only_until_its_lease_is_over() {
    let (bed, tool) = shared(4);
    let two = ["--label", "machine=a", "--label", "machine=b"];
    bed.run_as(&tool, &[&["request", "--build", "holder", "--wait", "created"], &two[..]].concat())
        .expect_success();
    let mut dead = bed.start_as(&tool, &[&["request", "--build", "dead"], &THREE[..]].concat());
    waits(&bed, "dead");
    dead.kill().unwrap();
    dead.wait().unwrap();
    bed.run(&["release", "holder", "--wait"]).expect_success();
    block(async {
        let clusters = bed.clusters().await;
        let next = || asking("next", &["machine=a", "machine=b"]);
        let early = Desk::new(&bed.config, &clusters, "early".to_owned(), frozen, Duration::from_secs(2));
        let stop = early.request(next(), Until::Created).await.unwrap_err();
        assert!(matches!(stop, Stop::Full(_)), "three of four are left to who may still be alive: {stop}");
        bed.desk(&clusters, in_a_minute).request(next(), Until::Created).await.unwrap();
    });
    assert_eq!(bed.reserved().len(), 1);
}

#[test]
fn row_40_two_requests_for_three_of_four_both_come_to_their_turn() {
    let bed = Bed::with("max-servers: 1000", "max-servers: 4");
    let labels = ["--label", "space=a", "--label", "space=b", "--label", "space=c"];
    let children =
        ["one", "two"].map(|build| bed.start(&[&["request", "--build", build][..], &labels].concat()));
    // Whoever is first holds three and the other none: there is no holding of a part.
    proof::wait::until_true("one of them", || bed.json(&["list"]).to_string().contains("\"ready\""));
    let listed = bed.json(&["list"]);
    let builds = listed["builds"].as_array().unwrap();
    let phase = |phase: &str| {
        let found = builds.iter().find(|build| build["phase"] == phase);
        found.map(|build| build["build"].as_str().unwrap().to_owned())
    };
    assert!(bed.namespaces().len() <= 3);
    bed.run(&["release", &phase("ready").unwrap(), "--wait"]).expect_success();
    for child in children {
        Finished::of(child).expect_success();
    }
    for build in ["one", "two"] {
        bed.run(&["release", build]);
    }
}

#[test]
fn a_request_that_no_pool_can_hold_is_refused_at_once_and_one_that_must_wait_leaves_no_record() {
    let bed = Bed::with("max-servers: 1000", "max-servers: 1");
    let two = bed.run(&["request", "--build", "a", "--label", "space=a", "--label", "space=b"]);
    assert_eq!(two.code(), Some(69), "{two:#?}");
    bed.run(&["request", "--build", "b", "--label", "space"]).expect_success();
    let full = bed.run(&["--timeout", "1", "request", "--build", "c", "--label", "space"]);
    assert_eq!(full.code(), Some(75), "{full:#?}");
    assert_eq!(bed.records().len(), 1, "only that of `b`");
    bed.run(&["release", "b"]).expect_success();
}
