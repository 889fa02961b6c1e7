//! What a label says reaches the pod, and what makes a pod safe stays.

use serde_json::{Value, json};

use crate::config::{parse, tests::GOOD};
use crate::objects::tests::made;

/// The specification of the builder's pod, of which the label has these lines more.
fn pod(more: &str) -> Value {
    let more: String = more.lines().map(|line| format!("            {line}\n")).collect();
    let text = GOOD
        .replacen("            volumes: [{name: workspace, emptyDir: {}}]\n", &more, 1)
        .replacen("            volume-mounts: [{name: workspace, mountPath: /workspace}]\n", "", 1)
        .replacen("    driver: kubernetes\n", "    driver: kubernetes\n    allow-privileged: true\n", 1);
    let config = parse(text.as_bytes()).unwrap_or_else(|error| panic!("{error}: {text}"));
    serde_json::to_value(made(&config, "b", "builder=one").pod.unwrap().spec.unwrap()).unwrap()
}

fn named<'a>(list: &'a Value, name: &str) -> &'a Value {
    let found = list.as_array().into_iter().flatten().find(|one| one["name"] == name);
    found.unwrap_or_else(|| panic!("{name} in {list:#}"))
}

#[test]
fn row_03_a_side_car_and_a_directory_that_every_container_shares() {
    let spec =
        pod("workspace: {path: /src, size: 100, sync: sidecar, image: 'localhost/git:1', fs-group: 1000}
spec:
  containers: [{name: second, image: 'localhost/other:1'}]
  initContainers: [{name: before, image: 'localhost/other:1'}]");
    let side_car = named(&spec["initContainers"], "workspace");
    assert_eq!(spec["initContainers"][0], *side_car, "it is there before everything else");
    assert_eq!(side_car["restartPolicy"], "Always");
    assert_eq!(side_car["image"], "localhost/git:1");
    assert_eq!(side_car["command"], named(&spec["containers"], "node")["command"]);
    assert_eq!(spec["securityContext"]["fsGroup"], 1000);
    assert_eq!(named(&spec["volumes"], "workspace")["emptyDir"]["sizeLimit"], "100M");
    let all = ["containers", "initContainers"].map(|key| spec[key].as_array().unwrap().clone()).concat();
    assert_eq!(all.len(), 4);
    for container in all {
        assert_eq!(named(&container["volumeMounts"], "workspace")["mountPath"], "/src", "{container:#}");
        assert_eq!(named(&container["env"], "GIT_CONFIG_VALUE_0")["value"], "*");
    }
}

#[test]
fn row_03_without_a_side_car_the_machine_has_the_directory_for_itself() {
    let spec = pod("workspace: {}");
    assert!(spec.get("initContainers").is_none());
    assert_eq!(named(&spec["volumes"], "workspace")["emptyDir"], json!({}));
    let node = named(&spec["containers"], "node");
    assert_eq!(named(&node["volumeMounts"], "workspace")["mountPath"], "/workspace");
    assert_eq!(named(&node["env"], "HOME")["value"], "/workspace", "what the label says stays");
}

#[test]
fn a_spec_is_laid_over_ours_name_by_name() {
    let spec = pod("volumes: [{name: a, emptyDir: {}}, {name: b, emptyDir: {}}]
spec:
  tolerations: [{key: ci, operator: Exists}]
  affinity: {nodeAffinity: {preferredDuringSchedulingIgnoredDuringExecution: []}}
  volumes: [{name: a, configMap: {name: c}}]
  dnsPolicy: Default
  containers:
    - name: node
      env: [{name: HOME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}, {name: MORE, value: x}]
      resources: {requests: {memory: 8Gi}, limits: {memory: 8Gi}}
    - {name: second, image: 'localhost/other:1', command: [serve]}");
    assert_eq!(spec["tolerations"][0]["key"], "ci");
    assert_eq!(spec["dnsPolicy"], "Default");
    assert_eq!(*named(&spec["volumes"], "a"), json!({"name": "a", "configMap": {"name": "c"}}));
    assert_eq!(named(&spec["volumes"], "b")["emptyDir"], json!({}));
    let node = named(&spec["containers"], "node");
    assert_eq!(node["image"], "localhost/builder:1");
    assert_eq!(node["command"][0], "/bin/sh");
    assert!(named(&node["env"], "HOME").get("value").is_none(), "one source, not two");
    assert_eq!(named(&node["env"], "MORE")["value"], "x");
    assert_eq!(node["resources"]["requests"], json!({"cpu": "2000m", "memory": "8Gi"}));
    assert_eq!(named(&spec["containers"], "second")["command"], json!(["serve"]));
}

#[test]
fn a_whole_spec_without_an_image_names_the_machine() {
    let text = "image: localhost/builder:1\n            cpu: 2";
    let whole =
        "spec: {containers: [{name: mine, image: 'localhost/own:1'}, {name: db, image: 'localhost/db:1'}]}";
    let config = parse(GOOD.replacen(text, whole, 1).as_bytes()).unwrap();
    let label = config.pools()[0].1.label(&"builder".parse().unwrap()).unwrap();
    assert_eq!((label.containers(), label.receiver()), (vec!["mine", "db"], Some("mine")));
    let spec = made(&config, "b", "builder").pod.unwrap().spec.unwrap();
    let names: Vec<&str> = spec.containers.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["mine", "db"]);
    assert!(spec.containers[0].command.is_some(), "it runs for ever though nothing says so");
}

#[test]
fn what_makes_a_pod_safe_stays_whatever_a_spec_says() {
    let spec = pod("spec: {restartPolicy: Never, automountServiceAccountToken: false, hostNetwork: true}");
    for (key, value) in [
        ("restartPolicy", json!("Never")),
        ("automountServiceAccountToken", json!(false)),
        ("serviceAccountName", json!("job")),
        ("activeDeadlineSeconds", json!(28_800)),
        ("hostNetwork", json!(true)), // the provider allows it
        ("enableServiceLinks", json!(false)),
    ] {
        assert_eq!(spec[key], value, "{key}");
    }
}

#[test]
fn what_every_label_may_ask_of_the_cluster_is_one_line() {
    let spec = pod("runtime-class: gvisor
priority-class: ci-high
gpu: 2
gpu-resource: nvidia.com/gpu
image-pull-secrets: [{name: reg, namespace: ci-secrets}]");
    assert_eq!(spec["runtimeClassName"], "gvisor");
    assert_eq!(spec["priorityClassName"], "ci-high");
    assert_eq!(spec["imagePullSecrets"], json!([{"name": "reg"}]));
    let amounts = &named(&spec["containers"], "node")["resources"];
    assert_eq!(
        (&amounts["requests"]["nvidia.com/gpu"], &amounts["limits"]["nvidia.com/gpu"]),
        (&json!("2"), &json!("2"))
    );
}

#[test]
fn row_28_nodes_of_one_request_are_drawn_together_and_never_tied() {
    let affinity = pod("colocate: preferred")["affinity"]["podAffinity"].clone();
    let keys: Vec<&String> = affinity.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["preferredDuringSchedulingIgnoredDuringExecution"]);
    let term = &affinity["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"];
    assert_eq!(term["topologyKey"], "kubernetes.io/hostname");
    let own = &term["labelSelector"]["matchLabels"];
    assert_eq!(own["build-resources/request"].as_str().unwrap().len(), 12);
    assert_eq!(own, &term["namespaceSelector"]["matchLabels"]);
    let refused = parse(GOOD.replace("cpu: 2", "colocate: required").as_bytes()).unwrap_err();
    assert!(refused.to_string().contains("line 17: providers[0].pools[0].labels[0].colocate"), "{refused}");
}

#[test]
fn row_32_in_a_user_namespace_root_is_nobody_outside() {
    assert_eq!(pod("user-namespace: true")["hostUsers"], false);
    assert!(pod("cpu-limit: 3").get("hostUsers").is_none());
}
