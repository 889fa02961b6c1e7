//! Several providers: the builds of a buildset stay together, and a request goes where it can be served.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use proof::cluster::Cluster;
use proof::process::{Finished, spawn};
use proof::sandbox::binary;
use serde_json::{Value, json};

use crate::bed::{Bed, arg, prepare};

fn kubeconfig(cluster: &Cluster) -> Value {
    cluster.kubectl(&["config", "view", "--minify", "--raw", "-o", "json"]).expect_success().json()
}

/// A kubeconfig whose current context is the bed's cluster, with another one beside it.
fn with_context(bed: &Bed, name: &str, other: &Value) -> PathBuf {
    let mut both = kubeconfig(bed.cluster);
    let mut add = |list: &str, key: &str, value: Value| {
        both[list].as_array_mut().unwrap().push(json!({"name": name, key: value}));
    };
    add("clusters", "cluster", other["clusters"][0]["cluster"].clone());
    add("users", "user", other["users"][0]["user"].clone());
    add("contexts", "context", json!({"cluster": name, "user": name}));
    let path = bed.path(&format!("{name}.json"));
    std::fs::write(&path, both.to_string()).unwrap();
    path
}

#[test]
fn row_39_a_cluster_that_is_down_is_noted_and_the_next_one_serves() {
    let second = "\
providers:
  - name: down
    driver: kubernetes
    context: down
    pools: [{name: SYSTEM-d, labels: [{name: space, type: namespace}]}]
";
    let bed = Bed::with("providers:\n", second);
    let mut down = kubeconfig(bed.cluster);
    down["clusters"][0]["cluster"]["server"] = json!("https://127.0.0.1:1");
    let kubeconfig = with_context(&bed, "down", &down);
    let run = |args: &[&str]| Finished::of(bed.start_as(&kubeconfig, args));
    let out = bed.path("out");
    let request = ["request", "--build", "b", "--buildset", "s", "--label", "space", "--out", arg(&out)];
    run(&request).expect_success();
    let shown = run(&["--output", "json", "show", "b"]).expect_success().json();
    assert_eq!(shown["provider"], "here");
    assert_eq!(shown["tried"][0]["spot"]["provider"], "down");
    assert!(shown["tried"][0]["why"].as_str().unwrap().contains("create namespaces"), "{shown:#}");
    let text = run(&["show", "b"]).expect_success().stdout;
    assert!(text.contains("tried     down / ") && text.contains("place     here / "), "{text}");
    // The buildset was free to leave the one that is down, and stays where it is now.
    assert_eq!(
        run(&["--output", "json", "buildset", "show", "s"]).expect_success().json()["provider"],
        "here"
    );
    bed.cluster.kubectl_as(&out.join("kubeconfig"), &["get", "pods"]).expect_success();
}

#[test]
fn row_39_nodes_that_do_not_become_usable_are_followed_by_the_alternative() {
    let sets = "\
nodesets:
  - {name: large, nodes: [{name: one, label: machine}, {name: two, label: machine}]}
  - {name: small, nodes: [{name: one, label: space}]}
  - {name: either, alternatives: [large, small]}
providers:
";
    let bed =
        Bed::with("providers:\n  - name: here\n", &format!("{sets}  - name: here\n    launch-timeout: 1\n"));
    let request = ["request", "--build", "b", "--nodeset", "either"];
    bed.run(&request).expect_success(); // there is no kubelet, so no machine becomes ready
    let shown = bed.json(&["show", "b"]);
    assert_eq!((&shown["nodes"][0]["label"], shown["nodes"].as_array().unwrap().len()), (&json!("space"), 1));
    assert_eq!((&shown["tried"][0]["choice"], shown["tried"].as_array().unwrap().len()), (&json!(0), 1));
    assert_eq!(bed.run(&request).expect_success().code(), Some(0), "the same request finds it");
    assert_eq!(bed.run(&["request", "--build", "c", "--nodeset", "none"]).code(), Some(64));
    bed.run(&["release", "b", "--wait"]).expect_success();
    assert!(bed.namespaces().is_empty() && bed.reserved().is_empty(), "{:?}", bed.namespaces());
}

/// The providers of one file, the one that is tried first first.
fn offering(bed: &Bed, first: &str, second: &str) -> PathBuf {
    let mut text = format!(
        "system: {}\nhub: {{namespace: build-resources}}\nlabels: [{{name: space}}]\nproviders:\n",
        bed.system
    );
    for name in [first, second] {
        let context = if name == "there" { "    context: there\n" } else { "" };
        text += &format!(
            "  - name: {name}\n    driver: kubernetes\n{context}    pools: [{{name: {}, labels: [{{name: space, \
             type: namespace}}]}}]\n",
            bed.system
        );
    }
    let path = bed.path(&format!("{first}-first.yaml"));
    std::fs::write(&path, text).unwrap();
    path
}

fn start(config: &Path, kubeconfig: &Path, args: &[&str]) -> Child {
    let mut command = Command::new(binary("build-resources"));
    command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.arg("--config").arg(config).arg("--kubeconfig").arg(kubeconfig);
    command.args(["--output", "json"]).args(args);
    spawn(command)
}

#[test]
fn row_38_a_hundred_buildsets_raced_from_eight_processes_are_never_split() {
    let bed = Bed::new();
    let other = Cluster::start();
    prepare(&other);
    let kubeconfig = with_context(&bed, "there", &kubeconfig(&other));
    // Parents would rather go here, and children there: without affinity all of them would be split.
    let configs = [offering(&bed, "here", "there"), offering(&bed, "there", "here")];
    let next = std::sync::atomic::AtomicUsize::new(0);
    let places: Vec<[String; 2]> = std::thread::scope(|scope| {
        let race = || {
            let mut places = Vec::new();
            loop {
                let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if number >= 100 {
                    return places;
                }
                let set = format!("set-{number}");
                // Four races at a time, eight processes.
                let pair = ["parent", "child"].map(|who| {
                    let build = format!("{set}-{who}");
                    let config = &configs[usize::from((who == "child") != number.is_multiple_of(2))];
                    start(
                        config,
                        &kubeconfig,
                        &["request", "--build", &build, "--buildset", &set, "--label", "space"],
                    )
                });
                places.push(pair.map(|child| {
                    Finished::of(child).expect_success().json()["provider"].as_str().unwrap().to_owned()
                }));
            }
        };
        let races: Vec<_> = (0..4).map(|_| scope.spawn(race)).collect();
        races.into_iter().flat_map(|race| race.join().unwrap()).collect()
    });
    let split: Vec<_> = places.iter().filter(|[parent, child]| parent != child).collect();
    assert_eq!((places.len(), split.len()), (100, 0), "{split:?}");
    let mut count = BTreeMap::new();
    for [parent, _] in &places {
        *count.entry(parent).or_insert(0) += 1;
    }
    assert_eq!(count.len(), 2, "both were chosen: {count:?}");
    // What the clusters hold says the same.
    let label = format!("-lbuild-resources/system={}", bed.system);
    let held = other.get_json(&["namespaces", &label])["items"].as_array().unwrap().len();
    assert_eq!(held, 2 * count[&"there".to_owned()]);
    bed.cluster.kubectl(&["delete", "namespace", &label, "--wait=false"]).expect_success();
}
