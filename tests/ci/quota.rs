//! A pool never holds more than it may, and whoever waits comes to his turn.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, ListParams};

use crate::bed::{Bed, block, finished};

/// Requests of each of the ten processes, unless `ROW_10_EACH` says another number. A namespace takes about six seconds to
/// go away and seven go at a time, so fifty take seven minutes.
fn each() -> usize {
    std::env::var("ROW_10_EACH").map_or(4, |text| text.parse().expect("ROW_10_EACH is a number"))
}

#[test]
fn row_10_a_pool_of_seven_never_holds_eight() {
    let bed = Bed::with("max-servers: 1000", "max-servers: 7");
    let (over, most) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..10)
            .map(|worker| {
                let bed = &bed;
                scope.spawn(move || {
                    for number in 0..each() {
                        let build = format!("{worker}-{number}");
                        bed.run(&["request", "--build", &build, "--label", "space"]).expect_success();
                        bed.run(&["release", &build, "--wait"]).expect_success();
                    }
                })
            })
            .collect();
        scope.spawn(|| block(watch(&bed, &over, &most)));
        let ended: Vec<_> = workers.into_iter().map(|worker| worker.join().is_ok()).collect();
        over.store(true, Ordering::Relaxed);
        assert!(ended.into_iter().all(|well| well), "every request is served");
    });
    let most = most.load(Ordering::Relaxed);
    assert!(
        (5..=7).contains(&most),
        "at most {most} at a time: never more than seven, and the pool was full"
    );
    assert!(bed.reserved().is_empty());
}

async fn watch(bed: &Bed, over: &AtomicBool, most: &AtomicUsize) {
    let client = bed.clusters().await.hub.client;
    let api: Api<Namespace> = Api::all(client);
    let ours = ListParams::default().labels(&format!("build-resources/system={}", bed.system));
    while !over.load(Ordering::Relaxed) {
        most.fetch_max(api.list(&ours).await.unwrap().items.len(), Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(20)).await; // the pace of the samples
    }
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
        finished(child).expect_success();
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
