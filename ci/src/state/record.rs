//! The record of one request: what was asked, where it went, how far it came, and until when it lives.
//!
//! Decides: when a record has lapsed. Must not: read a clock or write a Lease. Input: a Lease.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use serde::{Deserialize, Serialize};

use super::{Empty, Held, StateError, Stock, Until, Warm};
use crate::config::{Name, OURS, label_value};
use crate::objects::{Key, holder_name};
use crate::request::Request;

/// How far a request came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Phase {
    /// No pool has room yet.
    Waiting,
    /// Room is reserved, and the objects are being made.
    Making,
    /// The job may use it.
    Ready,
    /// It is going away.
    Releasing,
}

impl Phase {
    /// The phase as it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Phase::Waiting => "waiting",
            Phase::Making => "making",
            Phase::Ready => "ready",
            Phase::Releasing => "releasing",
        }
    }
}

/// What a request waits for, beyond what its phase says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Note {
    /// A quota of the cluster has no room for one of its nodes.
    WaitingQuota,
}

impl Note {
    /// The note as it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Note::WaitingQuota => "waiting-quota",
        }
    }
}

/// Where a request went.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spot {
    /// The cluster.
    pub provider: Name,
    /// The pool.
    pub pool: Name,
}

/// One place where a request could not be served.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tried {
    /// Where.
    pub spot: Spot,
    /// Which of its alternatives was tried there, from 0.
    pub choice: usize,
    /// Why not.
    pub why: String,
}

/// What stands in the annotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// What was asked.
    pub request: Request,
    /// How far it came.
    pub phase: Phase,
    /// Where it went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spot: Option<Spot>,
    /// The attempt of each node, in the order of the request. It only grows, so no name is used twice.
    pub attempts: Vec<u32>,
    /// When it ends at the latest.
    pub until: Timestamp,
    /// Where it could not be served, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tried: Vec<Tried>,
    /// What it waits for, beyond what the phase says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Note>,
    /// What went wrong on the way, the newest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<String>,
    /// How far whoever drives it shall bring it.
    #[serde(default)]
    pub wait: Until,
    /// Who keeps it for looking at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Held>,
    /// Until when a process has said that it is alive and wants it, even empty.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Timestamp>,
    /// Since when its namespaces have no pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty: Option<Empty>,
    /// The nodes that were warm before, by their place in the request; the holders of the others have names that follow
    /// from the record.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub warm: BTreeMap<usize, Warm>,
    /// Nobody asked for it yet: it is kept ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock: Option<Stock>,
}

/// Most failures that a record keeps.
const FAILURES: usize = 10;

/// The record of one request.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The id of the request.
    pub id: String,
    /// What it says.
    pub body: Body,
    /// Who drives it.
    pub holder: Option<String>,
    /// When its holder or its user last said that it is still wanted.
    pub renewed: Timestamp,
    /// For how many seconds that counts.
    pub duration: u64,
    /// The UID of its Lease; empty before there is one.
    pub uid: String,
    /// The version that a change is compared with.
    pub version: Option<String>,
}

impl Record {
    /// A record of a request that nothing was done for yet.
    pub fn new(id: String, request: Request, until: Timestamp, now: Timestamp) -> Self {
        let attempts = vec![1; request.nodes.len()];
        let body = Body {
            request,
            phase: Phase::Waiting,
            spot: None,
            attempts,
            until,
            tried: Vec::new(),
            note: None,
            failures: Vec::new(),
            wait: Until::Ready,
            held: None,
            kept: None,
            empty: None,
            warm: BTreeMap::new(),
            stock: None,
        };
        Record { id, body, holder: None, renewed: now, duration: 0, uid: String::new(), version: None }
    }

    /// When it lapses, unless it is renewed. Who holds it decides alone.
    pub fn lapses(&self) -> Timestamp {
        if let Some(held) = &self.body.held {
            return held.until;
        }
        let seconds = i64::try_from(self.duration).unwrap_or(i64::MAX / 2);
        let lease = self.renewed.checked_add(SignedDuration::from_secs(seconds)).unwrap_or(Timestamp::MAX);
        lease.min(self.body.until)
    }

    /// Whether nobody wants it any more.
    pub fn lapsed(&self, now: Timestamp) -> bool {
        now > self.lapses()
    }

    /// Whether it is to go, and nobody is at it.
    pub fn is_let_go(&self) -> bool {
        self.body.phase == Phase::Releasing && self.holder.is_none()
    }

    /// Whether its driver died while it made the objects, not longer than `longest` seconds ago. One that only waited for
    /// room has nothing yet, and nobody who waits for it.
    pub fn is_orphaned(&self, now: Timestamp, longest: u64) -> bool {
        let grace = SignedDuration::from_secs(i64::try_from(longest).unwrap_or(i64::MAX / 2));
        let end = self.lapses().checked_add(grace).unwrap_or(Timestamp::MAX);
        self.body.phase == Phase::Making
            && self.body.stock.is_none() // nobody waits for it; another is made
            && self.holder.is_some()
            && self.lapsed(now)
            && now <= end
            && now <= self.body.until
    }

    /// The names of the holders of its nodes now; earlier attempts are not among them.
    pub fn holders(&self) -> Vec<String> {
        let Some(spot) = &self.body.spot else { return Vec::new() };
        self.body
            .attempts
            .iter()
            .enumerate()
            .map(|(at, attempt)| match self.body.warm.get(&at) {
                Some(warm) => warm.holder.clone(),
                None => holder_name(&spot.pool, &self.id, at, *attempt),
            })
            .collect()
    }

    /// What it says of a warm node that no request has taken; none for any other record.
    pub fn free_stock(&self) -> Option<&Stock> {
        let ready = self.body.phase == Phase::Ready;
        self.body.stock.as_ref().filter(|stock| ready && stock.taken.is_none())
    }

    /// How far it is, in one word.
    pub fn state(&self) -> &'static str {
        self.body.note.map_or(self.body.phase.as_str(), Note::as_str)
    }

    /// Takes the next name for one node.
    pub fn next_attempt(&mut self, at: usize) {
        self.body.warm.remove(&at);
        if let Some(attempt) = self.body.attempts.get_mut(at) {
            *attempt = attempt.saturating_add(1);
        }
    }

    /// Turns to one of the alternatives. Names of nodes stay new: each gets an attempt that none had before.
    pub fn turn_to(&mut self, choice: usize) {
        let Some(nodes) = self.body.request.choices().get(choice).cloned() else { return };
        if self.body.request.nodes != nodes {
            let next = self.body.attempts.iter().max().map_or(1, |most| most.saturating_add(1));
            self.body.attempts = vec![next; nodes.len()];
            self.body.request.nodes = nodes;
        }
    }

    /// Gives up where it is: the place is noted, and every node gets a new name.
    pub fn give_up(&mut self, choice: usize, why: String) {
        if let Some(spot) = self.body.spot.take() {
            self.body.tried.push(Tried { spot, choice, why });
        }
        for at in 0..self.body.attempts.len() {
            self.next_attempt(at);
        }
        self.body.phase = Phase::Waiting;
    }

    /// Every place where something of it may lie.
    pub fn spots(&self) -> impl Iterator<Item = &Spot> {
        self.body.spot.iter().chain(self.body.tried.iter().map(|tried| &tried.spot))
    }

    /// Remembers what went wrong.
    pub fn failed(&mut self, what: String) {
        self.body.failures.push(what);
        let surplus = self.body.failures.len().saturating_sub(FAILURES);
        self.body.failures.drain(..surplus);
    }

    /// The name of its Lease.
    pub fn lease_name(id: &str) -> String {
        format!("req-{id}")
    }

    /// The Lease that says it.
    ///
    /// # Errors
    /// Never in practice: every part is plain data.
    pub fn to_lease(&self, system: &Name) -> Result<Lease, StateError> {
        let body = serde_json::to_string(&self.body).map_err(|error| StateError::Bug(error.to_string()))?;
        let mut labels = BTreeMap::from([
            (Key::System.text(), system.to_string()),
            (Key::Request.text(), self.id.clone()),
            (Key::Build.text(), label_value(&self.body.request.build)),
        ]);
        if let Some(buildset) = &self.body.request.buildset {
            labels.insert(Key::Buildset.text(), label_value(buildset));
        }
        Ok(Lease {
            metadata: ObjectMeta {
                name: Some(Record::lease_name(&self.id)),
                labels: Some(labels),
                annotations: Some(BTreeMap::from([(format!("{OURS}record"), body)])),
                resource_version: self.version.clone(),
                ..ObjectMeta::default()
            },
            spec: Some(LeaseSpec {
                holder_identity: self.holder.clone(),
                renew_time: Some(MicroTime(self.renewed)),
                // A Lease may not last zero seconds; what lapsed is renewed in the past.
                lease_duration_seconds: Some(i32::try_from(self.duration.max(1)).unwrap_or(i32::MAX)),
                ..LeaseSpec::default()
            }),
        })
    }

    /// What a Lease says.
    ///
    /// # Errors
    /// When it is not a record.
    pub fn from_lease(lease: &Lease) -> Result<Self, StateError> {
        let name = lease.metadata.name.as_deref().unwrap_or_default();
        let malformed = |problem: String| StateError::Malformed { lease: name.to_owned(), problem };
        let annotations = lease.metadata.annotations.as_ref();
        let text = annotations
            .and_then(|map| map.get(&format!("{OURS}record")))
            .ok_or_else(|| malformed("it has no record".to_owned()))?;
        let body: Body = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        if body.attempts.len() != body.request.nodes.len() {
            return Err(malformed("its attempts do not match its nodes".to_owned()));
        }
        let spec = lease.spec.as_ref().ok_or_else(|| malformed("it has no spec".to_owned()))?;
        let renewed = spec.renew_time.as_ref().ok_or_else(|| malformed("it was never renewed".to_owned()))?.0;
        Ok(Record {
            id: name
                .strip_prefix("req-")
                .ok_or_else(|| malformed("its name is no record's".to_owned()))?
                .to_owned(),
            body,
            holder: spec.holder_identity.clone().filter(|holder| !holder.is_empty()),
            renewed,
            duration: u64::try_from(spec.lease_duration_seconds.unwrap_or(0)).unwrap_or(0),
            uid: lease.metadata.uid.clone().unwrap_or_default(),
            version: lease.metadata.resource_version.clone(),
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
