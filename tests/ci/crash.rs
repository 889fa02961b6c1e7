//! A process may die after any of its writes, and any answer may be lost: nothing is made twice and nothing is left.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use build_resources::drive::{Clusters, Desk, Until};
use build_resources::state::Phase;
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use proof::process::Finished;

use crate::bed::{Bed, asking, block};

/// What becomes of the write that is hit.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It is the last thing that the process does.
    Dies,
    /// It is done, but the answer is lost.
    AnswerLost,
    /// It is refused, once.
    Refused,
}

const FAULTS: [Fault; 3] = [Fault::Dies, Fault::AnswerLost, Fault::Refused];

/// A client of which the write number `hit` fails, and everything after it too if the process dies there.
fn faulty(inner: Client, hit: i64, fault: Fault) -> (Client, Arc<AtomicI64>) {
    let writes = Arc::new(AtomicI64::new(0));
    let count = Arc::clone(&writes);
    let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
        let (inner, count) = (inner.clone(), Arc::clone(&count));
        async move {
            let lost = || Box::<dyn std::error::Error + Send + Sync>::from("the connection is lost");
            let is_write = request.method() != http::Method::GET;
            let number = if is_write {
                count.fetch_add(1, Ordering::SeqCst) + 1
            } else {
                count.load(Ordering::SeqCst)
            };
            match fault {
                Fault::Dies if number > hit || (number == hit && !is_write) => return Err(lost()),
                Fault::Refused if number == hit && is_write => return Err(lost()),
                Fault::Dies | Fault::AnswerLost | Fault::Refused => {}
            }
            let answer = inner.send(request).await?;
            match fault {
                Fault::AnswerLost if number == hit && is_write => Err(lost()),
                Fault::Dies | Fault::AnswerLost | Fault::Refused => Ok(answer),
            }
        }
    });
    (Client::new(service, "default"), writes)
}

fn through(clusters: &Clusters, client: &Client) -> Clusters {
    let providers = clusters.providers.iter().map(|(name, one)| (name.clone(), one.through(client.clone())));
    Clusters { hub: clusters.hub.through(client.clone()), providers: providers.collect() }
}

fn now() -> Timestamp {
    Timestamp::now()
}

/// When the dead are known to be silent.
pub(crate) fn in_a_minute() -> Timestamp {
    Timestamp::now() + SignedDuration::from_mins(1)
}

/// When everything is too old.
fn in_a_day() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(24)
}

/// When everything that was marked `in_a_day` has been so for long.
fn in_two_days() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(48)
}

/// Asks with a fault at each write in turn; returns the builds that were asked for.
pub(crate) async fn ask_with_every_fault(bed: &Bed, clusters: &Clusters, labels: &[&str]) -> Vec<String> {
    let mut builds = Vec::new();
    for fault in FAULTS {
        for hit in 1.. {
            let (client, writes) = faulty(clusters.hub.client.clone(), hit, fault);
            let clusters = through(clusters, &client);
            let build = format!("{fault:?}-{hit}");
            let desk = bed.desk(&clusters, now);
            let asked = desk.request(asking(&build, labels), Until::Created);
            let done = asked.await.is_ok();
            builds.push(build);
            if done && writes.load(Ordering::SeqCst) < hit {
                break; // there is no such write any more
            }
            assert!(hit < 100, "a request has a bounded number of writes");
        }
    }
    assert!(builds.len() > 3 * 6 * labels.len(), "{builds:?}");
    builds
}

async fn nothing_is_left(bed: &Bed, desk: &Desk<'_>) {
    for _ in 0..120 {
        desk.clean(false).await.unwrap();
        if bed.namespaces().is_empty() && bed.records().is_empty() {
            assert!(bed.reserved().is_empty(), "{:?}", bed.reserved());
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await; // between two looks
    }
    panic!("left: {:?} {:?}", bed.namespaces(), bed.records());
}

#[test]
fn row_06_the_same_request_again_finishes_what_a_dead_process_began() {
    let bed = Bed::new();
    block(async {
        let clusters = bed.clusters().await;
        let builds = ask_with_every_fault(&bed, &clusters, &["machine", "space"]).await;
        let desk = bed.desk(&clusters, in_a_minute);
        for build in &builds {
            let record = desk.request(asking(build, &["machine", "space"]), Until::Created).await.unwrap();
            assert_eq!(record.body.phase, Phase::Ready, "{build}");
        }
        // Exactly one of each: two namespaces a build, one reservation a build.
        assert_eq!(bed.namespaces().len(), 2 * builds.len());
        assert_eq!((bed.records().len(), bed.reserved().len()), (builds.len(), builds.len()));
        let pods = bed.cluster.get_json(&["pods", "-A", &format!("-lbuild-resources/system={}", bed.system)]);
        assert_eq!(pods["items"].as_array().unwrap().len(), builds.len());
        for build in &builds {
            desk.release(build, false).await.unwrap();
        }
        nothing_is_left(&bed, &desk).await;
    });
}

#[test]
fn row_06_the_cleaner_takes_all_that_dead_processes_began() {
    let bed = Bed::new();
    block(async {
        let clusters = bed.clusters().await;
        ask_with_every_fault(&bed, &clusters, &["machine", "space"]).await;
        bed.desk(&clusters, in_a_day).clean(false).await.unwrap();
        nothing_is_left(&bed, &bed.desk(&clusters, in_two_days)).await;
    });
}

#[test]
fn row_06_a_release_that_dies_at_any_write_is_finished_by_the_next_pass() {
    let bed = Bed::new();
    block(async {
        let clusters = bed.clusters().await;
        let sound = bed.desk(&clusters, now);
        for fault in FAULTS {
            for hit in 1..=5 {
                let build = format!("{fault:?}-{hit}");
                sound.request(asking(&build, &["machine", "space"]), Until::Created).await.unwrap();
                let (client, _) = faulty(clusters.hub.client.clone(), hit, fault);
                let clusters = through(&clusters, &client);
                let _ = bed.desk(&clusters, now).release(&build, true).await; // how it ends is not the point
            }
        }
        nothing_is_left(&bed, &bed.desk(&clusters, in_a_day)).await;
    });
}

#[test]
fn row_06_a_killed_process_is_followed_by_the_next_with_the_same_request() {
    let bed = Bed::new();
    let request = |build: &str| {
        let text =
            ["request", "--build", build, "--label", "machine", "--label", "space", "--wait", "created"];
        bed.start(&text)
    };
    let builds: Vec<String> = (0..20).map(|number| format!("b{number}")).collect();
    for (number, build) in builds.iter().enumerate() {
        let mut child = request(build);
        std::thread::sleep(Duration::from_millis(15 * number as u64)); // each is killed at another place
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let again: Vec<_> = builds.iter().map(|build| request(build)).collect();
    for child in again {
        Finished::of(child).expect_success();
    }
    assert_eq!((bed.namespaces().len(), bed.records().len(), bed.reserved().len()), (40, 20, 20));
    for build in &builds {
        bed.run(&["release", build]).expect_success();
    }
    block(async { nothing_is_left(&bed, &bed.desk(&bed.clusters().await, now)).await });
}
