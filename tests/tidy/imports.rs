//! Data flows one way: a folder of the agent may use only the folders before it, and pure folders touch nothing.

use crate::tree;

/// The folders of the agent in flow order; `error`, `jitter`, `text` and `settings` are for all.
const FLOW: &[&str] = &[
    "error",
    "jitter",
    "text",
    "settings",
    "cluster",
    "desired",
    "rpm",
    "payload",
    "host",
    "owner",
    "plan",
    "apply",
    "rollout",
    "telemetry",
    "report",
    "reconcile",
    "cli",
];

/// The three inputs never mention each other.
const INPUTS: &[&str] = &["desired", "payload", "host"];

/// What a pure file may not mention.
const IMPURE: &[&str] = &[
    "tokio",
    "zbus",
    "kube",
    "std::fs",
    "std::net",
    "std::process",
    "std::env",
    "Instant::now",
    "SystemTime::now",
    "Timestamp::now",
    "Zoned::now",
    "async fn",
    ".await",
];

fn folder(path: &str) -> Option<&str> {
    let rest = path.strip_prefix("agent/src/")?;
    let name = rest.split('/').next()?;
    Some(name.trim_end_matches(".rs"))
}

fn used_folders(text: &str) -> Vec<&str> {
    text.match_indices("crate::")
        .filter_map(|(at, found)| text.get(at + found.len()..))
        .map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next().unwrap_or(rest))
        .filter(|name| FLOW.contains(name))
        .collect()
}

fn against_the_flow(path: &str, text: &str) -> Vec<String> {
    let Some(own) = folder(path) else { return Vec::new() };
    let Some(place) = FLOW.iter().position(|name| *name == own) else { return Vec::new() };
    let mut found = Vec::new();
    for used in used_folders(tree::without_tests(text)) {
        let later = FLOW.iter().position(|name| *name == used).is_some_and(|other| other > place);
        let beside = INPUTS.contains(&own) && INPUTS.contains(&used) && own != used;
        if later || beside {
            found.push(format!("{path}: `{own}` may not use `{used}`"));
        }
    }
    found
}

fn impure(path: &str, text: &str) -> Vec<String> {
    let code: String = tree::without_tests(text)
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect::<Vec<_>>()
        .join("\n");
    IMPURE
        .iter()
        .filter(|word| code.contains(*word))
        .map(|word| format!("{path}: a pure file may not mention `{word}`"))
        .collect()
}

fn is_pure(path: &str) -> bool {
    let own_tests = path.ends_with("/tests.rs") || path.contains("/tests/");
    (path.starts_with("extensions-manifest/src/") || path.starts_with("agent/src/plan/")) && !own_tests
}

#[test]
fn the_agents_folders_use_only_what_stands_before_them() {
    let found: Vec<String> =
        tree::sources(|path| path.starts_with("agent/src/") && !path.ends_with("tests.rs"))
            .iter()
            .flat_map(|source| against_the_flow(&source.path, &source.text))
            .collect();
    tree::assert_none("imports against the flow", &found);
}

#[test]
fn rules_are_pure() {
    let found: Vec<String> =
        tree::sources(is_pure).iter().flat_map(|source| impure(&source.path, &source.text)).collect();
    tree::assert_none("effects in pure files", &found);
}

#[test]
fn only_apply_changes_the_host() {
    let found: Vec<String> = tree::sources(tree::shipped)
        .iter()
        .filter(|source| !matches!(folder(&source.path), Some("apply" | "host")))
        .filter(|source| tree::without_tests(&source.text).contains(".layer("))
        .map(|source| format!("{}: calls `layer`", source.path))
        .collect();
    tree::assert_none("the host is changed outside `apply`", &found);
}

#[test]
fn only_one_function_of_the_rollout_reboots_the_host() {
    let found: Vec<String> = tree::sources(tree::shipped)
        .iter()
        .filter(|source| folder(&source.path) != Some("host"))
        .filter(|source| source.path != "agent/src/rollout/finalize.rs")
        .filter(|source| tree::without_tests(&source.text).contains("host.finalize("))
        .map(|source| format!("{}: calls `finalize` of a host", source.path))
        .collect();
    tree::assert_none("the host is rebooted outside `rollout::finalize`", &found);
}

#[test]
fn an_import_against_the_flow_and_an_effect_are_noticed() {
    assert_eq!(against_the_flow("agent/src/plan/mod.rs", "use crate::apply::Journal;").len(), 1);
    assert_eq!(against_the_flow("agent/src/host/mod.rs", "use crate::payload::Payload;").len(), 1);
    assert!(
        against_the_flow("agent/src/apply/mod.rs", "use crate::{error::Reason};\nuse crate::plan::Plan;")
            .is_empty()
    );
    assert_eq!(impure("agent/src/plan/mod.rs", "let now = Instant::now();").len(), 1);
    assert!(impure("agent/src/plan/mod.rs", "// tokio stays out\n").is_empty());
}
