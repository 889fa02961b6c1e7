//! The NodeExtensions object as `kubectl` shows it.

use crate::stage::{Pool, shared};

#[test]
fn kubectl_lists_explains_and_waits() {
    let pool = Pool::new(shared(), "shown");
    let node = pool.node(0, "immediate");
    pool.wish(&["usbguard"]);
    pool.until_all(&node, "booted", &["usbguard"]);
    let object = format!("nodeextensions/{}", node.name());
    let kubectl = |args: &[&str]| pool.cluster.kubectl(args).expect_success().stdout;
    kubectl(&["wait", "--for=condition=Ready", &object, "--timeout=60s"]);

    let wide = kubectl(&["get", "nodeextensions", node.name(), "-o", "wide"]);
    for word in ["READY", "True", "Booted", "usbguard", node.name(), pool.name] {
        assert!(wide.contains(word), "`{word}` is missing in:\n{wide}");
    }
    let short = kubectl(&["get", "nodeext", node.name()]);
    assert!(short.contains("usbguard"), "{short}");
    let explained = kubectl(&["explain", "nodeextensions.status"]);
    for word in ["conditions", "extensions", "rebootPending", "The image that extensions are taken from"] {
        assert!(explained.contains(word), "`{word}` is missing in:\n{explained}");
    }
    let admin = pool.cluster.admin_kubeconfig().to_str().unwrap();
    let fleet =
        node.agent().run(["fleet", "--kubeconfig", admin, "--pool", pool.name]).expect_success().stdout;
    for word in [pool.name, "usbguard", "active"] {
        assert!(fleet.contains(word), "`{word}` is missing in:\n{fleet}");
    }
}

#[test]
fn a_status_that_cannot_be_meant_is_refused_by_the_server() {
    let cluster = shared();
    cluster.apply("apiVersion: extensions.agent/v1alpha1\nkind: NodeExtensions\nmetadata: {name: nobody}\n");
    let whole = |conditions: &str, extensions: &str| {
        let status = format!(
            r#"{{"agentVersion":"1","rebootPending":false,"summary":{{"desired":"","staged":"","booted":""}},"conditions":[{conditions}],"extensions":[{extensions}]}}"#
        );
        let patch = format!(r#"{{"status":{status}}}"#);
        cluster.kubectl(&[
            "patch",
            "nodeextensions",
            "nobody",
            "--subresource=status",
            "--type=merge",
            "-p",
            &patch,
        ])
    };
    let ready = |status: &str| {
        format!(
            r#"{{"type":"Ready","status":"{status}","reason":"X","message":"","lastTransitionTime":"2026-01-01T00:00:00Z"}}"#
        )
    };
    let extension = |name: &str, stage: &str| {
        format!(r#"{{"name":"{name}","stage":"{stage}","desired":false,"staged":false,"booted":false}}"#)
    };
    whole(&ready("True"), &extension("usbguard", "gone")).expect_success();
    for (conditions, extensions, word) in [
        (String::new(), String::new(), "whether the node is Ready"),
        (ready("Perhaps"), String::new(), "Perhaps"),
        (ready("True"), extension("--opt", "gone"), "name"),
        (ready("True"), extension("usbguard", "active"), "desired, staged and booted"),
    ] {
        let refused = whole(&conditions, &extensions);
        assert!(!refused.status.success() && refused.stderr.contains(word), "`{word}`: {refused:#?}");
    }
    cluster.kubectl(&["delete", "nodeextensions", "nobody"]).expect_success();
}
