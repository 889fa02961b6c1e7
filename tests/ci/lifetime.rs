//! Resources end when they are given back, and when nobody says any more that they are wanted.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use proof::process::Finished;
use proof::wait;

use crate::bed::{Bed, arg, block};

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
    let refused = Finished::of(bed.start_as(&bed.path("weak.yaml"), &request));
    assert_eq!(refused.code(), Some(77), "{refused:#?}");
    for word in ["cannot get resource \"leases\"", "config rbac"] {
        assert!(refused.stderr.contains(word), "{word}: {refused:#?}");
    }
    assert!(bed.namespaces().is_empty() && bed.records().is_empty());
}

#[test]
fn row_08_a_pod_that_is_evicted_ends_its_keeper_with_the_reason() {
    let bed = Bed::new();
    let labels = ["--label", "machine=one", "--label", "machine=two", "--wait", "created"];
    bed.run(&[&["request", "--build", "b"][..], &labels].concat()).expect_success();
    let mut keeper = bed.start(&["keep", "b"]);
    let record = bed.records().remove(0);
    let kept = || bed.cluster.get_json(&["lease", "-n", "build-resources", &record]);
    wait::until_true("the keeper to be at it", || kept().to_string().contains("kept"));
    // No kubelet is here: what one would say is written by hand.
    let status =
        r#"{"status": {"phase": "Failed", "reason": "Evicted", "message": "the node is low on disk"}}"#;
    let namespace = bed.namespace("b", 1);
    let patch = ["patch", "pod", "machine", "-n", &namespace, "--subresource=status", "-p", status];
    bed.cluster.kubectl(&patch).expect_success();
    let status = wait::until("the keeper to end", || keeper.try_wait().unwrap().ok_or_else(String::new));
    assert_eq!(status.code(), Some(75));
    let shown = bed.run(&["show", "b"]).expect_success().stdout;
    assert!(shown.contains("node `two` is lost: Evicted: the node is low on disk"), "{shown}");
    bed.run(&["release", "b", "--wait"]).expect_success();
}

#[test]
fn row_22_what_stays_empty_goes_unless_a_process_keeps_it() {
    let bed = Bed::with("confirm: 1", "confirm: 1, idle-ttl: 2");
    for build in ["left", "kept"] {
        bed.run(&["request", "--build", build, "--label", "space"]).expect_success();
    }
    let mut owner = bed.start(&["keep", "kept"]);
    let began = Timestamp::now();
    wait::until("the empty one to be gone", || {
        let cleaned = bed.json(&["gc"]);
        assert!(!cleaned["idle"].to_string().contains("kept"), "{cleaned:#}");
        if bed.run(&["show", "left"]).code() == Some(66) { Ok(()) } else { Err(cleaned.to_string()) }
    });
    wait::until("ten times as long", || {
        bed.run(&["gc"]).expect_success();
        let passed = Timestamp::now().duration_since(began).as_secs();
        if passed > 20 { Ok(()) } else { Err(format!("{passed} s")) }
    });
    assert_eq!(bed.json(&["show", "kept"])["phase"], "ready", "its owner is alive");
    owner.kill().unwrap();
    owner.wait().unwrap();
}

#[test]
fn row_42_a_held_build_survives_its_job_and_only_people_come_in() {
    let bed = Bed::with("duration: 3600", "duration: 6");
    let (job, people) = (bed.path("job"), bed.path("people"));
    let labels = ["--label", "machine=own", "--label", "space", "--wait", "created", "--out", arg(&job)];
    bed.run(&[&["request", "--build", "b"][..], &labels].concat()).expect_success();
    let lapses = bed.json(&["show", "b"])["lapses"].as_str().unwrap().parse::<Timestamp>().unwrap();
    let hold = ["hold", "b", "--for", "20s", "--by", "ada", "--reason", "a race", "--out", arg(&people)];
    let held = bed.json(&hold);
    assert_eq!((&held["held"]["by"], &held["held"]["reason"]), (&"ada".into(), &"a race".into()));
    for context in ["own", "space"] {
        let get = ["--context", context, "get", "pods"];
        wait::until("the job's token to be refused", || {
            let asked = bed.cluster.kubectl_as(&job.join("kubeconfig"), &get);
            let refused = asked.stderr.contains("Unauthorized") || asked.stderr.contains("must be logged in");
            if refused { Ok(()) } else { Err(format!("{asked:?}")) }
        });
        bed.cluster.kubectl_as(&people.join("kubeconfig"), &get).expect_success();
    }
    // The job's own end, and its lease, do not end it.
    assert!(bed.run(&["release", "b"]).expect_success().stdout.contains("held"));
    assert_eq!(bed.run(&["inventory", "b", "--out", arg(&bed.path("again"))]).code(), Some(5));
    wait::until_true("the lease to be over", || Timestamp::now() > lapses);
    assert_eq!(bed.json(&["gc"])["kept"], 2);
    for shown in [bed.run(&["show", "b"]), bed.run(&["list"])] {
        assert!(shown.stdout.contains("ada") && shown.stdout.contains("a race"), "{shown:#?}");
    }
    wait::until("the hold to be over", || {
        let cleaned = bed.json(&["gc"]);
        if bed.namespaces().is_empty() && bed.records().is_empty() {
            Ok(())
        } else {
            Err(cleaned.to_string())
        }
    });
}

#[test]
fn row_42_a_hold_is_bounded_and_can_be_ended() {
    let bed = Bed::with("labels: [", "max-hold-age: 100\nlabels: [");
    bed.run(&["request", "--build", "b", "--label", "space"]).expect_success();
    let held = bed.json(&["hold", "b", "--for", "4h", "--by", "ada", "--reason", "long"]);
    let until = held["held"]["until"].as_str().unwrap().parse::<Timestamp>().unwrap();
    assert!(until.duration_since(Timestamp::now()).as_secs() <= 100, "{held:#}");
    bed.run(&["release", "b", "--held", "--wait"]).expect_success();
    assert!(bed.namespaces().is_empty() && bed.records().is_empty());
}

#[test]
fn row_42_four_hours_of_a_hold_are_over_after_four_hours() {
    let bed = Bed::new();
    bed.run(&["request", "--build", "b", "--label", "space"]).expect_success();
    bed.run(&["hold", "b", "--for", "4h", "--by", "ada", "--reason", "long"]).expect_success();
    block(async {
        let clusters = bed.clusters().await;
        let before = bed.desk(&clusters, || Timestamp::now() + SignedDuration::from_mins(239));
        for _ in 0..3 {
            before.clean(false).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await; // as long as what is to go must be seen
        }
        assert_eq!((bed.namespaces().len(), bed.records().len()), (1, 1));
        let after = bed.desk(&clusters, || Timestamp::now() + SignedDuration::from_mins(241));
        for _ in 0..60 {
            let report = after.clean(false).await.unwrap();
            if report.is_quiet() {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        assert!(bed.namespaces().is_empty() && bed.records().is_empty());
    });
}
