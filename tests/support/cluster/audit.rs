//! The audit log of an API server: who asked it for what. Kept only where a test wants it, as it costs work.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Deserialize;
use serde_json::json;

use super::Cluster;

const POLICY: &str = "audit.json";
const LOG: &str = "audit.log";

/// One request, told when it was received: a watch counts from its start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// What the client calls itself, as far as the first blank.
    pub agent: String,
    /// `get`, `list`, `watch`, `patch`.
    pub verb: String,
    /// Path and query.
    pub uri: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Event {
    #[serde(rename = "auditID")]
    id: String,
    verb: String,
    #[serde(rename = "requestURI")]
    uri: String,
    #[serde(default)]
    user_agent: String,
}

/// Lets the server of the cluster in `dir` write down each request once it is received.
pub(super) fn wanted(dir: &Path) {
    let policy = json!({"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}],
        "omitStages": ["ResponseStarted", "ResponseComplete"]});
    fs::write(dir.join(POLICY), policy.to_string()).unwrap();
}

/// The arguments of a server for which it is wanted.
pub(super) fn arguments(dir: &Path, server: &mut Command) {
    if dir.join(POLICY).exists() {
        server.args([
            format!("--audit-policy-file={POLICY}"),
            format!("--audit-log-path={LOG}"),
            // Not in one piece with others, and not later.
            "--audit-log-mode=blocking".to_owned(),
        ]);
    }
}

impl Cluster {
    /// All requests so far of a cluster that is [audited](Cluster::start_audited), in their order.
    #[track_caller]
    pub fn asked(&self) -> Vec<Asked> {
        read(&fs::read_to_string(self.dir().join(LOG)).unwrap())
    }
}

fn read(log: &str) -> Vec<Asked> {
    let mut seen = BTreeSet::new();
    // The last line may be half written.
    let events = log.lines().filter_map(|line| serde_json::from_str::<Event>(line).ok());
    let first = events.filter(|event| seen.insert(event.id.clone()));
    first
        .map(|event| {
            let agent = event.user_agent.split(' ').next().unwrap_or_default().to_owned();
            Asked { agent, verb: event.verb, uri: event.uri }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_told_once_and_half_a_line_is_none() {
        let line = r#"{"auditID": "1", "stage": "RequestReceived", "verb": "list", "requestURI": "/api/v1/pods", "userAgent": "a/1 (x)"}"#;
        let told = read(&format!("{line}\n{line}\n{}\n{}", line.replace("\"1\"", "\"2\""), &line[..40]));
        let one = Asked { agent: "a/1".to_owned(), verb: "list".to_owned(), uri: "/api/v1/pods".to_owned() };
        assert_eq!(told, [one.clone(), one]);
    }
}
