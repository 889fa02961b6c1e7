//! Golden objects: one file a kind of label, and the rules that no golden file may bend.

use std::path::Path;

use super::*;
use crate::config::{Config, parse, tests::GOOD};
use crate::request::{Request, id, node};

fn made(config: &Config, build: &str, asked: &str) -> Objects {
    let wanted = node(asked).unwrap();
    let request = Request::new(
        build.to_owned(),
        Some("set 7".to_owned()),
        Some("refs/changes/1".to_owned()),
        vec![wanted],
    )
    .unwrap();
    let id = id(&config.system, build);
    let (provider, pool) = config.pools()[0];
    let namespace = namespace_name(&pool.name, &id, 0, 1);
    Objects::of(&Place {
        system: &config.system,
        id: &id,
        request: &request,
        node: &request.nodes[0],
        provider,
        pool,
        label: pool.label(&request.nodes[0].label).unwrap(),
        namespace: &namespace,
        until: Timestamp::from_second(1_800_000_000).unwrap(),
        max_age: 28_800,
    })
}

fn written(objects: &Objects) -> String {
    let yaml = |value: serde_json::Value| serde_saphyr::to_string(&value).unwrap();
    let json = [
        serde_json::to_value(&objects.namespace),
        serde_json::to_value(&objects.defaults),
        serde_json::to_value(&objects.network),
        serde_json::to_value(&objects.account),
        serde_json::to_value(&objects.role),
        serde_json::to_value(&objects.binding),
        serde_json::to_value(&objects.pod),
        serde_json::to_value(&objects.quota),
    ];
    json.into_iter()
        .map(Result::unwrap)
        .filter(|value| !value.is_null())
        .map(yaml)
        .collect::<Vec<_>>()
        .join("---\n")
}

fn held_against(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/objects/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&path).unwrap_or_default(), "{name}; BLESS=1 rewrites it");
}

#[test]
fn the_objects_of_each_kind_of_label_are_the_golden_ones() {
    let config = parse(GOOD.as_bytes()).unwrap();
    held_against("pod.yaml", &written(&made(&config, "build/1", "builder=one")));
    held_against("namespace.yaml", &written(&made(&config, "build/1", "space")));
}

#[test]
fn the_same_node_gives_the_same_objects() {
    let config = parse(GOOD.as_bytes()).unwrap();
    assert_eq!(written(&made(&config, "b", "builder")), written(&made(&config, "b", "builder")));
}

#[test]
fn row_01_a_pod_does_not_start_again_and_gets_no_token_of_the_cluster() {
    let config = parse(GOOD.as_bytes()).unwrap();
    let spec = made(&config, "b", "builder").pod.unwrap().spec.unwrap();
    assert_eq!(spec.restart_policy.as_deref(), Some("Never"));
    assert_eq!(spec.active_deadline_seconds, Some(28_800));
    assert_eq!(spec.automount_service_account_token, Some(false));
}

#[test]
fn row_26_the_job_may_exec_into_its_own_pod_only() {
    let config = parse(GOOD.as_bytes()).unwrap();
    let rules = made(&config, "b", "builder=one").role.rules.unwrap();
    for rule in rules.iter().filter(|rule| rule.resources != Some(vec!["pods".to_owned()])) {
        assert_eq!(rule.resource_names, Some(vec!["one".to_owned()]), "{rule:?}");
    }
}

#[test]
fn the_longest_names_still_make_a_namespace() {
    let pool: Name = "p".repeat(40).parse().unwrap();
    let system: Name = "s".parse().unwrap();
    assert!(namespace_name(&pool, &id(&system, "b"), 49, 9999).len() <= 63);
}
