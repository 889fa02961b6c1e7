//! Projects of OpenShift, against a real API server with a stand-in for what OpenShift adds to it.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use futures_util::future::join_all;
use k8s_openapi::api::core::v1::{Namespace, Secret, ServiceAccount};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{ApiResource, DeleteParams, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use proof::process::Finished;
use proof::wait;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::bed::{Bed, arg, block};
use crate::size;

const CONFIG: &str = "\
system: SYSTEM
hub: {namespace: HUB}
leases: {duration: 3600, max-age: 28800, confirm: 1}
labels: [{name: machine}, {name: space}]
providers:
  - name: here
    driver: openshift
    launch-retries: 1
    pools:
      - name: SYSTEM
        labels:
          - {name: machine, type: pod, image: 'localhost/machine:1', image-pull: Never, cpu: 100m, memory: 64}
          - {name: space, type: project, quota: {pods: 3}}
";

/// The kind that is asked for; the real one is not stored, and this one not for long.
const KIND: &str = "\
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: projectrequests.project.openshift.io,
  annotations: {api-approved.kubernetes.io: unapproved}}
spec:
  group: project.openshift.io
  scope: Cluster
  names: {plural: projectrequests, singular: projectrequest, kind: ProjectRequest, listKind: ProjectRequestList}
  versions:
    - name: v1
      served: true
      storage: true
      schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

/// Does what OpenShift does with a request for a project, in OpenShift's order: a Namespace that says who asked and what for,
/// then the rights of who asked, then pull credentials. Of many that come at once none waits for another.
struct StandInForOpenShift {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl StandInForOpenShift {
    fn start(bed: &Bed) -> Self {
        bed.cluster.apply(KIND);
        // Established is not served: for a moment after it all is refused.
        wait::until("the kind to be served", || {
            let asked = bed.cluster.kubectl(&["get", "projectrequests.project.openshift.io"]);
            if asked.status.success() { Ok(()) } else { Err(asked.stderr) }
        });
        let over = Arc::new(AtomicBool::new(false));
        let (flag, cluster) = (Arc::clone(&over), bed.cluster);
        let (requester, prefix) = (requester(bed), format!("{}-", bed.system));
        let thread = std::thread::spawn(move || {
            let client = cluster.client();
            block(async {
                while !flag.load(Ordering::Relaxed) {
                    answer(&client, &prefix, &requester).await;
                    tokio::time::sleep(Duration::from_millis(50)).await; // how slow it is
                }
            });
        });
        StandInForOpenShift { over, thread: Some(thread) }
    }
}

impl Drop for StandInForOpenShift {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        let ended = self.thread.take().unwrap().join();
        assert!(ended.is_ok() || std::thread::panicking(), "the stand-in failed");
    }
}

fn requester(bed: &Bed) -> String {
    format!("system:serviceaccount:{}:build-resources", bed.hub)
}

fn namespace(name: &str, description: &str, requester: &str) -> Value {
    let annotations = json!({"openshift.io/description": description, "openshift.io/requester": requester});
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "annotations": annotations}})
}

fn project(name: &str, description: &str, requester: &str) -> String {
    namespace(name, description, requester).to_string()
}

fn asked(client: &Client) -> Api<DynamicObject> {
    let kind = GroupVersionKind::gvk("project.openshift.io", "v1", "ProjectRequest");
    Api::all_with(client.clone(), &ApiResource::from_gvk(&kind))
}

/// Answers all requests of ours that there are.
async fn answer(client: &Client, prefix: &str, requester: &str) {
    let all = asked(client).list(&ListParams::default()).await.unwrap();
    let grants =
        all.items.iter().map(|one| (one.metadata.name.as_deref().unwrap(), &one.data["description"]));
    let grants = grants.filter(|(name, _)| name.starts_with(prefix));
    join_all(grants.map(|(name, text)| grant(client, name, text.as_str().unwrap(), requester))).await;
}

async fn grant(client: &Client, name: &str, description: &str, requester: &str) {
    let exists = Api::<Namespace>::all(client.clone()).get_opt(name).await.unwrap().is_some();
    if !exists {
        let admin = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": {"name": "admin"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "admin"},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": requester}]});
        apply(Api::<Namespace>::all(client.clone()), &namespace(name, description, requester)).await;
        apply(Api::<RoleBinding>::namespaced(client.clone(), name), &admin).await;
        for account in ["default", "builder"] {
            let secret = format!("{account}-dockercfg-x7x7x");
            let host = "image-registry.openshift-image-registry.svc:5000";
            let config = json!({host: {"auth": "eDp5"}}).to_string();
            let key = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": secret},
                "type": "kubernetes.io/dockercfg", "stringData": {".dockercfg": config}});
            let who = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account},
                "imagePullSecrets": [{"name": secret}]});
            apply(Api::<Secret>::namespaced(client.clone(), name), &key).await;
            apply(Api::<ServiceAccount>::namespaced(client.clone(), name), &who).await;
        }
    }
    asked(client).delete(name, &DeleteParams::default()).await.unwrap();
}

async fn apply<K>(api: Api<K>, object: &Value)
where
    K: Clone + Debug + DeserializeOwned,
{
    let name = object["metadata"]["name"].as_str().unwrap();
    api.patch(name, &PatchParams::apply("stand-in").force(), &Patch::Apply(object)).await.unwrap();
}

fn bed() -> Bed {
    Bed::of(CONFIG, &Bed::unique("os"))
}

/// The name of the first attempt at the first node of a build.
fn first_name(bed: &Bed, build: &str) -> (String, String) {
    let id = build_resources::request::id(&bed.config.system, build);
    (format!("{}-{id}-0-1", bed.system), id)
}

#[test]
fn row_36_requests_at_once_are_usable_when_handed_over_and_a_project_names_its_registry() {
    let bed = bed();
    let _openshift = StandInForOpenShift::start(&bed);
    let tool = bed.least();
    let requests: Vec<_> = (0..size::PROJECTS.now())
        .map(|number| {
            let out = bed.path(&format!("out-{number}"));
            let build = format!("b{number}");
            let label = if number == 0 { "space" } else { "machine" };
            let args =
                ["request", "--build", &build, "--label", label, "--wait", "created", "--out", arg(&out)];
            (bed.start_as(&tool, &args), out)
        })
        .collect();
    for (number, (child, out)) in requests.into_iter().enumerate() {
        Finished::of(child).expect_success();
        let kubeconfig = out.join("kubeconfig");
        if number > 0 {
            bed.cluster.kubectl_as(&kubeconfig, &["get", "pod", "machine"]).expect_success();
            continue;
        }
        let inventory: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(out.join("inventory.json")).unwrap()).unwrap();
        let registry = &inventory["all"]["vars"]["zuul"]["resources"]["space"]["registry"];
        assert_eq!(
            *registry,
            json!({"host": "image-registry.openshift-image-registry.svc:5000", "pull-secret": "builder-dockercfg-x7x7x"})
        );
        for (question, answer) in [
            (&["create", "deployments.apps"][..], "yes"),
            (&["create", "rolebindings"], "yes"),
            (&["get", "secrets"], "yes"),
            (&["list", "nodes"], "no"),
            (&["get", "pods", "-n", "default"], "no"),
        ] {
            let asked = [&["auth", "can-i"][..], question].concat();
            assert_eq!(bed.cluster.kubectl_as(&kubeconfig, &asked).stdout.trim(), answer, "{question:?}");
        }
    }
    let releases: Vec<_> = (0..size::PROJECTS.now())
        .map(|number| bed.start_as(&tool, &["release", &format!("b{number}"), "--wait"]))
        .collect();
    for release in releases {
        Finished::of(release).expect_success();
    }
    assert!(bed.namespaces().is_empty() && bed.records().is_empty() && bed.reserved().is_empty());
}

#[test]
fn row_36_a_project_that_was_not_labelled_yet_is_taken_up_only_by_who_asked_for_it() {
    let bed = bed();
    let _openshift = StandInForOpenShift::start(&bed);
    let tool = bed.least();
    // One whose process died before it was labelled, and one of somebody who knew the name and the description.
    let (mine, id) = first_name(&bed, "mine");
    let (forged, other) = first_name(&bed, "forged");
    let text = |id: &str| format!("build-resources system={} request={id} node=space", bed.system);
    let grant = |name: &str, id: &str, who: &str| bed.cluster.apply(&project(name, &text(id), who));
    let ask = json!({"apiVersion": "project.openshift.io/v1", "kind": "ProjectRequest", "metadata": {"name": mine},
        "description": text(&id)});
    bed.cluster.apply(&ask.to_string());
    grant(&forged, &other, "eve");
    for build in ["mine", "forged"] {
        bed.run_as(&tool, &["request", "--build", build, "--label", "space"]).expect_success();
    }
    assert_eq!(bed.namespace("mine", 0), mine);
    assert_eq!(bed.namespace("forged", 0), forged.replace("-0-1", "-0-2"), "another name is taken");
    for build in ["mine", "forged"] {
        bed.run_as(&tool, &["release", build, "--wait"]).expect_success();
    }
    let eves = bed.cluster.get_json(&["namespace", &forged]);
    assert_eq!(eves["status"]["phase"], "Active", "what is another's is left alone");
}

#[test]
fn row_36_the_cleaner_finds_what_was_never_labelled_and_leaves_fifty_of_others() {
    let bed = bed();
    let _openshift = StandInForOpenShift::start(&bed);
    let tool = bed.least();
    let (me, system) = (requester(&bed), &bed.system);
    let mut text = String::new();
    for number in 0..50 {
        let (description, who) = match number % 5 {
            0 => (format!("build-resources system={system} request=0123456789ab node=a"), "eve"),
            1 => (format!("build-resources system={system}-2 request=0123456789ab node=a"), me.as_str()),
            2 => (format!("build-resources system={system}"), me.as_str()),
            3 => ("my project".to_owned(), me.as_str()),
            _ => (String::new(), "eve"),
        };
        text += &format!(
            "{}\n---\n",
            project(&format!("{system}-0123456789a{}-{number}-1", number % 10), &description, who)
        );
    }
    let lost = format!("{system}-0123456789ab-9-1");
    text += &project(&lost, &format!("build-resources system={system} request=0123456789ab node=a"), &me);
    bed.cluster.apply(&text);
    let clean = || bed.run_as(&tool, &["--output", "json", "gc"]).expect_success().json();
    assert_eq!(clean()["condemned"], json!([lost]));
    wait::until("the second sighting", || {
        let cleaned = clean();
        if cleaned["deleted"] == json!([lost]) { Ok(()) } else { Err(cleaned.to_string()) }
    });
    wait::until("the project to end", || {
        let found = bed.cluster.kubectl(&["get", "namespace", &lost]);
        if found.status.success() { Err(found.stdout) } else { Ok(()) }
    });
    let alive = bed.cluster.get_json(&["namespaces"]);
    let alive = alive["items"].as_array().unwrap().iter().filter(|one| {
        one["status"]["phase"] == "Active" && one["metadata"]["name"].as_str().unwrap().starts_with(system)
    });
    assert_eq!(alive.count(), 50);
}

#[test]
fn row_36_a_project_ends_with_its_lease_and_what_holds_it_is_named() {
    let bed = Bed::of(&CONFIG.replace("duration: 3600", "duration: 3"), &Bed::unique("os"));
    let _openshift = StandInForOpenShift::start(&bed);
    let tool = bed.least();
    bed.run_as(&tool, &["request", "--build", "b", "--label", "space"]).expect_success();
    let name = bed.namespace("b", 0);
    let patch = |text: &str| {
        bed.cluster.kubectl(&["patch", "namespace", &name, "--type=merge", "-p", text]).expect_success();
    };
    patch(r#"{"metadata": {"finalizers": ["example.org/hold"]}}"#);
    wait::until("the cleaner to take it", || {
        let cleaned = bed.run_as(&tool, &["gc"]);
        let named = cleaned.code() == Some(5) && cleaned.stdout.contains("example.org/hold");
        if named { Ok(()) } else { Err(cleaned.stdout) }
    });
    patch(r#"{"metadata": {"finalizers": null}}"#);
    wait::until("the cleaner to finish it", || {
        bed.run_as(&tool, &["gc"]);
        if bed.records().is_empty() { Ok(()) } else { Err(format!("{:?}", bed.namespaces())) }
    });
    assert!(bed.namespaces().is_empty() && bed.reserved().is_empty());
}
