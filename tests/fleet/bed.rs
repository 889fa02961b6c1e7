//! The cluster itself, before anything is proved on it.

use futures_util::{StreamExt, TryStreamExt};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, WatchEvent, WatchParams};
use proof::cluster::Cluster;
use proof::relay::Relay;
use proof::scratch::processes;

const WORKER: &[(&str, &str)] = &[("node-role.kubernetes.io/worker", "")];

/// A small object with one value.
fn note(name: &str, value: &str) -> String {
    format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: default}}\ndata: {{value: {value}}}\n"
    )
}

fn value(cluster: &Cluster, name: &str) -> String {
    let found = cluster.kubectl(&["get", "configmap", name, "-o", "jsonpath={.data.value}"]);
    found.expect_success().stdout
}

#[test]
fn what_is_applied_is_there() {
    let cluster = Cluster::shared();
    cluster.apply(&note("applied", "one"));
    cluster.apply(&note("applied", "two"));
    assert_eq!(value(cluster, "applied"), "two");
    let found = cluster.get_json(&["configmap", "applied"]);
    assert_eq!(found["data"]["value"], "two");
    let requests = cluster.request_counts();
    let reads = requests.get(&("GET".to_owned(), "configmaps".to_owned()));
    assert!(reads.is_some_and(|count| *count >= 1.0), "{requests:#?}");
}

#[test]
fn a_token_of_a_node_says_which_node_it_is_and_nothing_more_is_allowed() {
    let cluster = Cluster::shared();
    cluster.add_node("bed-0", WORKER);
    let kubeconfig = cluster.node_kubeconfig("bed-0");
    let who = cluster.kubectl_as(&kubeconfig, &["auth", "whoami", "-o", "json"]).expect_success().json();
    let user = &who["status"]["userInfo"];
    assert_eq!(user["username"], "system:serviceaccount:extensions-agent:extensions-agent");
    assert_eq!(user["extra"]["authentication.kubernetes.io/node-name"][0], "bed-0");
    let refused = cluster.kubectl_as(&kubeconfig, &["get", "secrets", "-A"]);
    assert!(!refused.status.success() && refused.stderr.contains("Forbidden"), "{refused:#?}");
}

#[test]
fn the_projects_manifests_are_taken_twice_and_their_kinds_are_served() {
    let cluster = Cluster::shared();
    cluster.install();
    cluster.install();
    for kind in ["nodeextensions", "machineconfigs", "machineconfigpools"] {
        cluster.kubectl(&["get", kind]).expect_success();
    }
    cluster.add_node("bed-2", WORKER);
    let kubeconfig = cluster.node_kubeconfig("bed-2");
    cluster.kubectl_as(&kubeconfig, &["get", "machineconfigs"]).expect_success();
}

#[test]
fn a_token_ends_with_its_node() {
    let cluster = Cluster::shared();
    cluster.add_node("bed-1", WORKER);
    let kubeconfig = cluster.node_kubeconfig("bed-1");
    let who = || cluster.kubectl_as(&kubeconfig, &["auth", "whoami"]);
    who().expect_success();
    cluster.kubectl(&["delete", "node", "bed-1"]).expect_success();
    // A token that was seen is remembered for some seconds.
    proof::wait::until("the token to be refused", || {
        let said = who();
        if said.stderr.contains("Unauthorized") { Ok(()) } else { Err(format!("{said:?}")) }
    });
}

#[test]
fn a_killed_api_server_comes_back_with_everything_and_a_compaction_ends_old_watches() {
    let cluster = Cluster::start();
    cluster.apply(&note("kept", "before"));
    let seen = cluster.get_json(&["configmap", "kept"])["metadata"]["resourceVersion"].clone();
    let address = cluster.address();
    cluster.apply(&note("other", "after"));
    cluster.kill_api_server();
    assert!(!cluster.kubectl(&["get", "configmaps"]).status.success(), "nobody is there to answer");
    cluster.compact_etcd();
    cluster.restart_api_server();
    assert_eq!(cluster.address(), address);
    assert_eq!(value(&cluster, "kept"), "before");

    let client = cluster.client();
    let first = runtime().block_on(async move {
        let objects: Api<ConfigMap> = Api::namespaced(client, "default");
        let watch = objects.watch(&WatchParams::default(), seen.as_str().unwrap()).await?;
        watch.boxed().try_next().await
    });
    match first {
        Ok(Some(WatchEvent::Error(status))) => assert_eq!(status.code, 410, "{status:?}"),
        Err(kube::Error::Api(status)) => assert_eq!(status.code, 410, "{status:?}"),
        other => panic!("an old watch was served: {other:?}"),
    }
}

#[test]
fn a_twin_stays_behind_and_a_relay_leads_from_one_to_the_other() {
    let cluster = Cluster::start();
    cluster.add_node("worker-0", WORKER);
    cluster.apply(&note("moving", "old"));
    let twin = cluster.twin();
    cluster.apply(&note("moving", "new"));
    assert_eq!((value(&cluster, "moving"), value(&twin, "moving")), ("new".to_owned(), "old".to_owned()));

    let relay = Relay::to(cluster.address());
    let kubeconfig = cluster.node_kubeconfig_at("worker-0", relay.address());
    let who = || cluster.kubectl_as(&kubeconfig, &["auth", "whoami", "-o", "name"]);
    for target in [cluster.address(), twin.address()] {
        relay.lead_to(Some(target));
        who().expect_success();
    }
    twin.kill_api_server();
    assert!(!who().status.success(), "the relay leads to the twin");
    relay.lead_to(Some(cluster.address()));
    who().expect_success();
    relay.lead_to(None);
    assert!(!who().status.success(), "the relay refuses");
}

#[test]
fn with_controllers_a_namespace_comes_to_its_end() {
    let cluster = Cluster::start_with_controllers();
    cluster.kubectl(&["create", "namespace", "passing"]).expect_success();
    cluster.kubectl(&["create", "configmap", "inside", "-n", "passing"]).expect_success();
    cluster.kubectl(&["delete", "namespace", "passing", "--timeout=60s"]).expect_success();
}

#[test]
fn nothing_of_a_dropped_cluster_is_left() {
    let cluster = Cluster::start();
    let dir = cluster.dir().to_owned();
    assert_eq!(cluster.processes().len(), 2, "etcd and the API server");
    drop(cluster);
    assert_eq!(processes(&dir, ""), [0; 0]);
    assert!(!dir.exists());
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Runtime::new().unwrap()
}
