//! What the cluster said of a pod that did not become ready: its Events.
//!
//! Decides: which of them are worth a place in the message. Must not: fail a request; without the right to read Events
//! there are none. Input: the pod.

use std::time::Duration;

use k8s_openapi::api::core::v1::{Event, Pod};
use kube::Api;
use kube::api::ListParams;
use tokio::time::sleep;

use crate::cluster::Cluster;
use crate::error::shown;

/// Most Events that one message tells.
const TOLD: usize = 3;
/// Most that are read.
const READ: u32 = 100;
/// A kubelet tells its Events apart from the status: the last one may come a moment later.
const LOOKS: u32 = 4;
const PAUSE: Duration = Duration::from_millis(250);

/// The reason of a failure, followed by the Events of the pod.
pub(super) async fn with_events(cluster: &Cluster, pod: &Pod, why: String) -> String {
    let (Some(namespace), Some(uid)) = (&pod.metadata.namespace, &pod.metadata.uid) else { return why };
    let api: Api<Event> = Api::namespaced(cluster.client.clone(), namespace);
    let of_it = ListParams::default().fields(&format!("involvedObject.uid={uid}")).limit(READ);
    let mut found = Vec::new();
    for look in 0..LOOKS {
        if look > 0 {
            sleep(PAUSE).await;
        }
        // Not worth a failure of its own: the reason is known already.
        let Ok(list) = api.list(&of_it).await else { break };
        found = list.items;
        if found.iter().any(is_warning) {
            break;
        }
    }
    match told(&found) {
        Some(events) => format!("{why}; events: {events}"),
        None => why,
    }
}

fn is_warning(event: &Event) -> bool {
    event.type_.as_deref() == Some("Warning")
}

/// The newest Events, warnings before all others, on one line.
fn told(events: &[Event]) -> Option<String> {
    let mut order: Vec<&Event> = events.iter().collect();
    order.sort_by_key(|event| (!is_warning(event), std::cmp::Reverse(moment(event))));
    let lines: Vec<String> = order.into_iter().take(TOLD).map(line).collect();
    (!lines.is_empty()).then(|| lines.join(" | "))
}

/// When it was seen last, as text that sorts by time.
fn moment(event: &Event) -> Option<String> {
    let last = event.last_timestamp.as_ref().map(|time| time.0.to_string());
    last.or_else(|| event.event_time.as_ref().map(|time| time.0.to_string()))
}

fn line(event: &Event) -> String {
    let times = match event.count {
        Some(count) if count > 1 => format!(" ({count} times)"),
        Some(_) | None => String::new(),
    };
    let reason = event.reason.as_deref().unwrap_or("unknown");
    format!("{}: {}{times}", shown(reason), shown(event.message.as_deref().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(kind: &str, reason: &str, at: &str, count: u32) -> Event {
        serde_json::from_str(&format!(
            r#"{{"metadata": {{"name": "e"}}, "involvedObject": {{}}, "type": "{kind}", "reason": "{reason}",
            "message": "m\n", "count": {count}, "lastTimestamp": "2026-01-01T00:00:{at}Z"}}"#
        ))
        .unwrap()
    }

    #[test]
    fn row_07_warnings_come_first_then_the_newest_and_not_all() {
        let all = [
            event("Normal", "Scheduled", "09", 1),
            event("Warning", "Old", "01", 1),
            event("Warning", "Failed", "05", 3),
            event("Normal", "Pulled", "01", 1),
        ];
        let line = told(&all).unwrap();
        assert_eq!(line, r"Failed: m\n (3 times) | Old: m\n | Scheduled: m\n");
        assert_eq!(told(&[]), None);
    }
}
