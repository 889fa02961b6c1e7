//! Whether a build that asked for nothing but namespaces leaves them empty.
//!
//! Decides: since when they are empty. Must not: count the absence of a look as the absence of pods. Input: the records, and
//! the quota of each namespace, of which the server changes the version whenever a pod comes or goes.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ResourceQuota;
use kube::Api;
use kube::api::ListParams;

use super::look::{PAGE, PATIENCE, within};
use super::{Report, Scope};
use crate::cluster::{Cluster, ClusterError, Layout};
use crate::config::{Kind, Name};
use crate::drive::{Desk, Stop};
use crate::objects::system_selector;
use crate::state::{Empty, Listing, Phase, Record, StateError};

/// What becomes of a build whose namespaces may be empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Idleness {
    /// It is as it was when it was looked at before.
    Same,
    /// This is written down.
    Note(Option<Empty>),
    /// It has been empty for too long.
    Over,
}

/// How many pods a namespace has, and which version of its quota says so.
type Pods = BTreeMap<String, (u64, String)>;

/// Judges one build that has only namespaces and that nobody keeps.
fn judge(record: &Record, pods: &Pods, now: Timestamp, ttl: u64) -> Idleness {
    let mut seen = String::new();
    for name in record.holders() {
        match pods.get(&name) {
            Some((0, version)) => {
                seen.push_str(version);
                seen.push(' ');
            }
            // In use, or not known: what stood there does not count any more.
            Some(_) | None => {
                return if record.body.empty.is_some() { Idleness::Note(None) } else { Idleness::Same };
            }
        }
    }
    match &record.body.empty {
        Some(empty) if empty.seen == seen => {
            let ttl = SignedDuration::from_secs(i64::try_from(ttl).unwrap_or(i64::MAX / 2));
            if now.duration_since(empty.since) >= ttl { Idleness::Over } else { Idleness::Same }
        }
        Some(_) | None => Idleness::Note(Some(Empty { since: now, seen })),
    }
}

fn counted(quota: &ResourceQuota) -> Option<(String, (u64, String))> {
    let used = quota.status.as_ref()?.used.as_ref()?.get("pods")?.0.parse().ok()?;
    Some((quota.metadata.namespace.clone()?, (used, quota.metadata.resource_version.clone()?)))
}

impl Desk<'_> {
    /// Lets go of the builds that have left their namespaces empty for longer than `idle-ttl`; returns the records as they are
    /// afterwards.
    pub(super) async fn let_go_of_the_idle(
        &self,
        mut listing: Listing,
        scope: &Scope,
        report: &mut Report,
    ) -> Result<Listing, Stop> {
        let Some(ttl) = self.config.leases.idle_ttl else { return Ok(listing) };
        let now = (self.clock)();
        if !listing.records.iter().any(|record| self.covered(scope, record) && self.may_idle(record, now)) {
            return Ok(listing);
        }
        let pods = self.count_pods(scope, report).await;
        for record in &mut listing.records {
            if !self.covered(scope, record) || !self.may_idle(record, now) {
                continue;
            }
            let mut changed = record.clone();
            match judge(record, &pods, now, ttl.get()) {
                Idleness::Same => continue,
                Idleness::Note(empty) => changed.body.empty = empty,
                Idleness::Over => {
                    changed.failed(format!("no pod for {} s, and nobody keeps it", ttl.get()));
                    changed.body.phase = Phase::Releasing;
                    changed.holder = None;
                    report.idle.push(record.body.request.build.clone());
                }
            }
            match self.store.write(&changed).await {
                Ok(written) => *record = written,
                Err(StateError::Overtaken(_)) => {} // it was renewed, or given back
                Err(error) => return Err(error.into()),
            }
        }
        Ok(listing)
    }

    /// Whether a build counts as idle once it is empty: ready, only namespaces, and neither held, kept nor warm.
    pub(crate) fn may_idle(&self, record: &Record, now: Timestamp) -> bool {
        record.body.phase == Phase::Ready
            && record.body.held.is_none()
            && record.body.stock.is_none()
            && record.body.kept.is_none_or(|until| until < now)
            && self.nodes(record).is_ok_and(|nodes| nodes.iter().all(|node| node.kind != Kind::Pod))
    }

    async fn count_pods(&self, scope: &Scope, report: &mut Report) -> Pods {
        let mut pods = Pods::new();
        for (name, cluster) in self.clusters.providers.iter().filter(|(name, _)| scope.has(name)) {
            if matches!(cluster.layout, Layout::Shared(_)) {
                continue; // it has no namespaces to hand out
            }
            let asked = quotas(cluster, &self.config.system);
            match within(PATIENCE, "list resourcequotas", asked).await {
                Ok(found) => pods.extend(found.iter().filter_map(counted)),
                Err(error) => report.away(name, &error.into()),
            }
        }
        pods
    }
}

async fn quotas(cluster: &Cluster, system: &Name) -> Result<Vec<ResourceQuota>, ClusterError> {
    let api: Api<ResourceQuota> = Api::all(cluster.client.clone());
    let mut how = ListParams::default().labels(&system_selector(system)).limit(PAGE);
    let mut all = Vec::new();
    loop {
        let page = api.list(&how).await.map_err(|error| ClusterError::of("list resourcequotas", &error))?;
        all.extend(page.items);
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => how = how.continue_token(&token),
            None => return Ok(all),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Spot;
    use crate::state::tests::{at, record};

    #[test]
    fn row_22_only_what_stayed_empty_without_a_break_is_idle() {
        let mut record = record("b");
        record.body.spot = Some(Spot { provider: "east".parse().unwrap(), pool: "main".parse().unwrap() });
        let names = record.holders();
        let pods = |counts: [(u64, &str); 2]| -> Pods {
            names.iter().cloned().zip(counts.map(|(count, version)| (count, version.to_owned()))).collect()
        };
        let empty = pods([(0, "1"), (0, "2")]);
        let noted = Empty { since: at(50), seen: "1 2 ".to_owned() };
        assert_eq!(judge(&record, &empty, at(50), 10), Idleness::Note(Some(noted.clone())));
        assert_eq!(judge(&record, &pods([(0, "1"), (1, "2")]), at(50), 10), Idleness::Same);
        record.body.empty = Some(noted);
        assert_eq!(judge(&record, &empty, at(59), 10), Idleness::Same);
        assert_eq!(judge(&record, &empty, at(60), 10), Idleness::Over);
        // A pod came and went between two looks.
        let later = Empty { since: at(99), seen: "1 7 ".to_owned() };
        assert_eq!(judge(&record, &pods([(0, "1"), (0, "7")]), at(99), 10), Idleness::Note(Some(later)));
        assert_eq!(judge(&record, &pods([(0, "1"), (3, "7")]), at(99), 10), Idleness::Note(None));
        assert_eq!(judge(&record, &Pods::new(), at(99), 10), Idleness::Note(None), "not seen is not empty");
    }
}
