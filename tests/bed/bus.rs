//! The bus is real and private, and nothing that goes over it escapes the monitor.

use std::collections::HashMap;
use std::fs::File;

use proof::sandbox::Sandbox;
use proof::wait::until_true;
use serde_json::json;
use zbus::{Connection, Fd, Message, Variant};

async fn connect(host: &Sandbox) -> Connection {
    zbus::connection::Builder::address(host.bus_address().as_str()).build().await.unwrap()
}

fn call(to: &Connection, member: &'static str, files: &[File]) -> Message {
    let handles: Vec<Fd<'_>> = files.iter().map(Fd::from).collect();
    let modifiers = HashMap::from([("install-local-packages", Variant::from(handles))]);
    let options = HashMap::from([("no-pull-base", Variant::from(true))]);
    Message::method_call("/org/example", member)
        .destination(to.unique_name().unwrap().as_str())
        .interface("org.projectatomic.rpmostree1.OS")
        .build(&(modifiers, options))
        .unwrap()
}

#[tokio::test]
async fn the_monitor_sees_a_call_with_its_arguments_and_descriptors() {
    let host = Sandbox::start();
    let (client, other) = (connect(&host).await, connect(&host).await);
    let files = [File::open("/dev/null").unwrap(), File::open("/dev/null").unwrap()];
    client.send(&call(&other, "UpdateDeployment", &files)).await.unwrap();
    client.send(&call(&other, "GetDeploymentBootConfig", &[])).await.unwrap();
    // What the bus answers after our calls, it answers after having passed them on.
    zbus::fdo::DBusProxy::new(&client).await.unwrap().get_id().await.unwrap();

    let seen = host.calls();
    let members: Vec<&str> = seen.iter().map(|call| call.member.as_str()).collect();
    assert_eq!(members, ["UpdateDeployment", "GetDeploymentBootConfig"]);
    assert_eq!(seen[0].sender, client.unique_name().unwrap().as_str());
    assert_eq!(seen[0].fds, 2);
    assert_eq!(
        seen[0].args,
        [json!({"install-local-packages": ["fd", "fd"]}), json!({"no-pull-base": true})]
    );
    let mutating = host.mutating_calls();
    assert_eq!(mutating, seen[..1]);
}

#[tokio::test]
async fn no_call_is_missed_however_many_there_are() {
    let host = Sandbox::start();
    let (client, other) = (connect(&host).await, connect(&host).await);
    for _ in 0..2_000 {
        client.send(&call(&other, "Cleanup", &[])).await.unwrap();
    }
    zbus::fdo::DBusProxy::new(&client).await.unwrap().get_id().await.unwrap();
    assert_eq!(host.mutating_calls().len(), 2_000);
}

#[tokio::test]
async fn the_seventeenth_descriptor_ends_the_connection_as_on_a_real_system_bus() {
    let host = Sandbox::start();
    let (client, other) = (connect(&host).await, connect(&host).await);
    let files: Vec<File> = (0..17).map(|_| File::open("/dev/null").unwrap()).collect();
    client.send(&call(&other, "UpdateDeployment", &files[..16])).await.unwrap();
    zbus::fdo::DBusProxy::new(&client).await.unwrap().get_id().await.unwrap();
    client.send(&call(&other, "UpdateDeployment", &files)).await.unwrap();
    assert!(zbus::fdo::DBusProxy::new(&client).await.unwrap().get_id().await.is_err());
    let counts: Vec<u32> = host.calls().iter().map(|call| call.fds).collect();
    assert_eq!(counts, [16]);
}

#[tokio::test]
async fn what_was_seen_outlives_the_bus_and_goes_on_with_the_next() {
    let host = Sandbox::start();
    for _ in 0..2 {
        let (client, other) = (connect(&host).await, connect(&host).await);
        client.send(&call(&other, "Cleanup", &[])).await.unwrap();
        zbus::fdo::DBusProxy::new(&client).await.unwrap().get_id().await.unwrap();
        let _ = host.calls();
        host.stop_bus();
        until_true("the connection to end", || {
            std::os::unix::net::UnixStream::connect(host.dir().join("bus/socket")).is_err()
        });
        host.start_bus();
    }
    assert_eq!(host.mutating_calls().len(), 2);
}
