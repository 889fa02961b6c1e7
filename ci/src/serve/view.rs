//! What is there, as one list and the watch after it tell: a request to a server only when something happens.
//!
//! Decides: when a list is asked for anew. Must not: be acted on; it may be behind. It says when a look is due, and each
//! pass looks for itself. Input: one watch of the records, and one of the namespaces of each provider, metadata only.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::pin;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::sync::watch::Sender;
use tokio::time::{Instant, sleep};

/// Most objects in one answer; more come in further ones.
const PAGE: u32 = 500;
/// Seconds that one watch lasts; the server spreads the ends by itself.
const WATCH: u32 = 280;
/// A watch of which nothing was heard for that long is dead: the server ends it before.
const SILENCE: Duration = Duration::from_secs(WATCH as u64 + 20);
/// Before a server that refused or was away is asked again; doubled each time, up to the second.
const AGAIN: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));

/// The objects of one kind.
#[derive(Debug)]
pub(super) struct View<K> {
    // None until the first list is complete, and when the server has not answered for a while.
    known: Mutex<Option<BTreeMap<String, K>>>,
    /// Counts the changes of all views, for those who wait for one.
    changes: Sender<u64>,
}

/// What to do after a watch has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// Go on from there.
    Resume,
    /// What was known is too old: list again.
    Relist,
}

impl<K> View<K> {
    /// A view that tells of its changes there.
    pub(super) fn new(changes: &Sender<u64>) -> Self {
        View { known: Mutex::new(None), changes: changes.clone() }
    }

    fn tell(&self) {
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn lock(&self) -> MutexGuard<'_, Option<BTreeMap<String, K>>> {
        // Each change is one insertion or removal, so what a panic left is whole.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Calls `then` with all objects; none where they are not known.
    pub(super) fn with<T>(&self, then: impl FnOnce(&BTreeMap<String, K>) -> T) -> Option<T> {
        self.lock().as_ref().map(then)
    }
}

impl<K: Resource + Clone + DeserializeOwned + Debug> View<K> {
    /// Keeps the view up to date; never ends. `news` is told of each object that is new or different, with what was known
    /// of it before.
    pub(super) async fn follow(&self, api: Api<K>, selector: &str, news: impl Fn(Option<&K>, &K)) {
        let mut pause = AGAIN.0;
        loop {
            let began = Instant::now();
            if let Some(version) = self.list(&api, selector).await {
                self.watch(&api, selector, version, &news).await;
            } else {
                *self.lock() = None;
                self.tell();
            }
            // What lasted was sound: only quick failures in a row make the pause longer.
            pause = if began.elapsed() > AGAIN.1 { AGAIN.0 } else { (pause * 2).min(AGAIN.1) };
            sleep(pause).await;
        }
    }

    async fn list(&self, api: &Api<K>, selector: &str) -> Option<String> {
        let mut how = ListParams::default().labels(selector).limit(PAGE);
        let mut all = BTreeMap::new();
        loop {
            let page = api.list(&how).await.ok()?;
            all.extend(page.items.into_iter().map(|one| (one.name_any(), one)));
            match page.metadata.continue_.filter(|token| !token.is_empty()) {
                Some(token) => how = how.continue_token(&token),
                None => {
                    *self.lock() = Some(all);
                    self.tell();
                    return page.metadata.resource_version;
                }
            }
        }
    }

    /// Follows from this version until a list is needed.
    async fn watch(&self, api: &Api<K>, selector: &str, mut version: String, news: &impl Fn(Option<&K>, &K)) {
        let how = WatchParams::default().labels(selector).timeout(WATCH);
        let mut failures = 0;
        while failures < 3 {
            let before = version.clone();
            let watched = async {
                let Ok(events) = api.watch(&how, &version).await else { return Next::Relist };
                let mut events = pin!(events);
                loop {
                    match tokio::time::timeout(SILENCE, events.next()).await {
                        Ok(Some(Ok(event))) => match self.take(event, news) {
                            Some(newer) => version = newer,
                            None => return Next::Relist,
                        },
                        Ok(Some(Err(_)) | None) | Err(_) => return Next::Resume,
                    }
                }
            };
            match watched.await {
                Next::Relist => return,
                Next::Resume => failures = if version == before { failures + 1 } else { 0 },
            }
            sleep(AGAIN.0).await;
        }
    }

    /// Takes one event; returns the version that it brings, none where a list is needed.
    fn take(&self, event: WatchEvent<K>, news: &impl Fn(Option<&K>, &K)) -> Option<String> {
        let version = match event {
            WatchEvent::Added(one) | WatchEvent::Modified(one) => {
                let version = one.resource_version();
                let mut known = self.lock();
                let known = known.as_mut()?;
                news(known.get(&one.name_any()), &one);
                known.insert(one.name_any(), one);
                version
            }
            WatchEvent::Deleted(one) => {
                self.lock().as_mut()?.remove(&one.name_any());
                one.resource_version()
            }
            WatchEvent::Bookmark(mark) => return Some(mark.metadata.resource_version),
            WatchEvent::Error(_) => return None,
        };
        self.tell();
        version
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;

    use super::*;

    fn object(name: &str, version: &str) -> ConfigMap {
        let mut one = ConfigMap::default();
        one.metadata.name = Some(name.to_owned());
        one.metadata.resource_version = Some(version.to_owned());
        one
    }

    fn names(view: &View<ConfigMap>) -> Vec<String> {
        view.with(|all| all.keys().cloned().collect()).unwrap()
    }

    #[test]
    fn row_47_a_view_follows_the_events_and_says_when_a_list_is_needed() {
        let view = View::new(&Sender::new(0));
        let told = std::cell::RefCell::new(Vec::new());
        let news = |before: Option<&ConfigMap>, now: &ConfigMap| {
            told.borrow_mut().push((before.is_some(), now.name_any()));
        };
        let take = |event| view.take(event, &news);
        assert_eq!(take(WatchEvent::Added(object("a", "1"))), None, "nothing is known yet");
        *view.lock() = Some(BTreeMap::new());
        assert_eq!(take(WatchEvent::Added(object("a", "1"))).as_deref(), Some("1"));
        assert_eq!(take(WatchEvent::Modified(object("a", "2"))).as_deref(), Some("2"));
        assert_eq!(take(WatchEvent::Added(object("b", "3"))).as_deref(), Some("3"));
        assert_eq!(take(WatchEvent::Deleted(object("a", "4"))).as_deref(), Some("4"));
        assert_eq!(names(&view), ["b"]);
        assert_eq!(
            *told.borrow(),
            [(false, "a".to_owned()), (true, "a".to_owned()), (false, "b".to_owned())]
        );
        let gone: kube::core::Status = serde_json::from_str(r#"{"code": 410, "reason": "Expired"}"#).unwrap();
        assert_eq!(take(WatchEvent::Error(Box::new(gone))), None);
    }
}
