//! Another client of the daemon: what an admin's `rpm-ostree` at the same host does, over D-Bus and nothing of the agent.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::path::Path;

use futures_util::StreamExt;
use serde_json::Value;
use tokio::runtime::Runtime;
use zbus::{Connection, MessageStream, Variant};

use super::monitor;

const NAME: &str = "org.projectatomic.rpmostree1";
const SYSROOT: &str = "/org/projectatomic/rpmostree1/Sysroot";
const OS: &str = "org.projectatomic.rpmostree1.OS";
const TRANSACTION: &str = "org.projectatomic.rpmostree1.Transaction";

/// One such client.
#[derive(Debug)]
pub struct Hand {
    runtime: Runtime,
    bus: Connection,
}

/// A transaction that this client started and still follows.
#[derive(Debug)]
pub struct Underway<'a> {
    hand: &'a Hand,
    peer: Connection,
    signals: MessageStream,
    started: bool,
}

impl Hand {
    /// A client on the bus at `address`.
    pub fn at(address: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let bus = runtime.block_on(zbus::connection::Builder::address(address).build()).unwrap();
        Hand { runtime, bus }
    }

    /// The deployments in boot order, as plain JSON.
    pub fn deployments(&self) -> Vec<Value> {
        // The daemon re-reads its sysroot on Reload; without it a reboot behind its back may not be seen yet.
        self.call(SYSROOT, "org.projectatomic.rpmostree1.Sysroot", "Reload", &());
        let value = self.property("Deployments");
        value.as_array().expect("a list of deployments").clone()
    }

    /// `rpm-ostree install FILE…`: follows it to its end and expects success.
    #[track_caller]
    pub fn layer(&self, files: &[&Path]) {
        self.start(files, &[]).expect_success();
    }

    /// Starts the same with further options that are true, and returns while it runs.
    #[track_caller]
    pub fn start(&self, files: &[&Path], options: &[&str]) -> Underway<'_> {
        let opened: Vec<OwnedFd> = files.iter().map(|file| File::open(file).unwrap().into()).collect();
        let fds: Vec<zbus::wire::Fd<'_>> = opened.iter().map(zbus::wire::Fd::from).collect();
        let modifiers = BTreeMap::from([("install-local-packages", Variant::from(fds))]);
        let mut set = BTreeMap::from([("no-pull-base", Variant::from(true))]);
        set.extend(options.iter().map(|option| (*option, Variant::from(true))));
        self.begin("UpdateDeployment", &(modifiers, set))
    }

    /// `rpm-ostree uninstall NEVRA…`
    #[track_caller]
    pub fn uninstall(&self, nevras: &[&str]) {
        let modifiers = BTreeMap::from([("uninstall-packages", Variant::from(nevras.to_vec()))]);
        let options = BTreeMap::from([("no-pull-base", Variant::from(true))]);
        self.begin("UpdateDeployment", &(modifiers, options)).expect_success();
    }

    /// `rpm-ostree rebase REF`: what an update driver does when the operating system moves.
    #[track_caller]
    pub fn rebase(&self, refspec: &str) {
        let none: BTreeMap<&str, Variant<'_>> = BTreeMap::new();
        self.begin("Rebase", &(none, refspec, Vec::<&str>::new())).expect_success();
    }

    /// `rpm-ostree rollback`
    #[track_caller]
    pub fn roll_back(&self) {
        let none: BTreeMap<&str, Variant<'_>> = BTreeMap::new();
        self.begin("Rollback", &(none,)).expect_success();
    }

    /// `rpm-ostree cleanup -p`
    #[track_caller]
    pub fn drop_pending(&self) {
        self.begin("Cleanup", &(vec!["pending-deploy"],)).expect_success();
    }

    /// Asks for a transaction and starts it.
    #[track_caller]
    fn begin<B>(&self, member: &str, body: &B) -> Underway<'_>
    where
        B: serde::Serialize + zbus::wire::DynamicType,
    {
        let os = self.property("Booted").as_str().expect("an object path").to_owned();
        let address: String = self.runtime.block_on(async {
            let reply = self.bus.call_method(Some(NAME), os.as_str(), Some(OS), member, body).await;
            reply.unwrap().body().deserialize().unwrap()
        });
        self.runtime.block_on(async {
            let path = address.split_once("path=").expect("the address of a socket").1;
            let stream = std::os::unix::net::UnixStream::connect(path).unwrap();
            let peer = zbus::connection::Builder::unix_stream(stream).p2p().build().await.unwrap();
            let signals = MessageStream::from(&peer);
            let reply = peer.call_method(None::<&str>, "/", Some(TRANSACTION), "Start", &()).await.unwrap();
            let started = reply.body().deserialize().unwrap();
            Underway { hand: self, peer, signals, started }
        })
    }

    fn property(&self, name: &str) -> Value {
        let body = ("org.projectatomic.rpmostree1.Sysroot", name);
        self.runtime.block_on(async {
            let properties = Some("org.freedesktop.DBus.Properties");
            let reply = self.bus.call_method(Some(NAME), SYSROOT, properties, "Get", &body).await.unwrap();
            let body = reply.body();
            let value: Variant<'_> = body.deserialize().unwrap();
            monitor::json(&value)
        })
    }

    fn call<B>(&self, path: &str, interface: &str, member: &str, body: &B)
    where
        B: serde::Serialize + zbus::wire::DynamicType,
    {
        self.runtime.block_on(self.bus.call_method(Some(NAME), path, Some(interface), member, body)).unwrap();
    }
}

impl Underway<'_> {
    /// Whether `Start` said that this call started it; false when it had been joined to another's.
    pub fn started(&self) -> bool {
        self.started
    }

    #[track_caller]
    fn expect_success(self) {
        let (success, message) = self.finish();
        assert!(success, "what was asked for by hand failed: {message}");
    }

    /// Waits for `Finished` and leaves. Success, and the message.
    #[track_caller]
    pub fn finish(mut self) -> (bool, String) {
        let outcome = self.hand.runtime.block_on(async {
            while let Some(Ok(message)) = self.signals.next().await {
                if message.header().member().is_some_and(|member| member == "Finished") {
                    return message.body().deserialize::<(bool, String)>().unwrap();
                }
            }
            panic!("the socket closed without `Finished`");
        });
        self.hand.runtime.block_on(self.peer.close()).unwrap();
        outcome
    }
}
