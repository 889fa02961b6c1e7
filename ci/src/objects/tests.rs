//! Golden objects: one file a kind of label, and the rules that no golden file may bend.

use std::path::Path;

use super::*;
use crate::config::{Config, parse, tests::GOOD};
use crate::request::{Request, id, node};

/// What is made for one node of a build.
pub(super) fn made(config: &Config, build: &str, asked: &str) -> Objects {
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
    let holder = holder_name(&pool.name, &id, 0, 1);
    Objects::of(&Place {
        system: &config.system,
        id: &id,
        request: &request,
        node: &request.nodes[0],
        provider,
        pool,
        label: pool.label(&request.nodes[0].label).unwrap(),
        holder: &holder,
        namespace: provider.shared().map_or(&holder, |namespace| namespace.as_str()),
        until: Timestamp::from_second(1_800_000_000).unwrap(),
        max_age: 28_800,
    })
}

/// The same with one namespace for all.
fn shared() -> Config {
    let text =
        GOOD.replace("driver: kubernetes", "driver: kubernetes\n    mode: shared\n    namespace: builds");
    let space = text.find("          - name: space").unwrap();
    parse(text[..space].replace("  - name: space\n", "").as_bytes()).unwrap()
}

fn written(objects: &Objects) -> String {
    let yaml = |value: serde_json::Value| serde_saphyr::to_string(&value).unwrap();
    let holder = match &objects.holder {
        Holder::Namespace(namespace) => serde_json::to_value(namespace),
        Holder::Account(account) => serde_json::to_value(account),
    };
    let mut json = vec![
        holder,
        serde_json::to_value(&objects.defaults),
        serde_json::to_value(&objects.network),
        serde_json::to_value(&objects.account),
    ];
    json.extend(objects.roles.iter().map(serde_json::to_value));
    json.extend(objects.bindings.iter().map(serde_json::to_value));
    json.push(serde_json::to_value(&objects.pod));
    json.push(serde_json::to_value(&objects.quota));
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
    let mut shared = made(&shared(), "build/1", "builder=one");
    shared.held_by("0123-uid");
    held_against("shared.yaml", &written(&shared));
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
    let made = made(&config, "b", "builder=one");
    let name = made.pod.unwrap().metadata.name.unwrap();
    assert_eq!(made.bindings[0].role_ref.name, Granted::Pod.name());
    let rules = Granted::Pod.role().rules.unwrap();
    for rule in rules.iter().filter(|rule| rule.resources != Some(vec!["pods".to_owned()])) {
        assert_eq!(rule.resource_names, Some(vec![name.clone()]), "{rule:?}");
    }
}

#[test]
fn row_37_in_a_shared_namespace_a_job_may_nothing_with_what_is_anothers_and_all_goes_with_its_account() {
    let mut objects = made(&shared(), "b", "builder=one");
    objects.held_by("uid");
    let name = objects.holder.name().to_owned();
    assert!(matches!(objects.holder, Holder::Account(_)) && objects.quota.is_none());
    for rule in objects.roles[0].rules.iter().flatten() {
        assert_eq!(rule.resource_names, Some(vec![name.clone()]), "{rule:?}");
    }
    let pod = objects.pod.unwrap();
    let metas = [&objects.network.metadata, &objects.roles[0].metadata, &objects.bindings[0].metadata];
    for meta in metas.into_iter().chain([&pod.metadata]) {
        let owners = meta.owner_references.as_ref().unwrap();
        assert_eq!((owners[0].uid.as_str(), owners[0].name.as_str()), ("uid", name.as_str()));
        assert_eq!((meta.name.as_deref(), meta.namespace.as_deref()), (Some(name.as_str()), Some("builds")));
    }
    assert_eq!(pod.spec.unwrap().service_account_name, Some(name));
}

#[test]
fn row_43_those_who_may_look_on_are_named_by_pool_label_and_request_and_each_once() {
    let viewers = "viewers: [ann, bob]\n            ";
    let config = GOOD.replacen("type: pod", &format!("{viewers}type: pod"), 1);
    let config = config.replace("max-servers: 4", "max-servers: 4\n        viewers: [bob]");
    let config = parse(config.as_bytes()).unwrap();
    let bindings = made(&config, "b", "builder").bindings;
    let binding = bindings.iter().find(|one| one.role_ref.name == Granted::Viewer.name()).unwrap();
    let names: Vec<&str> = binding.subjects.iter().flatten().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["bob", "ann"]);
    let space = made(&config, "b", "space").bindings;
    assert!(space.iter().any(|one| one.role_ref.name == Granted::Viewer.name()), "the pool's");
    for rule in Granted::Viewer.role().rules.unwrap() {
        assert!(rule.verbs.iter().all(|verb| ["get", "list", "watch"].contains(&verb.as_str())), "{rule:?}");
        assert!(!rule.resources.unwrap().contains(&"secrets".to_owned()));
    }
}

#[test]
fn the_longest_names_still_make_a_holder() {
    let pool: Name = "p".repeat(40).parse().unwrap();
    let system: Name = "s".parse().unwrap();
    assert!(holder_name(&pool, &id(&system, "b"), 49, 9999).len() <= 63);
}
