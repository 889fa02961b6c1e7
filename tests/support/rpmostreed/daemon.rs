//! What the daemon knows between calls: the one transaction, the registered clients, what it has announced.
//!
//! It decides who joins, who is told Busy and who may; it must not look into a job. Input comes from the two bus
//! objects and from the bus itself (names that vanish).

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use zbus::fdo::DBusProxy;
use zbus::names::BusName;
use zbus::{Connection, Variant};

use super::call::Call;
use super::dictionary::{self, Dictionary};
use super::engine::{Failure, Job, deployments};
use super::errors::BusError;
use super::faults::{Faults, Switch};
use super::log::Log;
use super::service::{SYSROOT, announce, os_path};
use super::transaction::Transaction;

const SYSROOT_INTERFACE: &str = "org.projectatomic.rpmostree1.Sysroot";
const OS_INTERFACE: &str = "org.projectatomic.rpmostree1.OS";

/// The state of the stand-in.
pub struct Daemon {
    dir: PathBuf,
    bus: Connection,
    faults: Faults,
    log: Arc<Log>,
    state: Mutex<State>,
}

struct State {
    transaction: Option<Arc<Transaction>>,
    clients: BTreeMap<String, String>,
    idle_since: Instant,
    announced: Vec<String>,
    announced_busy: bool,
}

impl Daemon {
    /// A daemon for the sandbox at `dir`, talking to `bus`.
    ///
    /// # Errors
    /// When the log cannot be opened or the sysroot not be read.
    pub fn new(dir: PathBuf, bus: Connection) -> Result<Arc<Self>, Failure> {
        let faults = Faults::of(&dir);
        let log = Arc::new(Log::open(&dir)?);
        let announced = deployments::read(&dir)?.ids();
        let state = State {
            transaction: None,
            clients: BTreeMap::new(),
            idle_since: Instant::now(),
            announced,
            announced_busy: false,
        };
        Ok(Arc::new(Self { dir, bus, faults, log, state: Mutex::new(state) }))
    }

    /// The sandbox directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The control directory.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The log.
    pub fn log(&self) -> &Arc<Log> {
        &self.log
    }

    /// How long nobody has needed the daemon. Calls do not count, as in the real one.
    pub fn idle_for(&self, now: Instant) -> Option<Duration> {
        let state = self.state.lock().unwrap();
        let idle = state.transaction.is_none() && state.clients.is_empty();
        idle.then(|| now.saturating_duration_since(state.idle_since))
    }

    /// Registers the caller, which holds off idle exit.
    pub fn register(&self, sender: &str, id: Option<String>) {
        let mut state = self.state.lock().unwrap();
        state.clients.insert(sender.to_owned(), id.unwrap_or_else(|| "(null)".to_owned()));
    }

    /// Forgets the caller.
    pub fn unregister(&self, sender: &str) {
        let mut state = self.state.lock().unwrap();
        if state.clients.remove(sender).is_some() && state.clients.is_empty() {
            state.idle_since = Instant::now();
        }
    }

    /// A bus name is gone: its registration goes with it, and its transaction if nobody started that.
    pub async fn name_vanished(self: &Arc<Self>, name: &str) {
        self.unregister(name);
        let transaction = self.state.lock().unwrap().transaction.clone();
        if let Some(transaction) = transaction
            && transaction.owner_vanished(name)
        {
            self.log.line("client disconnected before calling Start; cancelling transaction");
            self.drop_transaction(&transaction).await;
        }
    }

    /// Refuses whom the real daemon would refuse: without polkit on the bus, everybody but root.
    ///
    /// # Errors
    /// The refusal.
    pub async fn authorize(&self, sender: &str) -> Result<(), BusError> {
        if let Some(text) = self.faults.value(Switch::NotAuthorized) {
            let text = if text.is_empty() { "Not authorized".to_owned() } else { text };
            return Err(BusError::denied(text));
        }
        let name =
            BusName::try_from(sender.to_owned()).map_err(|error| BusError::failed(error.to_string()))?;
        let uid = DBusProxy::new(&self.bus)
            .await?
            .get_connection_unix_user(name)
            .await
            .map_err(|error| BusError::failed(error.to_string()))?;
        if uid == 0 {
            return Ok(());
        }
        Err(BusError::failed(
            "Authorization error: GDBus.Error:org.freedesktop.DBus.Error.ServiceUnknown: The name \
             org.freedesktop.PolicyKit1 was not provided by any .service files",
        ))
    }

    /// Makes a transaction of a call, or joins the one that lives, and gives the address of its socket.
    ///
    /// # Errors
    /// Busy, reboot pending, or not authorized.
    pub async fn begin(self: &Arc<Self>, call: Call, title: &str, job: Job) -> Result<String, BusError> {
        self.authorize(&call.sender).await?;
        let delay = self.faults.number(Switch::DelayReply, 0);
        if delay > 0 {
            tokio::time::sleep(Duration::from_millis(delay)).await;
        }
        if self.faults.reboot_requested() {
            return Err(BusError::gio_failed("Reboot initiated, cannot start new transaction"));
        }
        if let Some(other) = self.faults.value(Switch::Busy) {
            return Err(BusError::transaction_in_progress(&other));
        }
        let transaction = {
            let mut state = self.state.lock().unwrap();
            if let Some(live) = &state.transaction {
                if live.call().joins(&call) {
                    self.log.line("client joining existing transaction");
                    return Ok(live.address().to_owned());
                }
                return Err(BusError::transaction_in_progress(&live.title()));
            }
            let client = client_description(&state.clients, &call.sender);
            let transaction = Transaction::create(self, call, title, &client, job)?;
            state.transaction = Some(Arc::clone(&transaction));
            transaction
        };
        self.announce_transaction().await;
        transaction.serve();
        if !self.is_on_bus(&transaction.call().sender).await {
            self.name_vanished(&transaction.call().sender.clone()).await;
        }
        Ok(transaction.address().to_owned())
    }

    /// The `ActiveTransaction` and `ActiveTransactionPath` properties.
    pub fn active(&self) -> ((String, String, String), String) {
        if let Some(live) = &self.state.lock().unwrap().transaction {
            let call = live.call();
            let triple = (call.member.clone(), call.sender.clone(), call.path.clone());
            return (triple, live.address().to_owned());
        }
        if self.faults.value(Switch::Busy).is_some() {
            let triple = ("UpdateDeployment".to_owned(), ":1.0".to_owned(), os_path("other"));
            return (triple, format!("unix:path={}", self.dir.join("run/other.sock").display()));
        }
        Default::default()
    }

    /// Takes the transaction out of its slot, if it is still in there.
    pub async fn drop_transaction(&self, transaction: &Arc<Transaction>) {
        {
            let mut state = self.state.lock().unwrap();
            if !state.transaction.as_ref().is_some_and(|live| Arc::ptr_eq(live, transaction)) {
                return;
            }
            transaction.stop_listening();
            state.transaction = None;
            state.idle_since = Instant::now();
        }
        self.log.line("transaction closed");
        self.announce_transaction().await;
    }

    async fn is_on_bus(&self, name: &str) -> bool {
        let Ok(name) = BusName::try_from(name.to_owned()) else { return false };
        match DBusProxy::new(&self.bus).await {
            Ok(proxy) => proxy.name_has_owner(name).await.unwrap_or(false),
            Err(_) => false,
        }
    }

    async fn announce_transaction(&self) {
        let (triple, path) = self.active();
        let changed = HashMap::from([
            ("ActiveTransaction", Variant::from(triple)),
            ("ActiveTransactionPath", Variant::from(path)),
        ]);
        announce(&self.bus, SYSROOT, SYSROOT_INTERFACE, changed).await;
    }

    /// Announces deployments that changed: each OS first, then the list, as observed.
    pub async fn publish(&self) {
        let dir = self.dir.clone();
        let read = tokio::task::spawn_blocking(move || {
            let view = deployments::read(&dir)?;
            let dictionaries = view.deployments().map(|each| dictionary::of(&dir, each)).collect();
            Ok::<(deployments::View, Vec<Dictionary>), Failure>((view, dictionaries))
        });
        let Ok(Ok((view, all))) = read.await else { return };
        self.state.lock().unwrap().announced = view.ids();
        for osname in view.osnames() {
            let roles = [
                ("BootedDeployment", view.booted_of(&osname)),
                ("DefaultDeployment", view.default_of(&osname)),
                ("RollbackDeployment", view.rollback_of(&osname)),
            ];
            let changed = roles.into_iter().map(|(name, deployment)| {
                let dictionary = deployment.map(|each| dictionary::of(&self.dir, each)).unwrap_or_default();
                (name, Variant::from(dictionary))
            });
            announce(&self.bus, &os_path(&osname), OS_INTERFACE, changed.collect()).await;
        }
        let changed = HashMap::from([("Deployments", Variant::from(all))]);
        announce(&self.bus, SYSROOT, SYSROOT_INTERFACE, changed).await;
    }

    /// Announces what happened without a transaction of ours.
    pub async fn publish_if_changed(&self) {
        let busy = self.faults.value(Switch::Busy).is_some();
        let (idle, announced_busy, announced) = {
            let mut state = self.state.lock().unwrap();
            let before = std::mem::replace(&mut state.announced_busy, busy);
            (state.transaction.is_none(), before, state.announced.clone())
        };
        if idle && busy != announced_busy {
            self.announce_transaction().await;
        }
        if idle && deployments::read(&self.dir).is_ok_and(|view| view.ids() != announced) {
            self.publish().await;
        }
    }
}

fn client_description(clients: &BTreeMap<String, String>, sender: &str) -> String {
    match clients.get(sender) {
        Some(id) => format!("client(id:{id} dbus:{sender} uid:0)"),
        None => format!("caller {sender}"),
    }
}
