//! Follows the objects of one kind: a list, then a watch that is taken up again wherever it ended.
//!
//! Costs one request in an hour while nothing happens. Whatever cannot be heard any more is listed anew.

use std::time::Duration;

use kube::Client;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep};

use super::super::DesiredError;
use super::line::{Line, line, number, page};
use super::pause::{breath, pause, watch_secs};
use super::picture::{Item, News, OBJECTS, What, name};
use super::request::Target;

/// A watch that ends sooner than this after it began counts as a failure, so that none is asked for in a hot loop.
const SHORT: Duration = Duration::from_secs(5);

/// Who follows what, and whom it tells.
pub(super) struct Follower {
    pub(super) client: Client,
    pub(super) target: Target,
    pub(super) news: mpsc::Sender<News>,
    /// Moves when everything is to be listed anew.
    pub(super) again: watch::Receiver<u64>,
}

/// How a watch ended.
enum Ended {
    /// In order, or cut: it goes on from the last version.
    TakeUp,
    /// Its beginning is not kept any more, or somebody asked for a new look.
    Relist,
    /// It could not be had.
    Failed(DesiredError),
    /// Nobody listens any more.
    Unheard,
}

impl Follower {
    /// Follows until nobody listens any more.
    pub(super) async fn follow(mut self) {
        let mut from: Option<String> = None;
        let mut attempt = 0_u32;
        loop {
            let begun = Instant::now();
            let ended = match &mut from {
                Some(version) => self.watch(version).await,
                None => match self.list().await {
                    Ok(Some(version)) => {
                        from = Some(version);
                        continue;
                    }
                    Ok(None) => Ended::Unheard,
                    Err(error) => Ended::Failed(error),
                },
            };
            let short = begun.elapsed() < SHORT;
            let dice = dice();
            attempt = if short { attempt.saturating_add(1) } else { 1 };
            let rest = match ended {
                Ended::Unheard => return,
                Ended::TakeUp if !short => breath(dice),
                Ended::TakeUp => pause(&DesiredError::NotAskedYet, attempt, dice),
                Ended::Relist => {
                    from = None;
                    breath(dice)
                }
                Ended::Failed(error) => {
                    if is_answer(&error) {
                        // Such as a version that this server has not reached: what it does have is in a list.
                        from = None;
                    }
                    let rest = pause(&error, attempt, dice);
                    if self.tell(What::Trouble(error)).await.is_none() {
                        return;
                    }
                    rest
                }
            };
            self.again.mark_unchanged();
            tokio::select! {
                // Cancel-safe: both only wait.
                () = sleep(rest) => {}
                () = self.news.closed() => return,
            }
        }
    }

    /// Tells all there is; the version it had. None when nobody listens.
    async fn list(&self) -> Result<Option<String>, DesiredError> {
        let (mut items, mut next, mut version) = (Vec::new(), None, String::new());
        loop {
            let bytes =
                self.target.page(&self.client, next.as_deref()).await.map_err(|error| self.told(error))?;
            let page = page(&bytes).map_err(|problem| self.malformed(problem))?;
            items.extend(page.items.iter().map(|item| Item::of(self.target.kind, item)));
            if items.len() > OBJECTS {
                let object = self.target.kind.word().to_owned();
                return Err(DesiredError::ObjectLimit {
                    object,
                    what: "the number of objects",
                    limit: OBJECTS,
                });
            }
            if version.is_empty() {
                version = page.version;
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
        let listed = What::Listed(items, number(&version));
        Ok(self.tell(listed).await.map(|()| version))
    }

    /// Tells what happens from `version` on, and moves it along.
    async fn watch(&mut self, version: &mut String) -> Ended {
        let mut lines = match self.target.watch(&self.client, version, watch_secs(dice())).await {
            Ok(lines) => lines,
            Err(error) if code(&error) == Some(410) => return Ended::Relist,
            Err(error) => return Ended::Failed(error),
        };
        // The watch stands, which is news to whoever was told of trouble.
        if self.tell(What::AsOf(number(version))).await.is_none() {
            return Ended::Unheard;
        }
        loop {
            let bytes = tokio::select! {
                // Not cancel-safe, and dropped with the whole watch in the other arms.
                read = lines.next() => match read {
                    Ok(Some(bytes)) => bytes,
                    Ok(None) => return Ended::TakeUp,
                    Err(error) => {
                        tracing::debug!(error = %error, "a watch was cut");
                        return Ended::TakeUp;
                    }
                },
                // Cancel-safe: it waits for a version that was not seen.
                Ok(()) = self.again.changed() => return Ended::Relist,
                // Cancel-safe: it only waits.
                () = self.news.closed() => return Ended::Unheard,
            };
            let (line, at) = match line(&bytes) {
                Ok(read) => read,
                Err(problem) => {
                    // A line that was cut in the middle; what it said comes again.
                    tracing::debug!(problem, "a line of a watch cannot be read");
                    return Ended::TakeUp;
                }
            };
            let at = at.unwrap_or_else(|| version.clone());
            let what = match line {
                Line::Changed(object) => What::Changed(Item::of(self.target.kind, object), number(&at)),
                Line::Removed(object) => What::Removed(name(object), number(&at)),
                Line::AsOf => {
                    lines.marked();
                    What::AsOf(number(&at))
                }
                Line::Gone => return Ended::Relist,
                Line::Failed(problem) => return Ended::Failed(self.malformed(problem)),
            };
            if self.tell(what).await.is_none() {
                return Ended::Unheard;
            }
            *version = at;
        }
    }

    async fn tell(&self, what: What) -> Option<()> {
        self.news.send(News { kind: self.target.kind, what }).await.ok()
    }

    /// A kind that the server does not know is missing, not away.
    fn told(&self, error: DesiredError) -> DesiredError {
        if code(&error) == Some(404) { DesiredError::NoKind { kind: self.target.kind.word() } } else { error }
    }

    fn malformed(&self, problem: String) -> DesiredError {
        let operation = self.target.operation("read");
        DesiredError::Cluster(crate::cluster::ClusterError::Away { operation, problem })
    }
}

fn code(error: &DesiredError) -> Option<u16> {
    if let DesiredError::Cluster(error) = error { error.code() } else { None }
}

fn is_answer(error: &DesiredError) -> bool {
    code(error).is_some()
}

/// Any number, another each time and on each node.
pub(super) fn dice() -> u64 {
    let (high, low) = uuid::Uuid::new_v4().as_u64_pair();
    high ^ low
}
