//! The command line without a cluster: help, codes, and mistakes.

use std::path::PathBuf;

use super::*;
use crate::config::tests::GOOD;

fn ran(arguments: &[&str]) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let arguments = ["build-resources"].iter().chain(arguments).map(|text| (*text).into());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let code = runtime.block_on(main(arguments, Timestamp::now, &mut out, &mut err));
    (code, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
    let room = tempfile::tempdir().unwrap();
    let path = room.path().join("config.yaml");
    std::fs::write(&path, text).unwrap();
    (room, path)
}

#[test]
fn help_teaches_and_names_every_exit_code() {
    let (code, out, _) = ran(&["--help"]);
    assert_eq!(code, 0);
    for reason in Reason::ALL {
        assert!(out.contains(&format!("{:>2}  {}", reason.exit_code(), reason.meaning())), "{reason:?}");
    }
    for command in [
        "request",
        "list",
        "show",
        "inventory",
        "token",
        "renew",
        "keep",
        "release",
        "return",
        "buildset",
        "hold",
        "serve",
        "gc",
        "config",
    ] {
        assert!(out.contains(command), "{command}");
    }
}

#[test]
fn mistakes_end_with_their_own_codes() {
    let (_room, good) = written(GOOD);
    let (_other, bad) = written(&GOOD.replace("max-servers", "max-severs"));
    let (good, bad) = (good.to_str().unwrap(), bad.to_str().unwrap());
    for (arguments, code, word) in [
        (vec!["frobnicate"], 64, "frobnicate"),
        (vec!["request", "--build", "b"], 64, "--label"),
        (vec!["request", "--build", "b", "--label", "No Name"], 64, "a name must be"),
        (vec!["config", "check", "-f", "/does/not/exist"], 2, "reading the configuration"),
        (vec!["config", "check", "-f", bad], 2, "line 10: providers[0].pools[0].max-severs"),
        (vec!["list", "-f", good, "--kubeconfig", "/does/not/exist"], 2, "kubeconfig"),
        (vec!["config", "check", "-f", good], 0, ""),
    ] {
        let (found, _, err) = ran(&arguments);
        assert!(found == code && err.contains(word), "{arguments:?}: {found} {err}");
    }
}

#[test]
fn a_mistake_is_said_in_json_when_json_is_asked_for() {
    let (_room, bad) = written("system: x");
    let (code, out, err) = ran(&["config", "check", "-o", "json", "-f", bad.to_str().unwrap()]);
    let said: Value = serde_json::from_str(&err).unwrap();
    assert_eq!((code, out.as_str(), &said["error"]["reason"]), (2, "", &json!("config")));
}

#[test]
fn the_manifest_grants_what_jobs_get() {
    let config = crate::config::parse(GOOD.as_bytes()).unwrap();
    let text = serde_json::to_string(&manifest(&config)).unwrap();
    for word in ["leases", "pods/exec", "serviceaccounts/token", "networkpolicies", "statefulsets"] {
        assert!(text.contains(word), "{word}");
    }
    for object in manifest(&config).iter().filter(|object| object["kind"] == "ClusterRole") {
        assert!(!object.to_string().contains("\"*\""), "no wildcard: {object}");
    }
}

#[test]
fn row_26_this_program_may_not_do_what_it_grants() {
    let config = crate::config::parse(GOOD.as_bytes()).unwrap();
    let all = manifest(&config);
    let own = all.iter().find(|one| {
        one["kind"] == "ClusterRole" && one["metadata"]["name"] == "build-resources.build-resources"
    });
    let text = own.unwrap().to_string();
    for word in ["exec", "attach", "portforward", "secrets", "escalate", "impersonate", "deployments"] {
        assert!(!text.contains(word), "{word}: {text}");
    }
}

#[test]
fn row_37_with_shared_namespaces_only_the_manifest_grants_nothing_outside_them() {
    let text =
        GOOD.replace("driver: kubernetes", "driver: kubernetes\n    mode: shared\n    namespace: builds");
    let space = text.find("          - name: space").unwrap();
    let text = text[..space].replace("  - name: space\n", "");
    let config = crate::config::parse(text.as_bytes()).unwrap();
    let all = manifest(&config);
    for object in &all {
        let namespace = object["metadata"]["namespace"].as_str();
        assert!(matches!(namespace, Some("builds" | "build-resources")), "{object}");
    }
    let kinds: Vec<&str> = all.iter().filter_map(|object| object["kind"].as_str()).collect();
    assert_eq!(kinds, ["ServiceAccount", "Role", "RoleBinding", "Role", "RoleBinding"]);
}
