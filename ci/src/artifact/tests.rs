//! In whose registry a file lies, and who is handed it.

use super::*;
use crate::error::{Failure, Reason};
use crate::request::{Request, Wish, node};
use crate::state::artifact_tests::artifact;
use crate::state::tests::{at, record};

/// The grandparent and the parent are kept, the child is not; each inherits as it is said.
fn family(child: &[&str]) -> (Record, Buildset) {
    let mut set = Buildset::new(&"ci".parse().unwrap(), "s", at(1000));
    let mut last = record("child");
    for (build, inherits, keep) in [
        ("grandparent", &[][..], Keep::Buildset),
        ("parent", &["grandparent"][..], Keep::Buildset),
        ("child", child, Keep::Job),
    ] {
        let inherits = inherits.iter().map(|text| (*text).to_owned()).collect();
        let nodes = vec![node("space").unwrap()];
        let request = Request::new(build.to_owned(), Some("s".to_owned()), None, nodes).unwrap();
        let request = request.wishing(Wish { inherits, keep, ..Wish::default() }).unwrap();
        set.join(build, &request, at(0)).unwrap();
        last.body.request = request;
    }
    (last, set)
}

#[test]
fn row_20_a_file_lies_where_it_outlives_who_returned_it() {
    let (child, set) = family(&["parent"]);
    assert_eq!(holders(&child, &set), ["parent"], "its own registry would end with it");
    let (mut parent, set) = family(&[]);
    assert!(holders(&parent, &set).is_empty());
    parent.body.request.build = "parent".to_owned();
    parent.body.request.inherits = vec!["grandparent".to_owned()];
    assert_eq!(holders(&parent, &set), ["parent", "grandparent"]);
}

#[test]
fn row_20_a_file_is_handed_to_who_inherits_from_its_giver_and_its_holder() {
    let (child, mut set) = family(&["parent"]);
    let missing = handed(&child, &set, "payload").unwrap_err();
    assert_eq!(missing.reason(), Reason::Dependency, "{missing}");
    let own = Artifact { build: "parent".to_owned(), ..artifact() };
    set.give_artifacts("parent", &BTreeMap::from([("payload".to_owned(), own.clone())])).unwrap();
    assert_eq!(handed(&child, &set, "payload").unwrap(), &own);
    let (stranger, _) = family(&[]);
    assert!(matches!(handed(&stranger, &set, "payload"), Err(ArtifactError::NotReturned { .. })));

    let elsewhere = Artifact { build: "grandparent".to_owned(), ..artifact() };
    set.give_artifacts("parent", &BTreeMap::from([("payload".to_owned(), elsewhere.clone())])).unwrap();
    assert!(matches!(handed(&child, &set, "payload"), Err(ArtifactError::NotInherited { .. })));
    let (both, _) = family(&["grandparent", "parent"]);
    assert_eq!(handed(&both, &set, "payload").unwrap(), &elsewhere);
}

#[test]
fn row_20_one_name_means_a_value_or_a_file_and_both_survive_the_lease() {
    let (_, mut set) = family(&[]);
    let files = BTreeMap::from([("payload".to_owned(), artifact())]);
    let values = BTreeMap::from([("payload".to_owned(), "x".to_owned())]);
    set.give("parent", &values, &std::collections::BTreeSet::new()).unwrap();
    set.give_artifacts("parent", &files).unwrap();
    assert!(set.members["parent"].data.is_empty());
    let lease = set.to_lease(&"ci".parse().unwrap()).unwrap();
    assert_eq!(Buildset::from_lease(&lease).unwrap().members["parent"].artifacts, files);
    set.give("parent", &values, &std::collections::BTreeSet::new()).unwrap();
    assert!(set.members["parent"].artifacts.is_empty());
    let reserved = BTreeMap::from([("zuul".to_owned(), artifact())]);
    assert!(set.give_artifacts("parent", &reserved).is_err());
}
