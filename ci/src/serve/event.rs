//! Kubernetes Events in a node's namespace, for those who look there first.
//!
//! Decides: their names: the same news twice is one Event. Must not: fail anything; who may not write them goes without.
//! Input: what happened.

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::api::PostParams;
use kube::{Api, Client};
use sha2::{Digest, Sha256};

use crate::cluster::MANAGER;

/// What happened to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// It may be used.
    Ready,
    /// An attempt failed.
    Failed,
    /// It is about to be deleted.
    Unwanted,
}

impl News {
    const fn reason(self) -> &'static str {
        match self {
            News::Ready => "Ready",
            News::Failed => "Failed",
            News::Unwanted => "Unwanted",
        }
    }

    const fn kind(self) -> &'static str {
        match self {
            News::Ready => "Normal",
            News::Failed | News::Unwanted => "Warning",
        }
    }
}

/// The Event. It is about the namespace that it lies in.
fn event(namespace: &str, news: News, note: &str, now: Timestamp) -> Event {
    let digest = hex::encode(Sha256::digest(note.as_bytes()));
    let name = format!("{}.{}", news.reason().to_lowercase(), digest.get(..12).unwrap_or("note"));
    Event {
        metadata: ObjectMeta {
            name: Some(name),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Namespace".to_owned()),
            name: Some(namespace.to_owned()),
            namespace: Some(namespace.to_owned()), // an Event must lie where its object does
            ..ObjectReference::default()
        },
        reason: Some(news.reason().to_owned()),
        message: Some(note.to_owned()),
        type_: Some(news.kind().to_owned()),
        source: Some(EventSource { component: Some(MANAGER.to_owned()), ..EventSource::default() }),
        first_timestamp: Some(Time(now)),
        last_timestamp: Some(Time(now)),
        count: Some(1),
        ..Event::default()
    }
}

/// Writes it, if that can be done.
pub async fn tell(client: &Client, namespace: &str, news: News, note: &str, now: Timestamp) {
    let api: Api<Event> = Api::namespaced(client.clone(), namespace);
    // There already, not allowed, or going away: all of them may be.
    let _ = api.create(&PostParams::default(), &event(namespace, news, note, now)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_46_the_same_news_is_one_event_and_other_news_another() {
        let name = |news, note, second| {
            event("main-1", news, note, Timestamp::from_second(second).unwrap()).metadata.name.unwrap()
        };
        assert_eq!(name(News::Ready, "x", 1), name(News::Ready, "x", 2));
        assert_ne!(name(News::Ready, "x", 1), name(News::Failed, "x", 1));
        assert_ne!(name(News::Failed, "x", 1), name(News::Failed, "y", 1));
        let one = event("main-1", News::Failed, "no image", Timestamp::UNIX_EPOCH);
        assert_eq!((one.type_.as_deref(), one.message.as_deref()), (Some("Warning"), Some("no image")));
    }
}
