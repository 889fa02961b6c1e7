//! What a job may do, and what it may not.

use std::fs;

use proof::wait;

use crate::bed::{Bed, arg, finished};

#[test]
fn row_26_a_token_opens_its_own_pod_and_ends_with_it() {
    let bed = Bed::new();
    let out = bed.path("out");
    let args = ["request", "--build", "b", "--label", "machine=own", "--wait", "created", "--out", arg(&out)];
    bed.run(&args).expect_success();
    let kubeconfig = out.join("kubeconfig");
    let can = |verb: &str, what: &str| {
        let asked = bed.cluster.kubectl_as(&kubeconfig, &["auth", "can-i", verb, what, "--subresource=exec"]);
        asked.stdout.trim().to_owned()
    };
    assert_eq!((can("create", "pods/own"), can("get", "pods/own")), ("yes".to_owned(), "yes".to_owned()));
    assert_eq!(can("create", "pods/other"), "no");
    let namespace = bed.namespace("b", 0);
    let elsewhere = ["auth", "can-i", "list", "pods", "-n", "build-resources"];
    assert_eq!(bed.cluster.kubectl_as(&kubeconfig, &elsewhere).stdout.trim(), "no");
    let secrets = bed.cluster.get_json(&["secret", "-n", &namespace]);
    assert!(secrets["items"].as_array().unwrap().is_empty(), "no token lies in the namespace");
    bed.run(&["release", "b", "--wait"]).expect_success();
    wait::until("the token to be refused", || {
        let asked = bed.cluster.kubectl_as(&kubeconfig, &["get", "pod"]);
        let refused = asked.stderr.contains("Unauthorized") || asked.stderr.contains("must be logged in");
        if refused { Ok(()) } else { Err(format!("{asked:?}")) }
    });
}

#[test]
fn row_33_a_namespace_label_may_be_filled_and_nothing_outside_it_read() {
    let bed = Bed::with("quota: {pods: 3}", "quota: {pods: 9}");
    let out = bed.path("out");
    bed.run(&["request", "--build", "b", "--label", "space", "--out", arg(&out)]).expect_success();
    let kubeconfig = out.join("kubeconfig");
    fs::write(bed.path("bundle.yaml"), BUNDLE).unwrap();
    let bundle = bed.path("bundle.yaml");
    let applied = bed.cluster.kubectl_as(&kubeconfig, &["apply", "-f", arg(&bundle)]).expect_success();
    assert_eq!(applied.stdout.matches(" created").count(), 11, "{applied:#?}");
    bed.cluster.kubectl_as(&kubeconfig, &["create", "token", "builder"]).expect_success();
    bed.cluster.kubectl_as(&kubeconfig, &["get", "events"]).expect_success();
    for forbidden in [["get", "clusterroles"], ["get", "nodes"], ["get", "namespaces"]] {
        let asked = bed.cluster.kubectl_as(&kubeconfig, &forbidden);
        assert!(asked.stderr.contains("Forbidden"), "{asked:#?}");
    }
    bed.run(&["release", "b"]).expect_success();
}

/// One object of each kind that a namespace label promises.
const BUNDLE: &str = "\
{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}
---
{apiVersion: v1, kind: Secret, metadata: {name: a}}
---
{apiVersion: v1, kind: ServiceAccount, metadata: {name: builder}}
---
{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80}]}}
---
{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: a},
 spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}}
---
{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: [{name: a, image: a}]}}
---
{apiVersion: apps/v1, kind: Deployment, metadata: {name: a}, spec: {replicas: 0, selector: {matchLabels: {a: a}},
 template: {metadata: {labels: {a: a}}, spec: {containers: [{name: a, image: a}]}}}}
---
{apiVersion: apps/v1, kind: StatefulSet, metadata: {name: a}, spec: {replicas: 0, serviceName: a,
 selector: {matchLabels: {a: a}}, template: {metadata: {labels: {a: a}}, spec: {containers: [{name: a, image: a}]}}}}
---
{apiVersion: apps/v1, kind: DaemonSet, metadata: {name: a}, spec: {selector: {matchLabels: {a: a}},
 template: {metadata: {labels: {a: a}}, spec: {containers: [{name: a, image: a}]}}}}
---
{apiVersion: batch/v1, kind: Job, metadata: {name: a}, spec: {suspend: true,
 template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}
---
{apiVersion: batch/v1, kind: CronJob, metadata: {name: a}, spec: {schedule: '0 0 1 1 *', suspend: true,
 jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}}}
";

#[test]
fn row_11_a_namespace_holds_no_more_than_its_quota() {
    let bed = Bed::new();
    let out = bed.path("out");
    bed.run(&["request", "--build", "b", "--label", "space", "--out", arg(&out)]).expect_success();
    let pod = |number: usize| {
        let text = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p{number}}}, spec: {{containers: [{{name: a, image: a}}]}}}}"
        );
        fs::write(bed.path("pod.yaml"), text).unwrap();
        bed.cluster.kubectl_as(&out.join("kubeconfig"), &["create", "-f", arg(&bed.path("pod.yaml"))])
    };
    for number in 0..3 {
        wait::until("the quota to be counted", || {
            let made = pod(number);
            if made.status.success() { Ok(()) } else { Err(made.stderr) }
        });
    }
    let refused = pod(3);
    assert!(refused.stderr.contains("exceeded quota"), "{refused:#?}");
    let space = bed.cluster.get_json(&["namespace", &bed.namespace("b", 0)]);
    assert_eq!(space["metadata"]["labels"]["pod-security.kubernetes.io/enforce"], "baseline");
    bed.cluster.get_json(&["networkpolicy", "build-resources", "-n", &bed.namespace("b", 0)]);
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn the_printed_manifest_grants_exactly_enough_for_a_whole_life() {
    let bed = Bed::new();
    let manifest = bed.run(&["config", "rbac"]).expect_success().stdout;
    bed.cluster.apply(&manifest);
    let account = ["create", "token", "build-resources", "-n", "build-resources"];
    let token = bed.cluster.kubectl(&account).expect_success().stdout;
    let view = ["config", "view", "--minify", "--raw", "-o", "json"];
    let mut kubeconfig = bed.cluster.kubectl(&view).expect_success().json();
    kubeconfig["users"][0]["user"] = serde_json::json!({"token": token.trim()});
    let path = bed.path("least.yaml");
    fs::write(&path, kubeconfig.to_string()).unwrap();
    let out = bed.path("out");
    let request = ["request", "--build", "b", "--label", "machine", "--label", "space"];
    let handed = ["--wait", "created", "--out", arg(&out)];
    let commands = [
        &[&request[..], &handed].concat()[..],
        &["list"],
        &["renew", "b"],
        &["gc"],
        &["release", "b", "--wait"],
    ];
    for command in commands {
        finished(bed.start_as(&path, command)).expect_success();
    }
}
