//! What stands in the files, and how they are put down.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::cluster::Address;
use crate::config::{Config, parse, tests::GOOD};
use crate::drive::Node;
use crate::state::tests::record;

fn granted(name: &str, kind: Kind, label: &str) -> Granted {
    Granted {
        node: Node {
            name: name.parse().unwrap(),
            label: label.parse().unwrap(),
            kind,
            namespace: format!("main-0123456789ab-{name}"),
            pod: name.to_owned(),
            account: "job".to_owned(),
            registry: false,
            access: crate::config::Way::Exec,
            ssh_service: None,
            containers: if kind == Kind::Pod { vec!["node".to_owned()] } else { Vec::new() },
        },
        address: Address {
            server: "https://api.example:6443".to_owned(),
            authority: Some("Q0E=".to_owned()),
            tls_server_name: None,
        },
        token: format!("secret-of-{name}"),
        expires: jiff::Timestamp::UNIX_EPOCH,
        registry: None,
        beside: crate::drive::Beside::default(),
    }
}

pub(super) fn with<T>(then: impl FnOnce(&Handover<'_>) -> T) -> T {
    let granted = [granted("one", Kind::Pod, "builder"), granted("space", Kind::Namespace, "space")];
    of(GOOD, &granted, then)
}

/// What is handed over where these nodes were granted of this configuration.
fn of<T>(config: &str, granted: &[Granted], then: impl FnOnce(&Handover<'_>) -> T) -> T {
    let config: Config = parse(config.as_bytes()).unwrap();
    let client = crate::ssh::Client { command: vec!["build-resources".to_owned()], build: "b".to_owned() };
    then(&Handover {
        record: &record("b"),
        pool: config.pools()[0].1,
        granted,
        plugin: None,
        inherited: &[],
        client: &client,
    })
}

#[test]
fn row_25_a_pod_is_a_host_and_a_namespace_only_a_resource() {
    let said = with(|handover| inventory(handover, Path::new("/out/kubeconfig")));
    let host = &said["all"]["hosts"]["one"];
    assert_eq!(host["ansible_connection"], "kubernetes.core.kubectl");
    assert_eq!(host["ansible_kubectl_kubeconfig"], "/out/kubeconfig");
    assert_eq!(host["ansible_kubectl_container"], "node");
    assert!(said["all"]["hosts"].get("space").is_none());
    let resources = &said["all"]["vars"]["zuul"]["resources"];
    assert_eq!(resources["space"], json!({"namespace": "main-0123456789ab-space", "context": "space"}));
    assert!(!said.to_string().contains("secret-of"), "the inventory holds no secret");
}

fn hosts(pods: &[(&str, &[&str])], label: &str) -> BTreeMap<String, Value> {
    let pods = pods.iter().map(|(name, containers)| {
        let mut granted = granted(name, Kind::Pod, "builder");
        granted.node.containers = containers.iter().map(|&name| name.to_owned()).collect();
        granted
    });
    let granted: Vec<Granted> = pods.collect();
    let said = of(label, &granted, |handover| inventory(handover, Path::new("/out/kubeconfig")));
    serde_json::from_value(said["all"]["hosts"].clone()).unwrap()
}

#[test]
fn row_25_every_container_is_a_host_and_no_host_hides_another() {
    let said = hosts(&[("a", &["node", "db", "b-c"]), ("a-b", &["node", "c"]), ("a-db", &["first"])], GOOD);
    let reached = |name: &str| {
        let host = &said[name];
        format!("{}/{}", host["ansible_kubectl_pod"], host["ansible_kubectl_container"]).replace('"', "")
    };
    let wanted = [
        ("a", "a/node"),
        ("a.db", "a/db"), // `a-db` is a node
        ("a.b-c", "a/b-c"),
        ("a-b", "a-b/node"),
        ("a-b.c", "a-b/c"),
        ("a-db", "a-db/first"),
    ];
    assert_eq!(said.len(), wanted.len(), "{:?}", said.keys());
    for (name, place) in wanted {
        assert_eq!(reached(name), place, "{name}");
    }
    assert!(hosts(&[("one", &["node", "db"])], GOOD).contains_key("one-db"));
}

#[test]
fn row_48_the_python_and_the_shell_of_a_label_reach_the_inventory() {
    let usual = hosts(&[("one", &["node"])], GOOD);
    assert_eq!(usual["one"]["ansible_python_interpreter"], "auto");
    assert_eq!(usual["one"]["ansible_shell_type"], "sh");
    let said = GOOD.replace("cpu: 2", "python-path: C:\\Python\\python.exe\n            shell-type: cmd");
    for host in hosts(&[("one", &["node", "second"])], &said).values() {
        assert_eq!(host["ansible_python_interpreter"], "C:\\Python\\python.exe");
        assert_eq!(host["ansible_shell_type"], "cmd");
    }
}

#[test]
fn each_context_has_its_own_token() {
    let said = with(kubeconfig);
    assert_eq!(said["current-context"], "one");
    assert_eq!(said["users"][1], json!({"name": "space", "user": {"token": "secret-of-space"}}));
    assert_eq!(said["contexts"][1]["context"]["namespace"], "main-0123456789ab-space");
}

#[test]
fn row_26_with_a_plugin_the_kubeconfig_holds_no_token() {
    let arguments = vec!["--config".to_owned(), "c".to_owned()];
    let plugin = Plugin { program: "/bin/build-resources".to_owned(), arguments };
    let said = with(|handover| {
        let handover = Handover { plugin: Some(plugin), record: handover.record, ..*handover };
        kubeconfig(&handover)
    });
    assert_eq!(said["users"][1]["user"]["exec"]["args"], json!(["--config", "c", "token", "b", "space"]));
    assert!(!said.to_string().contains("secret-of"));
}

#[test]
fn a_token_is_not_shown_by_debug() {
    assert!(!format!("{:?}", granted("one", Kind::Pod, "builder")).contains("secret-of"));
}

#[test]
fn the_files_come_all_at_once_and_only_their_owner_reads_them() {
    let room = tempfile::tempdir().unwrap();
    let out = room.path().join("a/out");
    with(|handover| write(handover, &out)).unwrap();
    with(|handover| write(handover, &out)).unwrap(); // over its own
    for name in ["inventory.yaml", "inventory.json", "kubeconfig"] {
        assert_eq!(fs::metadata(out.join(name)).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
    }
    assert_eq!(fs::metadata(&out).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(fs::read_dir(room.path().join("a")).unwrap().count(), 1, "nothing is left aside");
    let yaml: Value =
        serde_saphyr::from_str(&fs::read_to_string(out.join("inventory.yaml")).unwrap()).unwrap();
    let json: Value = serde_json::from_slice(&fs::read(out.join("inventory.json")).unwrap()).unwrap();
    assert_eq!(yaml, json);
}

#[test]
fn a_directory_of_somebody_else_is_left_alone() {
    let room = tempfile::tempdir().unwrap();
    fs::write(room.path().join("thesis.txt"), "x").unwrap();
    let error = with(|handover| write(handover, room.path())).unwrap_err();
    assert!(crate::error::chain(&error).contains("other files"));
    assert!(room.path().join("thesis.txt").exists());
}

fn parent() -> Inherited {
    Inherited {
        build: "registry job".to_owned(),
        data: [("registry".to_owned(), "10.0.0.1:5000".to_owned()), ("zuul".to_owned(), "forged".to_owned())]
            .into(),
        secrets: [("password".to_owned(), "hush".to_owned())].into(),
        artifacts: [("packages".to_owned(), crate::state::artifact_tests::artifact())].into(),
        granted: vec![granted("machine", Kind::Pod, "builder")],
    }
}

#[test]
fn row_19_a_child_is_handed_the_values_and_only_one_private_file_has_the_secrets() {
    let config: Config = parse(GOOD.as_bytes()).unwrap();
    let (granted, inherited) = ([granted("one", Kind::Pod, "builder")], [parent()]);
    let (record, pool) = (record("b"), config.pools()[0].1);
    let client = crate::ssh::Client { command: Vec::new(), build: "b".to_owned() };
    let inherited = &inherited;
    let handover =
        Handover { record: &record, pool, granted: &granted, plugin: None, inherited, client: &client };
    let room = tempfile::tempdir().unwrap();
    let out = room.path().join("out");
    write(&handover, &out).unwrap();
    let read = |name: &str| fs::read_to_string(out.join(name)).unwrap();
    let said: Value = serde_json::from_str(&read("inventory.json")).unwrap();
    let vars = &said["all"]["vars"];
    assert_eq!(vars["registry"], "10.0.0.1:5000");
    assert_eq!(vars["packages"]["size"], 5);
    assert_eq!(vars["zuul"]["build"], "b", "nothing of ours can be replaced");
    let resource = &vars["zuul"]["resources"]["registry job/machine"];
    assert_eq!((&resource["pod"], &resource["build"]), (&json!("machine"), &json!("registry job")));
    assert!(said["all"]["hosts"].get("machine").is_none(), "`hosts: all` is the child's own");
    let kubeconfig: Value = serde_saphyr::from_str(&read("kubeconfig")).unwrap();
    assert_eq!(kubeconfig["contexts"][1]["name"], "registry job/machine");
    let mut with_secret = Vec::new();
    for entry in fs::read_dir(&out).unwrap().map(Result::unwrap) {
        if fs::read_to_string(entry.path()).unwrap().contains("hush") {
            with_secret.push(entry.file_name());
        }
    }
    assert_eq!(with_secret, ["secrets.json"]);
    assert_eq!(fs::metadata(out.join("secrets.json")).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(!format!("{inherited:?}").contains("hush"));
}
