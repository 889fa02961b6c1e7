//! What follows from what was heard, in whatever order it was heard.

use super::*;
use crate::error::{Failure, Reason};

const ALL: [Kind; 3] = [Kind::Nodes, Kind::Pools, Kind::Configs];

fn node(annotation: &str) -> Item {
    let annotations = if annotation.is_empty() {
        String::new()
    } else {
        format!(r#""machineconfiguration.openshift.io/desiredConfig":"{annotation}""#)
    };
    let text = format!(
        r#"{{"metadata":{{"name":"n","uid":"u","labels":{{"node-role.kubernetes.io/worker":""}},"annotations":{{{annotations}}}}}}}"#
    );
    Item::of(Kind::Nodes, text.as_bytes())
}

fn pool(name: &str, paused: bool) -> Item {
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","uid":"p"}},"spec":{{"paused":{paused},
            "nodeSelector":{{"matchLabels":{{"node-role.kubernetes.io/worker":""}}}},
            "machineConfigSelector":{{"matchLabels":{{"role":"{name}"}}}}}}}}"#
    );
    Item::of(Kind::Pools, text.as_bytes())
}

fn head(name: &str, role: &str, version: u64) -> Item {
    let text = format!(
        r#"{{"metadata":{{"name":"{name}","uid":"c","resourceVersion":"{version}","labels":{{"role":"{role}"}}}}}}"#
    );
    Item::of(Kind::Configs, text.as_bytes())
}

fn listed(node: Item, pools: Vec<Item>, heads: Vec<Item>) -> Picture {
    let mut picture = Picture::default();
    for (kind, items) in ALL.into_iter().zip([vec![node], pools, heads]) {
        picture.hear(News { kind, what: What::Listed(items, 1) });
    }
    picture
}

fn selected(names: &[(&str, u64)]) -> Wanted {
    Wanted::Selected(
        names.iter().map(|(name, version)| ((*name).to_owned(), "c".to_owned(), *version)).collect(),
    )
}

fn reason(picture: &Picture, source: Source) -> Reason {
    picture.wanted("n", source).unwrap_err().reason()
}

#[test]
fn nothing_follows_before_everything_was_heard() {
    let mut picture = Picture::default();
    assert_eq!(picture.wanted("n", Source::Auto).unwrap(), Wanted::Unknown);
    for (kind, items) in ALL.into_iter().zip([vec![node("")], vec![pool("worker", false)]]) {
        picture.hear(News { kind, what: What::Listed(items, 1) });
        assert_eq!(picture.wanted("n", Source::Auto).unwrap(), Wanted::Unknown);
    }
    picture.hear(News { kind: Kind::Configs, what: What::Listed(Vec::new(), 1) });
    assert_eq!(picture.wanted("n", Source::Auto).unwrap(), selected(&[]));
}

#[test]
fn the_operator_counts_where_it_has_annotated_the_node() {
    let rendered = Wanted::Rendered("rendered-worker-1".to_owned());
    let operated = listed(node("rendered-worker-1"), vec![pool("worker", false)], Vec::new());
    let plain = listed(node(""), vec![pool("worker", false)], Vec::new());
    assert_eq!(operated.wanted("n", Source::Auto).unwrap(), rendered);
    assert_eq!(operated.wanted("n", Source::Operator).unwrap(), rendered);
    assert_eq!(operated.wanted("n", Source::Pools).unwrap(), selected(&[]));
    assert_eq!(plain.wanted("n", Source::Auto).unwrap(), selected(&[]));
    assert_eq!(reason(&plain, Source::Operator), Reason::MissingObject);
}

#[test]
fn the_pool_of_the_node_selects_and_order_does_not_count() {
    let heads = || vec![head("b", "worker", 3), head("a", "worker", 2), head("c", "infra", 4)];
    let mut backwards = heads();
    backwards.reverse();
    let one = listed(node(""), vec![pool("worker", false)], heads());
    let two = listed(node(""), vec![pool("worker", false)], backwards);
    assert_eq!(one.wanted("n", Source::Auto).unwrap(), selected(&[("a", 2), ("b", 3)]));
    assert_eq!(one.wanted("n", Source::Auto).unwrap(), two.wanted("n", Source::Auto).unwrap());
    assert_eq!(one.node(Source::Auto).unwrap().pool.unwrap().name, "worker");
}

#[test]
fn a_change_and_a_removal_are_taken_in_and_move_the_version() {
    let mut picture = listed(node(""), vec![pool("worker", false)], vec![head("a", "worker", 2)]);
    let kind = Kind::Configs;
    picture.hear(News { kind, what: What::Changed(head("a", "worker", 8), 8) });
    assert_eq!(picture.wanted("n", Source::Auto).unwrap(), selected(&[("a", 8)]));
    picture.hear(News { kind, what: What::Removed("a".to_owned(), 9) });
    assert_eq!(picture.wanted("n", Source::Auto).unwrap(), selected(&[]));
    picture.hear(News { kind, what: What::AsOf(12) });
    assert_eq!((picture.version(kind), picture.version(Kind::Pools)), (Some(12), Some(1)));
}

#[test]
fn a_paused_pool_changes_nothing() {
    let picture = listed(node(""), vec![pool("worker", true)], vec![head("a", "worker", 2)]);
    assert_eq!(picture.wanted("n", Source::Auto).unwrap(), Wanted::Paused("worker".to_owned()));
    assert!(picture.node(Source::Auto).unwrap().pool.unwrap().paused);
}

#[test]
fn what_an_operator_renders_is_not_taken_before_it_is_handed_out() {
    let rendering = r#"{"metadata":{"name":"worker","uid":"p"},"spec":{"configuration":{"name":"rendered-worker-1"},
        "nodeSelector":{"matchLabels":{"node-role.kubernetes.io/worker":""}}}}"#;
    let pool = Item::of(Kind::Pools, rendering.as_bytes());
    let picture = listed(node(""), vec![pool], Vec::new());
    assert_eq!(reason(&picture, Source::Auto), Reason::MissingObject);
    assert_eq!(picture.wanted("n", Source::Pools).unwrap(), selected(&[]));
}

#[test]
fn trouble_takes_nothing_away_and_ends_with_the_next_word() {
    let mut picture = listed(node(""), vec![pool("worker", false)], Vec::new());
    picture.hear(News { kind: Kind::Nodes, what: What::Trouble(DesiredError::NotAskedYet) });
    assert_eq!(picture.wanted("n", Source::Auto).unwrap(), selected(&[]));
    assert!(picture.trouble().is_some());
    picture.hear(News { kind: Kind::Nodes, what: What::AsOf(1) });
    assert!(picture.trouble().is_none());
}

#[test]
fn what_is_missing_ambiguous_or_unusable_is_told() {
    let worker = || pool("worker", false);
    let broken = Item::of(Kind::Pools, br#"{"metadata":{"name":"broken","uid":"p"}}"#);
    let cases = [
        (listed(node(""), Vec::new(), Vec::new()), Reason::MissingObject),
        (listed(node(""), vec![pool("a", false), pool("b", false)], Vec::new()), Reason::AmbiguousPool),
        (listed(node(""), vec![worker(), broken], Vec::new()), Reason::InvalidMachineConfig),
        (listed(node("../x"), vec![worker()], Vec::new()), Reason::InvalidMachineConfig),
    ];
    for (picture, expected) in cases {
        assert_eq!(reason(&picture, Source::Auto), expected);
    }
    let mut gone = listed(node(""), vec![worker()], Vec::new());
    gone.hear(News { kind: Kind::Nodes, what: What::Removed("n".to_owned(), 5) });
    assert_eq!(reason(&gone, Source::Auto), Reason::MissingObject);
    assert!(gone.node(Source::Auto).is_none());
}
