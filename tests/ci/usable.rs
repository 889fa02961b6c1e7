//! What is handed over can be used, at once and by its owner only.

use std::process::Child;

use proof::process::Finished;
use proof::wait;

use crate::bed::{Bed, arg};
use crate::size;

#[test]
fn row_01_a_pod_label_is_a_pod_that_runs_once_and_ends() {
    let bed = Bed::new();
    bed.run(&["request", "--build", "b", "--label", "machine", "--wait", "created"]).expect_success();
    let pods = bed.cluster.get_json(&["pod", "-n", &bed.namespace("b", 0)]);
    let [pod] = pods["items"].as_array().unwrap().as_slice() else { panic!("one pod: {pods:#}") };
    assert_eq!(pod["spec"]["restartPolicy"], "Never");
    assert!(pod["spec"]["activeDeadlineSeconds"].as_u64().unwrap() > 0);
    assert_eq!(pod["spec"]["containers"][0]["command"][0], "/bin/sh");
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_04_requests_at_once_are_all_usable_when_they_are_handed_over() {
    let bed = Bed::new();
    let number = size::REQUESTS.now();
    let requests: Vec<(Child, std::path::PathBuf)> = (0..number)
        .map(|number| {
            let out = bed.path(&format!("out-{number}"));
            let build = format!("b{number}");
            let args =
                ["request", "--build", &build, "--label", "machine", "--wait", "created", "--out", arg(&out)];
            (bed.start(&args), out)
        })
        .collect();
    let mut failed = Vec::new();
    for (child, out) in requests {
        let asked = Finished::of(child);
        if !asked.status.success() {
            failed.push(asked);
            continue;
        }
        let got = bed.cluster.kubectl_as(&out.join("kubeconfig"), &["get", "pod", "machine"]);
        if !got.status.success() {
            failed.push(got);
        }
    }
    assert!(failed.is_empty(), "{} of {number}: {:#?}", failed.len(), failed.first());
    for number in 0..number {
        bed.run(&["release", &format!("b{number}")]).expect_success();
    }
}

#[test]
fn row_05_a_name_that_is_still_going_away_is_not_used_again() {
    let bed = Bed::new();
    let request = ["request", "--build", "b", "--label", "space"];
    bed.run(&request).expect_success();
    let first = bed.namespace("b", 0);
    let hold = r#"{"metadata": {"finalizers": ["example.org/hold"]}}"#;
    bed.cluster.kubectl(&["patch", "namespace", &first, "--type=merge", "-p", hold]).expect_success();
    bed.run(&["release", "b"]).expect_success();
    bed.run(&request).expect_success();
    let second = bed.namespace("b", 0);
    assert_ne!(first, second);
    assert_eq!(bed.namespaces().len(), 2, "the first is still there");
    let free = r#"{"metadata": {"finalizers": null}}"#;
    bed.cluster.kubectl(&["patch", "namespace", &first, "--type=merge", "-p", free]).expect_success();
    bed.run(&["release", "b", "--wait"]).expect_success();
    assert!(bed.namespaces().is_empty());
}

/// Says of the pod of an attempt what a kubelet would: none is here.
fn tell(bed: &Bed, attempt: u32, status: &str) {
    let namespace = wait::until("the pod", || {
        let name = format!("0-{attempt}");
        let found = bed.namespaces().into_iter().find(|one| one.ends_with(&name)).ok_or("no namespace")?;
        let pod = bed.cluster.kubectl(&["get", "pod", "machine", "-n", &found]);
        if pod.status.success() { Ok(found) } else { Err(pod.stderr) }
    });
    let patch = format!(r#"{{"status": {status}}}"#);
    let patch = ["patch", "pod", "machine", "-n", &namespace, "--subresource=status", "-p", &patch];
    bed.cluster.kubectl(&patch).expect_success();
}

#[test]
fn row_07_an_image_that_never_comes_ends_the_wait_with_its_reason() {
    let bed = Bed::with("launch-retries: 1", "launch-retries: 1\n    launch-timeout: 60");
    let child = bed.start(&["request", "--build", "b", "--label", "machine", "--wait", "ready"]);
    let status = r#"{"phase": "Pending", "containerStatuses": [{"name": "node", "image": "i", "imageID": "",
        "ready": false, "restartCount": 0, "state": {"waiting": {"reason": "ErrImageNeverPull",
        "message": "image localhost/machine:1 is not here"}}}]}"#;
    // Another pod would not have it either, so this is the only attempt.
    tell(&bed, 1, status);
    let ended = Finished::of(child);
    assert_eq!(ended.code(), Some(4), "{ended:#?}");
    assert!(ended.stderr.contains("ErrImageNeverPull: image localhost/machine:1"), "{ended:#?}");
    assert_eq!(bed.json(&["show", "b"])["failures"].as_array().unwrap().len(), 1);
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_08_what_the_cluster_takes_is_made_anew_as_often_as_its_label_says() {
    let bed = Bed::with("memory: 64}", "memory: 64, retries: 2}");
    let child = bed.start(&["request", "--build", "b", "--label", "machine", "--wait", "ready"]);
    for attempt in 1..=3 {
        tell(&bed, attempt, r#"{"phase": "Failed", "reason": "Evicted", "message": "low on disk"}"#);
    }
    let ended = Finished::of(child);
    assert_eq!(ended.code(), Some(4), "{ended:#?}");
    assert!(ended.stderr.contains("Evicted: low on disk"), "{ended:#?}");
    let shown = bed.json(&["show", "b"]);
    let failures = shown["failures"].as_array().unwrap();
    assert_eq!(failures.len(), 3, "{shown:#}");
    assert!(failures.iter().all(|one| one.as_str().unwrap().contains("Evicted")), "{shown:#}");
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_25_the_inventory_names_each_pod_and_its_context() {
    let bed = Bed::new();
    let out = bed.path("out");
    let args = ["--label", "machine=one", "--label", "machine=two", "--label", "space", "--out", arg(&out)];
    bed.run(&[&["request", "--build", "b", "--wait", "created"][..], &args].concat()).expect_success();
    let text = std::fs::read_to_string(out.join("inventory.json")).unwrap();
    let inventory: serde_json::Value = serde_json::from_str(&text).unwrap();
    for name in ["one", "two"] {
        let host = &inventory["all"]["hosts"][name];
        let context = host["ansible_kubectl_context"].as_str().unwrap();
        let pod = host["ansible_kubectl_pod"].as_str().unwrap();
        let found = bed.cluster.kubectl_as(
            &out.join("kubeconfig"),
            &["--context", context, "get", "pod", pod, "-o", "jsonpath={.metadata.namespace}"],
        );
        assert_eq!(found.expect_success().stdout, host["ansible_kubectl_namespace"].as_str().unwrap());
    }
    assert!(inventory["all"]["vars"]["zuul"]["resources"]["space"]["namespace"].is_string());
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_44_any_text_of_a_caller_becomes_labels_that_the_cluster_takes() {
    let bed = Bed::new();
    for (number, text) in
        ["refs/changes/12/34", "ä", "-", "a b", "x".repeat(256).as_str(), "{}"].iter().enumerate()
    {
        let build = format!("{number} {text}");
        let build = &build[..build.len().min(256)];
        let args = ["request", "--build", build, "--buildset", text, "--change", text, "--label", "space"];
        bed.run(&args).expect_success();
        let namespace = bed.cluster.get_json(&["namespace", &bed.namespace(build, 0)]);
        assert_eq!(namespace["metadata"]["annotations"]["build-resources/build"], build);
        bed.run(&["release", build]).expect_success();
    }
}
