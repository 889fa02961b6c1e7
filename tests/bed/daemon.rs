//! The stand-in is started by the bus, ends with it, and a reboot takes what it staged.

use std::collections::HashMap;
use std::fs::File;

use futures_util::StreamExt;
use proof::packages::admin_tool;
use proof::sandbox::Sandbox;
use proof::scratch::processes;
use proof::wait::until_true;
use zbus::{Connection, Fd, Proxy, Variant};

const NAME: &str = "org.projectatomic.rpmostree1";

async fn connect(host: &Sandbox) -> Connection {
    zbus::connection::Builder::address(host.bus_address().as_str()).build().await.unwrap()
}

async fn proxy<'a>(connection: &Connection, object: &'a str, interface: &'a str) -> Proxy<'a> {
    Proxy::new(connection, NAME, object, interface).await.unwrap()
}

async fn booted(connection: &Connection) -> String {
    let sysroot =
        proxy(connection, "/org/projectatomic/rpmostree1/Sysroot", "org.projectatomic.rpmostree1.Sysroot")
            .await;
    let path: zbus::OwnedObjectPath = sysroot.get_property("Booted").await.unwrap();
    path.to_string()
}

/// Layers one package by hand, as an admin does, and follows the transaction to its end.
async fn layer(connection: &Connection, file: &std::path::Path) -> (bool, String) {
    let os =
        proxy(connection, "/org/projectatomic/rpmostree1/fedora_coreos", "org.projectatomic.rpmostree1.OS")
            .await;
    let file = File::open(file).unwrap();
    let modifiers = HashMap::from([("install-local-packages", Variant::from(vec![Fd::from(&file)]))]);
    let options = HashMap::from([("no-pull-base", Variant::from(true))]);
    let address: String = os.call("UpdateDeployment", &(modifiers, options)).await.unwrap();
    let peer = zbus::connection::Builder::address(address.as_str()).p2p().build().await.unwrap();
    // Peers have no names and no properties that change.
    let transaction = Proxy::new(&peer, NAME, "/", "org.projectatomic.rpmostree1.Transaction").await.unwrap();
    let mut finished = transaction.receive_signal("Finished").await.unwrap();
    assert!(transaction.call::<_, _, bool>("Start", &()).await.unwrap());
    finished.next().await.unwrap().body().deserialize().unwrap()
}

#[tokio::test]
async fn the_bus_starts_the_stand_in_when_it_is_called_and_not_before() {
    let host = Sandbox::start();
    assert!(processes(host.dir(), "stand-in").is_empty());
    assert_eq!(booted(&connect(&host).await).await, "/org/projectatomic/rpmostree1/fedora_coreos");
    assert_eq!(processes(host.dir(), "stand-in").len(), 1);
}

#[tokio::test]
async fn a_killed_stand_in_is_started_anew_by_the_next_call() {
    let host = Sandbox::start();
    let connection = connect(&host).await;
    booted(&connection).await;
    assert!(host.kill_daemon(), "it ran");
    assert!(!host.kill_daemon(), "it is gone");
    booted(&connection).await;
    assert_eq!(processes(host.dir(), "stand-in").len(), 1);
}

#[tokio::test]
async fn the_stand_in_ends_with_the_bus() {
    let host = Sandbox::start();
    booted(&connect(&host).await).await;
    host.stop_bus();
    until_true("the stand-in to end", || processes(host.dir(), "stand-in").is_empty());
}

#[tokio::test]
async fn without_the_stand_in_nobody_has_its_name() {
    let host = Sandbox::start();
    host.remove_daemon();
    let error = zbus::fdo::DBusProxy::new(&connect(&host).await)
        .await
        .unwrap()
        .start_service_by_name(NAME.try_into().unwrap(), 0)
        .await
        .unwrap_err();
    assert!(error.to_string().contains("ServiceUnknown"), "{error}");
}

#[tokio::test]
async fn what_is_staged_is_booted_after_a_reboot() {
    let host = Sandbox::start();
    let before = host.booted();
    assert_eq!(layer(&connect(&host).await, &admin_tool().build()).await, (true, String::new()));
    assert_eq!(host.booted(), before, "nothing changes before the reboot");
    let after = host.reboot();
    assert_ne!(after, before);
    assert_eq!(host.booted(), after);
    assert!(host.booted_packages().contains(&admin_tool().nevra()));
    assert!(host.booted_root().join("usr/bin/admin-tool").is_file());
    assert_eq!(host.mutating_calls().len(), 1);
}

#[test]
fn a_reboot_with_nothing_staged_changes_nothing() {
    let host = Sandbox::start();
    let before = host.booted();
    assert_eq!(host.reboot(), before);
}
