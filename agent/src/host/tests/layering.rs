//! One change: what is sent, and what each way of ending becomes.

use std::fs::File;

use futures_util::StreamExt as _;
use serde_json::json;
use zbus::fdo::DBusProxy;

use super::fake::{Bus, Ending, Fake};
use crate::error::{Failure as _, Reason};
use crate::host::{FinalizeRequest, Host as _, HostError, LayerRequest, LocalFile, Outcome, Progress};

fn request(bus: &Bus, packages: usize) -> LayerRequest {
    let file = |number: usize| {
        let path = bus.dir.path().join(format!("p{number}.rpm"));
        std::fs::write(&path, format!("package {number}")).unwrap();
        LocalFile {
            nevra: format!("p{number}-1-1.noarch").parse().unwrap(),
            fd: File::open(path).unwrap().into(),
        }
    };
    LayerRequest {
        install: (0..packages).map(file).collect(),
        uninstall: vec!["old-1:1-1.noarch".parse().unwrap()],
        override_remove: vec!["kernel".to_owned()],
        override_reset: Vec::new(),
        lock_finalization: packages == 2,
        nonce: "3f2a".to_owned(),
    }
}

async fn layer(bus: &Bus, packages: usize) -> (Result<Outcome, HostError>, Vec<Progress>) {
    let mut steps = Vec::new();
    let outcome = bus.host().await.layer(request(bus, packages), &mut |step| steps.push(step)).await;
    (outcome, steps)
}

#[tokio::test]
async fn more_files_than_dbus_daemon_passes_are_refused_and_nothing_is_called() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, Ending::Finished(true, "")).await;
    assert_eq!(bus.host().await.descriptors_per_call().await.unwrap(), 16);
    let error = layer(&bus, 17).await.0.unwrap_err();
    assert_eq!(error.reason(), Reason::TooManyPackagesForBus);
    assert!(error.to_string().contains("17") && error.to_string().contains("16"), "{error}");
    assert!(fake.state.lock().unwrap().call.is_none());
    assert_eq!(layer(&bus, 16).await.0.unwrap(), Outcome::Finished);
}

#[tokio::test]
async fn an_answer_that_refuses_has_its_reason() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, Ending::Finished(true, "")).await;
    let table = [
        ((26, "Transaction in progress: upgrade\n You can cancel…"), Reason::TransactionInProgress),
        ((0, "Reboot initiated, cannot start new transaction"), Reason::RebootInProgress),
        ((0, "Expected 2 fds but received 1"), Reason::TransactionFailed),
    ];
    for (refusal, reason) in table {
        fake.state.lock().unwrap().refusal = Some(refusal);
        assert_eq!(layer(&bus, 1).await.0.unwrap_err().reason(), reason, "{refusal:?}");
    }
    fake.state.lock().unwrap().not_booted = true;
    assert_eq!(layer(&bus, 1).await.0.unwrap_err().reason(), Reason::NotAnOstreeHost);
}

#[tokio::test]
async fn a_call_that_was_joined_to_another_is_never_ours_though_it_finished() {
    let bus = Bus::start();
    let mut fake = Fake::start(&bus, Ending::Joined).await;
    assert_eq!(layer(&bus, 1).await.0.unwrap(), Outcome::NotOurs);
    fake.left.recv().await.unwrap();
}

#[tokio::test]
async fn a_transaction_that_ends_badly_has_its_outcome() {
    let nothing = "nothing provides dep-b";
    let cancelled = "Staging deployment: Operation was cancelled";
    let table = [
        (Ending::Finished(false, nothing), Outcome::Failed { message: nothing.to_owned() }),
        (Ending::Finished(false, cancelled), Outcome::Cancelled { message: cancelled.to_owned() }),
        (Ending::Vanish, Outcome::Lost),
    ];
    for (ending, outcome) in table {
        let bus = Bus::start();
        let mut fake = Fake::start(&bus, ending).await;
        assert_eq!(layer(&bus, 1).await.0.unwrap(), outcome);
        fake.left.recv().await.unwrap();
    }
}

#[tokio::test]
async fn one_call_carries_everything_and_is_followed_to_its_end() {
    let bus = Bus::start();
    let mut fake = Fake::start(&bus, Ending::Finished(true, "")).await;
    let (outcome, steps) = layer(&bus, 2).await;
    assert_eq!(outcome.unwrap(), Outcome::Finished);
    assert_eq!(steps.first(), Some(&Progress::Message("No enabled rpm-md repositories.".to_owned())));
    assert_eq!(steps.last(), Some(&Progress::Percent("Checking out packages (1/2)".to_owned(), Some(50))));
    assert_eq!(steps.len(), 201, "no step is lost");
    let (_, modifiers, options) = fake.state.lock().unwrap().call.take().unwrap();
    assert_eq!(
        modifiers,
        json!({
            "install-local-packages": ["package 0", "package 1"],
            "uninstall-packages": ["old-1:1-1.noarch"],
            "override-remove-packages": ["kernel"],
        })
    );
    assert_eq!(
        options,
        json!({
            "no-pull-base": true,
            "lock-finalization": true,
            "initiating-command-line": "extensions-agent apply 3f2a",
        })
    );
    fake.left.recv().await.unwrap();
    assert_eq!(fake.state.lock().unwrap().clients, ["extensions-agent"]);
}

#[tokio::test]
async fn the_call_that_reboots_names_the_base_and_says_how_it_ended() {
    let request = || FinalizeRequest { base_checksum: "b".repeat(64), nonce: "9c1d".to_owned() };
    let inhibited = "Reboot blocked by a systemd inhibitor lock";
    for (ending, outcome) in [
        (Ending::Finished(true, ""), Outcome::Finished),
        (Ending::Finished(false, inhibited), Outcome::Failed { message: inhibited.to_owned() }),
        (Ending::Vanish, Outcome::Lost),
    ] {
        let bus = Bus::start();
        let mut fake = Fake::start(&bus, ending).await;
        assert_eq!(bus.host().await.finalize(request()).await.unwrap(), outcome);
        let (_, _, options) = fake.state.lock().unwrap().call.take().unwrap();
        assert_eq!(
            options,
            json!({
                "checksum": "b".repeat(64),
                "allow-unlocked": true,
                "initiating-command-line": "extensions-agent finalize 9c1d",
            })
        );
        fake.left.recv().await.unwrap();
        fake.state.lock().unwrap().refusal = Some((0, "Reboot initiated, cannot start new transaction"));
        let error = bus.host().await.finalize(request()).await.unwrap_err();
        assert_eq!(error.reason(), Reason::RebootInProgress);
    }
}

#[tokio::test]
async fn what_was_made_but_cannot_be_started_is_let_go() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, Ending::Finished(true, "")).await;
    std::fs::remove_file(&fake.socket).unwrap();
    let watcher = zbus::connection::Builder::address(bus.address().as_str()).build().await.unwrap();
    let names = DBusProxy::new(&watcher).await.unwrap();
    let mut changes = names.receive_name_owner_changed().await.unwrap();

    // The host stays on the bus; only the connection that made the transaction must go, or it would hold the host.
    let host = bus.host().await;
    let error = host.layer(request(&bus, 1), &mut |_| {}).await.unwrap_err();
    assert_eq!(error.reason(), Reason::DaemonUnavailable);
    let (maker, ..) = fake.state.lock().unwrap().call.take().unwrap();
    loop {
        let change = changes.next().await.unwrap();
        let args = change.args().unwrap();
        if args.name().as_str() == maker && args.new_owner().is_none() {
            break;
        }
    }
}

#[tokio::test]
async fn dropping_the_call_lets_go_of_what_it_made() {
    let bus = Bus::start();
    let fake = Fake::start(&bus, Ending::Finished(true, "")).await;
    // Accepts nobody: the call is made, and its connection to the socket waits.
    std::fs::remove_file(&fake.socket).unwrap();
    let deaf = std::os::unix::net::UnixListener::bind(&fake.socket).unwrap();
    let watcher = zbus::connection::Builder::address(bus.address().as_str()).build().await.unwrap();
    let names = DBusProxy::new(&watcher).await.unwrap();
    let mut changes = names.receive_name_owner_changed().await.unwrap();

    let host = bus.host().await;
    let request = request(&bus, 1);
    let call = tokio::spawn(async move { host.layer(request, &mut |_| {}).await });
    let accepted = tokio::task::spawn_blocking(move || deaf.accept().map(|_| deaf)).await.unwrap();
    let (maker, ..) = fake.state.lock().unwrap().call.take().unwrap();
    call.abort();
    loop {
        let change = changes.next().await.unwrap();
        let args = change.args().unwrap();
        if args.name().as_str() == maker && args.new_owner().is_none() {
            break;
        }
    }
    drop(accepted);
}
