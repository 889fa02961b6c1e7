//! What is installed in a cluster is whole: it renders, it says what the code says, and the host's units are the shipped ones.

use std::fmt::Write as _;
use std::process::Command;

use crate::tree;

const DEPLOY: &str = "agent/deploy";

fn read(path: &str) -> String {
    std::fs::read_to_string(tree::top().join(path)).unwrap_or_else(|error| panic!("reading {path}: {error}"))
}

/// What a tool says; `None` where the machine does not have it.
fn said(program: &str, arguments: &[&str]) -> Option<(bool, String)> {
    let output = Command::new(program).args(arguments).current_dir(tree::top()).output().ok()?;
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Some((output.status.success(), text))
}

#[test]
fn every_overlay_renders_and_has_what_it_is_for() {
    let overlays: &[(&str, &[&str], &[&str])] = &[
        (
            "base",
            &["kind: ServiceAccount", "expression: \"false\""],
            &["pods/eviction", "kind: MachineConfig\n"],
        ),
        (
            "overlays/plain",
            &["pods/eviction", "kind: MachineConfig\n", "expression: \"true\""],
            &["/currentConfig"],
        ),
        ("overlays/cluster-rollout", &["pods/eviction", "expression: \"true\""], &["kind: MachineConfig\n"]),
        (
            "overlays/owner",
            &["/currentConfig", "expression: \"true\""],
            &["kind: MachineConfig\n", "desiredConfig"],
        ),
        ("pools", &["kind: MachineConfigPool"], &["kind: ServiceAccount"]),
        ("monitoring", &["kind: PrometheusRule", "grafana_dashboard: \"1\""], &[]),
    ];
    for (overlay, there, not_there) in overlays {
        let rendered = said("kubectl", &["kustomize", &format!("{DEPLOY}/{overlay}")]);
        let Some((done, text)) = rendered else { return println!("kubectl is not here: not rendered") };
        assert!(done, "{overlay}: {text}");
        for part in *there {
            assert!(text.contains(part), "{overlay} lacks `{part}`");
        }
        for part in *not_there {
            assert!(!text.contains(part), "{overlay} has `{part}`");
        }
    }
}

/// A text as it stands in a YAML block of this depth.
fn indented(text: &str, depth: usize) -> String {
    text.lines().fold(String::new(), |mut all, line| {
        // Writing to a String cannot fail.
        let _ = if line.is_empty() { writeln!(all) } else { writeln!(all, "{:depth$}{line}", "") };
        all
    })
}

#[test]
fn the_units_of_the_machine_config_are_the_shipped_ones() {
    let machine_config = read("agent/deploy/host/50-extensions-agent.yaml");
    for unit in ["extensions-agent.service", "extensions-agent.socket"] {
        let shipped = indented(&read(&format!("systemd/system/{unit}")), 10);
        assert!(machine_config.contains(&shipped), "{unit} differs: put systemd/system/{unit} into it again");
    }
    assert_eq!(indented("a\n\nb", 2), "  a\n\n  b\n");
}

#[test]
fn every_policy_binds_the_identity_that_has_the_rights_and_fails_closed() {
    let texts =
        [read("agent/deploy/base/policy.yaml"), read("agent/deploy/components/rollout/policy.yaml")].concat();
    let count = |part: &str| texts.matches(part).count();
    let policies = count("kind: ValidatingAdmissionPolicy\n");
    assert_eq!(policies, 5);
    assert_eq!(count("failurePolicy: Fail\n"), policies);
    assert_eq!(count("kind: ValidatingAdmissionPolicyBinding\n"), policies);
    assert_eq!(count("validationActions: [Deny, Audit]\n"), policies);
    let identity = "request.userInfo.username == \"system:serviceaccount:extensions-agent:extensions-agent\"";
    assert_eq!(count(identity), policies);
}
