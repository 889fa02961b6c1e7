//! The loop: one pass at a time, woken by the wish and the host, stopped cleanly.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::super::{Nothing, Pace, Schedule, run};
use super::fake::{Deed, Node};
use crate::apply::{PassOutcome, PassReport};
use crate::desired::{Desired, DesiredError, DesiredSource, Latest};
use crate::plan::tests::wish;

struct Wishes(watch::Sender<Latest>);

impl Wishes {
    fn becomes(&self, wish: Desired) {
        self.0.send_modify(|latest| *latest = Ok(wish));
    }
}

impl DesiredSource for Wishes {
    fn watch(&self) -> watch::Receiver<Latest> {
        self.0.subscribe()
    }
}

fn wishes(first: Desired) -> Wishes {
    Wishes(watch::Sender::new(Ok::<_, Arc<DesiredError>>(first)))
}

/// Nothing but wake-ups starts a pass.
const ASLEEP: Pace = Pace {
    dwell: Duration::from_millis(1),
    initial: Duration::from_secs(3_600),
    limit: Duration::from_secs(3_600),
    interval: Duration::from_secs(3_600),
};

type Reports = mpsc::UnboundedReceiver<PassReport>;

/// Runs the loop beside a script that sees every report, until the script ends.
async fn beside<F: Future<Output = ()>>(
    node: &Node,
    wishes: &Wishes,
    pace: Pace,
    script: impl FnOnce(Reports, CancellationToken) -> F,
) {
    let (sender, reports) = mpsc::unbounded_channel();
    let stop = CancellationToken::new();
    let passed = |report: PassReport, _: Duration| drop(sender.send(report));
    let grace = Duration::ZERO;
    let schedule = Schedule { pace, seed: 7, stop: stop.clone(), grace, passed: &passed };
    let lock = node.state.lock().unwrap();
    let nonce = || node.nonce();
    let parts = node.parts(&nonce);
    let script = async {
        script(reports, stop.clone()).await;
        stop.cancel();
    };
    let mut nothing = Nothing;
    tokio::join!(run(&parts, &lock, wishes, &schedule, &mut nothing), script);
}

#[tokio::test]
async fn a_changed_wish_and_a_changed_host_each_start_a_pass() {
    let (node, wishes) = (Node::new(), wishes(wish(&[])));
    beside(&node, &wishes, ASLEEP, async |mut reports, _| {
        assert_eq!(reports.recv().await.unwrap().outcome, PassOutcome::NothingWanted);
        wishes.becomes(wish(&["usbguard"]));
        assert!(matches!(reports.recv().await.unwrap().outcome, PassOutcome::Staged { .. }));
        node.host.reboot();
        node.host.changes.send_modify(|version| *version += 1);
        loop {
            // The transaction itself woke the loop too; a pass more finds nothing to do.
            if let PassOutcome::Booted { .. } = reports.recv().await.unwrap().outcome {
                break;
            }
        }
    })
    .await;
    assert_eq!(node.host.calls().len(), 1);
}

#[tokio::test]
async fn of_many_wishes_in_a_row_the_last_one_wins_with_one_call() {
    let (node, wishes) = (Node::new(), wishes(wish(&[])));
    let patient = Pace { dwell: Duration::from_millis(200), ..ASLEEP };
    beside(&node, &wishes, patient, async |mut reports, _| {
        reports.recv().await.unwrap();
        for round in 0..100 {
            wishes.becomes(wish(if round % 2 == 0 { &["two-node-ha"] } else { &["usbguard"] }));
            tokio::task::yield_now().await;
        }
        let report = reports.recv().await.unwrap();
        assert!(report.extensions.contains_key(&"usbguard".parse().unwrap()));
    })
    .await;
    assert_eq!(node.host.calls().len(), 1);
}

#[tokio::test]
async fn a_stop_in_the_middle_of_a_transaction_leaves_it_to_the_host_and_the_journal() {
    let (node, wishes) = (Node::new(), wishes(wish(&["usbguard"])));
    node.host.will(&[Deed::Hang { started: true, staged: true }]);
    beside(&node, &wishes, ASLEEP, async |mut reports, _| {
        node.host.hanging.notified().await;
        assert!(reports.try_recv().is_err());
    })
    .await;
    assert!(node.state.intent().unwrap().is_some());
    let report = node.pass(&wish(&["usbguard"])).await;
    assert!(matches!(report.outcome, PassOutcome::AwaitingReboot { .. }));
    assert_eq!(node.host.calls().len(), 1);
}
