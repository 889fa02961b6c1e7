//! Resources end when they are given back, and when nobody says any more that they are wanted.

use jiff::Timestamp;
use proof::wait;

use crate::bed::Bed;

#[test]
fn row_21_a_release_is_over_when_nothing_is_left() {
    let bed = Bed::new();
    bed.run(&["request", "--build", "b", "--label", "machine", "--label", "space", "--wait", "created"])
        .expect_success();
    assert_eq!(bed.namespaces().len(), 2);
    bed.run(&["release", "b", "--wait"]).expect_success();
    assert!(bed.namespaces().is_empty() && bed.records().is_empty() && bed.reserved().is_empty());
    assert_eq!(bed.run(&["show", "b"]).code(), Some(66));
}

#[test]
fn row_21_what_holds_a_namespace_is_named_and_left_alone() {
    let bed = Bed::new();
    bed.run(&["request", "--build", "b", "--label", "space"]).expect_success();
    let namespace = bed.namespace("b", 0);
    let hold = r#"{"metadata": {"finalizers": ["example.org/hold"]}}"#;
    bed.cluster.kubectl(&["patch", "namespace", &namespace, "--type=merge", "-p", hold]).expect_success();
    let blocked = bed.run(&["--timeout", "8", "release", "b", "--wait"]);
    assert_eq!(blocked.code(), Some(5), "{blocked:#?}");
    assert!(
        blocked.stderr.contains("example.org/hold") && blocked.stderr.contains(&namespace),
        "{blocked:#?}"
    );
    assert_eq!(bed.run(&["gc"]).code(), Some(5));
    assert_eq!(bed.namespaces(), [namespace.as_str()], "nothing strips a finalizer");
    let free = r#"{"metadata": {"finalizers": null}}"#;
    bed.cluster.kubectl(&["patch", "namespace", &namespace, "--type=merge", "-p", free]).expect_success();
    wait::until_true("the namespace to end", || bed.namespaces().is_empty());
    assert_eq!(bed.json(&["gc"])["finished"][0], "b");
    assert!(bed.records().is_empty() && bed.reserved().is_empty());
}

#[test]
fn row_22_an_owner_that_is_killed_loses_its_nodes_after_its_lease_and_not_before() {
    let bed = Bed::with("duration: 3600", "duration: 6");
    bed.run(&["request", "--build", "b", "--label", "space"]).expect_success();
    let first = bed.json(&["show", "b"])["lapses"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let mut owner = bed.start(&["keep", "b"]);
    // Alive: beyond its first lease the cleaner still lets it be, with nothing in it.
    wait::until_true("the first lease to be over", || Timestamp::now() > first);
    assert_eq!(bed.json(&["gc"])["kept"], 1);
    owner.kill().unwrap();
    owner.wait().unwrap();
    // Dead: what is left of its lease still counts.
    let last = bed.json(&["show", "b"])["lapses"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(last > first);
    wait::until("the cleaner to take it", || {
        let cleaned = bed.json(&["gc"]);
        let taken = ["condemned", "deleted"].iter().any(|what| !cleaned[what].as_array().unwrap().is_empty());
        assert!(!taken || Timestamp::now() > last, "not before its lease is over: {cleaned:#}");
        if bed.namespaces().is_empty() && bed.records().is_empty() {
            Ok(())
        } else {
            Err(cleaned.to_string())
        }
    });
    assert!(bed.reserved().is_empty());
    assert_eq!(bed.run(&["renew", "b"]).code(), Some(66));
}

#[test]
fn a_build_asks_for_one_thing_only() {
    let bed = Bed::new();
    bed.run(&["request", "--build", "b", "--label", "space"]).expect_success();
    let first = bed.namespace("b", 0);
    bed.run(&["request", "--build", "b", "--label", "space"]).expect_success();
    assert_eq!(bed.namespaces(), [first], "the same request finds what is there");
    let other = bed.run(&["request", "--build", "b", "--label", "machine"]);
    assert_eq!(other.code(), Some(64), "{other:#?}");
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn a_cluster_that_refuses_names_what_is_missing() {
    let bed = Bed::new();
    let view = ["config", "view", "--minify", "--raw", "-o", "json"];
    let mut kubeconfig = bed.cluster.kubectl(&view).expect_success().json();
    let token = bed.cluster.kubectl(&["create", "token", "default", "-n", "default"]).expect_success().stdout;
    kubeconfig["users"][0]["user"] = serde_json::json!({"token": token.trim()});
    std::fs::write(bed.path("weak.yaml"), kubeconfig.to_string()).unwrap();
    let request = ["request", "--build", "b", "--label", "space"];
    let refused = crate::bed::finished(bed.start_as(&bed.path("weak.yaml"), &request));
    assert_eq!(refused.code(), Some(77), "{refused:#?}");
    for word in ["cannot get resource \"leases\"", "config rbac"] {
        assert!(refused.stderr.contains(word), "{word}: {refused:#?}");
    }
    assert!(bed.namespaces().is_empty() && bed.records().is_empty());
}
