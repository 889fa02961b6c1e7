//! What a record keeps through its Lease, and when it lapses.

use super::*;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

pub(crate) fn record(build: &str) -> Record {
    let nodes = vec![crate::request::node("builder=one").unwrap(), crate::request::node("space").unwrap()];
    let request = Request::new(build.to_owned(), None, None, nodes).unwrap();
    Record::new("0123456789ab".to_owned(), request, at(10_000), at(0))
}

/// A request whose nodes are handed over, and which lives until 100.
pub(crate) fn ready() -> Record {
    let mut record = record("b");
    record.body.phase = Phase::Ready;
    record.duration = 100;
    record.body.spot = Some(Spot { provider: "east".parse().unwrap(), pool: "main".parse().unwrap() });
    record
}

#[test]
fn a_record_survives_its_lease() {
    let mut record = record("b");
    record.holder = Some("me".to_owned());
    record.duration = 30;
    record.body.spot = Some(Spot { provider: "east".parse().unwrap(), pool: "main".parse().unwrap() });
    let lease = record.to_lease(&"ci".parse().unwrap()).unwrap();
    assert_eq!(Record::from_lease(&lease).unwrap(), record);
}

#[test]
fn a_record_lapses_with_its_lease_or_its_age() {
    let mut record = record("b");
    record.duration = 30;
    assert!(!record.lapsed(at(30)) && record.lapsed(at(31)));
    record.duration = 1_000_000;
    assert!(!record.lapsed(at(10_000)) && record.lapsed(at(10_001)));
}

#[test]
fn row_06_a_request_is_taken_up_when_its_driver_fell_silent_and_not_long_ago() {
    let mut making = record("b"); // until 10,000
    making.holder = Some("dead".to_owned());
    making.duration = 30;
    making.body.phase = Phase::Making;
    let mut left = making.clone();
    left.holder = None;
    let mut waiting = making.clone();
    waiting.body.phase = Phase::Waiting;
    for (record, now, wanted) in [
        (&making, 30, false),
        (&making, 31, true),
        (&making, 130, true),
        (&making, 131, false),
        (&left, 31, false),
        (&waiting, 31, false),
    ] {
        assert_eq!(record.is_orphaned(at(now), 100), wanted, "{:?} at {now}", record.body.phase);
    }
    making.body.until = at(50);
    assert!(!making.is_orphaned(at(51), 1_000));
}

#[test]
fn row_42_who_holds_a_record_decides_alone_when_it_lapses() {
    let mut record = record("b");
    record.duration = 30;
    let held = |until| Held { by: "ada".to_owned(), reason: "a race".to_owned(), until: at(until) };
    record.body.held = Some(held(20_000));
    assert!(!record.lapsed(at(20_000)) && record.lapsed(at(20_001)));
    let lease = record.to_lease(&"ci".parse().unwrap()).unwrap();
    assert_eq!(Record::from_lease(&lease).unwrap(), record);
}

#[test]
fn row_41_a_node_that_was_warm_keeps_its_name_until_it_is_made_anew() {
    let mut record = record("b");
    record.body.spot = Some(Spot { provider: "east".parse().unwrap(), pool: "main".parse().unwrap() });
    let warm = Warm { id: "w".to_owned(), holder: "main-warm".to_owned() };
    record.body.warm.insert(0, warm);
    assert_eq!(record.holders(), ["main-warm", "main-0123456789ab-1-1"]);
    record.next_attempt(0);
    assert_eq!(record.holders(), ["main-0123456789ab-0-2", "main-0123456789ab-1-1"]);
}

#[test]
fn a_new_attempt_is_a_new_name() {
    let mut record = record("b");
    record.body.spot = Some(Spot { provider: "east".parse().unwrap(), pool: "main".parse().unwrap() });
    record.next_attempt(1);
    assert_eq!(record.holders(), ["main-0123456789ab-0-1", "main-0123456789ab-1-2"]);
}

#[test]
fn row_39_a_place_that_failed_is_noted_and_no_name_is_used_twice() {
    use crate::request::{Wish, node};
    let set = |names: &[&str]| names.iter().map(|text| node(text).unwrap()).collect::<Vec<_>>();
    let mut record = record("b");
    let alternatives = vec![record.body.request.nodes.clone(), set(&["space=only"])];
    let wish = Wish { alternatives, ..Wish::default() };
    record.body.request = record.body.request.clone().wishing(wish).unwrap();
    let spot = Spot { provider: "east".parse().unwrap(), pool: "main".parse().unwrap() };
    record.body.spot = Some(spot.clone());
    let before = record.holders();
    record.give_up(0, "no image".to_owned());
    assert_eq!(
        (record.body.phase, record.body.spot.as_ref(), record.spots().count()),
        (Phase::Waiting, None, 1)
    );
    record.turn_to(1);
    record.body.spot = Some(spot);
    assert_eq!(record.holders(), ["main-0123456789ab-0-3"]);
    assert!(!before.contains(&record.holders()[0]));
    let lease = record.to_lease(&"ci".parse().unwrap()).unwrap();
    assert_eq!(Record::from_lease(&lease).unwrap().body, record.body);
}

#[test]
fn a_lease_that_is_no_record_is_refused() {
    let good = record("b").to_lease(&"ci".parse().unwrap()).unwrap();
    let mut odd = good.clone();
    odd.metadata.annotations = None;
    assert!(matches!(Record::from_lease(&odd), Err(StateError::Malformed { .. })));
    let mut odd = good;
    odd.metadata.annotations.as_mut().unwrap().values_mut().for_each(|text| {
        *text = text.replace("[1,1]", "[1]");
    });
    assert!(matches!(Record::from_lease(&odd), Err(StateError::Malformed { .. })));
}
