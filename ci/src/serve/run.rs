//! The controller that keeps running: one loop cleans, one drives, one keeps nodes ready, one says that we are alive, and
//! views wake them.
//!
//! Decides: nothing itself; `due` says when. Must not: ask a server anything while there is nothing to do. Input: a desk, and
//! a stop.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join4;
use jiff::Timestamp;
use tokio::sync::watch::{Receiver, Sender};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::adopt::adopt;
use super::due::{after, due};
use super::shard::{BELIEVED, Shards};
use super::views::Views;
use crate::cleanup::{Report, Scope, Task};
use crate::config::Name;
use crate::drive::{Desk, Stop};
use crate::error::{Failure, chain};
use crate::metrics::Metrics;
use crate::state::Record;

/// Between two passes, so that what one of them changed is seen before the next, and many events cost one.
const BETWEEN: Duration = Duration::from_secs(1);
/// At the latest then everything is looked at, whatever the views say, in seconds.
const SAFETY: u64 = 600;
/// How long what is under way may take to end when we are told to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How long a provider that did not answer is left alone; doubled each time, up to the second.
const REST: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(60));

/// One controller at work.
pub(super) struct Run<'a> {
    pub(super) desk: &'a Desk<'a>,
    pub(super) metrics: &'a Metrics,
    pub(super) stop: &'a CancellationToken,
    pub(super) views: Views,
    pub(super) changes: Sender<u64>,
    mine: Mutex<BTreeSet<Name>>,
}

/// When a provider was looked at, and how it does.
#[derive(Debug, Clone, Copy)]
struct Pace {
    /// When the last pass was.
    last: Option<Timestamp>,
    /// Until when it is left alone.
    rest: Option<Instant>,
    /// For how long, the next time.
    pause: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Pace { last: None, rest: None, pause: REST.0 }
    }
}

impl Pace {
    fn went_well(&mut self, at: Timestamp) {
        *self = Pace { last: Some(at), ..Pace::default() };
    }

    fn failed(&mut self, now: Instant) {
        self.rest = now.checked_add(self.pause);
        self.pause = (self.pause * 2).min(REST.1);
    }
}

/// Works until `stop`.
pub async fn run(desk: &Desk<'_>, metrics: &Metrics, stop: &CancellationToken) {
    let changes = Sender::new(0);
    let views = Views::new(desk, &changes);
    let run = Run { desk, metrics, stop, views, changes, mine: Mutex::new(BTreeSet::new()) };
    let mut shards = Shards::default();
    tokio::select! {
        // Views never end; dropping them drops their requests.
        () = run.views.follow(desk, metrics) => {}
        // The loops end by themselves soon after the stop.
        _ = join4(run.clean(), run.drive(), run.keep_stock(), run.hold_on(&mut shards)) => {}
        // Unless a server keeps one: what is dropped then is what a kill would drop.
        () = async { stop.cancelled().await; sleep(GRACE).await } => {}
    }
    let _ = timeout(GRACE, shards.give_back(desk)).await; // its time runs out by itself
}

impl Run<'_> {
    pub(super) fn mine(&self) -> BTreeSet<Name> {
        self.mine.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Says that we are alive.
    async fn hold_on(&self, shards: &mut Shards) {
        let third = Duration::from_secs(BELIEVED.unsigned_abs() / 3);
        let mut pause = Duration::from_millis(200); // at first quickly, so that all are soon somebody's
        while !self.stop.is_cancelled() {
            if let Err(error) = shards.renew(self.desk).await {
                warn!(error = chain(&error), "the Leases of the providers cannot be had");
                self.metrics.failed(error.reason());
            }
            let mine = shards.mine();
            let all = mine.len() == self.desk.clusters.providers.len();
            let changed = self.mine() != mine;
            *self.mine.lock().unwrap_or_else(PoisonError::into_inner) = mine;
            if changed {
                self.changes.send_modify(|count| *count = count.wrapping_add(1));
            }
            pause = if all { third } else { (pause * 2).min(third) };
            self.wait(pause).await;
        }
    }

    pub(super) async fn wait(&self, length: Duration) {
        tokio::select! {
            () = sleep(length) => {}
            () = self.stop.cancelled() => {}
        }
    }

    /// Waits for a change, but no longer than that, and then for what comes in a bunch with it.
    pub(super) async fn next(&self, news: &mut Receiver<u64>, longest: Duration) {
        tokio::select! {
            _ = news.changed() => self.wait(BETWEEN).await,
            () = sleep(longest) => {}
            () = self.stop.cancelled() => {}
        }
        news.mark_unchanged();
    }

    /// Cleans what is due.
    async fn clean(&self) {
        let mut news = self.changes.subscribe();
        let mut paces: BTreeMap<Name, Pace> = BTreeMap::new();
        while !self.stop.is_cancelled() {
            let (ready, soon) = self.ready(&mut paces);
            if ready.is_empty() {
                let now = (self.desk.clock)();
                let wait =
                    soon.duration_since(now).unsigned_abs().clamp(BETWEEN, Duration::from_secs(SAFETY));
                self.next(&mut news, wait).await;
                continue;
            }
            let task = Task { dry: false, scope: Scope::Of(ready.clone()), spare_orphans: true };
            match self.desk.clean_part(&task).await {
                Ok(report) => self.cleaned(&report, &ready, &mut paces),
                Err(stop) => {
                    self.failed("cleaning", &stop);
                    let now = Instant::now();
                    ready.into_iter().for_each(|name| paces.entry(name).or_default().failed(now));
                }
            }
            self.wait(BETWEEN).await;
        }
    }

    /// The providers that a pass has something to do for, and when there will be something otherwise.
    fn ready(&self, paces: &mut BTreeMap<Name, Pace>) -> (BTreeSet<Name>, Timestamp) {
        let now = (self.desk.clock)();
        let mut soon = after(now, SAFETY);
        let mut ready = BTreeSet::new();
        let Some(listing) = self.views.listing() else { return (ready, soon) };
        self.views.count(self.desk, self.metrics, &listing);
        for provider in self.mine() {
            let pace = *paces.entry(provider.clone()).or_default();
            let rest = pace.rest.map(|end| end.saturating_duration_since(Instant::now()));
            if let Some(rest) = rest.filter(|rest| !rest.is_zero()) {
                soon = soon.min(after(now, rest.as_secs() + 1));
                continue;
            }
            let scope = Scope::Of(BTreeSet::from([provider.clone()]));
            let ours: Vec<&Record> =
                listing.records.iter().filter(|record| self.desk.covered(&scope, record)).collect();
            // An orphan is taken up, not cleaned, while it may be.
            let longest = self.desk.config.leases.duration.get();
            let ours: Vec<&Record> =
                ours.into_iter().filter(|record| !record.is_orphaned(now, longest)).collect();
            let confirm = self.desk.config.leases.confirm.get();
            let at = self.views.holders(&provider, |holders| due(holders, &listing, &ours, now, confirm));
            let Some(at) = at else { continue };
            let regular = pace.last.map_or(now, |last| after(last, self.regular(&ours)));
            match at.min(regular) {
                at if at <= now => drop(ready.insert(provider)),
                at => soon = soon.min(at),
            }
        }
        (ready, soon)
    }

    /// Seconds between two passes when nothing happens: fewer where something may be idle, which no event tells.
    fn regular(&self, ours: &[&Record]) -> u64 {
        let now = (self.desk.clock)();
        match self.desk.config.leases.idle_ttl {
            Some(ttl) if ours.iter().any(|record| self.desk.may_idle(record, now)) => {
                (ttl.get() / 3).clamp(1, SAFETY)
            }
            Some(_) | None => SAFETY,
        }
    }

    fn cleaned(&self, report: &Report, ready: &BTreeSet<Name>, paces: &mut BTreeMap<Name, Pace>) {
        self.metrics.cleaned(report, ready.iter().map(Name::as_str));
        let now = (self.desk.clock)();
        for name in ready {
            let pace = paces.entry(name.clone()).or_default();
            match report.away.get(name.as_str()) {
                None => pace.went_well(now),
                Some(why) => {
                    pace.failed(Instant::now());
                    warn!(provider = %name, error = why, "a provider is away; the others are served");
                    self.metrics.failed(crate::error::Reason::Again);
                }
            }
        }
        for (what, names) in [
            ("idle", &report.idle),
            ("condemned", &report.condemned),
            ("deleted", &report.deleted),
            ("finished", &report.finished),
        ] {
            for name in names {
                info!(what, name = crate::error::shown(name), "cleaned");
            }
        }
        for odd in &report.odd {
            warn!(error = odd, "a record cannot be read");
        }
    }

    /// Takes up what dead drivers left.
    async fn drive(&self) {
        let mut news = self.changes.subscribe();
        let longest = self.desk.config.leases.duration.get();
        while !self.stop.is_cancelled() {
            let now = (self.desk.clock)();
            let scope = Scope::Of(self.mine());
            let listing = self.views.listing().unwrap_or_default();
            let ours = || listing.records.iter().filter(|record| self.desk.covered(&scope, record));
            if ours().any(|record| record.is_orphaned(now, longest)) {
                tokio::select! {
                    // What is dropped is left as by a kill, and taken up by the next.
                    () = self.take_up(&scope) => {}
                    () = self.stop.cancelled() => {}
                }
                self.wait(BETWEEN).await;
                continue;
            }
            // The next driver that may have died.
            let soon = ours().filter(|record| record.holder.is_some()).map(Record::lapses).min();
            let wait = soon.map_or(SAFETY, |at| after(at, 1).duration_since(now).as_secs().unsigned_abs());
            self.next(&mut news, Duration::from_secs(wait.clamp(1, SAFETY))).await;
        }
    }

    /// The same desk, with as much patience as the slowest provider may need.
    pub(super) fn patient(&self) -> Desk<'_> {
        let longest = self.desk.config.providers.iter().map(|one| one.value.patience());
        let patience = Duration::from_secs(longest.max().unwrap_or(600).min(3600));
        let deadline = Instant::now().checked_add(patience).unwrap_or(self.desk.deadline);
        Desk { deadline, ..self.desk.clone() }
    }

    async fn take_up(&self, scope: &Scope) {
        match adopt(&self.patient(), scope).await {
            Ok(adopted) => {
                for (build, failure) in adopted {
                    let build = crate::error::shown(&build);
                    match failure {
                        None => {
                            self.metrics.adopted();
                            info!(build, "taken up after its driver had died, and ready");
                        }
                        Some(why) => warn!(build, error = why, "taken up, but given up"),
                    }
                }
            }
            Err(stop) => self.failed("taking up", &stop),
        }
    }

    fn failed(&self, operation: &str, stop: &Stop) {
        self.metrics.failed(stop.reason());
        warn!(operation, reason = stop.reason().code(), error = chain(stop), "a pass failed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_24_a_provider_that_fails_is_left_alone_for_longer_each_time() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        let mut rests = Vec::new();
        for _ in 0..7 {
            pace.failed(now);
            rests.push(pace.rest.unwrap().duration_since(now).as_secs());
        }
        assert_eq!(rests, [2, 4, 8, 16, 32, 60, 60]);
        pace.went_well(Timestamp::UNIX_EPOCH);
        assert!(pace.rest.is_none() && pace.pause == REST.0);
    }
}
