//! What the stand-in is told to do wrong, seen from the bus: it dies, hangs, refuses and reboots as it is told.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;

use futures_util::StreamExt;
use proof::packages::{Rpm, admin_tool};
use proof::rpmostreed::faults::{Step, Switch};
use proof::sandbox::Sandbox;
use zbus::{Connection, Fd, OwnedVariant, Proxy, Variant};

const NAME: &str = "org.projectatomic.rpmostree1";
const OS: &str = "/org/projectatomic/rpmostree1/fedora_coreos";

struct Client {
    os: Proxy<'static>,
}

impl Client {
    async fn of(host: &Sandbox) -> Self {
        let bus = zbus::connection::Builder::address(host.bus_address().as_str()).build().await.unwrap();
        Self { os: Proxy::new(&bus, NAME, OS, "org.projectatomic.rpmostree1.OS").await.unwrap() }
    }

    async fn install(&self, rpm: &Rpm, option: &'static str) -> zbus::Result<String> {
        let file = File::open(rpm.build()).unwrap();
        let modifiers = HashMap::from([("install-local-packages", Variant::from(vec![Fd::from(&file)]))]);
        // Ordered: requests are equal only when their dictionaries are written in the same order.
        let options = BTreeMap::from([("no-pull-base", true), (option, true)]);
        let options: BTreeMap<_, _> = options.into_iter().map(|(key, on)| (key, Variant::from(on))).collect();
        self.os.call("UpdateDeployment", &(modifiers, options)).await
    }

    async fn staged(&self) -> bool {
        // A property cached from before the daemon died would say what was.
        let fresh = zbus::proxy::Builder::<Proxy<'_>>::new(self.os.connection());
        let fresh = fresh.destination(NAME).path(OS).interface("org.projectatomic.rpmostree1.OS");
        let fresh = fresh.cache_properties(zbus::proxy::CacheProperties::No).build().await.unwrap();
        // The bus may not have missed a dead daemon yet: then it says NoReply, and the next call starts it again.
        let mut told = fresh.get_property::<HashMap<String, OwnedVariant>>("DefaultDeployment").await;
        while told.as_ref().is_err_and(|error| error.to_string().contains("NoReply")) {
            told = fresh.get_property("DefaultDeployment").await;
        }
        let deployment = told.unwrap();
        bool::try_from(deployment["staged"].clone()).unwrap()
    }
}

/// Starts the transaction at `address` and gives what `Finished` says; none when the connection ends without it.
async fn follow(address: &str) -> Option<(bool, String)> {
    let (_peer, mut finished) = start(address).await;
    Some(finished.next().await?.body().deserialize().unwrap())
}

async fn start(address: &str) -> (Connection, zbus::proxy::SignalStream<'static>) {
    let peer = zbus::connection::Builder::address(address).p2p().build().await.unwrap();
    let transaction = Proxy::new(&peer, NAME, "/", "org.projectatomic.rpmostree1.Transaction").await.unwrap();
    let finished = transaction.receive_signal("Finished").await.unwrap();
    assert!(transaction.call::<_, _, bool>("Start", &()).await.unwrap());
    (peer, finished)
}

#[tokio::test]
async fn death_in_the_middle_ends_the_socket_without_a_word_and_stages_nothing() {
    let host = Sandbox::start();
    let client = Client::of(&host).await;
    host.faults().die_at(Step::Rpmdb);
    let address = client.install(&admin_tool(), "x").await.unwrap();
    assert_eq!(follow(&address).await, None);
    assert!(!client.staged().await);
    let address = client.install(&admin_tool(), "x").await.unwrap();
    assert_eq!(follow(&address).await, Some((true, String::new())));
}

#[tokio::test]
async fn death_after_staging_leaves_what_was_staged() {
    let host = Sandbox::start();
    let client = Client::of(&host).await;
    host.faults().die_at(Step::AfterStagedBeforeFinished);
    let address = client.install(&admin_tool(), "x").await.unwrap();
    assert_eq!(follow(&address).await, None);
    assert!(client.staged().await);
}

#[tokio::test]
async fn a_hanging_transaction_is_in_everybodys_way_until_it_is_released() {
    let host = Sandbox::start();
    let (client, other) = (Client::of(&host).await, Client::of(&host).await);
    host.faults().hang_at(Step::Depsolve);
    let address = client.install(&admin_tool(), "x").await.unwrap();
    let (_peer, mut finished) = start(&address).await;
    host.faults().reached_hang_at(Step::Depsolve).await;
    let busy = other.install(&admin_tool(), "y").await.unwrap_err().to_string();
    assert!(
        busy.contains("Code26") && busy.contains("Transaction in progress: install; localinstall: 1"),
        "{busy}"
    );
    host.faults().release(Step::Depsolve);
    let said: (bool, String) = finished.next().await.unwrap().body().deserialize().unwrap();
    assert_eq!(said, (true, String::new()));
}

#[tokio::test]
async fn an_equal_looking_request_is_joined_and_its_file_never_installed() {
    let host = Sandbox::start();
    let (client, other) = (Client::of(&host).await, Client::of(&host).await);
    let address = client.install(&admin_tool(), "x").await.unwrap();
    assert_eq!(other.install(&Rpm::new("never-installed"), "x").await.unwrap(), address);
}

#[tokio::test]
async fn nobody_is_authorized_while_the_switch_is_on() {
    let host = Sandbox::start();
    let client = Client::of(&host).await;
    host.faults().turn_on(Switch::NotAuthorized, "");
    let denied = client.install(&admin_tool(), "x").await.unwrap_err().to_string();
    assert!(denied.contains("org.freedesktop.DBus.Error.AccessDenied"), "{denied}");
}

#[tokio::test]
async fn once_a_reboot_is_initiated_nothing_starts_until_it_happened() {
    let host = Sandbox::start();
    let client = Client::of(&host).await;
    let address = client.install(&admin_tool(), "reboot").await.unwrap();
    assert_eq!(follow(&address).await, Some((true, String::new())));
    assert!(host.faults().reboot_requested());
    let refused = client.install(&admin_tool(), "x").await.unwrap_err().to_string();
    assert!(refused.contains("Code0") && refused.contains("Reboot initiated, cannot start new transaction"));
    host.reboot();
    assert!(!host.faults().reboot_requested());
    assert!(host.booted_packages().contains(&admin_tool().nevra()));
}

#[tokio::test]
async fn an_inhibited_reboot_fails_the_request_and_keeps_what_it_staged() {
    let host = Sandbox::start();
    let client = Client::of(&host).await;
    host.faults().turn_on(Switch::InhibitReboot, "backup is running");
    let address = client.install(&admin_tool(), "reboot").await.unwrap();
    let (success, text) = follow(&address).await.unwrap();
    assert!(!success && text.starts_with("Reboot blocked by a systemd inhibitor lock"), "{text}");
    assert!(client.staged().await);
}
