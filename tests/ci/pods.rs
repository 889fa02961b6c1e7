//! What a label says of a pod arrives in the cluster, which takes it; and what it may not say is refused before.

use std::path::{Path, PathBuf};

use build_resources::config;
use proof::process::Finished;
use proof::wait;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use serde_json::{Value, json};

use crate::bed::{Bed, arg};

/// A machine of which the label says more.
fn saying(more: &str) -> Bed {
    Bed::with("cpu: 100m", &format!("{more}, cpu: 100m"))
}

fn asked(bed: &Bed) -> Finished {
    bed.run(&["request", "--build", "b", "--label", "machine", "--wait", "created"])
}

fn pod(bed: &Bed) -> Value {
    asked(bed).expect_success();
    bed.cluster.get_json(&["pod", "machine", "-n", &bed.namespace("b", 0)])
}

fn evicted(bed: &Bed, namespace: &str) -> Finished {
    // A pod that no kubelet has taken up may always be evicted.
    let status = r#"{"status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}}"#;
    let patch = ["patch", "pod", "machine", "-n", namespace, "--subresource=status", "-p", status];
    bed.cluster.kubectl(&patch).expect_success();
    if bed.cluster.kubectl(&["get", "pdb", "machine", "-n", namespace]).status.success() {
        wait::until("the controller to count the pod", || {
            let budget = bed.cluster.get_json(&["pdb", "machine", "-n", namespace]);
            let healthy = budget["status"]["currentHealthy"] == 1;
            if healthy { Ok(()) } else { Err(budget.to_string()) }
        });
    }
    let wanted = json!({"apiVersion": "policy/v1", "kind": "Eviction",
        "metadata": {"name": "machine", "namespace": namespace}});
    std::fs::write(bed.path("eviction.json"), wanted.to_string()).unwrap();
    let path = format!("/api/v1/namespaces/{namespace}/pods/machine/eviction");
    bed.cluster.kubectl(&["create", "--raw", &path, "-f", arg(&bed.path("eviction.json"))])
}

#[test]
fn row_09_an_eviction_is_refused_while_a_protected_pod_lives() {
    let bed = saying("protect: true");
    let pod = pod(&bed);
    let namespace = bed.namespace("b", 0);
    let refused = evicted(&bed, &namespace);
    assert!(refused.stderr.contains("TooManyRequests"), "{refused:#?}"); // 429
    assert!(refused.stderr.contains("disruption budget"), "{refused:#?}");
    let budget = bed.cluster.get_json(&["pdb", "machine", "-n", &namespace]);
    assert_eq!(budget["metadata"]["ownerReferences"][0]["uid"], pod["metadata"]["uid"]);
    // Whoever deletes the pod takes the budget with it.
    let delete = ["delete", "pod", "machine", "-n", &namespace, "--grace-period=0", "--force"];
    bed.cluster.kubectl(&delete).expect_success();
    let gone = |namespace: &str| {
        let found = bed.cluster.kubectl(&["get", "pdb", "machine", "-n", namespace]);
        if found.stderr.contains("NotFound") { Ok(()) } else { Err(format!("{found:?}")) }
    };
    wait::until("the budget to go with its pod", || gone(&namespace));
    bed.run(&["release", "b", "--wait"]).expect_success();
    gone(&namespace).unwrap();
}

#[test]
fn row_09_a_pod_without_protection_may_be_evicted() {
    let bed = Bed::new();
    asked(&bed).expect_success();
    evicted(&bed, &bed.namespace("b", 0)).expect_success();
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_03_the_cluster_takes_a_side_car_and_every_container_has_the_workspace() {
    let bed = saying(
        "workspace: {sync: sidecar, size: 100, fs-group: 1000}, \
        spec: {containers: [{name: second, image: 'localhost/machine:1', command: [sleep, '60']}]}",
    );
    let pod = pod(&bed);
    assert_eq!(pod["spec"]["initContainers"][0]["name"], "workspace");
    assert_eq!(pod["spec"]["initContainers"][0]["restartPolicy"], "Always");
    let containers = pod["spec"]["containers"].as_array().unwrap();
    let mounts: Vec<&Value> = containers.iter().map(|one| &one["volumeMounts"][0]["mountPath"]).collect();
    assert_eq!(mounts, ["/workspace", "/workspace"], "{pod:#}");
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_28_nodes_of_one_request_prefer_one_machine_and_never_require_it() {
    let bed = saying("colocate: preferred");
    let affinity = pod(&bed)["spec"]["affinity"].clone();
    let kinds: Vec<&String> = affinity["podAffinity"].as_object().unwrap().keys().collect();
    assert_eq!(kinds, ["preferredDuringSchedulingIgnoredDuringExecution"]);
    assert_eq!(affinity.as_object().unwrap().len(), 1);
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_32_a_pod_gets_a_user_namespace_and_is_privileged_only_where_the_provider_says_so() {
    let bed = saying("user-namespace: true");
    assert_eq!(pod(&bed)["spec"]["hostUsers"], false);
    bed.run(&["release", "b"]).expect_success();
    let config = std::fs::read_to_string(bed.path("config.yaml")).unwrap();
    std::fs::write(bed.path("config.yaml"), config.replace("user-namespace", "privileged")).unwrap();
    let refused = bed.run(&["config", "check"]);
    assert_eq!(refused.code(), Some(2), "{refused:#?}");
    assert!(refused.stderr.contains("allow-privileged"), "{refused:#?}");
}

#[test]
fn what_else_a_label_says_arrives_in_the_cluster_and_counts_in_its_pool() {
    let bed = saying(
        "gpu: 1, gpu-resource: example.org/gpu, extra-resources: {licence: 2}, \
         spec: {tolerations: [{key: ci, operator: Exists}]}",
    );
    let pod = pod(&bed);
    assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"]["example.org/gpu"], "1");
    assert!(pod["spec"]["tolerations"].as_array().unwrap().iter().any(|one| one["key"] == "ci"));
    let reserved: Vec<Value> = bed.reserved().into_iter().map(|(_, entry)| entry).collect();
    assert_eq!(reserved[0]["size"]["extra"], json!({"example.org/gpu": 1, "licence": 2}));
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn credentials_for_an_image_are_copied_and_no_other_secret_is() {
    let bed = saying("image-pull-secrets: [{name: reg-a, namespace: default}]");
    let missing = asked(&bed);
    assert_eq!(missing.code(), Some(2), "{missing:#?}");
    assert!(missing.stderr.contains("`reg-a`") && missing.stderr.contains("not there"), "{missing:#?}");
    let secret = ["create", "secret", "generic", "reg-a", "-n", "default", "--from-literal=password=x"];
    bed.cluster.kubectl(&secret).expect_success();
    let other = asked(&bed);
    assert_eq!(other.code(), Some(2), "{other:#?}");
    assert!(other.stderr.contains("dockerconfigjson"), "{other:#?}");
    bed.cluster.kubectl(&["delete", "secret", "reg-a", "-n", "default"]).expect_success();
    let login = ["--docker-server=registry.example", "--docker-username=a", "--docker-password=b"];
    let make = ["create", "secret", "docker-registry", "reg-a", "-n", "default"];
    bed.cluster.kubectl(&[&make[..], &login].concat()).expect_success();
    let pod = pod(&bed);
    assert_eq!(pod["spec"]["imagePullSecrets"], json!([{"name": "reg-a"}]));
    let copied =
        |namespace: &str| bed.cluster.get_json(&["secret", "reg-a", "-n", namespace])["data"].clone();
    assert_eq!(copied(&bed.namespace("b", 0)), copied("default"));
    bed.run(&["release", "b"]).expect_success();
}

/// Two hundred random keys and texts of which the configuration takes each alone.
fn accepted() -> Vec<(String, &'static str, String)> {
    let keys = prop_oneof!["[a-zA-Z0-9._-]{1,64}", "[a-z0-9.-]{1,30}/[a-zA-Z0-9._-]{1,64}"];
    let texts = prop_oneof!["[a-zA-Z0-9._-]{0,70}", "\\PC{0,80}"];
    let mut runner = TestRunner::deterministic();
    let mut taken = Vec::new();
    for number in 0..20_000 {
        let mut draw = |from: &BoxedStrategy<String>| from.new_tree(&mut runner).unwrap().current();
        let (key, text) = (draw(&keys.clone().boxed()), draw(&texts.clone().boxed()));
        let list = ["labels", "dynamic-labels", "annotations"][number % 3];
        let one = format!(
            "system: a\nlabels: [{{name: a}}]\nproviders: [{{name: a, driver: kubernetes, pools: [{{name: a, labels: \
             [{{name: a, type: namespace, {list}: {}}}]}}]}}]\n",
            json!({&key: &text})
        );
        if config::parse(one.as_bytes()).is_ok() {
            taken.push((key, list, text));
        }
        if taken.len() == 200 {
            break;
        }
    }
    assert_eq!(taken.len(), 200);
    taken
}

#[test]
fn row_44_two_hundred_random_texts_that_are_accepted_are_taken_by_the_cluster() {
    let pairs = accepted();
    let lists = ["labels", "dynamic-labels", "annotations"].map(|list| {
        let own = pairs.iter().filter(|(_, one, _)| *one == list);
        format!("{list}: {}", Value::Object(own.map(|(key, _, text)| (key.clone(), json!(text))).collect()))
    });
    let bed = Bed::with("type: namespace", &format!("type: namespace, {}", lists.join(", ")));
    bed.run(&["request", "--build", "b", "--label", "space"]).expect_success();
    let meta = bed.cluster.get_json(&["namespace", &bed.namespace("b", 0)])["metadata"].clone();
    for (key, list, text) in &pairs {
        let place = if *list == "annotations" { "annotations" } else { "labels" };
        let found = meta[place][key].as_str().unwrap_or_else(|| panic!("{key} of {list}"));
        let whole = meta["annotations"][key].as_str();
        assert!(
            found == text || whole == Some(text) || *list == "labels",
            "{key}: {text:?} became {found:?}"
        );
    }
    bed.run(&["release", "b"]).expect_success();
}

/// A kubeconfig of an account in the namespace of the records.
fn kubeconfig_of(bed: &Bed, account: &str) -> PathBuf {
    let token = ["create", "token", account, "-n", "build-resources"];
    let token = bed.cluster.kubectl(&token).expect_success().stdout;
    let view = ["config", "view", "--minify", "--raw", "-o", "json"];
    let mut kubeconfig = bed.cluster.kubectl(&view).expect_success().json();
    kubeconfig["users"][0]["user"] = json!({"token": token.trim()});
    let path = bed.path(&format!("{account}.yaml"));
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    path
}

#[test]
fn row_45_a_live_check_names_the_rights_and_contexts_that_are_missing() {
    let bed = Bed::new();
    let live = |kubeconfig: &Path| Finished::of(bed.start_as(kubeconfig, &["config", "check", "--live"]));
    let nobody = format!("nobody-{}", bed.system);
    bed.cluster.kubectl(&["create", "serviceaccount", &nobody, "-n", "build-resources"]).expect_success();
    let refused = live(&kubeconfig_of(&bed, &nobody));
    assert_eq!(refused.code(), Some(77), "{refused:#?}");
    for right in ["create namespaces\n", "update leases.coordination.k8s.io in namespace `build-resources`\n"]
    {
        assert!(refused.stdout.contains(right), "{right}: {refused:#?}");
    }
    assert!(refused.stdout.contains("config rbac"), "{refused:#?}");
    bed.cluster.apply(&bed.run(&["config", "rbac"]).expect_success().stdout);
    let allowed = live(&kubeconfig_of(&bed, "build-resources")).expect_success();
    assert!(!allowed.stdout.contains("missing"), "{allowed:#?}");
    let elsewhere = Bed::with("driver: kubernetes", "driver: kubernetes\n    context: nowhere");
    let unknown = elsewhere.run(&["config", "check", "--live"]);
    assert_eq!(unknown.code(), Some(2), "{unknown:#?}");
    assert!(unknown.stderr.contains("provider here") && unknown.stderr.contains("`nowhere`"), "{unknown:#?}");
}
