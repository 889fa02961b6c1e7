//! How long the things of a buildset live: who joins it, what it keeps, how it ends.
//!
//! Decides: whether a build is kept, and when a buildset may be forgotten. Must not: delete a namespace itself. Input: a
//! buildset's record. Children end before their parents.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::drive::{Desk, Released, Stop};
use crate::request::{Keep, Request};
use crate::state::{Buildset, BuildsetError, Listing, Record};

/// How the end of a buildset came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// Nothing of it is left.
    Gone,
    /// These builds are still going away; the cleaner ends the rest.
    Going(Vec<String>),
}

impl Desk<'_> {
    /// Takes a build into its buildset, which is made if it is not there. None for a build that belongs to none.
    pub(crate) async fn join(&self, id: &str, request: &Request) -> Result<Option<Buildset>, Stop> {
        let Some(name) = &request.buildset else { return Ok(None) };
        let mut round = 0;
        loop {
            let now = (self.clock)();
            let found = self.store.buildset(name).await?;
            let mut set =
                found.unwrap_or_else(|| Buildset::new(&self.config.system, name, self.buildset_end(now)));
            if !set.join(id, request, now)? {
                return Ok(Some(set));
            }
            if let Some(set) = self.store.write_buildset(&set).await? {
                return Ok(Some(set));
            }
            self.pause(round, || Stop::Busy(name.clone())).await?;
            round += 1;
        }
    }

    fn buildset_end(&self, now: Timestamp) -> Timestamp {
        let age = i64::try_from(self.config.buildset.max_age.get()).unwrap_or(i64::MAX / 2);
        now.checked_add(SignedDuration::from_secs(age)).unwrap_or(Timestamp::MAX)
    }

    /// Changes the buildset of a record, by compare-and-swap; nothing is written where nothing changed. None when the
    /// record belongs to none, or it is gone.
    pub(crate) async fn change_buildset<T>(
        &self,
        record: &Record,
        change: impl Fn(&mut Buildset) -> T,
    ) -> Result<Option<T>, Stop> {
        let Some(name) = &record.body.request.buildset else { return Ok(None) };
        let mut round = 0;
        loop {
            let Some(found) = self.store.buildset(name).await? else { return Ok(None) };
            let mut set = found.clone();
            let answer = change(&mut set);
            if set == found || self.store.write_buildset(&set).await?.is_some() {
                return Ok(Some(answer));
            }
            self.pause(round.min(2), || Stop::Busy(name.clone())).await?;
            round += 1;
        }
    }

    /// Until when a build is kept although it is given back; none when it is not.
    pub(crate) async fn kept(&self, record: &Record) -> Result<Option<Timestamp>, Stop> {
        let request = &record.body.request;
        let (Keep::Buildset, Some(name)) = (request.keep, &request.buildset) else { return Ok(None) };
        let set = self.store.buildset(name).await?;
        Ok(set.filter(|set| !set.over((self.clock)())).map(|set| set.until.min(record.body.until)))
    }

    /// For how many seconds a ready record lives without a word: the time of a lease, or all of a buildset's.
    pub(crate) fn life(&self, record: &Record) -> u64 {
        match record.body.request.keep {
            Keep::Job => self.config.leases.duration.get(),
            Keep::Buildset => {
                u64::try_from(record.body.until.duration_since((self.clock)()).as_secs()).unwrap_or(0).max(1)
            }
        }
    }

    /// Ends a buildset: nothing joins it any more, and all that it has goes, children before parents. With `wait` until
    /// nothing is left. Safe to repeat.
    ///
    /// # Errors
    /// When there is no such buildset, a build of it is driven by another process, or a namespace does not go away.
    pub async fn end_buildset(&self, name: &str, wait: bool) -> Result<Ended, Stop> {
        let set = self.mark_ended(name).await?;
        for layer in set.layers() {
            let mut left = Vec::new();
            for build in &layer {
                match self.give_back(build, false).await {
                    Ok(Released::Gone) | Err(Stop::Unknown(_)) => {}
                    Ok(Released::Going | Released::Kept(_) | Released::Held(_)) => left.push(build.clone()),
                    Err(stop) => return Err(stop),
                }
            }
            if !left.is_empty() && !wait {
                return Ok(Ended::Going(left)); // their parents stay until they are gone
            }
            for build in &left {
                match self.give_back(build, true).await {
                    Ok(_) | Err(Stop::Unknown(_)) => {}
                    Err(stop) => return Err(stop),
                }
            }
        }
        if let Some(set) = self.store.buildset(name).await? {
            self.store.delete_buildset(&set).await?;
        }
        Ok(Ended::Gone)
    }

    async fn mark_ended(&self, name: &str) -> Result<Buildset, Stop> {
        let mut round = 0;
        loop {
            let Some(mut set) = self.store.buildset(name).await? else {
                return Err(BuildsetError::Unknown(name.to_owned()).into());
            };
            if set.ended {
                return Ok(set);
            }
            set.ended = true;
            if let Some(set) = self.store.write_buildset(&set).await? {
                return Ok(set);
            }
            self.pause(round.min(2), || Stop::Busy(name.to_owned())).await?;
            round += 1;
        }
    }

    /// Forgets the buildsets that are over and have no build left; returns their names.
    pub(crate) async fn forget_buildsets(&self, listing: &Listing) -> Result<Vec<String>, Stop> {
        let mut forgotten = Vec::new();
        for set in listing.buildsets.iter().filter(|set| may_be_forgotten(set, listing, (self.clock)())) {
            // One that changed since it was listed is looked at again by the next pass.
            self.store.delete_buildset(set).await?;
            forgotten.push(set.name.clone());
        }
        Ok(forgotten)
    }

    /// The time for which nodes of this record may live, in seconds; the same for each attempt.
    pub(crate) fn longest(&self, request: &Request) -> u64 {
        match request.keep {
            Keep::Job => self.config.leases.max_age.get(),
            Keep::Buildset => self.config.buildset.max_age.get(),
        }
    }

    /// When a fresh record ends at the latest: what is kept with its buildset, all else by its age.
    pub(crate) fn latest(&self, request: &Request, set: Option<&Buildset>) -> Timestamp {
        match (request.keep, set) {
            (Keep::Buildset, Some(set)) => set.until,
            (Keep::Buildset | Keep::Job, _) => {
                let age = Duration::from_secs(self.config.leases.max_age.get());
                let age = SignedDuration::try_from(age).unwrap_or(SignedDuration::MAX);
                (self.clock)().checked_add(age).unwrap_or(Timestamp::MAX)
            }
        }
    }
}

fn may_be_forgotten(set: &Buildset, listing: &Listing, now: Timestamp) -> bool {
    let left = listing.records.iter().any(|record| record.body.request.buildset.as_ref() == Some(&set.name));
    // What cannot be read may belong to it.
    set.over(now) && !left && listing.odd.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::{at, record};

    #[test]
    fn row_29_a_buildset_is_forgotten_when_it_is_over_and_empty() {
        let set = Buildset::new(&"ci".parse().unwrap(), "s", at(100));
        let mut member = record("b");
        member.body.request.buildset = Some("s".to_owned());
        let with = Listing { records: vec![member], ..Listing::default() };
        let none = Listing::default();
        for (listing, now, wanted) in
            [(&none, 100, false), (&none, 101, true), (&with, 101, false), (&with, 100, false)]
        {
            assert_eq!(may_be_forgotten(&set, listing, at(now)), wanted, "{now}");
        }
        let ended = Buildset { ended: true, ..set };
        assert!(may_be_forgotten(&ended, &none, at(0)));
    }

    #[test]
    fn row_29_what_an_ended_buildset_had_goes_children_first() {
        let member = |build: &str, parents: &[&str]| {
            let mut record = record(build);
            record.duration = 1000;
            record.body.request.buildset = Some("s".to_owned());
            record.body.request.inherits = parents.iter().map(|text| (*text).to_owned()).collect();
            record
        };
        let (parent, child) = (member("parent", &[]), member("child", &["parent"]));
        let set = |ended| Buildset { ended, ..Buildset::new(&"ci".parse().unwrap(), "s", at(100)) };
        let listing = |ended, records: &[&Record]| Listing {
            records: records.iter().map(|record| (*record).clone()).collect(),
            buildsets: vec![set(ended)],
            ..Listing::default()
        };
        let living = listing(false, &[&parent, &child]);
        assert!(!living.over(&parent, at(100)) && !living.over(&child, at(100)));
        let ended = listing(true, &[&parent, &child]);
        assert!(!ended.over(&parent, at(0)) && ended.over(&child, at(0)));
        assert!(listing(true, &[&parent]).over(&parent, at(0)));
        assert!(living.over(&child, at(101)), "too old is over too");
        let mut other = parent.clone();
        other.body.request.buildset = None;
        assert!(!ended.over(&other, at(0)));
    }
}
