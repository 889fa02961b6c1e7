//! What a job may do, and what it may not.

use std::fs;

use proof::wait;

use crate::bed::{Bed, arg};

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
    assert_eq!(
        (can("create", "pods/machine"), can("get", "pods/machine")),
        ("yes".to_owned(), "yes".to_owned())
    );
    assert_eq!(can("create", "pods/other"), "no");
    let namespace = bed.namespace("b", 0);
    let elsewhere = ["auth", "can-i", "list", "pods", "-n", "build-resources"];
    assert_eq!(bed.cluster.kubectl_as(&kubeconfig, &elsewhere).stdout.trim(), "no");
    let kind = "--field-selector=type=kubernetes.io/service-account-token";
    for secrets in [&["secret", "-n", &namespace][..], &["secret", "-n", &namespace, kind]] {
        let found = bed.cluster.get_json(secrets);
        assert!(found["items"].as_array().unwrap().is_empty(), "no token lies in the namespace");
    }
    bed.run(&["release", "b", "--wait"]).expect_success();
    wait::until("the token to be refused", || {
        let asked = bed.cluster.kubectl_as(&kubeconfig, &["get", "pod"]);
        let refused = asked.stderr.contains("Unauthorized") || asked.stderr.contains("must be logged in");
        if refused { Ok(()) } else { Err(format!("{asked:?}")) }
    });
}

#[test]
fn row_26_a_plugin_prints_tokens_that_end_soon_and_none_after_the_release() {
    let bed = Bed::with("duration: 3600", "duration: 900");
    let out = bed.path("out");
    let args = ["request", "--build", "b", "--label", "machine=own", "--label", "space", "--wait", "created"];
    bed.run(&[&args[..], &["--credentials", "plugin", "--out", arg(&out)]].concat()).expect_success();
    let kubeconfig = out.join("kubeconfig");
    let text = fs::read_to_string(&kubeconfig).unwrap();
    assert!(text.contains("exec:") && !text.contains("token:"), "no token stands in it: {text}");
    // kubectl runs the plugin by itself.
    let get = bed.cluster.kubectl_as(&kubeconfig, &["get", "pod", "machine", "-o", "name"]).expect_success();
    assert_eq!(get.stdout.trim(), "pod/machine");
    let exec = ["auth", "can-i", "create", "pods/machine", "--subresource=exec"];
    assert_eq!(bed.cluster.kubectl_as(&kubeconfig, &exec).stdout.trim(), "yes");
    let credential = bed.run(&["token", "b", "own"]).expect_success().json();
    assert_eq!(credential["apiVersion"], "client.authentication.k8s.io/v1");
    assert_eq!(credential["kind"], "ExecCredential");
    let expires: jiff::Timestamp =
        credential["status"]["expirationTimestamp"].as_str().unwrap().parse().unwrap();
    let left = expires.duration_since(jiff::Timestamp::now()).as_secs();
    assert!((600..=900).contains(&left), "what the lease leaves: {left}");
    assert_eq!(bed.run(&["token", "b", "nobody"]).code(), Some(66));
    bed.run(&["release", "b", "--wait"]).expect_success();
    assert_eq!(bed.run(&["token", "b", "own"]).code(), Some(66));
    let after = bed.cluster.kubectl_as(&kubeconfig, &["get", "pod"]);
    assert!(!after.status.success() && after.stderr.contains("build-resources"), "{after:#?}");
}

#[test]
fn row_33_a_namespace_label_may_be_filled_and_nothing_outside_it_read() {
    let bed = Bed::with("quota: {pods: 3}", "quota: {pods: 9}, ingress: true");
    let out = bed.path("out");
    bed.run(&["request", "--build", "b", "--label", "space", "--out", arg(&out)]).expect_success();
    let kubeconfig = out.join("kubeconfig");
    fs::write(bed.path("bundle.yaml"), BUNDLE).unwrap();
    let bundle = bed.path("bundle.yaml");
    let applied = bed.cluster.kubectl_as(&kubeconfig, &["apply", "-f", arg(&bundle)]).expect_success();
    assert_eq!(applied.stdout.matches(" created").count(), 12, "{applied:#?}");
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
{apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: {name: a},
 spec: {defaultBackend: {service: {name: a, port: {number: 80}}}}}
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
fn row_26_the_printed_rights_are_enough_for_a_whole_life_and_end_at_our_own_namespaces() {
    let bed = Bed::alone("quota: {pods: 3}", "quota: {pods: 3}, ingress: true, viewers: [ann]");
    let path = bed.least();
    let out = bed.path("out");
    let request = ["request", "--build", "b", "--label", "machine", "--label", "space"];
    let handed = ["--wait", "created", "--viewer", "bob", "--out", arg(&out)];
    bed.run_as(&path, &[&request[..], &handed].concat()).expect_success();
    let namespace = bed.namespace("b", 0);
    // What it grants it may not do itself, neither here nor anywhere.
    for question in [
        &["create", "pods/machine", "--subresource=exec"][..],
        &["get", "pods/machine", "--subresource=log"],
        &["get", "secrets"],
        &["create", "deployments.apps"],
        &["escalate", "roles"],
        &["bind", "clusterrole/cluster-admin"],
    ] {
        let asked = [&["auth", "can-i", "-n", &namespace][..], question].concat();
        assert_eq!(bed.cluster.kubectl_as(&path, &asked).stdout.trim(), "no", "{question:?}");
    }
    // And what it may do, the cluster lets it do in namespaces of ours only.
    let bind = ["create", "rolebinding", "x", "--clusterrole=build-resources-namespace", "--user=x", "-n"];
    let label = format!("build-resources/system={}", bed.system);
    bed.cluster.kubectl(&["create", "namespace", &format!("{}-foreign", bed.hub)]).expect_success();
    let foreign = format!("{}-foreign", bed.hub);
    for refused in [
        &[&bind[..], &["default"]].concat()[..],
        &["delete", "namespace", &foreign, "--wait=false"],
        &["label", "namespace", &foreign, &label],
        &["create", "namespace", "not-ours"],
        &["create", "token", "default", "-n", "kube-system"],
        &["run", "x", "--image=x", "-n", "default"],
    ] {
        wait::until("the fence", || {
            let asked = bed.cluster.kubectl_as(&path, refused);
            let fenced = asked.stderr.contains("only in namespaces of their own");
            if fenced { Ok(()) } else { Err(format!("{refused:?}: {asked:?}")) }
        });
    }
    for command in [&["list"][..], &["renew", "b"], &["inventory", "b", "--out", arg(&out)], &["gc"]] {
        bed.run_as(&path, command).expect_success();
    }
    bed.run_as(&path, &["release", "b", "--wait"]).expect_success();
    assert!(bed.namespaces().is_empty());
}

#[test]
fn row_43_those_who_are_named_may_look_on_and_change_nothing() {
    let bed = Bed::with("quota: {pods: 3}", "quota: {pods: 3}, viewers: [ann]");
    let args = ["request", "--build", "b", "--label", "machine", "--label", "space", "--wait", "created"];
    bed.run(&[&args[..], &["--viewer", "bob"]].concat()).expect_success();
    let namespaces = [bed.namespace("b", 0), bed.namespace("b", 1)];
    let can = |user: &str, namespace: &str, verb: &str, what: &[&str]| {
        let asked = [&["auth", "can-i", "--as", user, "-n", namespace, verb][..], what].concat();
        bed.cluster.kubectl(&[&asked[..]].concat()).stdout.trim() == "yes"
    };
    for (user, sees) in [("bob", [true, true]), ("ann", [false, true]), ("eve", [false, false])] {
        for (namespace, sees) in namespaces.iter().zip(sees) {
            for (verb, what) in [
                ("get", &["pods", "--subresource=log"][..]),
                ("get", &["pods/log"]),
                ("list", &["pods"]),
                ("watch", &["events"]),
                ("get", &["pods"]),
            ] {
                assert_eq!(can(user, namespace, verb, what), sees, "{user} {verb} {what:?} in {namespace}");
            }
            for (verb, what) in [
                ("delete", &["pods"][..]),
                ("delete", &["pods/log"]),
                ("get", &["secrets"]),
                ("create", &["pods"]),
                ("create", &["pods", "--subresource=exec"]),
            ] {
                assert!(!can(user, namespace, verb, what), "{user} {verb} {what:?} in {namespace}");
            }
        }
    }
    let shown = bed.json(&["show", "b"]);
    assert_eq!(shown["viewers"], serde_json::json!(["bob"]));
    bed.run(&["release", "b"]).expect_success();
}
