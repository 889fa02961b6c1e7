//! Who decides which payload a pass takes.

use extensions_manifest::Sha256Digest;
use serde_json::json;

use super::fake::Node;
use crate::apply::PassOutcome;
use crate::desired::Desired;
use crate::error::Reason;
use crate::payload::{Labels, Pinned, Release};
use crate::plan::tests::wish;

/// The digest of the payload that the node is offered.
fn own() -> Sha256Digest {
    Sha256Digest::of(b"one")
}

fn spec(digest: Sha256Digest) -> String {
    format!("registry.test/extensions@{digest}")
}

fn naming(tags: &[(&str, Sha256Digest)]) -> Release {
    let tags: Vec<_> =
        tags.iter().map(|(tag, digest)| json!({"name": tag, "from": {"name": spec(*digest)}})).collect();
    let document = json!({"kind": "ImageStream", "metadata": {"name": "4.18.1"}, "spec": {"tags": tags}});
    let pinned =
        Pinned { display: "registry.test/release@x".to_owned(), digest: Sha256Digest::of(b"release") };
    Release::parse(document.to_string().as_bytes(), pinned).unwrap()
}

fn node(release: Option<Release>) -> Node {
    let mut node = Node::new();
    node.release = Some("registry.test/release:4.18.1");
    *node.source.release.lock().unwrap() = release;
    node
}

fn unnamed(extensions: &[&str]) -> Desired {
    Desired { payload: None, payload_from: None, ..wish(extensions) }
}

#[tokio::test]
async fn the_release_names_the_payload_where_no_machine_config_does() {
    let node = node(Some(naming(&[("rhel-coreos-extensions", own())])));
    let report = node.pass(&unnamed(&["usbguard"])).await;
    assert!(matches!(report.outcome, PassOutcome::Staged { .. }), "{report:?}");
    let desired = report.desired.unwrap();
    assert_eq!(desired.payload, Some(spec(own())));
    assert_eq!(desired.payload_from.as_deref(), Some("release"));
    node.host.reboot();
    let loads = node.loads();
    let again = node.pass(&unnamed(&["usbguard"])).await;
    assert!(matches!(again.outcome, PassOutcome::Booted { .. }), "{again:?}");
    assert_eq!((again.calls, node.loads()), (0, loads), "the same payload by another way is the same wish");
}

#[tokio::test]
async fn a_payload_that_the_release_does_not_name_is_refused_before_it_is_fetched() {
    let node = node(Some(naming(&[("rhel-coreos-extensions", Sha256Digest::of(b"another"))])));
    let report = node.pass(&wish(&["usbguard"])).await;
    assert_eq!(report.reason(), Some(Reason::PayloadNotInRelease));
    assert_eq!((report.calls, node.loads()), (0, 0));
    // What is not pinned is held against the release when its digest is known.
    let by_tag =
        Desired { payload: Some("registry.test/extensions:latest".to_owned()), ..wish(&["usbguard"]) };
    let report = node.pass(&by_tag).await;
    assert_eq!((report.reason(), report.calls, node.loads()), (Some(Reason::PayloadNotInRelease), 0, 1));
    let nothing = node.pass(&wish(&[])).await;
    assert_eq!(nothing.outcome, PassOutcome::NothingWanted, "removal asks no release");
}

#[tokio::test]
async fn a_payload_that_the_release_names_goes_through() {
    let node = node(Some(naming(&[("rhel-coreos-extensions", own())])));
    let report = node.pass(&wish(&["usbguard"])).await;
    assert!(matches!(report.outcome, PassOutcome::Staged { .. }), "{report:?}");
}

#[tokio::test]
async fn a_release_that_cannot_be_had_is_tried_again_and_nothing_else_is_used() {
    let node = node(None);
    let report = node.pass(&wish(&["usbguard"])).await;
    assert_eq!((report.reason(), report.calls, node.loads()), (Some(Reason::PayloadUnavailable), 0, 0));
}

#[tokio::test]
async fn of_two_streams_the_one_of_the_os_image_is_taken_by_digest_then_by_its_labels() {
    let other = Sha256Digest::of(b"other");
    let node = node(Some(naming(&[
        ("rhel-coreos-extensions", other),
        ("rhel-coreos-10-extensions", own()),
        ("rhel-coreos-10", Sha256Digest::of(b"os")),
    ])));
    let on = |image: &str| Desired { os_image: Some(image.to_owned()), ..unnamed(&["usbguard"]) };
    let report = node.preview(&unnamed(&["usbguard"])).await;
    assert_eq!(report.reason(), Some(Reason::NoPayload), "{report:?}");
    let report = node.preview(&on(&spec(Sha256Digest::of(b"os")))).await;
    assert_eq!(report.desired.unwrap().payload, Some(spec(own())));
    let custom = "registry.test/custom:latest";
    let report = node.preview(&on(custom)).await;
    assert_eq!(report.reason(), Some(Reason::PayloadUnavailable), "{report:?}");
    let labels = Labels { stream: Some("rhel-10".to_owned()), ..Labels::default() };
    node.source.labels.lock().unwrap().insert(custom.to_owned(), labels);
    let report = node.preview(&on(custom)).await;
    assert_eq!(report.desired.unwrap().payload, Some(spec(own())));
}

#[tokio::test]
async fn an_os_image_is_a_payload_only_where_it_holds_extensions() {
    let node = Node::new();
    let image = spec(own());
    let on = Desired { os_image: Some(image.clone()), ..unnamed(&["usbguard"]) };
    for (labels, expected) in [
        (Labels { commit: Some("abc".to_owned()), ..Labels::default() }, Some(image.clone())),
        (Labels { commit: Some("abc".to_owned()), bootable: true, ..Labels::default() }, None),
        (Labels::default(), None),
    ] {
        node.source.labels.lock().unwrap().insert(image.clone(), labels);
        let desired = node.preview(&on).await.desired.unwrap();
        assert_eq!(desired.payload, expected);
        assert_eq!(desired.payload_from.is_some(), expected.is_some());
    }
}
