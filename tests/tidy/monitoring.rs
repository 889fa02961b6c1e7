//! Rules, alerts, dashboard and runbook speak of what there is.

use std::collections::BTreeSet;
use std::process::Command;

use extensions_agent::error::Reason;
use extensions_agent::telemetry::catalogue::CATALOGUE;

use crate::tree;

const MONITORING: &str = "agent/deploy/monitoring";

fn read(path: &str) -> String {
    std::fs::read_to_string(tree::top().join(path)).unwrap_or_else(|error| panic!("reading {path}: {error}"))
}

fn rules() -> String {
    read(&format!("{MONITORING}/rules.yaml"))
}

/// What stands behind `mark` on each line that has it.
fn named<'a>(text: &'a str, mark: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.trim().strip_prefix(mark)).map(str::trim).collect()
}

/// Words of a text that begin with `prefix`, as long as they may be a series.
fn series<'a>(text: &'a str, prefix: &str) -> BTreeSet<&'a str> {
    let part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':';
    text.split(|letter| !part(letter)).filter(|word| word.starts_with(prefix)).collect()
}

/// Series that neither an agent serves nor a rule records.
fn unknown(text: &str, recorded: &BTreeSet<&str>) -> Vec<String> {
    let served: BTreeSet<String> = CATALOGUE.iter().map(|row| row.scraped()).collect();
    let known = |word: &str| {
        let plain = ["_bucket", "_count", "_sum"].iter().find_map(|end| word.strip_suffix(end));
        served.contains(word) || plain.is_some_and(|plain| served.contains(plain)) || recorded.contains(word)
    };
    let words = [series(text, "extensions_agent_"), series(text, "cluster:")];
    words.into_iter().flatten().filter(|word| !known(word)).map(str::to_owned).collect()
}

#[test]
fn every_series_that_is_asked_for_exists() {
    let rules = rules();
    let recorded: BTreeSet<&str> = named(&rules, "- record: ").into_iter().collect();
    assert!(recorded.contains("cluster:os_extensions_nodes:count"), "{recorded:?}");
    for file in ["rules.yaml", "rules-test.yaml", "dashboard.json"] {
        let found = unknown(&read(&format!("{MONITORING}/{file}")), &recorded);
        tree::assert_none(&format!("{file} asks for series that nobody has"), &found);
    }
    assert_eq!(unknown("rate(extensions_agent_gone_total[1h])", &recorded), ["extensions_agent_gone_total"]);
}

#[test]
fn what_is_recorded_names_no_node_and_no_image() {
    let rules = rules();
    let records = rules.split("- name: extensions-agent.alerts").next().unwrap();
    for by in records.split("count by (").skip(1) {
        let labels: Vec<&str> = by.split(')').next().unwrap().split(", ").collect();
        assert!(labels.iter().all(|label| ["extension", "version", "reason"].contains(label)), "{labels:?}");
    }
    let (counted, all) = (records.matches("count by (").count(), named(records, "- record: ").len());
    assert_eq!(counted, all, "every record counts by labels that are named");
}

#[test]
fn every_alert_says_how_bad_it_is_and_leads_to_its_section() {
    let (rules, runbook) = (rules(), read("agent/docs/runbook.md"));
    let headings: BTreeSet<String> =
        runbook.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_lowercase).collect();
    let alerts: Vec<&str> = rules.split("- alert: ").skip(1).collect();
    assert!(alerts.len() >= 10);
    for alert in alerts {
        let name = alert.lines().next().unwrap();
        for word in ["severity: ", "summary: ", "description: "] {
            assert!(alert.contains(word), "{name} has no `{word}`");
        }
        let link = alert.split("runbook_url: ").nth(1).unwrap_or_default().lines().next().unwrap_or_default();
        let anchor = link.split_once("runbook.md#").map(|(_, anchor)| anchor);
        assert_eq!(anchor, Some(name.to_lowercase().as_str()), "{name}: {link}");
        assert!(headings.contains(&name.to_lowercase()), "{name} has no section");
    }
}

#[test]
fn the_runbook_knows_every_reason_and_no_other() {
    let runbook = read("agent/docs/runbook.md");
    let rows: Vec<&str> = named(&runbook, "| `").iter().filter_map(|row| row.split('`').next()).collect();
    let reasons: Vec<&str> = Reason::ALL.iter().map(|reason| reason.code()).collect();
    assert_eq!(rows, reasons);
}

#[test]
fn the_operators_form_of_the_rules_is_the_same() {
    let rules = rules();
    let groups = rules.find("groups:").map(|start| &rules[start..]).unwrap();
    let indented: String = groups.lines().map(|line| format!("  {line}\n")).collect();
    let head = "# Generated from rules.yaml; a test compares.\napiVersion: monitoring.coreos.com/v1\n\
                kind: PrometheusRule\nmetadata:\n  name: extensions-agent\n  namespace: extensions-agent\n  labels:\n    \
                app.kubernetes.io/name: extensions-agent\nspec:\n";
    let generated = format!("{head}{indented}");
    let path = format!("{MONITORING}/prometheus-rule.yaml");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(tree::top().join(&path), &generated).unwrap();
    }
    assert!(read(&path) == generated, "`{path}` is not made from rules.yaml; run this test with BLESS=1");
}

#[test]
fn the_dashboard_is_json_whose_panels_have_their_own_numbers() {
    let dashboard: serde_json::Value =
        serde_json::from_str(&read(&format!("{MONITORING}/dashboard.json"))).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let numbers: BTreeSet<u64> = panels.iter().filter_map(|panel| panel["id"].as_u64()).collect();
    assert!(!panels.is_empty() && numbers.len() == panels.len());
}

#[test]
fn promtool_takes_the_rules_and_their_tests() {
    for arguments in [
        ["check", "rules", "rules.yaml"].as_slice(),
        &["test", "rules", "rules-test.yaml"],
        &["check", "config", "prometheus.yml"],
    ] {
        let output =
            Command::new("promtool").args(arguments).current_dir(tree::top().join(MONITORING)).output();
        let output = output.expect("promtool, from the Debian package `prometheus`");
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "promtool {arguments:?}: {said}");
    }
}
