//! Brings a request from asked to ready, and from ready to gone; whoever holds its Lease does it.
//!
//! Decides: the order of the writes. Must not: keep anything in memory that a successor would miss: each step can be done
//! again from what the API objects say. Input: a checked configuration, a request, and the clusters.

mod apply;
mod beside;
mod claim;
mod cut;
mod entrance;
mod events;
mod fallback;
mod fill;
mod hold;
mod holder;
mod lost;
mod make;
mod node;
mod place;
mod project;
mod pull;
mod release;
mod stock;
mod stop;
mod target;
mod token;
mod verdict;
mod wait;
mod warm;

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep};

pub use beside::Beside;
pub(crate) use cut::cut_off_since;
pub use hold::PEOPLE;
pub use holder::{Found, Holders};
pub use lost::{loss, lost};
pub use node::Node;
pub use project::Registry;
pub use release::Released;
pub(crate) use stock::{Stocked, stock_id};
pub use stop::Stop;
pub use token::Granted;
pub use verdict::{Cause, Fault, Verdict, judge};

pub use crate::state::Until;

use crate::cluster::{self, Cluster, ClusterError, Sessions};
use crate::config::{Config, Name};
use crate::request::{self, Keep, Request};
use crate::state::{Phase, Record, Store};

/// For how many seconds a process that drives a request is believed to be alive without a word.
pub(crate) const DRIVER: u64 = 30;

/// The clusters of one configuration.
#[derive(Clone)]
pub struct Clusters {
    /// Where the records are.
    pub hub: Cluster,
    /// The providers, by name.
    pub providers: BTreeMap<Name, Cluster>,
}

impl Clusters {
    /// Makes the clients; nothing is sent yet.
    ///
    /// # Errors
    /// When there is no usable kubeconfig or context.
    pub async fn connect(
        config: &Config,
        kubeconfig: Option<&std::path::Path>,
    ) -> Result<Self, ClusterError> {
        let hub = cluster::connect(kubeconfig, config.hub.context.as_deref()).await?;
        let mut providers = BTreeMap::new();
        for provider in &config.providers {
            let mut one = cluster::connect(kubeconfig, provider.value.context.as_deref()).await?;
            one.sessions = Sessions::new(usize::try_from(provider.value.max_sessions.get()).unwrap_or(64));
            one.layout = provider.value.layout();
            providers.insert(provider.value.name.clone(), one);
        }
        Ok(Clusters { hub, providers })
    }
}

/// Everything that a step needs.
#[derive(Clone)]
pub struct Desk<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The clusters.
    pub clusters: &'a Clusters,
    /// The records.
    pub store: Store,
    /// Under which name this process holds Leases.
    pub me: String,
    /// Tells the time.
    pub clock: fn() -> Timestamp,
    /// When this process gives up waiting.
    pub deadline: Instant,
    /// How this program is called again, for files that name it.
    pub called: Vec<String>,
}

impl<'a> Desk<'a> {
    /// A desk of this process, which waits no longer than `patience`.
    pub fn new(
        config: &'a Config,
        clusters: &'a Clusters,
        me: String,
        clock: fn() -> Timestamp,
        patience: Duration,
    ) -> Self {
        let store = Store::new(config, &clusters.hub);
        let now = Instant::now();
        let deadline = now.checked_add(patience).unwrap_or(now);
        Desk { config, clusters, store, me, clock, deadline, called: vec!["build-resources".to_owned()] }
    }

    /// Brings a request to ready. Safe to repeat: the same request is found again, and what it has is kept.
    ///
    /// # Errors
    /// When it cannot be served, or not yet.
    pub async fn request(&self, request: Request, until: Until) -> Result<Record, Stop> {
        let record = self.claim(request, until).await?;
        if record.body.phase == Phase::Ready {
            return Ok(record);
        }
        let id = record.id.clone();
        match self.bring(record, until).await {
            Err(stop) => {
                // Only so that the next one need not wait for us to be silent long enough: a failure here costs time.
                let _ = self.step_back(&id).await;
                Err(stop)
            }
            ready => ready,
        }
    }

    async fn bring(&self, record: Record, until: Until) -> Result<Record, Stop> {
        let id = record.id.clone();
        let (mut next, mut lost) = (record, 0);
        let mut record = loop {
            let placed = self.place(next).await?;
            match self.make(placed, until).await {
                Ok(made) => break made,
                Err(stop) if fallback::elsewhere(&stop) => next = self.move_on(&id, stop, &mut lost).await?,
                Err(stop) => return Err(stop),
            }
        };
        self.leave_tried(&record).await?;
        record.body.phase = Phase::Ready;
        record.holder = None;
        record.renewed = (self.clock)();
        record.duration = self.life(&record);
        Ok(self.store.write(&record).await?)
    }

    /// Ceases to drive a request; what it has is kept until its time is over.
    async fn step_back(&self, id: &str) -> Result<(), Stop> {
        if let Some(mut record) =
            self.store.read(id).await?.filter(|record| record.holder.as_ref() == Some(&self.me))
        {
            record.holder = None;
            self.store.write(&record).await?;
        }
        Ok(())
    }

    /// The record of a build.
    ///
    /// # Errors
    /// When there is none.
    pub async fn find(&self, build: &str) -> Result<Record, Stop> {
        let id = request::id(&self.config.system, build);
        self.store.read(&id).await?.ok_or_else(|| Stop::Unknown(build.to_owned()))
    }

    /// Says that a ready build is still wanted, for `seconds` more.
    ///
    /// # Errors
    /// When there is no such build, or it is not ready.
    pub async fn renew(&self, build: &str, seconds: u64) -> Result<Record, Stop> {
        self.renewed(build, seconds, false).await
    }

    /// The same, for one lease, by a process that lives as long as the build is wanted: an empty namespace is no idle one
    /// then.
    async fn renew_as_alive(&self, build: &str) -> Result<Record, Stop> {
        self.renewed(build, self.config.leases.duration.get(), true).await
    }

    async fn renewed(&self, build: &str, seconds: u64, alive: bool) -> Result<Record, Stop> {
        loop {
            let mut record = self.find(build).await?;
            if record.body.phase != Phase::Ready || record.lapsed((self.clock)()) {
                return Err(Stop::NotReady { build: build.to_owned(), phase: record.body.phase });
            }
            record.renewed = (self.clock)();
            record.duration = match record.body.request.keep {
                Keep::Job => seconds,
                Keep::Buildset => self.life(&record), // it is kept anyway, and longer
            };
            if alive {
                record.body.kept = Some(record.lapses());
            }
            match self.store.write(&record).await {
                Err(crate::state::StateError::Overtaken(_)) => {
                    self.pause(0, || Stop::Busy(build.to_owned())).await?
                }
                other => return Ok(other?),
            }
        }
    }

    /// Says that this process is still at it, once a third of its time is over.
    async fn heartbeat(&self, record: Record) -> Result<Record, Stop> {
        let now = (self.clock)();
        if now.duration_since(record.renewed)
            < SignedDuration::from_secs(i64::try_from(DRIVER / 3).unwrap_or(10))
        {
            return Ok(record);
        }
        self.write(record).await
    }

    /// Writes a record that this process drives.
    pub(crate) async fn write(&self, mut record: Record) -> Result<Record, Stop> {
        record.holder = Some(self.me.clone());
        record.renewed = (self.clock)();
        record.duration = DRIVER;
        Ok(self.store.write(&record).await?)
    }

    /// Waits a little, longer each round and never quite equally long; fails when patience is over.
    pub(crate) async fn pause(&self, round: u32, why: impl FnOnce() -> Stop) -> Result<(), Stop> {
        let wait = wait_of(&self.me, round);
        if Instant::now() + wait > self.deadline {
            return Err(why());
        }
        sleep(wait).await;
        Ok(())
    }
}

/// How long round number `round` waits. The nonce in our name spreads processes that began together.
fn wait_of(me: &str, round: u32) -> Duration {
    let longest = 100_u64.saturating_mul(1 << round.min(4));
    let seed = me.bytes().fold(u64::from(round), |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    Duration::from_millis(longest / 2 + seed % longest.max(1))
}
