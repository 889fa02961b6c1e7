//! What a list of images means, and which lists mean nothing.

use serde_json::{Value, json};

use super::*;

fn hex(seed: &str) -> Sha256Digest {
    Sha256Digest::of(seed.as_bytes())
}

/// The image that a tag of these releases names.
fn spec(tag: &str) -> String {
    format!("registry.test/release@{}", hex(tag))
}

fn document(tags: &[&str]) -> Value {
    let tags: Vec<Value> = tags
        .iter()
        .map(
            |tag| json!({"name": tag, "from": {"kind": "DockerImage", "name": spec(tag)}, "annotations": {}}),
        )
        .collect();
    json!({"kind": "ImageStream", "apiVersion": "image.openshift.io/v1", "metadata": {"name": "4.18.1"},
        "spec": {"lookupPolicy": {"local": false}, "tags": tags}})
}

fn parse(document: &Value) -> Result<Release, ReleaseError> {
    let pinned = Pinned { display: "registry.test/release@x".to_owned(), digest: hex("release") };
    Release::parse(document.to_string().as_bytes(), pinned)
}

fn release(tags: &[&str]) -> Release {
    parse(&document(tags)).unwrap()
}

fn choose(tags: &[&str], os: Option<&str>, stream: Option<&str>) -> Result<String, Reason> {
    let os: Option<Reference> = os.map(|tag| spec(tag).parse().unwrap());
    let labels = Labels { stream: stream.map(str::to_owned), ..Labels::default() };
    let release = release(tags);
    let chosen = release.choose(os.as_ref(), Some(&labels));
    chosen.map(ToString::to_string).map_err(|error| error.reason())
}

#[test]
fn the_payload_is_that_of_the_nodes_operating_system_or_the_only_one() {
    let both =
        ["cli", "rhel-coreos", "rhel-coreos-10", "rhel-coreos-extensions", "rhel-coreos-10-extensions"];
    let nine = Ok(spec("rhel-coreos-extensions"));
    let ten = Ok(spec("rhel-coreos-10-extensions"));
    for (tags, os, stream, expected) in [
        (&["rhel-coreos-extensions", "etcd"][..], None, None, nine.clone()),
        (&["stream-coreos-10-extensions"], None, None, Ok(spec("stream-coreos-10-extensions"))),
        (&["machine-os-content"], None, None, Ok(spec("machine-os-content"))),
        (&["machine-os-content", "rhel-coreos-extensions"], None, None, nine.clone()),
        (&both, Some("rhel-coreos"), None, nine.clone()),
        (&both, Some("rhel-coreos-10"), None, ten.clone()),
        (&both, Some("rhel-coreos-10"), Some("rhel-9"), ten.clone()),
        (&both, Some("custom"), Some("rhel-9"), nine),
        (&both, Some("custom"), Some("rhel-10"), ten),
        (&both, Some("custom"), None, Err(Reason::NoPayload)),
        (&both, None, None, Err(Reason::NoPayload)),
        (&["rhel-coreos", "etcd"], None, None, Err(Reason::InvalidRelease)),
    ] {
        assert_eq!(choose(tags, os, stream), expected, "{tags:?} {os:?} {stream:?}");
    }
}

#[test]
fn a_payload_that_the_release_does_not_name_is_refused_with_what_it_names() {
    let release = release(&["rhel-coreos", "rhel-coreos-extensions", "rhel-coreos-10-extensions", "cli"]);
    release.admit("x", hex("rhel-coreos-extensions")).unwrap();
    release.admit("x", hex("rhel-coreos-10-extensions")).unwrap();
    for other in ["cli", "rhel-coreos", "else"] {
        let error = release.admit("registry.test/mine@y", hex(other)).unwrap_err();
        assert_eq!(error.reason(), Reason::PayloadNotInRelease, "{other}");
        let text = error.to_string();
        for word in [
            "4.18.1",
            "registry.test/mine@y",
            "`rhel-coreos-extensions` = ",
            &spec("rhel-coreos-10-extensions"),
        ] {
            assert!(text.contains(word), "{word}: {text}");
        }
    }
}

#[test]
fn a_list_that_is_not_exact_is_refused_and_its_text_is_not_repeated() {
    let with = |change: fn(&mut Value)| {
        let mut document = document(&["rhel-coreos-extensions"]);
        change(&mut document);
        document
    };
    for (what, bad) in [
        ("another kind", with(|d| d["kind"] = "Secret".into())),
        ("no tags", with(|d| d["spec"] = json!({}))),
        ("a tag for an image", with(|d| d["spec"]["tags"][0]["from"]["name"] = "quay.io/a/b:latest".into())),
        ("a directory", with(|d| d["spec"]["tags"][0]["from"]["name"] = "dir:hunter2".into())),
        ("no image", with(|d| d["spec"]["tags"][0]["from"] = Value::Null)),
        ("a name twice", document(&["rhel-coreos", "rhel-coreos"])),
        ("no document", json!("hunter2")),
    ] {
        let error = parse(&bad).expect_err(what);
        assert_eq!(error.reason(), Reason::InvalidRelease, "{what}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let many: Vec<String> = (0..=TAGS).map(|number| format!("x{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert!(parse(&document(&many)).is_err());
    // What is not about extensions may be as odd as it likes.
    let mut odd = document(&["rhel-coreos-extensions", "cli"]);
    odd["spec"]["tags"][1]["from"]["name"] = "anything at all".into();
    parse(&odd).unwrap();
}
