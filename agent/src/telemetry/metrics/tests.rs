//! What is served is what the catalogue says, and promtool takes it.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use extensions_manifest::Sha256Digest;

use super::*;
use crate::apply::{FetchSummary, PayloadSummary, Problem};
use crate::golden;
use crate::telemetry::catalogue::{CATALOGUE, page};

fn state(packages: &[&str]) -> ExtensionState {
    ExtensionState {
        desired: true,
        staged: true,
        booted: false,
        version: None,
        requested_by: BTreeSet::new(),
        packages: packages.iter().map(|nevra| nevra.parse().unwrap()).collect(),
        in_base: BTreeSet::new(),
    }
}

fn report(at: i64, outcome: PassOutcome) -> PassReport {
    PassReport {
        at: jiff::Timestamp::from_second(at).unwrap(),
        outcome,
        owner: None,
        source_problem: None,
        calls: 0,
        extensions: BTreeMap::new(),
        reboot_pending: false,
        desired: None,
        payload: None,
        plan: None,
        observed: None,
        timings: Timings::default(),
    }
}

fn staged() -> PassReport {
    let usbguard = state(&["usbguard-1.0.0-15.el9.x86_64", "libqb-2.0.6-1.el9.x86_64"]);
    let kerberos = state(&["krb5-workstation-1:1.21.1-1.el9.x86_64"]);
    PassReport {
        calls: 1,
        extensions: BTreeMap::from([
            ("usbguard".parse().unwrap(), usbguard),
            ("kerberos".parse().unwrap(), kerberos),
        ]),
        reboot_pending: true,
        payload: Some(PayloadSummary {
            reference: "dir:/x".to_owned(),
            digest: Sha256Digest::of(b"x"),
            version: None,
            packages: 3,
            offers: BTreeSet::new(),
            fetch: FetchSummary { requests: 3, bytes_received: 1_000, bytes_written: 2_000, cached: true },
        }),
        timings: Timings { apply: Duration::from_secs(4), ..Timings::default() },
        ..report(1_700_000_000, PassOutcome::Staged { deployment: "x".to_owned() })
    }
}

fn failed() -> PassReport {
    let problem = Problem {
        reason: Reason::PayloadUnavailable,
        class: Class::Retry,
        message: "no route".to_owned(),
        cure: None,
    };
    PassReport {
        extensions: staged().extensions,
        reboot_pending: true,
        ..report(1_700_000_060, PassOutcome::NotDone { problem })
    }
}

/// Metrics in which everything has happened once.
fn eventful() -> Metrics {
    let metrics = Metrics::new();
    metrics.record(&staged());
    metrics.record(&failed());
    metrics.rollout(RolloutStep::Draining, 1);
    metrics
}

fn has(text: &str, line: &str) {
    assert!(text.lines().any(|found| found == line), "no line `{line}` in\n{text}");
}

#[test]
fn the_story_of_a_node_can_be_read_from_the_text() {
    let text = eventful().encode(Format::OpenMetrics);
    has(&text, "extensions_agent_extension_desired{extension=\"usbguard\"} 1");
    has(&text, "extensions_agent_extension_booted{extension=\"usbguard\"} 0");
    has(
        &text,
        "extensions_agent_extension_info{extension=\"kerberos\",package=\"krb5-workstation\",version=\"1:1.21.1-1.el9\",arch=\"x86_64\"} 1",
    );
    has(&text, "extensions_agent_extension_version{extension=\"kerberos\",version=\"1:1.21.1-1.el9\"} 1");
    has(&text, "extensions_agent_blocked_class{class=\"retry\"} 1");
    has(&text, "extensions_agent_rollout_step{step=\"Draining\"} 1");
    has(&text, "extensions_agent_reboot_pending 1");
    has(&text, "extensions_agent_blocked{reason=\"PayloadUnavailable\"} 1");
    has(&text, "extensions_agent_failures_total{reason=\"PayloadUnavailable\"} 1");
    has(&text, "extensions_agent_failures_total{reason=\"CorruptPackage\"} 0");
    has(&text, "extensions_agent_last_success_timestamp_seconds 1700000000");
    has(&text, "extensions_agent_passes_total{result=\"failed\"} 1");
    has(&text, "extensions_agent_host_calls_total 1");
    has(&text, "extensions_agent_payload_received_bytes_total 1000");
    has(&text, "extensions_agent_phase_duration_seconds_bucket{le=\"5.0\",phase=\"apply\"} 1");
    assert!(text.ends_with("# EOF\n"));
}

#[test]
fn an_extension_that_is_gone_loses_its_series_and_a_success_its_reason() {
    let metrics = eventful();
    metrics.record(&report(1_700_000_120, PassOutcome::NothingWanted));
    let text = metrics.encode(Format::OpenMetrics);
    assert!(!text.contains("usbguard") && !text.contains("blocked{"), "{text}");
}

#[test]
fn labels_stay_bounded_whatever_comes() {
    let metrics = Metrics::new();
    let many: Vec<String> = (0..1000).map(|number| format!("p{number}-1-1.noarch")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let extensions = (0..1000).map(|number| (format!("x{number}").parse().unwrap(), state(&many))).collect();
    metrics.record(&PassReport { extensions, ..staged() });
    let text = metrics.encode(Format::Plain);
    assert_eq!(text.matches("extension_desired{").count(), 128);
    assert_eq!(text.matches("extension_info{").count(), 128 * 16);
}

/// Names and types that the text declares, and the labels that its samples have.
fn declared(text: &str) -> BTreeMap<String, (String, BTreeSet<String>)> {
    let mut found = BTreeMap::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            found.insert(name.to_owned(), (kind.to_owned(), BTreeSet::new()));
        } else if let Some((name, rest)) = line.split_once('{') {
            let name = name.strip_suffix("_bucket").unwrap_or(name);
            let labels =
                rest.split('}').next().unwrap().split("\",").map(|pair| pair.split('=').next().unwrap());
            let labels = labels.filter(|label| *label != "le").map(str::to_owned);
            found.get_mut(name).unwrap().1.extend(labels);
        }
    }
    found
}

#[test]
fn what_is_served_is_what_the_catalogue_says() {
    let expected: BTreeMap<String, (String, BTreeSet<String>)> = CATALOGUE
        .iter()
        .map(|row| {
            let labels = row.labels.iter().map(|label| (*label).to_owned()).collect();
            (row.scraped(), (row.kind.as_str().to_owned(), labels))
        })
        .collect();
    // `_sum` and `_count` have labels too, but no declaration of their own.
    let text = eventful().encode(Format::Plain);
    let text: String = text
        .lines()
        .filter(|line| !line.contains("_sum{") && !line.contains("_count{"))
        .map(|l| format!("{l}\n"))
        .collect();
    assert_eq!(declared(&text), expected);
    golden::check("docs/metrics.md", &page());
}

#[test]
fn promtool_accepts_the_plain_form() {
    for metrics in [Metrics::new(), eventful()] {
        let text = metrics.encode(Format::Plain);
        let promtool = Command::new("promtool")
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stderr(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut promtool = promtool.expect("promtool, from the Debian package `prometheus`");
        promtool.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = promtool.wait_with_output().unwrap();
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success() && said.is_empty(), "{said}\n{text}");
    }
}
