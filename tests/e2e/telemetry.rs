//! What is told: status by its schema, metrics that Prometheus accepts, in every phase.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::node::{host_and_payload, nevras, wish};
use proof::packages::Release;
use proof::prometheus::promtool_accepts;

fn validator() -> jsonschema::Validator {
    let schema =
        std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../agent/schema/status.json")).unwrap();
    jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap()
}

#[track_caller]
fn checked(status: Value) -> Value {
    let errors: Vec<String> = validator().iter_errors(&status).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new(), "{status:#}");
    status
}

/// The value of a series, by its name and one label.
fn value(text: &str, name: &str, label: &str) -> Option<f64> {
    let line = text.lines().find(|line| line.starts_with(&format!("{name}{{")) && line.contains(label))?;
    line.rsplit(' ').next()?.parse().ok()
}

#[test]
fn status_and_metrics_tell_desired_staged_and_booted() {
    let (host, payload) = host_and_payload();
    wish(&host, &["usbguard"], &payload.reference());
    let mut daemon = host.agent().run_daemon();
    daemon.await_notice("a reboot to be pending", |notice| notice.starts_with("STATUS=RebootPending"));

    let status = checked(host.agent().run(["status", "-o", "json"]).expect_success().json());
    let text = status.to_string();
    for nevra in nevras(Release::First, "usbguard") {
        assert!(text.contains(&nevra), "{nevra} is missing in {status:#}");
    }
    let metrics = host.metrics();
    promtool_accepts(&metrics);
    let extension = "extension=\"usbguard\"";
    for (name, expected) in [("desired", 1.0), ("staged", 1.0), ("booted", 0.0)] {
        let found = value(&metrics, &format!("extensions_agent_extension_{name}"), extension);
        assert_eq!(found, Some(expected), "{name} in {metrics}");
    }
    assert!(metrics.contains("extensions_agent_reboot_pending 1"), "{metrics}");
    assert!(daemon.stop().success());

    host.reboot();
    let mut daemon = host.agent().run_daemon();
    daemon.await_ready();
    proof::wait::until_true("the metrics to say that it is booted", || {
        value(&host.metrics(), "extensions_agent_extension_booted", extension) == Some(1.0)
    });
    let metrics = host.metrics();
    promtool_accepts(&metrics);
    assert!(metrics.contains("extensions_agent_reboot_pending 0"), "{metrics}");
    checked(host.agent().run(["status", "-o", "json"]).expect_success().json());
    assert!(daemon.stop().success());
}

#[test]
fn no_label_has_an_unbounded_value() {
    let (host, payload) = host_and_payload();
    wish(&host, &["usbguard", "sysstat", "kerberos"], &payload.reference());
    let mut daemon = host.agent().run_daemon();
    daemon.await_notice("a reboot to be pending", |notice| notice.starts_with("STATUS=RebootPending"));
    let metrics = host.metrics();
    let mut values: BTreeMap<&str, usize> = BTreeMap::new();
    for line in metrics.lines().filter(|line| !line.starts_with('#')) {
        let Some((_, labels)) = line.split_once('{') else { continue };
        for label in labels.split('}').next().unwrap().split("\",") {
            *values.entry(label.split('=').next().unwrap()).or_default() += 1;
            for forbidden in ["sha256:", "127.0.0.1", "/", "oci:"] {
                assert!(!label.contains(forbidden), "`{forbidden}` in a label: {line}");
            }
        }
    }
    // `package`, `version` and `arch` stand on info series alone, of which there are at most 16 for an extension.
    let known =
        ["arch", "class", "extension", "le", "package", "phase", "reason", "result", "step", "version"];
    for name in values.keys() {
        assert!(known.contains(name), "`{name}` is not one of the bounded labels {known:?}");
    }
    assert!(daemon.stop().success());
}

#[test]
fn status_tells_why_an_extension_is_not_there_and_what_would_cure_it() {
    let (host, payload) = host_and_payload();
    wish(&host, &["usbguard", "nonsense"], &payload.reference());
    assert_eq!(host.agent().apply().code(), Some(20));
    let status = host.agent().run(["status"]).expect_success();
    for word in ["nonsense", "UnknownExtension", "usbguard"] {
        assert!(status.stdout.contains(word), "`{word}` is missing in:\n{}", status.stdout);
    }
    checked(host.agent().run(["status", "-o", "json"]).expect_success().json());
}
