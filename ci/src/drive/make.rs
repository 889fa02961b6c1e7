//! Makes the objects of all nodes side by side, and makes a node anew under a new name where it cannot be had.
//!
//! Decides: when an attempt is given up. Must not: touch a holder that is not ours. Input: a placed record. Each write is
//! a create that may find its own work there, or a server-side apply, so it is safe to repeat. One loop owns the record;
//! what the nodes come to is told to it.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use jiff::Timestamp;
use tokio::time::sleep;

use super::verdict::Patience;
use super::{Cause, Desk, Fault, Holders, Node, Stop, Until};
use crate::cluster::Cluster;
use crate::objects::{Objects, Place, holder_name};
use crate::state::{Note, Record, Warm};

/// How many names are tried for one node before it is given up: more than retries need, for names that are blocked.
const NAMES: u32 = 20;
/// How many nodes of one request have their objects made at a time. Waiting for a pod costs nothing and is not bounded.
const AT_ONCE: usize = 8;
/// How often the record is looked after meanwhile.
const BEAT: Duration = Duration::from_secs(5);

/// What one node takes: everything that is known before the cluster is asked.
pub(super) struct Plan {
    /// Its place in the request.
    pub(super) at: usize,
    /// What it will be.
    pub(super) node: Node,
    /// What is made.
    pub(super) objects: Objects,
    /// How long it may be waited for.
    pub(super) patience: Patience,
    /// How often it may be tried.
    launches: u64,
    /// When it ends at the latest.
    pub(super) until: Timestamp,
    /// For whom it is.
    pub(super) build: String,
    /// The id of the request.
    pub(super) id: String,
    /// The warm node that it was before.
    pub(super) warm: Option<Warm>,
    /// Whether nobody has asked for it yet.
    pub(super) stock: bool,
    /// How often it has found no room in a quota.
    pub(super) rounds: u32,
}

/// What is done for a node next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Its objects are made.
    Make,
    /// It is waited for.
    Use,
}

/// What a step came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ended {
    /// Its objects are there.
    Made,
    /// The job may use it.
    Usable,
    /// Its name is another's, or is going away.
    Taken,
    /// A quota of the cluster has no room for it now.
    Full(String),
    /// It will never be usable.
    Failed(Fault),
}

/// How often each node was tried.
#[derive(Default, Clone, Copy)]
struct Tries {
    names: u32,
    launches: u64,
}

impl Desk<'_> {
    /// The nodes of a placed record, by the configuration.
    ///
    /// # Errors
    /// When its pool or a label is not configured any more.
    pub fn nodes(&self, record: &Record) -> Result<Vec<Node>, Stop> {
        (0..record.body.request.nodes.len()).map(|at| self.with_place(record, at, Node::of)).collect()
    }

    /// Calls `then` with the place of one node.
    pub(super) fn with_place<T>(
        &self,
        record: &Record,
        at: usize,
        then: impl FnOnce(&Place<'_>) -> T,
    ) -> Result<T, Stop> {
        let spot = record.body.spot.as_ref().ok_or_else(|| not_ready(record))?;
        let (provider, pool) = self.configured(spot)?;
        let node = record.body.request.nodes.get(at);
        let label = node.and_then(|node| pool.label(&node.label));
        let (Some(node), Some(label)) = (node, label) else {
            return Err(Stop::Unconfigured { provider: spot.provider.clone(), pool: spot.pool.clone() });
        };
        let attempt = record.body.attempts.get(at).copied().unwrap_or(1);
        let named = record.holders();
        let holder = named.get(at).cloned();
        let holder = holder.unwrap_or_else(|| holder_name(&pool.name, &record.id, at, attempt));
        Ok(then(&Place {
            system: &self.config.system,
            id: &record.id,
            request: &record.body.request,
            node,
            provider,
            pool,
            label,
            namespace: provider.shared().map_or(&holder, |namespace| namespace.as_str()),
            holder: &holder,
            until: record.body.until,
            max_age: self.pod_age(&record.body.request, &label.name),
        }))
    }

    /// The cluster of a record.
    pub(super) fn cluster(&self, record: &Record) -> Result<&Cluster, Stop> {
        let spot = record.body.spot.as_ref().ok_or_else(|| not_ready(record))?;
        self.clusters
            .providers
            .get(&spot.provider)
            .ok_or_else(|| Stop::Unconfigured { provider: spot.provider.clone(), pool: spot.pool.clone() })
    }

    /// Makes every node, and waits until each can be used.
    pub(super) async fn make(&self, mut record: Record, until: Until) -> Result<Record, Stop> {
        let mut tries = vec![Tries::default(); record.body.request.nodes.len()];
        let mut queue: VecDeque<(usize, u32)> = (0..tries.len()).map(|at| (at, 0)).collect();
        let (mut making, mut full) = (BTreeSet::new(), BTreeSet::new());
        let mut running = FuturesUnordered::new();
        loop {
            record = self.heartbeat(record).await?;
            let cluster = self.cluster(&record)?;
            while making.len() < AT_ONCE
                && let Some((at, rounds)) = queue.pop_front()
            {
                making.insert(at);
                running.push(self.step(cluster, self.plan(&record, at, rounds)?, Step::Make, until));
            }
            // Both arms may be dropped at any time: an ending stays in `running` until it is taken, a pause begins anew.
            let ended = tokio::select! {
                ended = running.next() => ended,
                () = sleep(BEAT) => continue,
            };
            let Some((plan, ended)) = ended else { return Ok(record) };
            let ended = ended?;
            making.remove(&plan.at);
            record = self.noted(record, &mut full, &plan, &ended).await?;
            let again = match ended {
                Ended::Usable => None,
                Ended::Made => {
                    running.push(self.step(cluster, plan, Step::Use, until));
                    None
                }
                Ended::Full(_) => Some((plan.at, plan.rounds.saturating_add(1))),
                Ended::Taken => {
                    record = self.renamed(record, &plan, &mut tries).await?;
                    Some((plan.at, 0))
                }
                Ended::Failed(fault) => {
                    record = self.given_up(record, &plan, &mut tries, fault).await?;
                    Some((plan.at, 0))
                }
            };
            queue.extend(again);
        }
    }

    fn plan(&self, record: &Record, at: usize, rounds: u32) -> Result<Plan, Stop> {
        self.with_place(record, at, |place| Plan {
            at,
            node: Node::of(place),
            objects: Objects::of(place),
            patience: Patience {
                pull: place.provider.pull_timeout.get(),
                launch: place.provider.launch_timeout.get(),
            },
            launches: 1 + place.provider.retries(place.label),
            until: record.body.until,
            build: record.body.request.build.clone(),
            id: record.id.clone(),
            warm: record.body.warm.get(&at).cloned(),
            stock: record.body.stock.is_some(),
            rounds,
        })
    }

    async fn step(
        &self,
        cluster: &Cluster,
        plan: Plan,
        step: Step,
        until: Until,
    ) -> (Plan, Result<Ended, Stop>) {
        let ended = match step {
            Step::Make => self.fill(cluster, &plan).await,
            Step::Use => self.usable(cluster, &plan, until).await,
        };
        (plan, ended)
    }

    /// Says in the record whether a node of it waits for room in a quota of the cluster.
    async fn noted(
        &self,
        mut record: Record,
        full: &mut BTreeSet<usize>,
        plan: &Plan,
        ended: &Ended,
    ) -> Result<Record, Stop> {
        match ended {
            Ended::Full(_) => drop(full.insert(plan.at)),
            Ended::Made | Ended::Usable | Ended::Taken | Ended::Failed(_) => drop(full.remove(&plan.at)),
        }
        let note = (!full.is_empty()).then_some(Note::WaitingQuota);
        if record.body.note == note {
            return Ok(record);
        }
        record.body.note = note;
        self.write(record).await
    }

    /// Takes the next name for a node whose name cannot be had.
    async fn renamed(&self, mut record: Record, plan: &Plan, tries: &mut [Tries]) -> Result<Record, Stop> {
        let taken = tries.get_mut(plan.at).map_or(NAMES, |tries| {
            tries.names += 1;
            tries.names
        });
        if taken >= NAMES {
            return Err(plan.failed(format!("{NAMES} names in a row are taken")));
        }
        record.next_attempt(plan.at);
        self.write(record).await
    }

    /// Gives an attempt up and takes the next name, as often as label and provider allow; what is not the cluster's fault
    /// is not tried again.
    async fn given_up(
        &self,
        mut record: Record,
        plan: &Plan,
        tries: &mut [Tries],
        fault: Fault,
    ) -> Result<Record, Stop> {
        let launches = tries.get_mut(plan.at).map_or(u64::MAX, |tries| {
            tries.names = 0;
            // A warm node that cannot be had was launched for nobody: the request has all its launches yet.
            tries.launches += u64::from(plan.warm.is_none());
            tries.launches
        });
        let stop = plan.failed(fault.why);
        record.failed(stop.to_string());
        if fault.cause == Cause::Configuration || launches >= plan.launches {
            record.duration = 0; // nobody drives it any more; the cleaner takes what is there
            record.holder = None;
            self.store.write(&record).await?;
            return Err(stop);
        }
        Holders::of(self.cluster(&record)?).delete_named(plan.objects.holder.name()).await?;
        record.next_attempt(plan.at);
        self.write(record).await
    }
}

impl Plan {
    /// That the node did not become usable.
    pub(super) fn failed(&self, why: String) -> Stop {
        Stop::Launch { node: self.node.name.clone(), why }
    }
}

fn not_ready(record: &Record) -> Stop {
    Stop::NotReady { build: record.body.request.build.clone(), phase: record.body.phase }
}
