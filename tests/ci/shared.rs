//! All in one namespace, by an account that may do nothing outside it.

use std::path::Path;

use build_resources::drive::Until;
use build_resources::state::Phase;
use proof::process::Finished;
use proof::wait;

use crate::bed::{Bed, arg, asking, block};
use crate::crash::{ask_with_every_fault, in_a_minute};

/// Everything that could be left of a node.
const KINDS: &str = "pods,serviceaccounts,roles,rolebindings,networkpolicies,secrets";

/// The names of what carries the system's label.
fn ours(bed: &Bed) -> Vec<String> {
    let label = format!("-lbuild-resources/system={}", bed.system);
    let found = bed.cluster.get_json(&[KINDS, "-n", &bed.hub, &label]);
    let all = found["items"].as_array().unwrap().iter();
    all.map(|one| format!("{}/{}", one["kind"].as_str().unwrap(), one["metadata"]["name"].as_str().unwrap()))
        .collect()
}

fn can(bed: &Bed, kubeconfig: &Path, question: &[&str]) -> String {
    let asked = bed.cluster.kubectl_as(kubeconfig, &[&["auth", "can-i"], question].concat());
    asked.stdout.trim().to_owned()
}

#[test]
fn row_37_an_account_of_one_namespace_serves_pods_whose_tokens_open_nothing_else() {
    let bed = Bed::shared();
    let tool = bed.least();
    for question in [
        &["get", "namespaces"][..],
        &["create", "namespaces"],
        &["list", "pods", "-n", "default"],
        &["create", "rolebindings", "-n", "default"],
        &["create", "pods/a", "--subresource=exec", "-n", "default"],
    ] {
        assert_eq!(can(&bed, &tool, question), "no", "{question:?}");
    }
    let (out, other) = (bed.path("out"), bed.path("other"));
    for (build, out) in [("b", &out), ("c", &other)] {
        let args =
            ["request", "--build", build, "--label", "machine=one", "--wait", "created", "--out", arg(out)];
        bed.run_as(&tool, &args).expect_success();
    }
    // Row 1: a machine that runs once and ends.
    let pod_of = |build: &str| {
        let shown = bed.run_as(&tool, &["--output", "json", "show", build]).expect_success().json();
        assert_eq!(shown["nodes"][0]["namespace"], bed.hub.as_str());
        shown["nodes"][0]["pod"].as_str().unwrap().to_owned()
    };
    let (own, others) = (pod_of("b"), pod_of("c"));
    let pod = bed.cluster.get_json(&["pod", &own, "-n", &bed.hub]);
    assert_eq!(pod["spec"]["restartPolicy"], "Never");
    assert!(pod["spec"]["activeDeadlineSeconds"].as_u64().unwrap() > 0);
    // Row 26: the token opens its own pod, and sees nothing of others.
    let job = out.join("kubeconfig");
    let (own, others) = (format!("pods/{own}"), format!("pods/{others}"));
    for (question, answer) in [
        (&["create", &own, "--subresource=exec"][..], "yes"),
        (&["get", &own], "yes"),
        (&["create", &others, "--subresource=exec"], "no"),
        (&["get", &others, "--subresource=log"], "no"),
        (&["get", &others], "no"),
        (&["list", "pods"], "no"),
        (&["get", "secrets"], "no"),
        (&["create", "pods"], "no"),
    ] {
        assert_eq!(can(&bed, &job, question), answer, "{question:?}");
    }
    assert!(ours(&bed).iter().all(|one| !one.starts_with("Secret")), "{:?}", ours(&bed));
    // Row 21: the end of one is the end of all that was made for it, and of nothing else.
    bed.run_as(&tool, &["release", "b", "--wait"]).expect_success();
    let left = ours(&bed);
    assert_eq!(left.len(), 5, "those of the other build: {left:?}");
    assert!(left.iter().all(|one| one.ends_with(others.trim_start_matches("pods/"))), "{left:?}");
    wait::until("the token to be refused", || {
        let asked = bed.cluster.kubectl_as(&job, &["get", "pods"]);
        let refused = asked.stderr.contains("Unauthorized") || asked.stderr.contains("must be logged in");
        if refused { Ok(()) } else { Err(format!("{asked:?}")) }
    });
    bed.run_as(&tool, &["release", "c", "--wait"]).expect_success();
    assert!(ours(&bed).is_empty() && bed.records().is_empty() && bed.reserved().is_empty());
}

#[test]
fn row_37_what_holds_a_pod_is_named_and_left_alone() {
    let bed = Bed::shared();
    let tool = bed.least();
    bed.run_as(&tool, &["request", "--build", "b", "--label", "machine", "--wait", "created"])
        .expect_success();
    let shown = bed.json(&["show", "b"]);
    let pod = shown["nodes"][0]["pod"].as_str().unwrap();
    let patch = |text: &str| {
        let args = ["patch", "pod", pod, "-n", &bed.hub, "--type=merge", "-p", text];
        bed.cluster.kubectl(&args).expect_success();
    };
    patch(r#"{"metadata": {"finalizers": ["example.org/hold"]}}"#);
    let blocked = bed.run_as(&tool, &["--timeout", "8", "release", "b", "--wait"]);
    assert_eq!(blocked.code(), Some(5), "{blocked:#?}");
    assert!(blocked.stderr.contains("example.org/hold") && blocked.stderr.contains(pod), "{blocked:#?}");
    assert_eq!(bed.run_as(&tool, &["gc"]).code(), Some(5));
    patch(r#"{"metadata": {"finalizers": null}}"#);
    wait::until("the cleaner to finish the release", || {
        bed.run_as(&tool, &["gc"]);
        if bed.records().is_empty() { Ok(()) } else { Err(format!("{:?}", ours(&bed))) }
    });
    assert!(ours(&bed).is_empty() && bed.reserved().is_empty());
}

#[test]
fn row_37_the_cleaner_takes_what_lost_its_record_and_nothing_of_others() {
    let bed = Bed::shared();
    let tool = bed.least();
    let system = &bed.system;
    let mut text = String::new();
    for number in 0..50 {
        let labels = match number % 4 {
            0 => String::new(),
            1 => format!("build-resources/system: {system}-2, build-resources/request: 0123456789ab"),
            2 => "build-resources/request: 0123456789ab, build-resources/until: '1'".to_owned(),
            _ => format!("app.kubernetes.io/managed-by: build-resources, build-resources/pool: {system}"),
        };
        let name = format!("{system}-0123456789a{}-{number}-1", number % 10);
        text += &format!(
            "{{apiVersion: v1, kind: ServiceAccount, metadata: {{name: {name}, namespace: {}, labels: {{{labels}}}}}}}\n---\n",
            bed.hub
        );
    }
    bed.cluster.apply(&text);
    bed.run_as(&tool, &["request", "--build", "b", "--label", "machine", "--wait", "created"])
        .expect_success();
    let record = bed.records().remove(0);
    bed.cluster.kubectl(&["delete", "lease", "-n", &bed.hub, &record]).expect_success();
    let clean = || bed.run_as(&tool, &["--output", "json", "gc"]).expect_success().json();
    let first = clean();
    assert_eq!((first["condemned"].as_array().unwrap().len(), first["deleted"][0].as_str()), (1, None));
    wait::until("the second sighting", || {
        let cleaned = clean();
        if ours(&bed).is_empty() { Ok(()) } else { Err(cleaned.to_string()) }
    });
    let accounts = bed.cluster.get_json(&["serviceaccounts", "-n", &bed.hub]);
    // The fifty, the tool's own, and the one that every namespace has.
    assert_eq!(accounts["items"].as_array().unwrap().len(), 52);
}

#[test]
fn row_37_the_same_request_again_finishes_what_a_dead_process_began_in_a_shared_namespace() {
    let bed = Bed::shared();
    block(async {
        let clusters = bed.clusters().await;
        let builds = ask_with_every_fault(&bed, &clusters, &["machine"]).await;
        let desk = bed.desk(&clusters, in_a_minute);
        for build in &builds {
            let record = desk.request(asking(build, &["machine"]), Until::Created).await.unwrap();
            assert_eq!(record.body.phase, Phase::Ready, "{build}");
        }
        assert_eq!(ours(&bed).len(), 5 * builds.len(), "exactly one of each");
        for build in &builds {
            desk.release(build, false).await.unwrap();
        }
        for _ in 0..120 {
            desk.clean(false).await.unwrap();
            if ours(&bed).is_empty() && bed.records().is_empty() {
                assert!(bed.reserved().is_empty(), "{:?}", bed.reserved());
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(500)).await; // between two looks
        }
        panic!("left: {:?} {:?}", ours(&bed), bed.records());
    });
}

#[test]
fn row_11_a_quota_without_room_is_waited_for_and_not_a_failure() {
    let bed = Bed::shared();
    let tool = bed.least();
    bed.cluster.kubectl(&["create", "quota", "others", "-n", &bed.hub, "--hard=pods=1"]).expect_success();
    wait::until("the quota to be counted", || {
        let quota = bed.cluster.get_json(&["quota", "others", "-n", &bed.hub]);
        if quota["status"]["hard"]["pods"] == "1" { Ok(()) } else { Err(quota.to_string()) }
    });
    let args = ["--label", "machine=one", "--label", "machine=two", "--wait", "created"];
    let request = [&["request", "--build", "b"][..], &args].concat();
    let child = bed.start_as(&tool, &request);
    let state = |wanted: &str| {
        let list = bed.json(&["list"]);
        if list["builds"][0]["state"] == wanted { Ok(()) } else { Err(list.to_string()) }
    };
    wait::until("the state", || state("waiting-quota"));
    assert!(bed.run(&["show", "b"]).expect_success().stdout.contains("waiting-quota"));
    assert_eq!(bed.json(&["show", "b"])["failures"], serde_json::json!([]), "it is no failure");
    let raise = r#"{"spec": {"hard": {"pods": "2"}}}"#;
    bed.cluster.kubectl(&["patch", "quota", "others", "-n", &bed.hub, "-p", raise]).expect_success();
    Finished::of(child).expect_success();
    state("ready").unwrap();
    // Whoever has no patience keeps his place, and the same request again goes on.
    let other = ["request", "--build", "c", "--label", "machine", "--wait", "created"];
    let full = bed.run_as(&tool, &[&["--timeout", "2"][..], &other].concat());
    assert_eq!(full.code(), Some(75), "{full:#?}");
    assert!(full.stderr.contains("quota"), "{full:#?}");
    bed.run_as(&tool, &["release", "b", "--wait"]).expect_success();
    bed.run_as(&tool, &other).expect_success();
    bed.run_as(&tool, &["release", "c", "--wait"]).expect_success();
}
