//! When there is something to do for one provider.
//!
//! Decides: the moment of the next pass. Must not: ask anything or do it. Input: namespaces and records as they are known.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::cleanup::{Fate, fate, marked_since};
use crate::objects::{Key, reading};
use crate::state::{Listing, Record};

/// The moment at which a pass has something to do; the last moment of all where it has nothing. `ours` are the records that
/// are this provider's affair.
pub(super) fn due(
    spaces: &[&ObjectMeta],
    listing: &Listing,
    ours: &[&Record],
    now: Timestamp,
    confirm: u64,
) -> Timestamp {
    let there: BTreeSet<&str> =
        spaces.iter().filter_map(|one| reading(one.labels.as_ref(), Key::Request)).collect();
    let spaces = spaces.iter().map(|one| match fate(one, listing, now, confirm) {
        // What is wanted is looked at when its record lapses, and what is going when it is gone.
        Fate::Going | Fate::Keep => Timestamp::MAX,
        Fate::Spare | Fate::Condemn | Fate::Delete => now,
        Fate::Await => marked_since(one, now).map_or(now, |since| after(second(since), confirm)),
    });
    let records = ours.iter().map(|record| match record.is_let_go() {
        true if there.contains(record.id.as_str()) => Timestamp::MAX,
        true => now,
        false if listing.over(record, now) => now,
        false => after(record.lapses(), 1).max(now),
    });
    // What belongs to a buildset may go when that is over.
    let sets = listing.buildsets.iter().map(|set| set.until).filter(|until| *until > now);
    spaces.chain(records).chain(sets).min().unwrap_or(Timestamp::MAX)
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap_or(Timestamp::MAX)
}

/// So many seconds later.
pub(super) fn after(moment: Timestamp, seconds: u64) -> Timestamp {
    let span = SignedDuration::from_secs(i64::try_from(seconds).unwrap_or(i64::MAX / 2));
    moment.checked_add(span).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Phase;
    use crate::state::tests::{at, ready};

    fn space(name: &str, marked: Option<&str>) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            labels: Some([(Key::Request.text(), "0123456789ab".to_owned())].into()),
            annotations: marked.map(|text| [(Key::Condemned.text(), text.to_owned())].into()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn row_47_a_pass_is_due_only_when_it_has_something_to_do() {
        let own = "main-0123456789ab-0-1";
        let mut gone = ready();
        gone.body.phase = Phase::Releasing;
        let (ready, gone) = (vec![ready()], vec![gone]);
        let going = ObjectMeta {
            deletion_timestamp: serde_json::from_str("\"1970-01-01T00:00:00Z\"").unwrap(),
            ..space(own, None)
        };
        let never = Timestamp::MAX;
        for (space, records, now, wanted) in [
            (Some(space(own, None)), &ready, 10, at(101)),
            (Some(space(own, None)), &ready, 200, at(200)),
            (Some(space(own, Some("5"))), &ready, 10, at(10)),
            (Some(space("main-0123456789ab-0-9", None)), &ready, 10, at(10)),
            (Some(space("main-0123456789ab-0-9", Some("5"))), &ready, 10, at(65)),
            (Some(space(own, Some("5"))), &gone, 70, at(70)),
            (Some(going.clone()), &gone, 10, never),
            (None, &gone, 10, at(10)),
            (None, &vec![], 10, never),
        ] {
            let listing = Listing { records: records.clone(), ..Listing::default() };
            let ours: Vec<&Record> = records.iter().collect();
            let spaces: Vec<&ObjectMeta> = space.iter().collect();
            assert_eq!(due(&spaces, &listing, &ours, at(now), 60), wanted, "{space:?} at {now}");
        }
    }
}
