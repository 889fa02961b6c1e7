//! Who may join, what may be returned, and what a Lease holds.

use super::*;
use crate::request::{Wish, node};
use crate::state::tests::at;

fn asking(build: &str, inherits: &[&str]) -> Request {
    let inherits = inherits.iter().map(|text| (*text).to_owned()).collect();
    Request::new(build.to_owned(), Some("s".to_owned()), None, vec![node("space").unwrap()])
        .unwrap()
        .wishing(Wish { inherits, ..Wish::default() })
        .unwrap()
}

fn family() -> Buildset {
    let mut set = Buildset::new(&"ci".parse().unwrap(), "s", at(1000));
    for (id, build, inherits) in [
        ("1", "registry", &[][..]),
        ("2", "image", &["registry"][..]),
        ("3", "test", &["image", "registry"][..]),
    ] {
        assert_eq!(set.join(id, &asking(build, inherits), at(0)), Ok(true));
    }
    set
}

fn one(key: &str, value: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(key.to_owned(), value.to_owned())])
}

#[test]
fn row_30_who_inherits_names_a_build_that_is_there() {
    let mut set = family();
    assert_eq!(set.join("3", &asking("test", &["image", "registry"]), at(0)), Ok(false), "again");
    let stranger = set.join("4", &asking("other", &["nobody"]), at(0));
    assert!(matches!(stranger, Err(BuildsetError::NoParent { .. })));
    assert!(matches!(set.join("4", &asking("other", &[]), at(1001)), Err(BuildsetError::Ended(_))));
    set.ended = true;
    assert!(matches!(set.join("4", &asking("other", &[]), at(0)), Err(BuildsetError::Ended(_))));
}

#[test]
fn row_29_children_go_before_their_parents() {
    assert_eq!(family().layers(), [vec!["test"], vec!["image"], vec!["registry"]]);
    let mut odd = family();
    odd.members.get_mut("1").unwrap().inherits = vec!["image".to_owned()];
    assert_eq!(odd.layers().concat().len(), 3, "a circle does not hold anything for ever");
}

#[test]
fn row_19_what_is_returned_can_be_handed_on_and_evaluates_to_itself() {
    let mut set = family();
    let none = BTreeSet::new();
    set.give("1", &one("host", "10.0.0.1"), &none).unwrap();
    set.give("1", &one("host", "10.0.0.2"), &BTreeSet::from(["password".to_owned()])).unwrap();
    assert_eq!(set.members["1"].data, one("host", "10.0.0.2"));
    for (key, value) in [
        ("", "x"),
        ("1st", "x"),
        ("a-b", "x"),
        ("zuul", "x"),
        ("ansible_host", "x"),
        (&"x".repeat(65), "x"),
        ("host", "{{ lookup('pipe', 'id') }}"),
        ("host", "a{%raw%}"),
    ] {
        let refused = set.give("1", &one(key, value), &none);
        assert!(matches!(refused, Err(BuildsetError::Refused { .. })), "{key} {value}");
    }
    assert!(set.give("9", &one("host", "x"), &none).is_err());
}

#[test]
fn row_19_a_record_that_the_api_would_not_take_is_refused_with_its_size() {
    let mut set = family();
    set.give("1", &one("host", &"x".repeat(BYTES)), &BTreeSet::new()).unwrap();
    let error = set.to_lease(&"ci".parse().unwrap()).unwrap_err();
    assert!(matches!(error, StateError::Large { most: BYTES, .. }), "{error}");
    assert_eq!(error.reason(), Reason::Usage);
}

#[test]
fn a_buildset_survives_its_lease_and_what_was_not_written_by_us_is_refused() {
    let mut set = family();
    set.provider = Some("east".parse().unwrap());
    set.give("1", &one("host", "x"), &BTreeSet::new()).unwrap();
    let mut lease = set.to_lease(&"ci".parse().unwrap()).unwrap();
    assert!(Buildset::is(&lease));
    assert_eq!(Buildset::from_lease(&lease).unwrap(), set);
    let text = lease.metadata.annotations.as_mut().unwrap().values_mut().next().unwrap();
    *text = text.replace("\"x\"", "\"{{ x }}\"");
    assert!(matches!(Buildset::from_lease(&lease), Err(StateError::Malformed { .. })));
}
