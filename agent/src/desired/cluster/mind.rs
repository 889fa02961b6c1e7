//! The one loop that owns what is known of the cluster: followers tell it, it says what is wanted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, sleep_until, timeout_at};
use tokio_util::task::AbortOnDropHandle;

use super::super::files::same;
use super::super::merge::merge;
use super::super::{Desired, DesiredError, Latest, NodeView};
use super::Health;
use super::fetch::Cache;
use super::follow::{Follower, dice};
use super::kept::Kept;
use super::pause::pause;
use super::picture::{News, Picture, Wanted};
use super::request::{Kind, Target};
use super::seen::Seen;
use crate::error::{Failure, Reason};
use crate::settings::Source;

/// How long news are gathered before they are looked at: lists of three kinds come close together.
const GATHER: Duration = Duration::from_millis(100);
/// Most news that wait.
const NEWS: usize = 256;

/// Whom the loop tells.
pub(super) struct Told {
    pub(super) latest: watch::Sender<Latest>,
    pub(super) node: watch::Sender<Option<NodeView>>,
    pub(super) health: watch::Sender<Health>,
    pub(super) stirred: watch::Sender<u64>,
    /// Is told once, when the cluster has first said something.
    pub(super) first: Option<oneshot::Sender<()>>,
}

/// What is known, and whom it is told to.
pub(super) struct Mind {
    client: Client,
    name: String,
    source: Source,
    told: Told,
    picture: Picture,
    seen: Seen,
    kept: Kept,
    cache: Cache,
    /// What the wish that was told last came from.
    acted: Option<Wanted>,
    news: mpsc::Sender<News>,
    again: watch::Sender<u64>,
    followers: BTreeMap<Kind, AbortOnDropHandle<()>>,
}

/// What follows from the picture.
enum Decision {
    /// Not enough is known.
    Unknown,
    /// What was wanted stays.
    Stay(DesiredError),
    /// This is wanted.
    Wish(Desired),
}

impl Mind {
    pub(super) fn new(
        client: Client,
        name: String,
        source: Source,
        kept: Kept,
        told: Told,
    ) -> (Self, mpsc::Receiver<News>) {
        let (news, heard) = mpsc::channel(NEWS);
        let mind = Self {
            client,
            name,
            source,
            told,
            picture: Picture::default(),
            seen: kept.seen(),
            kept,
            cache: Cache::default(),
            acted: None,
            news,
            again: watch::Sender::new(0),
            followers: BTreeMap::new(),
        };
        (mind, heard)
    }

    /// Listens until it is dropped.
    pub(super) async fn run(mut self, mut heard: mpsc::Receiver<News>) {
        self.follow(Kind::Nodes, Some(self.name.clone()));
        let (mut attempt, mut retry) = (0_u32, None);
        loop {
            let until = async {
                match retry {
                    Some(at) => sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // Cancel-safe: news that were not received stay in the channel.
                news = heard.recv() => match news {
                    Some(news) => self.hear(news, &mut heard).await,
                    None => return,
                },
                // Cancel-safe: it only waits.
                () = until => {}
            }
            let outcome = self.decide().await;
            retry = outcome.as_ref().err().filter(|error| is_worth_another_try(error)).map(|error| {
                attempt = attempt.saturating_add(1);
                Instant::now() + pause(error, attempt, dice())
            });
            if retry.is_none() {
                attempt = 0;
            }
            self.tell(outcome);
        }
    }

    /// Takes in this and everything that comes close behind it.
    async fn hear(&mut self, first: News, heard: &mut mpsc::Receiver<News>) {
        self.picture.hear(first);
        let end = Instant::now() + GATHER;
        while let Ok(Some(news)) = timeout_at(end, heard.recv()).await {
            self.picture.hear(news);
        }
    }

    /// Follows that kind from now on. Safe to repeat.
    fn follow(&mut self, kind: Kind, only: Option<String>) {
        let (client, news, again) = (&self.client, &self.news, &self.again);
        self.followers.entry(kind).or_insert_with(|| {
            let follower = Follower {
                client: client.clone(),
                target: Target { kind, only },
                news: news.clone(),
                again: again.subscribe(),
            };
            AbortOnDropHandle::new(tokio::spawn(follower.follow()))
        });
    }

    async fn decide(&mut self) -> Result<Decision, DesiredError> {
        if self.picture.joins(self.source) {
            self.follow(Kind::Pools, None);
            self.follow(Kind::Configs, None);
        }
        if let Err(stale) = self.seen.admits(&self.picture, &self.name) {
            // Another look, which may reach another server.
            self.again.send_modify(|times| *times = times.wrapping_add(1));
            return Err(stale);
        }
        let wanted = self.picture.wanted(&self.name, self.source)?;
        match &wanted {
            Wanted::Unknown => return Ok(Decision::Unknown),
            Wanted::Paused(pool) => {
                let pool = pool.clone();
                self.acted_upon(wanted, None);
                return Ok(Decision::Stay(DesiredError::Paused { pool }));
            }
            Wanted::Rendered(_) | Wanted::Selected(_) => {}
        }
        let configs = self.cache.all(&self.client, &wanted).await?;
        let rendered = match &wanted {
            Wanted::Rendered(name) => Some(name.clone()),
            Wanted::Unknown | Wanted::Paused(_) | Wanted::Selected(_) => None,
        };
        let desired = Desired { rendered, ..merge(&configs)? };
        self.acted_upon(wanted, Some(&desired));
        Ok(Decision::Wish(desired))
    }

    /// Remembers, also over a restart, what is acted upon.
    fn acted_upon(&mut self, wanted: Wanted, desired: Option<&Desired>) {
        if self.acted.as_ref() != Some(&wanted) {
            self.seen.learn(&self.picture);
            self.kept.keep(&self.seen, desired);
            self.acted = Some(wanted);
        }
    }

    fn tell(&mut self, outcome: Result<Decision, DesiredError>) {
        let believed = !outcome.as_ref().is_err_and(|error| error.reason() == Reason::StaleClusterData);
        let (latest, health) = match outcome {
            Ok(Decision::Wish(desired)) => (Some(Ok(desired)), None),
            Ok(Decision::Stay(error)) => (self.unless_known(error.into()), None),
            Ok(Decision::Unknown) => {
                let trouble = self.picture.trouble().cloned();
                if trouble.is_none() {
                    return;
                }
                (trouble.clone().and_then(|trouble| self.unless_known(trouble)), trouble)
            }
            Err(error) if error.is_outage() => {
                let error = Arc::new(error);
                (self.unless_known(Arc::clone(&error)), Some(error))
            }
            Err(error) => (Some(Err(Arc::new(error))), None),
        };
        let mut stirred = believed && self.tell_node();
        if let Some(latest) = latest {
            change(&self.told.latest, latest, same);
        }
        let health: Health = health.or_else(|| self.picture.trouble().cloned());
        stirred |= change(&self.told.health, health, is_same_trouble).is_some();
        if stirred {
            self.told.stirred.send_modify(|times| *times = times.wrapping_add(1));
        }
        if let Some(first) = self.told.first.take() {
            // Whoever started us may have stopped waiting.
            let _ = first.send(());
        }
    }

    /// Tells of the Node; whether somebody else may own it now.
    fn tell_node(&self) -> bool {
        let before = change(&self.told.node, self.picture.node(self.source), PartialEq::eq);
        before.is_some_and(|before| owned(before.as_ref()) != owned(self.told.node.borrow().as_ref()))
    }

    /// What is told when the cluster cannot be known: nothing new, where something is known of it.
    fn unless_known(&self, error: Arc<DesiredError>) -> Option<Latest> {
        match &*self.told.latest.borrow() {
            Err(known) if known.is_outage() => Some(Err(error)),
            Ok(_) | Err(_) => None,
        }
    }
}

/// Whether to look again although nobody has news: the object that was missing is not followed.
fn is_worth_another_try(error: &DesiredError) -> bool {
    match error {
        DesiredError::Cluster(_)
        | DesiredError::NoMachineConfig { .. }
        | DesiredError::Stale { .. }
        | DesiredError::FormerNode { .. } => true,
        DesiredError::NotAskedYet
        | DesiredError::NoNode { .. }
        | DesiredError::NoKind { .. }
        | DesiredError::NotAnnotated { .. }
        | DesiredError::NoPool { .. }
        | DesiredError::Paused { .. }
        | DesiredError::Read { .. }
        | DesiredError::Document { .. }
        | DesiredError::ExtensionName { .. }
        | DesiredError::Duplicate { .. }
        | DesiredError::Limit { .. }
        | DesiredError::TooManyExtensions { .. }
        | DesiredError::Object { .. }
        | DesiredError::ExtensionNameInCluster { .. }
        | DesiredError::ObjectLimit { .. }
        | DesiredError::ManyPools { .. }
        | DesiredError::Kept { .. } => false,
    }
}

/// Three watches of one server that is away tell of it in three ways.
fn is_same_trouble(left: &Health, right: &Health) -> bool {
    match (left, right) {
        (None, None) => true,
        (Some(left), Some(right)) => {
            let away = Reason::ClusterUnavailable;
            let both_away = left.reason() == away && right.reason() == away;
            both_away || left.to_string() == right.to_string()
        }
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// What of a Node decides who owns its extensions.
fn owned(node: Option<&NodeView>) -> Option<(bool, bool, Option<&String>)> {
    node.map(|node| (node.image_mode, node.current_config.is_some(), node.ours.get("owner")))
}

/// Tells `next` unless it is what was told before: equal values wake nobody. Gives back what it took the place of.
fn change<T>(sender: &watch::Sender<T>, next: T, equal: fn(&T, &T) -> bool) -> Option<T> {
    let mut before = None;
    sender.send_if_modified(|told| {
        let modified = !equal(told, &next);
        if modified {
            before = Some(std::mem::replace(told, next));
        }
        modified
    });
    before
}
