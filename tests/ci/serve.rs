//! The controller: what dead processes began ends ready or gone, and what is away hinders nobody else.

use std::time::Duration;

use proof::process::Finished;

use crate::bed::Bed;

/// The same kubeconfig with one more context, `gone`, of a server that nobody runs.
fn with_a_dead_server(bed: &Bed) -> std::path::PathBuf {
    let view = ["config", "view", "--minify", "--raw", "-o", "json"];
    let mut kubeconfig = bed.cluster.kubectl(&view).expect_success().json();
    let user = kubeconfig["contexts"][0]["context"]["user"].clone();
    let dead = proof::prometheus::free_address();
    let more = [
        ("clusters", serde_json::json!({"name": "gone", "cluster": {"server": format!("https://{dead}")}})),
        ("contexts", serde_json::json!({"name": "gone", "context": {"cluster": "gone", "user": user}})),
    ];
    for (list, one) in more {
        kubeconfig[list].as_array_mut().unwrap().push(one);
    }
    let path = bed.path("two.yaml");
    std::fs::write(&path, kubeconfig.to_string()).unwrap();
    path
}

/// An installation of two providers, of which the second is down.
fn half_down() -> (Bed, std::path::PathBuf) {
    let bed = Bed::with(
        "providers:\n",
        "providers:\n  - name: gone\n    driver: kubernetes\n    context: gone\n    pools:\n      \
         - {name: far, priority: 200, labels: [{name: space, type: namespace}]}\n",
    );
    let kubeconfig = with_a_dead_server(&bed);
    (bed, kubeconfig)
}

#[test]
fn row_23_a_provider_that_is_down_does_not_keep_the_others_from_being_cleaned() {
    let (bed, kubeconfig) = half_down();
    let run = |args: &[&str]| -> Finished { Finished::of(bed.start_as(&kubeconfig, args)) };
    run(&["request", "--build", "b", "--label", "space"]).expect_success();
    let orphan = format!("{}-0123456789ab-0-1", bed.system);
    bed.cluster.apply(&format!(
        "{{apiVersion: v1, kind: Namespace, metadata: {{name: {orphan}, labels: {{build-resources/system: {}}}}}}}",
        bed.system
    ));
    let cleaned = run(&["--output", "json", "gc"]);
    assert_eq!(cleaned.code(), Some(75), "{cleaned:#?}");
    let said = cleaned.json();
    assert!(said["away"]["gone"].is_string(), "{said:#}");
    assert_eq!((&said["kept"], &said["condemned"][0]), (&1.into(), &orphan.as_str().into()), "{said:#}");
    // A build that has nothing there is released all the same.
    run(&["release", "b", "--wait"]).expect_success();
    assert!(bed.records().is_empty());
    let served = run(&["serve", "--once"]);
    assert_eq!(served.code(), Some(75), "{served:#?}");
    assert!(served.stdout.contains("provider gone is away") && bed.namespaces().is_empty(), "{served:#?}");
}

#[test]
fn row_06_after_any_kill_serve_ends_with_each_build_ready_or_gone_and_nothing_beside() {
    let bed = Bed::new();
    let builds: Vec<String> = (0..16).map(|number| format!("b{number}")).collect();
    for (number, build) in builds.iter().enumerate() {
        let mut child = bed.start(&[
            "request", "--build", build, "--label", "machine", "--label", "space", "--wait", "created",
        ]);
        std::thread::sleep(Duration::from_millis(20 * number as u64)); // each is killed at another place
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let served = bed.json(&["serve", "--once"]);
    let listed = bed.json(&["list"]);
    let left = listed["builds"].as_array().unwrap();
    assert!(left.iter().all(|build| build["phase"] == "ready"), "{served:#} {listed:#}");
    assert_eq!(bed.namespaces().len(), 2 * left.len(), "{served:#}");
    assert_eq!(bed.reserved().len(), left.len());
    let pods = bed.cluster.get_json(&["pods", "-A", &format!("-lbuild-resources/system={}", bed.system)]);
    assert_eq!(pods["items"].as_array().unwrap().len(), left.len());
    assert!(!served["adopted"].as_array().unwrap().is_empty(), "some were killed half-way: {served:#}");
    for build in left {
        bed.run(&["release", build["build"].as_str().unwrap()]).expect_success();
    }
    bed.run(&["serve", "--once"]).expect_success();
    assert!(bed.namespaces().is_empty() && bed.records().is_empty() && bed.reserved().is_empty());
}
