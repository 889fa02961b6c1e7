//! What one pass of the cleaner did.
//!
//! Decides: when there is nothing more to wait for. Must not: ask anything. Input: what the pass found.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Fate;
use crate::drive::Found;

/// What one pass did.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Report {
    /// Holders that are wanted.
    pub kept: usize,
    /// Holders that were seen unwanted for the first time.
    pub condemned: Vec<String>,
    /// Holders that wait for their second sighting.
    pub waiting: Vec<String>,
    /// Holders whose deletion was asked for.
    pub deleted: Vec<String>,
    /// Holders that may go, but not before others of the same provider are gone.
    pub queued: usize,
    /// Holders that are going away, and what holds them.
    pub going: BTreeMap<String, String>,
    /// Builds of which nothing is left.
    pub finished: Vec<String>,
    /// Builds that are let go because they left their namespaces empty.
    pub idle: Vec<String>,
    /// Buildsets that are over and have no build left.
    pub ended: Vec<String>,
    /// Reservations that belonged to no request.
    pub pruned: usize,
    /// Records that cannot be read. What belongs to them is kept.
    pub odd: Vec<String>,
    /// Providers that did not answer, and why. What is there is looked at by a later pass.
    pub away: BTreeMap<String, String>,
    /// Requests that another process drives, or a dead one did a moment ago.
    pub driven: usize,
    /// How many of the condemned belong to no record at all.
    pub leaked: usize,
    /// How many are going away at each provider.
    pub terminating: BTreeMap<String, usize>,
}

impl Report {
    pub(super) fn take(&mut self, found: &Found, fate: Fate) {
        let name = found.name().to_owned();
        match fate {
            Fate::Going => drop(self.going.insert(name, found.why())),
            Fate::Keep | Fate::Spare => self.kept += 1,
            Fate::Condemn => self.condemned.push(name),
            Fate::Await => self.waiting.push(name),
            Fate::Delete => self.deleted.push(name),
        }
    }

    /// Whether a further pass would find the same, as far as the cleaner is concerned.
    pub fn is_quiet(&self) -> bool {
        self.condemned.is_empty()
            && self.waiting.is_empty()
            && self.deleted.is_empty()
            && self.queued == 0
            && self.going.is_empty()
            && self.finished.is_empty()
            && self.idle.is_empty()
    }

    /// Whether something that only a person can remove keeps a namespace, or a record cannot be read.
    pub fn is_blocked(&self) -> bool {
        let held = |why: &String| why.contains("finalizer") || why.contains("Failure");
        !self.odd.is_empty() || self.going.values().any(held)
    }

    /// Adds what a later pass did; what is so now is taken from the later one.
    pub fn then(&mut self, later: Report) {
        self.condemned.extend(later.condemned);
        self.deleted.extend(later.deleted);
        self.finished.extend(later.finished);
        self.idle.extend(later.idle);
        self.ended.extend(later.ended);
        self.pruned += later.pruned;
        self.leaked += later.leaked;
        (self.kept, self.waiting, self.queued) = (later.kept, later.waiting, later.queued);
        (self.going, self.odd, self.away) = (later.going, later.odd, later.away);
        (self.driven, self.terminating) = (later.driven, later.terminating);
    }
}
