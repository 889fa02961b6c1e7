//! Nodes that are ready before anybody asks: one request gets each, they give way, and another configuration empties the stock.

use std::collections::BTreeSet;
use std::time::Duration;

use build_resources::serve;
use jiff::{SignedDuration, Timestamp};
use proof::process::Finished;
use proof::wait;
use serde_json::json;

use crate::bed::{Bed, arg, block};
use crate::crash::ask_with_every_fault;

fn stocked(ready: u32) -> Bed {
    Bed::with("{name: space}]", &format!("{{name: space, min-ready: {ready}, max-ready-age: 600}}]"))
}

/// What stands in the usual configuration from the labels to the size of the pool.
const FROM: &str = "{name: space}]\nproviders:\n  - name: here\n    driver: kubernetes\n    launch-retries: 1\n    \
                    pools:\n      - name: SYSTEM\n        max-servers: 1000\n";

/// The same with a stock, in a small pool.
fn text_of(ready: u32, servers: u32) -> String {
    let stocked = FROM.replace("{name: space}", &format!("{{name: space, min-ready: {ready}}}"));
    stocked.replace("1000", &servers.to_string())
}

/// The names of the warm namespaces, after `serve` has looked after them.
fn filled(bed: &Bed) -> BTreeSet<String> {
    bed.run(&["serve", "--once"]).expect_success();
    warm(bed)
}

fn warm(bed: &Bed) -> BTreeSet<String> {
    let listed = bed.json(&["list"]);
    let warm = listed["builds"].as_array().unwrap().iter();
    let warm = warm.filter(|one| one["build"] == "warm space" && one["phase"] == "ready");
    warm.map(|one| one["nodes"][0]["namespace"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn row_41_a_request_gets_a_warm_node_as_its_own_and_the_stock_is_filled_again() {
    let bed = stocked(2);
    let warm = filled(&bed);
    assert_eq!((warm.len(), bed.namespaces().len(), bed.reserved().len()), (2, 2, 2));
    for namespace in &warm {
        let secrets = bed.cluster.get_json(&["secret", "-n", namespace]);
        assert!(secrets["items"].as_array().unwrap().is_empty(), "no token lies there");
    }
    let out = bed.path("out");
    bed.run(&["request", "--build", "b", "--label", "space=mine", "--out", arg(&out)]).expect_success();
    let own = bed.namespace("b", 0);
    assert!(warm.contains(&own), "{own} of {warm:?}");
    let space = bed.cluster.get_json(&["namespace", &own]);
    assert_eq!(space["metadata"]["annotations"]["build-resources/build"], "b");
    assert_eq!(space["metadata"]["labels"]["build-resources/node"], "mine");
    bed.cluster.kubectl_as(&out.join("kubeconfig"), &["create", "configmap", "a"]).expect_success();
    assert_eq!((bed.namespaces().len(), bed.records().len(), bed.reserved().len()), (2, 2, 2));
    let again = filled(&bed);
    assert!(again.len() == 2 && !again.contains(&own) && bed.namespaces().len() == 3, "{again:?}");
    bed.run(&["release", "b", "--wait"]).expect_success();
    assert_eq!(filled(&bed), again, "nothing changes at rest");
}

#[test]
fn row_41_a_warm_node_that_cannot_be_had_costs_no_launch() {
    let bed = stocked(1);
    let path = bed.path("config.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("quota: {pods: 3}", "quota: {pods: 3}, retries: 0")).unwrap();
    let warm = filled(&bed).pop_first().unwrap();
    // Whom a binding binds to what cannot be changed, so what is there cannot be made the request's.
    let mut binding = bed.cluster.get_json(&["rolebinding", "-n", &warm])["items"][0].clone();
    let name = binding["metadata"]["name"].as_str().unwrap().to_owned();
    binding["roleRef"]["name"] = "another".into();
    binding["metadata"] = json!({"name": name, "namespace": warm});
    bed.cluster.kubectl(&["delete", "rolebinding", "-n", &warm, &name]).expect_success();
    bed.cluster.apply(&binding.to_string());
    bed.run(&["request", "--build", "b", "--label", "space"]).expect_success();
    assert_ne!(bed.namespace("b", 0), warm);
    let failures = &bed.json(&["show", "b"])["failures"];
    assert!(failures.to_string().contains("roleRef"), "it was tried: {failures:#}");
    bed.run(&["release", "b", "--wait"]).expect_success();
}

#[test]
fn row_41_three_warm_nodes_for_five_at_once_go_to_one_each() {
    let bed = stocked(3);
    let warm = filled(&bed);
    let builds = ["a", "b", "c", "d", "e"];
    let children = builds.map(|build| bed.start(&["request", "--build", build, "--label", "space"]));
    for child in children {
        Finished::of(child).expect_success();
    }
    let own: BTreeSet<String> = builds.map(|build| bed.namespace(build, 0)).into();
    assert_eq!(own.len(), builds.len(), "nobody shares");
    assert!(own.intersection(&warm).count() >= 1, "{own:?} {warm:?}");
    filled(&bed);
    assert_eq!((bed.namespaces().len(), bed.records().len(), bed.reserved().len()), (8, 8, 8));
}

#[test]
fn row_41_another_meaning_of_the_label_empties_the_stock() {
    let bed = stocked(2);
    let before = filled(&bed);
    let path = bed.path("config.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("quota: {pods: 3}", "quota: {pods: 4}")).unwrap();
    // Whoever asks now gets none of the old ones.
    bed.run(&["request", "--build", "b", "--label", "space"]).expect_success();
    assert!(!before.contains(&bed.namespace("b", 0)));
    bed.run(&["release", "b", "--wait"]).expect_success();
    let after = filled(&bed);
    assert!(after.len() == 2 && after.is_disjoint(&before), "{before:?} {after:?}");
    assert_eq!(bed.namespaces().len(), 2, "the old ones are gone");
    std::fs::write(&path, text.replace("min-ready: 2", "min-ready: 0")).unwrap();
    assert!(filled(&bed).is_empty() && bed.namespaces().is_empty() && bed.reserved().is_empty());
}

#[test]
fn row_41_warm_nodes_count_in_the_pool_and_give_way_to_a_request() {
    let bed = Bed::with(FROM, &text_of(2, 2));
    assert_eq!(filled(&bed).len(), 2);
    // Another label, so the stock is of no use to it; no `serve` runs.
    bed.run(&["request", "--build", "b", "--label", "machine", "--wait", "created"]).expect_success();
    assert_eq!((warm(&bed).len(), bed.reserved().len()), (1, 2), "one went, as few as would do");
    assert_eq!(filled(&bed).len(), 1, "there is no room for another");
    assert_eq!((bed.namespaces().len(), bed.records().len(), bed.reserved().len()), (2, 2, 2));
    bed.run(&["release", "b", "--wait"]).expect_success();
    assert_eq!(filled(&bed).len(), 2);
}

#[test]
fn row_41_a_full_pool_never_has_more_nodes_than_it_may() {
    let bed = Bed::with(FROM, &text_of(3, 4));
    assert_eq!(filled(&bed).len(), 3);
    let builds = ["a", "b", "c", "d", "e", "f"];
    let wanted = |build| ["request", "--build", build, "--label", "space", "--wait", "created"];
    let mut children = builds.map(|build| Some(bed.start(&wanted(build))));
    let mut made = 0;
    wait::until_true("each to have had its turn", || {
        assert!(bed.namespaces().len() <= 4, "{:?}", bed.namespaces());
        for (build, slot) in builds.iter().zip(&mut children) {
            if let Some(mut child) = slot.take() {
                if child.try_wait().unwrap().is_none() {
                    *slot = Some(child);
                    continue;
                }
                Finished::of(child).expect_success();
                bed.run(&["release", build, "--wait"]).expect_success();
                made += 1;
            }
        }
        made == builds.len()
    });
    assert_eq!(bed.namespaces().len(), bed.reserved().len());
}

#[test]
fn row_41_a_controller_that_is_killed_over_its_stock_leaves_nothing_behind() {
    let bed = stocked(4);
    for millis in [150_u64, 250, 350, 500] {
        let mut child = bed.start(&["serve", "--once"]);
        std::thread::sleep(Duration::from_millis(millis)); // each is killed at another place
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let kept = || {
        let warm = filled(&bed);
        let counts = (warm.len(), bed.namespaces().len(), bed.records().len(), bed.reserved().len());
        if counts == (4, 4, 4, 4) { Ok(()) } else { Err(format!("{counts:?}")) }
    };
    wait::until("a whole stock and nothing beside", kept);
}

#[test]
fn row_41_a_controller_that_runs_on_fills_the_stock_after_each_request() {
    let bed = stocked(2);
    let mut controller = bed.start(&["serve"]);
    wait::until_true("a stock", || warm(&bed).len() == 2);
    let before = warm(&bed);
    bed.run(&["request", "--build", "b", "--label", "space"]).expect_success();
    assert!(before.contains(&bed.namespace("b", 0)));
    wait::until_true("a new one in its place", || warm(&bed).len() == 2);
    assert_eq!(bed.namespaces().len(), 3);
    let path = bed.path("config.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("min-ready: 2", "min-ready: 0")).unwrap();
    wait::until_true("an empty stock", || bed.namespaces().len() == 1 && bed.records().len() == 1);
    controller.kill().unwrap();
    controller.wait().unwrap();
}

/// The namespaces that no reservation counts: each is of the request on its label.
fn uncounted(bed: &Bed) -> Vec<String> {
    let label = format!("-lbuild-resources/system={}", bed.system);
    let found = bed.cluster.get_json(&["namespaces", &label]);
    let reserved = bed.reserved(); // later, so that what is made meanwhile is no concern of ours
    let of = |one: &serde_json::Value| {
        one["metadata"]["labels"]["build-resources/request"].as_str().map(str::to_owned)
    };
    let found = found["items"].as_array().unwrap().iter().map(|one| of(one).unwrap());
    found.filter(|id| !reserved.contains_key(id)).collect()
}

#[test]
fn row_41_a_request_that_dies_while_it_takes_a_warm_node_leaves_no_node_uncounted() {
    let bed = stocked(50); // more than there are writes, so that each fault hits a taking
    block(async {
        let clusters = bed.clusters().await;
        let sound = bed.desk(&clusters, after);
        assert_eq!(serve::once(&sound).await.unwrap().stocked, 50);
        let builds = ask_with_every_fault(&bed, &clusters, &["space"]).await;
        assert!(builds.len() < 50, "{builds:?}");
        assert_eq!(uncounted(&bed), [""; 0]);
        for _ in 0..120 {
            let report = sound.clean(false).await.unwrap();
            assert_eq!(uncounted(&bed), [""; 0], "{report:?}");
            if report.is_quiet() {
                break;
            }
        }
        let outcome = serve::once(&sound).await.unwrap();
        assert!(outcome.not_stocked.is_empty(), "{outcome:?}");
        let listing = sound.store.list().await.unwrap();
        let records = listing.records.len();
        assert_eq!((bed.namespaces().len(), bed.reserved().len()), (records, records), "{outcome:?}");
        let warm: Vec<_> = listing.records.iter().filter_map(|one| one.body.stock.as_ref()).collect();
        assert!(warm.len() == 50 && warm.iter().all(|stock| stock.taken.is_none()), "{warm:?}");
    });
}

/// When whoever took a warm node and said nothing more is known to be dead.
fn after() -> Timestamp {
    Timestamp::now() + SignedDuration::from_secs(90)
}
