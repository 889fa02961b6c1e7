//! What becomes of one holder: a namespace, or an account in a shared one.
//!
//! Decides: keep, mark, or delete. Must not: ask anything; pure. Input: its metadata, the records, the time.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::objects::{Key, reading};
use crate::state::{Listing, Phase, Record, StateError};

/// What becomes of one holder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is going away already.
    Going,
    /// Somebody wants it.
    Keep,
    /// Somebody wants it after all: the mark goes.
    Spare,
    /// Nobody wants it: it is marked.
    Condemn,
    /// It is marked, but not for long enough.
    Await,
    /// It goes.
    Delete,
}

/// The fate of a holder that carries our system's label.
pub fn fate(holder: &ObjectMeta, listing: &Listing, now: Timestamp, confirm: u64) -> Fate {
    if holder.deletion_timestamp.is_some() {
        return Fate::Going;
    }
    let marked = reading(holder.annotations.as_ref(), Key::Condemned);
    if wanted(holder, listing, now) {
        return if marked.is_some() { Fate::Spare } else { Fate::Keep };
    }
    match marked_since(holder, now) {
        None => Fate::Condemn,
        Some(since) if now.as_second().abs_diff(since) < confirm => Fate::Await,
        Some(_) => Fate::Delete,
    }
}

/// When a holder was marked. A mark that is no number, or lies in the future, was not made by us: it is made anew.
pub fn marked_since(holder: &ObjectMeta, now: Timestamp) -> Option<i64> {
    let marked = reading(holder.annotations.as_ref(), Key::Condemned)?;
    marked.parse::<i64>().ok().filter(|since| *since <= now.as_second())
}

fn wanted(holder: &ObjectMeta, listing: &Listing, now: Timestamp) -> bool {
    let Some(id) = reading(holder.labels.as_ref(), Key::Request) else { return false };
    let unreadable = listing.odd.iter().any(
        |error| matches!(error, StateError::Malformed { lease, .. } if *lease == Record::lease_name(id)),
    );
    let name = holder.name.as_deref().unwrap_or_default();
    let held = listing.records.iter().find(|record| record.id == id).is_some_and(|record| {
        let alive = match record.body.phase {
            Phase::Waiting | Phase::Making | Phase::Ready => !listing.over(record, now),
            Phase::Releasing => false,
        };
        alive && record.holders().iter().any(|own| own == name)
    });
    unreadable || held
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::StateError;
    use crate::state::tests::{at, ready};

    fn space(name: &str, request: &str, marked: Option<&str>) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some([(Key::Request.text(), request.to_owned())].into()),
            annotations: marked.map(|text| [(Key::Condemned.text(), text.to_owned())].into()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn row_23_a_namespace_goes_only_when_it_was_seen_unwanted_twice() {
        let own = "main-0123456789ab-0-1";
        let id = "0123456789ab";
        let alive = || Listing { records: vec![ready()], ..Listing::default() };
        let mut let_go = ready();
        let_go.body.phase = Phase::Releasing;
        let released = Listing { records: vec![let_go], ..Listing::default() };
        let none = Listing::default();
        for (namespace, listing, now, wanted) in [
            (space(own, id, None), &alive(), 100, Fate::Keep),
            (space(own, id, Some("50")), &alive(), 100, Fate::Spare),
            (space(own, id, None), &alive(), 101, Fate::Condemn),
            (space(own, id, Some("101")), &alive(), 160, Fate::Await),
            (space(own, id, Some("101")), &alive(), 161, Fate::Delete),
            (space("main-0123456789ab-0-2", id, None), &alive(), 100, Fate::Condemn),
            (space(own, "another", None), &alive(), 100, Fate::Condemn),
            (space(own, id, Some("100")), &none, 160, Fate::Delete),
            (space(own, id, Some("nonsense")), &none, 160, Fate::Condemn),
            (space(own, id, Some("999")), &none, 160, Fate::Condemn),
            (space(own, id, None), &released, 100, Fate::Condemn),
        ] {
            assert_eq!(fate(&namespace, listing, at(now), 60), wanted, "{namespace:?} at {now}");
        }
    }

    #[test]
    fn what_belongs_to_a_record_that_cannot_be_read_is_kept() {
        let odd = StateError::Malformed { lease: "req-0123456789ab".to_owned(), problem: String::new() };
        let listing = Listing { odd: vec![odd], ..Listing::default() };
        let namespace = space("main-0123456789ab-0-1", "0123456789ab", None);
        assert_eq!(fate(&namespace, &listing, at(1_000_000), 60), Fate::Keep);
    }
}
