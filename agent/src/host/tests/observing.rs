//! Looking: what is read, and what is survived.

use std::collections::HashMap;
use std::time::Duration;

use zbus::{OwnedVariant, Variant};

use super::fake::{Bus, Ending, Fake, expectations};
use crate::error::{Failure as _, Reason};
use crate::host::session::Expectations;
use crate::host::{Host as _, HostError, HostSettings, RpmOstree};

fn booted() -> HashMap<String, OwnedVariant> {
    let owned = |value: Variant<'static>| OwnedVariant::try_from(value).unwrap();
    HashMap::from([
        ("id".to_owned(), owned(format!("fedora-coreos-{}.0", "a".repeat(64)).into())),
        ("osname".to_owned(), owned("fedora-coreos".into())),
        ("checksum".to_owned(), owned("a".repeat(64).into())),
        ("serial".to_owned(), owned(0_i32.into())),
        ("booted".to_owned(), owned(true.into())),
    ])
}

async fn fake(bus: &Bus) -> Fake {
    let fake = Fake::start(bus, Ending::Finished(true, "")).await;
    fake.state.lock().unwrap().deployments = vec![booted()];
    fake
}

#[tokio::test]
async fn without_a_bus_the_reason_is_the_bus() {
    let dir = tempfile::tempdir().unwrap();
    let settings = HostSettings {
        bus: Some(format!("unix:path={}", dir.path().join("none").display())),
        sysroot: dir.path().to_owned(),
    };
    let error = RpmOstree::connect(settings).await.unwrap_err();
    assert_eq!(error.reason(), Reason::BusUnavailable);
}

#[tokio::test]
async fn without_a_daemon_the_reason_is_the_daemon() {
    let bus = Bus::start();
    let host = bus.host().await;
    let error = host.observe().await.unwrap_err();
    assert_eq!(error.reason(), Reason::DaemonUnavailable);
    assert!(error.to_string().contains("was not provided by any .service files"), "{error}");
}

#[tokio::test]
async fn a_daemon_of_another_user_is_not_spoken_to() {
    let bus = Bus::start();
    let fake = fake(&bus).await;
    let expected = Expectations { owner: expectations().owner + 1, ..expectations() };
    let error = bus.host_expecting(expected).await.observe().await.unwrap_err();
    assert!(matches!(error, HostError::ForeignOwner { .. }), "{error}");
    assert!(fake.state.lock().unwrap().clients.is_empty());
}

#[tokio::test]
async fn a_host_that_is_not_booted_from_a_deployment_is_none() {
    let bus = Bus::start();
    let fake = fake(&bus).await;
    fake.state.lock().unwrap().not_booted = true;
    assert_eq!(bus.host().await.observe().await.unwrap_err().reason(), Reason::NotAnOstreeHost);
}

#[tokio::test]
async fn a_daemon_that_never_answers_is_given_up_on() {
    let bus = Bus::start();
    let fake = fake(&bus).await;
    fake.state.lock().unwrap().hang = true;
    let expected = Expectations { answer: Duration::from_secs(1), ..expectations() };
    let error = bus.host_expecting(expected).await.observe().await.unwrap_err();
    assert!(matches!(error, HostError::TimedOut { .. }), "{error}");
}

#[tokio::test]
async fn deployments_and_the_running_transaction_are_seen() {
    let bus = Bus::start();
    let mut fake = fake(&bus).await;
    let host = bus.host().await;
    let observed = host.observe().await.unwrap();
    assert!(observed.booted().is_some());
    assert_eq!(observed.transaction, None);
    assert!(!observed.arch.is_empty());

    let address = format!("unix:path={}", fake.socket.display());
    fake.set_active(Some(("UpdateDeployment", address))).await;
    let transaction = host.observe().await.unwrap().transaction.unwrap();
    assert_eq!(transaction.method, "UpdateDeployment");
    assert_eq!(transaction.sender, ":1.7");
    assert_eq!(transaction.title.as_deref(), Some("install; localinstall: 2"));
    fake.left.recv().await.expect("the onlooker leaves");
}

#[tokio::test]
async fn a_restarted_daemon_is_found_and_greeted_again() {
    let bus = Bus::start();
    let first = fake(&bus).await;
    let host = bus.host().await;
    host.observe().await.unwrap();
    host.observe().await.unwrap();
    assert_eq!(first.state.lock().unwrap().clients, ["extensions-agent"], "greeted once");
    let state = first.kill().await;
    let second = Fake::start_with(&bus, Ending::Finished(true, ""), state).await;
    host.observe().await.unwrap();
    assert_eq!(second.state.lock().unwrap().clients.len(), 2);
}

#[tokio::test]
async fn a_restarted_bus_is_found_again() {
    let mut bus = Bus::start();
    let before = fake(&bus).await;
    let host = bus.host().await;
    host.observe().await.unwrap();
    let mut changes = host.changes();
    changes.mark_unchanged();
    bus.stop();
    drop(before);
    changes.changed().await.unwrap();
    assert_eq!(host.observe().await.unwrap_err().reason(), Reason::BusUnavailable);
    bus.start_again();
    let _after = fake(&bus).await;
    host.observe().await.unwrap();
    // Listening resumes, too: the counter moves when it does.
    changes.changed().await.unwrap();
}

#[tokio::test]
async fn waiting_ends_when_the_transaction_does_and_is_limited() {
    let bus = Bus::start();
    let fake = fake(&bus).await;
    let host = bus.host().await;
    host.wait_idle(Duration::from_secs(60)).await.unwrap();

    fake.set_active(Some(("UpdateDeployment", format!("unix:path={}", fake.socket.display())))).await;
    let error = host.wait_idle(Duration::from_millis(500)).await.unwrap_err();
    assert_eq!(error.to_string(), "another transaction is running: `install; localinstall: 2`");

    let waiting = tokio::spawn(async move { host.wait_idle(Duration::from_secs(3600)).await });
    fake.set_active(None).await;
    waiting.await.unwrap().unwrap();
}

#[tokio::test]
async fn every_change_moves_the_counter_and_no_task_outlives_the_host() {
    let bus = Bus::start();
    let fake = fake(&bus).await;
    let host = bus.host().await;
    let mut changes = host.changes();
    fake.set_active(Some(("Upgrade", String::new()))).await;
    changes.changed().await.unwrap();
    changes.mark_unchanged();
    fake.kill().await;
    changes.changed().await.unwrap();
    drop(host);
    // The last sender lives in the listening task.
    while changes.changed().await.is_ok() {}
}

/// The daemon says everything again at every `Reload`, which each look of ours calls: were that news, each pass would
/// call for the next one.
#[tokio::test]
async fn a_repeated_signal_is_no_news_and_a_real_change_is_news_once() {
    let bus = Bus::start();
    let fake = fake(&bus).await;
    let host = bus.host().await;
    let changes = host.changes();
    let mut looks = fake.state.lock().unwrap().looks.subscribe();
    let start = *changes.borrow();

    // Signals are taken one by one and each is looked into: at the fifth look, four have had their verdict.
    for _ in 0..5 {
        fake.say_again().await;
    }
    looks.wait_for(|looks| *looks == 5).await.unwrap();
    let before = *changes.borrow();
    assert!(before <= start + 1, "only the first one may be news: {start} to {before}");

    fake.set_active(Some(("Upgrade", "unix:path=/transaction".to_owned()))).await;
    fake.say_again().await;
    fake.say_again().await;
    looks.wait_for(|looks| *looks == 8).await.unwrap();
    assert_eq!(*changes.borrow(), before + 1);
}
