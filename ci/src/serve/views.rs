//! All views of one installation: the records, and the namespaces of each provider.
//!
//! Decides: what a change of a record means for the metrics. Must not: be acted on. Input: a desk.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::Api;
use kube::core::PartialObjectMeta;
use tokio::sync::mpsc;
use tokio::sync::watch::Sender;
use tracing::info;

use super::event::{News, tell};
use super::view::View;
use crate::cluster::Layout;
use crate::config::Name;
use crate::drive::{Desk, cut_off_since};
use crate::metrics::Metrics;
use crate::objects::system_selector;
use crate::state::{Listing, Phase, Record};

/// Most news that wait to be written down.
const QUEUE: usize = 256;
/// Most cuts that one change of a holder counts for.
const CUTS: u64 = 1000;

/// What is known.
pub(super) struct Views {
    records: View<Lease>,
    holders: BTreeMap<Name, Holders>,
}

/// The holders at one provider, by their metadata.
enum Holders {
    Namespaces(View<PartialObjectMeta<Namespace>>),
    /// In this namespace.
    Accounts(View<PartialObjectMeta<ServiceAccount>>, String),
}

impl Views {
    pub(super) fn new(desk: &Desk<'_>, changes: &Sender<u64>) -> Self {
        let providers = desk.clusters.providers.iter();
        let holders = providers.map(|(name, cluster)| {
            let view = match &cluster.layout {
                Layout::Shared(namespace) => Holders::Accounts(View::new(changes), namespace.clone()),
                Layout::Namespaces | Layout::Projects { .. } => Holders::Namespaces(View::new(changes)),
            };
            (name.clone(), view)
        });
        Views { records: View::new(changes), holders: holders.collect() }
    }

    /// Keeps all of them up to date; never ends.
    pub(super) async fn follow(&self, desk: &Desk<'_>, metrics: &Metrics) {
        let selector = system_selector(&desk.config.system);
        let (sender, receiver) = mpsc::channel(QUEUE);
        let news = |before: Option<&Lease>, now: &Lease| {
            for one in told(before, now, metrics) {
                let _ = sender.try_send(one); // who falls behind tells less
            }
        };
        let records = self.records.follow(desk.store.leases().clone(), &selector, news);
        let holders = self.holders.iter().filter_map(|(name, view)| {
            let client = desk.clusters.providers.get(name)?.client.clone();
            let selector = &selector;
            Some(async move {
                match view {
                    Holders::Namespaces(view) => view.follow(Api::all(client), selector, cuts(metrics)).await,
                    Holders::Accounts(view, namespace) => {
                        view.follow(Api::namespaced(client, namespace), selector, cuts(metrics)).await
                    }
                }
            })
        });
        futures_util::future::join3(records, join_all(holders), write(desk, receiver)).await;
    }

    /// The records as they are known.
    pub(super) fn listing(&self) -> Option<Listing> {
        self.records.with(|all| {
            let mut listing = Listing::default();
            all.values().for_each(|lease| listing.add(lease));
            listing
        })
    }

    /// Calls `then` with the holders at one provider; none where they are not known.
    pub(super) fn holders<T>(&self, provider: &Name, then: impl FnOnce(&[&ObjectMeta]) -> T) -> Option<T> {
        match self.holders.get(provider)? {
            Holders::Namespaces(view) => {
                view.with(|all| then(&all.values().map(|one| &one.metadata).collect::<Vec<_>>()))
            }
            Holders::Accounts(view, _) => {
                view.with(|all| then(&all.values().map(|one| &one.metadata).collect::<Vec<_>>()))
            }
        }
    }

    /// Counts the records.
    pub(super) fn count(&self, desk: &Desk<'_>, metrics: &Metrics, listing: &Listing) {
        let held = listing.records.iter().filter(|record| desk.held(record).is_some()).count();
        let warm = listing.records.iter().filter(|record| record.free_stock().is_some()).count();
        metrics.requests(desk.config, listing, held, warm);
    }
}

/// Counts the output that was cut off between two versions of a holder.
fn cuts<K>(metrics: &Metrics) -> impl Fn(Option<&PartialObjectMeta<K>>, &PartialObjectMeta<K>) {
    |before, now| {
        metrics.cut_off(cut_off_since(before.map(|one| &one.metadata), &now.metadata, CUTS));
    }
}

/// What happened between two versions of a record.
#[derive(Debug, Clone, PartialEq)]
struct Step {
    /// Seconds from the request to its being ready, where it became so.
    ready: Option<f64>,
    /// Nodes that were made anew.
    retried: u64,
    /// What went wrong.
    failures: Vec<String>,
}

fn step(before: Option<&Record>, now: &Record, asked: Option<jiff::Timestamp>) -> Step {
    let was_ready = before.is_some_and(|before| before.body.phase == Phase::Ready);
    let became_ready = before.is_some() && !was_ready && now.body.phase == Phase::Ready;
    let attempts = |record: &Record| record.body.attempts.iter().map(|one| u64::from(*one)).sum::<u64>();
    let known = before.map_or(0, |before| before.body.failures.len());
    Step {
        ready: asked
            .filter(|_| became_ready)
            .map(|asked| now.renewed.duration_since(asked).as_secs_f64().max(0.0)),
        retried: before.map_or(0, |before| attempts(now).saturating_sub(attempts(before))),
        failures: now.body.failures.iter().skip(known).cloned().collect(),
    }
}

/// What is to be told in the namespaces of one record.
struct Told {
    record: Record,
    news: News,
    note: String,
}

async fn write(desk: &Desk<'_>, mut told: mpsc::Receiver<Told>) {
    while let Some(one) = told.recv().await {
        let spot = one.record.body.spot.as_ref();
        let Some(cluster) = spot.and_then(|spot| desk.clusters.providers.get(&spot.provider)) else {
            continue;
        };
        if matches!(cluster.layout, Layout::Shared(_)) {
            continue; // others live there too
        }
        for namespace in one.record.holders() {
            tell(&cluster.client, &namespace, one.news, &one.note, (desk.clock)()).await;
        }
    }
}

fn told(before: Option<&Lease>, now: &Lease, metrics: &Metrics) -> Vec<Told> {
    let asked = now.metadata.creation_timestamp.as_ref().map(|time| time.0);
    let before = before.and_then(|lease| Record::from_lease(lease).ok());
    let Ok(now) = Record::from_lease(now) else { return Vec::new() };
    if now.body.stock.is_some() {
        return Vec::new(); // nobody asked for it
    }
    let step = step(before.as_ref(), &now, asked);
    let build = crate::error::shown(&now.body.request.build);
    let mut all = Vec::new();
    let mut say = |news, note| all.push(Told { record: now.clone(), news, note });
    if let Some(seconds) = step.ready {
        metrics.became_ready(seconds);
        info!(build, seconds, "ready");
        say(News::Ready, format!("the nodes of build `{build}` are ready"));
    }
    metrics.retried(step.retried);
    for failure in step.failures {
        let failure = crate::error::shown(&failure);
        info!(build, failure, "failed");
        say(News::Failed, failure);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::{at, record};

    #[test]
    fn row_46_a_request_is_counted_as_ready_once_and_each_new_attempt_as_a_retry() {
        let waiting = record("b");
        let mut ready = waiting.clone();
        ready.body.phase = Phase::Ready;
        ready.body.attempts = vec![2, 1];
        ready.failed("no image".to_owned());
        ready.renewed = at(30);
        let nothing = Step { ready: None, retried: 0, failures: Vec::new() };
        let made = Step { ready: Some(20.0), retried: 1, failures: vec!["no image".to_owned()] };
        assert_eq!(step(Some(&waiting), &ready, Some(at(10))), made);
        assert_eq!(step(Some(&ready), &ready, Some(at(10))), nothing);
        assert_eq!(step(None, &waiting, Some(at(10))), nothing);
    }
}
