//! What builds share: resources that outlive their build, values and secrets, and an end in the right order.

use std::fs;
use std::path::Path;

use jiff::{SignedDuration, Timestamp};
use proof::wait;

use crate::bed::{Bed, arg, block};

fn in_an_hour() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(1)
}

fn in_a_day() -> Timestamp {
    Timestamp::now() + SignedDuration::from_hours(24)
}

/// A parent whose nodes are kept.
fn parent(bed: &Bed) {
    let text = ["request", "--build", "parent", "--buildset", "s", "--keep", "buildset", "--wait", "created"];
    bed.run(&[&text[..], &["--label", "machine=shared", "--label", "space"]].concat()).expect_success();
}

fn child(bed: &Bed, build: &str, more: &[&str]) -> std::path::PathBuf {
    let out = bed.path(build);
    let text = ["request", "--build", build, "--buildset", "s", "--label", "space=own", "--out", arg(&out)];
    bed.run(&[&text[..], more].concat()).expect_success();
    out
}

fn inventory(out: &Path) -> serde_json::Value {
    serde_json::from_slice(&fs::read(out.join("inventory.json")).unwrap()).unwrap()
}

fn holding(out: &Path, text: &str) -> Vec<String> {
    let entries = fs::read_dir(out).unwrap().map(Result::unwrap);
    let found = entries.filter(|entry| fs::read_to_string(entry.path()).unwrap().contains(text));
    found.map(|entry| entry.file_name().into_string().unwrap()).collect()
}

#[test]
fn row_29_what_is_kept_lives_without_any_process_until_its_buildset_ends() {
    let bed = Bed::with("duration: 3600", "duration: 6");
    parent(&bed);
    let kept = bed.run(&["release", "parent", "--wait"]).expect_success();
    assert!(kept.stdout.contains("kept until its buildset ends"), "{kept:#?}");
    let mine = [bed.namespace("parent", 0), bed.namespace("parent", 1)];
    block(async {
        let clusters = bed.clusters().await;
        // No process of ours is alive, and every lease of six seconds is long over.
        let later = bed.desk(&clusters, in_an_hour);
        for _ in 0..2 {
            let cleaned = later.clean(false).await.unwrap();
            assert_eq!(
                (cleaned.kept, cleaned.condemned.len(), cleaned.ended.len()),
                (2, 0, 0),
                "{cleaned:?}"
            );
        }
    });
    let out = child(&bed, "child", &["--inherits", "parent"]);
    let resources = &inventory(&out)["all"]["vars"]["zuul"]["resources"];
    assert_eq!(resources["parent/shared"]["namespace"], mine[0]);
    assert_eq!(resources["parent/space"]["namespace"], mine[1]);
    let theirs = bed.namespace("child", 0);

    // The child is held: as long as it is there, its parent is not touched.
    let hold = |on: &str| {
        let patch = format!(r#"{{"metadata": {{"finalizers": {on}}}}}"#);
        bed.cluster.kubectl(&["patch", "namespace", &theirs, "--type=merge", "-p", &patch]).expect_success();
    };
    hold(r#"["example.org/hold"]"#);
    assert_eq!(bed.json(&["buildset", "end", "s"])["going"][0], "child");
    let late = bed.run(&["request", "--build", "late", "--buildset", "s", "--label", "space"]);
    assert_eq!(late.code(), Some(64), "nobody joins what has ended: {late:#?}");
    for _ in 0..3 {
        bed.run(&["gc"]);
    }
    for namespace in &mine {
        let found = bed.cluster.get_json(&["namespace", namespace]);
        assert!(found["metadata"]["deletionTimestamp"].is_null(), "{found:#}");
    }
    hold("null");
    bed.run(&["buildset", "end", "s", "--wait"]).expect_success();
    assert!(bed.namespaces().is_empty() && bed.records().is_empty() && bed.reserved().is_empty());
    assert_eq!(bed.run(&["buildset", "show", "s"]).code(), Some(66));
}

#[test]
fn row_29_what_is_kept_goes_when_its_buildset_is_too_old_and_the_cleaner_finishes_an_end() {
    let bed = Bed::new();
    parent(&bed);
    child(&bed, "child", &["--inherits", "parent"]);
    block(async {
        let clusters = bed.clusters().await;
        let old = bed.desk(&clusters, in_a_day);
        assert_eq!(old.clean(false).await.unwrap().condemned.len(), 3);
        assert!(old.find("parent").await.unwrap().lapsed(in_a_day()));
    });
    // Told to end, and then left alone: passes of the cleaner do the rest, and the buildset's own record goes last.
    bed.run(&["buildset", "end", "s"]).expect_success();
    wait::until("the cleaner to end it", || {
        let cleaned = bed.json(&["gc"]);
        if bed.run(&["buildset", "show", "s"]).code() == Some(66) { Ok(()) } else { Err(cleaned.to_string()) }
    });
    assert!(bed.namespaces().is_empty() && bed.records().is_empty());
}

#[test]
fn row_30_only_who_names_a_parent_comes_to_its_resources() {
    let bed = Bed::new();
    parent(&bed);
    let stranger =
        bed.run(&["request", "--build", "x", "--buildset", "s", "--inherits", "y", "--label", "space"]);
    assert_eq!(stranger.code(), Some(6), "{stranger:#?}");
    let heir = child(&bed, "heir", &["--inherits", "parent"]);
    let sibling = child(&bed, "sibling", &[]);
    let (machine, space) = (bed.namespace("parent", 0), bed.namespace("parent", 1));
    for namespace in [&machine, &space] {
        assert!(holding(&sibling, namespace).is_empty());
        assert!(!holding(&heir, namespace).is_empty());
    }
    let as_heir = |context: &str, args: &[&str]| {
        let args = [&["--context", context], args].concat();
        bed.cluster.kubectl_as(&heir.join("kubeconfig"), &args)
    };
    as_heir("parent/shared", &["get", "pod", "machine"]).expect_success();
    as_heir("parent/space", &["create", "configmap", "hello"]).expect_success();
    assert_eq!(as_heir("own", &["config", "current-context"]).stdout.trim(), "own");
    for namespace in [&machine, &space] {
        for kubeconfig in [&sibling, &heir] {
            let args = ["--context", "own", "-n", namespace.as_str(), "get", "pods"];
            let refused = bed.cluster.kubectl_as(&kubeconfig.join("kubeconfig"), &args);
            assert!(refused.stderr.contains("Forbidden"), "{refused:#?}");
        }
    }
    bed.run(&["buildset", "end", "s"]).expect_success();
}

#[test]
fn row_19_a_child_gets_the_values_and_the_secrets_of_the_builds_that_it_names() {
    let bed = Bed::new();
    parent(&bed);
    fs::write(bed.path("password"), "hush-hush").unwrap();
    let secret = format!("registry_password=@{}", arg(&bed.path("password")));
    bed.run(&["return", "parent", "registry=10.0.0.1:5000", "--secret", &secret]).expect_success();
    let heir = child(&bed, "heir", &["--inherits", "parent"]);
    assert_eq!(inventory(&heir)["all"]["vars"]["registry"], "10.0.0.1:5000");
    assert_eq!(holding(&heir, "hush-hush"), ["secrets.json"]);
    let secrets: serde_json::Value =
        serde_json::from_slice(&fs::read(heir.join("secrets.json")).unwrap()).unwrap();
    assert_eq!(secrets["parent"]["registry_password"], "hush-hush");
    let sibling = child(&bed, "sibling", &[]);
    for text in ["hush-hush", "10.0.0.1:5000"] {
        assert!(holding(&sibling, text).is_empty());
    }
    let shown = bed.run(&["buildset", "show", "s"]).expect_success().stdout;
    assert!(shown.contains("registry = 10.0.0.1:5000") && shown.contains("registry_password (secret)"));
    let leases = bed.cluster.kubectl(&["get", "lease", "-n", "build-resources", "-o", "yaml"]).stdout;
    assert!(!shown.contains("hush") && !leases.contains("hush"));

    // Said when it is written: what is too large, and what a child's Ansible would evaluate.
    fs::write(bed.path("large"), "x".repeat(999_999)).unwrap();
    let large = format!("large=@{}", arg(&bed.path("large")));
    for (value, word) in [
        (vec!["--secret", &large], "of at most 1000000"),
        (vec!["--secret", "a=b"], "KEY=@FILE"),
        (vec!["a={{ 1 }}"], "Ansible would evaluate"),
        (vec!["zuul=1"], "reserved"),
    ] {
        let refused = bed.run(&[&["return", "parent"], &value[..]].concat());
        assert!(refused.code() == Some(64) && refused.stderr.contains(word), "{refused:#?}");
    }
    for number in 0..3 {
        let value = format!("v{number}={}", "x".repeat(100_000));
        let done = bed.run(&["return", "parent", &value]);
        assert_eq!(done.status.success(), number < 2, "a record holds 240,000 bytes: {}", done.stderr);
    }
    let secret = bed.cluster.get_json(&[
        "secret",
        "-n",
        "build-resources",
        "-l",
        &format!("build-resources/system={}", bed.system),
    ]);
    assert_eq!(secret["items"][0]["metadata"]["ownerReferences"][0]["kind"], "Lease");
    bed.run(&["buildset", "end", "s", "--wait"]).expect_success();
    wait::until_true("the secret to go with its buildset", || {
        let label = format!("-lbuild-resources/system={}", bed.system);
        bed.cluster.get_json(&["secret", "-n", "build-resources", &label])["items"]
            .as_array()
            .unwrap()
            .is_empty()
    });
}
