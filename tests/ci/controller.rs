//! The controller that keeps running: several share, it ends in good order, takes up a new configuration, is measured, and is
//! quiet at rest.

use std::convert::Infallible;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::Child;
use std::sync::mpsc::{self, TryRecvError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use proof::cluster::Asked;
use proof::process::Finished;
use proof::prometheus::{free_address, promtool_accepts};
use proof::wait;

use crate::bed::{Bed, block};
use crate::size;

fn terminate(child: Child) -> Finished {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    Finished::of(child)
}

/// Who holds the Lease of a provider.
fn holder(bed: &Bed, provider: &str) -> Option<String> {
    let name = format!("serve-{}-{provider}", bed.system);
    let lease = bed.cluster.kubectl(&["get", "lease", "-n", "build-resources", &name, "-o", "json"]);
    if !lease.status.success() {
        return None;
    }
    lease.json()["spec"]["holderIdentity"].as_str().filter(|holder| !holder.is_empty()).map(str::to_owned)
}

fn scrape(address: &str) -> Result<String, String> {
    let mut stream = TcpStream::connect(address).map_err(|error| error.to_string())?;
    stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").map_err(|error| error.to_string())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|error| error.to_string())?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or("no HTTP answer")?;
    if head.contains(" 200 ") { Ok(body.to_owned()) } else { Err(head.to_owned()) }
}

#[track_caller]
fn until_it_says(address: &str, line: &str) -> String {
    wait::until(line, || {
        let text = scrape(address)?;
        if text.lines().any(|one| one == line) { Ok(text) } else { Err(text) }
    })
}

#[test]
fn row_06_two_controllers_share_the_providers_and_one_takes_over_what_the_other_leaves() {
    let bed = Bed::with(
        "providers:\n",
        "providers:\n  - name: there\n    driver: kubernetes\n    pools:\n      \
         - {name: other, priority: 200, labels: [{name: space, type: namespace}]}\n",
    );
    let (one, two) = (bed.start(&["serve"]), bed.start(&["serve"]));
    let holders = || ["here", "there"].map(|provider| holder(&bed, provider));
    wait::until_true("each provider to be somebody's", || holders().iter().all(Option::is_some));
    // What nobody asks for happens all the same: a record whose time is over goes.
    bed.run(&["request", "--build", "b", "--label", "space"]).expect_success();
    bed.run(&["renew", "b", "--for", "1"]).expect_success();
    wait::until_true("the build to be gone", || bed.records().is_empty() && bed.namespaces().is_empty());
    let ended = terminate(one);
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    wait::until("the other to have both", || {
        let all = holders();
        if all.iter().all(Option::is_some) && all[0] == all[1] { Ok(()) } else { Err(format!("{all:?}")) }
    });
    let ended = terminate(two);
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    assert_eq!(holders(), [None, None], "given back");
}

#[test]
fn row_06_a_controller_takes_up_what_a_dead_driver_began() {
    let bed = Bed::new();
    let controller = bed.start(&["serve", "--log", "json"]);
    let builds: Vec<String> = (0..6).map(|number| format!("b{number}")).collect();
    for (number, build) in builds.iter().enumerate() {
        let mut child = bed.start(&["request", "--build", build, "--label", "machine", "--wait", "created"]);
        std::thread::sleep(Duration::from_millis(60 + 30 * number as u64)); // each elsewhere
        child.kill().unwrap();
        child.wait().unwrap();
    }
    wait::until("each to be ready or gone", || {
        let listed = bed.json(&["list"]);
        let all = listed["builds"].as_array().unwrap();
        let done = all.iter().all(|build| build["phase"] == "ready");
        if done && bed.namespaces().len() == all.len() { Ok(()) } else { Err(listed.to_string()) }
    });
    assert_eq!(terminate(controller).code(), Some(0));
}

#[test]
fn row_45_a_running_controller_takes_a_good_configuration_and_leaves_a_bad_one() {
    let bed = Bed::new();
    let address = free_address();
    let controller = bed.start(&["serve", "--listen", &address, "--log", "json"]);
    until_it_says(&address, "build_resources_config_reloads_total{result=\"taken\"} 0");
    let path = bed.path("config.yaml");
    let good = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, good.replace("max-servers", "max-severs")).unwrap();
    until_it_says(&address, "build_resources_config_reloads_total{result=\"refused\"} 1");
    // The last good one is in force.
    bed.cluster.apply(&leaked(&bed, 0, 1));
    wait::until_true("a leaked namespace to be gone", || bed.namespaces().is_empty());
    std::fs::write(&path, good.replace("{name: space}]", "{name: space}, {name: more}]")).unwrap();
    until_it_says(&address, "build_resources_config_reloads_total{result=\"refused\"} 2"); // no pool offers it
    std::fs::write(&path, good.replace("max-servers: 1000", "max-servers: 7")).unwrap();
    until_it_says(&address, "build_resources_config_reloads_total{result=\"taken\"} 1");
    bed.cluster.apply(&leaked(&bed, 1, 1));
    wait::until_true("another leaked namespace to be gone", || bed.namespaces().is_empty());
    let ended = terminate(controller);
    assert_eq!(ended.code(), Some(0), "{ended:#?}");
    for line in ended.stderr.lines() {
        let said: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|_| panic!("{line}"));
        for key in ["timestamp", "level", "message"] {
            assert!(said[key].is_string(), "{key}: {line}");
        }
    }
    assert!(ended.stderr.contains("max-severs"), "{ended:#?}");
}

/// Namespaces of ours without a record.
fn leaked(bed: &Bed, from: usize, count: usize) -> String {
    let one = |number: usize| {
        format!(
            "{{apiVersion: v1, kind: Namespace, metadata: {{name: {0}-{number}, labels: \
             {{build-resources/system: {0}, build-resources/request: 0123456789ab}}}}}}\n---\n",
            bed.system
        )
    };
    (from..from + count).map(one).collect()
}

#[test]
fn row_46_prometheus_can_read_what_the_controller_counts_and_events_tell_it_in_the_namespace() {
    let bed = Bed::with("duration: 3600", "duration: 20");
    let address = free_address();
    let controller = bed.start(&["serve", "--listen", &address, "--log", "json"]);
    until_it_says(&address, "build_resources_provider_up{provider=\"here\"} 1");
    bed.cluster.apply(&leaked(&bed, 0, 2));
    bed.run(&["request", "--build", "b", "--label", "space"]).expect_success();
    let namespace = bed.namespace("b", 0);
    let ready =
        format!("build_resources_requests{{label=\"space\",pool=\"here/{}\",phase=\"ready\"}} 1", bed.system);
    until_it_says(&address, &ready);
    until_it_says(&address, "build_resources_ready_seconds_count 1");
    wait::until("the Event", || {
        let events = bed.cluster.get_json(&["events", "-n", &namespace]);
        let found = events["items"].as_array().unwrap().iter().any(|one| one["reason"] == "Ready");
        if found { Ok(()) } else { Err(events.to_string()) }
    });
    block(async {
        let clusters = bed.clusters().await;
        let desk = bed.desk(&clusters, Timestamp::now);
        for times in [2, 1] {
            desk.note_cut_off("b", "space", times).await.unwrap();
        }
    });
    until_it_says(&address, "build_resources_cut_off_outputs_total 3");
    until_it_says(&address, "build_resources_leaked_namespaces_total 2");
    let text = until_it_says(&address, "build_resources_deleted_namespaces_total 3");
    promtool_accepts(&text);
    let ended = terminate(controller);
    assert!(ended.stderr.contains("\"message\":\"ready\""), "{ended:#?}");
}

/// How long somebody else waited for each answer, until it is over.
async fn answers(client: Client, over: mpsc::Receiver<Infallible>) -> Vec<Duration> {
    let api: Api<Namespace> = Api::all(client);
    let mut times = Vec::new();
    while over.try_recv() == Err(TryRecvError::Empty) {
        let began = Instant::now();
        api.get("default").await.unwrap();
        times.push(began.elapsed());
        tokio::time::sleep(Duration::from_millis(50)).await; // the pace of the samples
    }
    times
}

#[test]
fn row_24_many_leaked_namespaces_go_a_window_at_a_time() {
    let bed = Bed::new();
    let all = size::LEAKED.count();
    for from in (0..all).step_by(100) {
        bed.cluster.apply(&leaked(&bed, from, 100.min(all - from)));
    }
    let controller = bed.start_talkative(&["serve"]);
    let mut times = std::thread::scope(|scope| {
        let (going_on, over) = mpsc::channel();
        let others = scope.spawn(|| block(async { answers(bed.clusters().await.hub.client, over).await }));
        let most = most_at_a_time(&bed, all);
        drop(going_on);
        assert!((1..=build_resources::cleanup::WINDOW).contains(&most), "{most} went at a time");
        others.join().unwrap()
    });
    times.sort();
    let share = |percent: usize| times[times.len() * percent / 100];
    println!("row 24: while {all} namespaces went, others waited p50 {:?}, p99 {:?}", share(50), share(99));
    assert_eq!(terminate(controller).code(), Some(0));
}

/// How many of them were going away at a time, at most, until all are gone.
fn most_at_a_time(bed: &Bed, all: usize) -> usize {
    let (mut left, mut most) = (all, 0);
    while left > 0 {
        left = wait::until("further ones to be gone", || {
            let label = format!("-lbuild-resources/system={}", bed.system);
            let found = bed.cluster.get_json(&["namespaces", &label]);
            let items = found["items"].as_array().unwrap();
            let going = items.iter().filter(|one| one["metadata"]["deletionTimestamp"].is_string()).count();
            most = most.max(going);
            if items.len() < left { Ok(items.len()) } else { Err(format!("{left}, of which {going} go")) }
        });
    }
    most
}

#[test]
fn row_24_what_keeps_a_namespace_is_said_in_the_words_of_its_conditions() {
    let bed = Bed::new();
    bed.cluster.apply(&leaked(&bed, 0, 1));
    let name = format!("{}-0", bed.system);
    bed.cluster.apply(&format!(
        "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: a, namespace: {name}, finalizers: [example.org/hold]}}}}"
    ));
    let said = wait::until("the conditions", || {
        let cleaned = bed.run(&["gc"]);
        let words = ["NamespaceContentRemaining", "NamespaceFinalizersRemaining", "example.org/hold"];
        let all = words.iter().all(|word| cleaned.stdout.contains(word));
        if all { Ok(cleaned) } else { Err(cleaned.stdout) }
    });
    assert_eq!(said.code(), Some(5), "{said:#?}");
    let free = r#"{"metadata": {"finalizers": null}}"#;
    bed.cluster
        .kubectl(&["patch", "configmap", "a", "-n", &name, "--type=merge", "-p", free])
        .expect_success();
    wait::until_true("the namespace to end", || bed.namespaces().is_empty());
}

/// A group of the API that nobody serves: no namespace of its cluster goes away while it is known.
const UNSERVED: &str = "{apiVersion: apiregistration.k8s.io/v1, kind: APIService, metadata: {name: v1.unserved.example.org}, \
    spec: {group: unserved.example.org, version: v1, groupPriorityMinimum: 100, versionPriority: 100, \
    insecureSkipTLSVerify: true, service: {name: nobody, namespace: default}}}";

#[test]
fn row_24_a_failed_discovery_is_said_and_over_when_it_is() {
    let bed = Bed::undisturbed();
    bed.cluster.apply(UNSERVED);
    bed.cluster.apply(&leaked(&bed, 0, 1));
    let said = wait::until("the condition", || {
        let cleaned = bed.run(&["gc"]);
        let all = ["NamespaceDeletionDiscoveryFailure", "unserved.example.org"];
        if all.iter().all(|word| cleaned.stdout.contains(word)) { Ok(cleaned) } else { Err(cleaned.stdout) }
    });
    assert_eq!(said.code(), Some(5), "{said:#?}");
    bed.cluster.kubectl(&["delete", "apiservice", "v1.unserved.example.org"]).expect_success();
    wait::until_true("the namespace to end", || bed.namespaces().is_empty());
    bed.run(&["gc"]).expect_success();
}

#[test]
fn row_47_a_controller_at_rest_asks_less_than_once_a_second_and_seldom_lists() {
    let bed = Bed::undisturbed();
    for number in 0..size::NODES.now() {
        bed.run(&["request", "--build", &format!("b{number}"), "--label", "space"]).expect_success();
    }
    let controller = bed.start(&["serve"]);
    let own = || -> Vec<Asked> {
        let mut asked = bed.cluster.asked();
        asked.retain(|one| one.agent.starts_with("build-resources/"));
        asked
    };
    // It has settled when all that it does is to say that it is alive: nothing is left of the requests.
    wait::until("the controller to come to rest", || {
        let before = own().len();
        std::thread::sleep(Duration::from_secs(11)); // longer than it waits between two of these
        let mut asked = own();
        let last = asked.split_off(before);
        let alive = |one: &Asked| one.verb == "update" && one.uri.contains("/leases/serve-");
        if !last.is_empty() && last.iter().all(alive) { Ok(()) } else { Err(format!("{last:#?}")) }
    });
    let before = own().len();
    std::thread::sleep(Duration::from_secs(size::REST.now()));
    let asked = own().split_off(before);
    let count = u64::try_from(asked.len()).unwrap();
    println!("row 47: {count} requests in {} s with {} nodes", size::REST.now(), size::NODES.now());
    assert!(count >= 2 && count <= size::REST.now(), "{asked:#?}");
    // Its views tell it all. Every ten minutes it trusts them in nothing: one list of namespaces and two of records, which
    // are 500 to a page.
    let lists = asked.iter().filter(|one| one.verb == "list").count();
    let most = match usize::try_from(size::REST.now() / 600).unwrap() {
        0 => 0,
        passes => (passes + 1) * 5,
    };
    assert!(lists <= most, "{asked:#?}");
    assert_eq!(terminate(controller).code(), Some(0));
}

#[test]
fn row_46_a_controller_that_logs_everything_goes_on_and_ends_when_it_is_told_to() {
    let bed = Bed::new();
    let controller = bed.start_logging(Some("trace"), &["serve"]);
    wait::until("its connections to be told of", || {
        let log = std::fs::read_to_string(bed.path("log")).unwrap();
        if log.matches("TRACE ").count() > 60 { Ok(()) } else { Err(log) }
    });
    assert_eq!(terminate(controller).code(), Some(0));
}
