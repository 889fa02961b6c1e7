//! rpm-ostreed behind the [`Host`] trait.
//!
//! Decides: when to ask again. The daemon exits when it is idle, is restarted, crashes; its bus may go away too. A reading
//! call is repeated, with pauses and a bound; the one mutating call never is. Must not: hold state beyond the connection.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use extensions_manifest::Base;
use tokio::sync::{Mutex, watch};
use tokio::time::{sleep, timeout};

use super::changes::Changes;
use super::proxy::sysroot::ActiveTransaction;
use super::session::{Expectations, Session, Trouble, bus};
use super::transaction::{self, Way};
use super::{
    Deployment, FinalizeRequest, Host, HostError, LayerRequest, Observed, Outcome, Progress,
    RunningTransaction, observed, rpmdb,
};

/// Where the host is.
#[derive(Debug, Clone)]
pub struct HostSettings {
    /// The address of the bus; none means the system bus.
    pub bus: Option<String>,
    /// The root of the sysroot; `/` on a host.
    pub sysroot: PathBuf,
}

/// The host as rpm-ostreed shows it.
#[derive(Debug)]
pub struct RpmOstree {
    settings: HostSettings,
    expected: Expectations,
    session: Mutex<Option<Session>>,
    changes: Changes,
}

/// What one look at the daemon brings.
struct Look {
    booted: bool,
    active: ActiveTransaction,
    address: String,
    deployments: Vec<observed::Dictionary>,
}

impl RpmOstree {
    /// Connects to the bus. rpm-ostreed itself is reached at the first call: it is started on demand and may come and go.
    ///
    /// # Errors
    /// [`HostError::Bus`] when the bus cannot be reached.
    pub async fn connect(settings: HostSettings) -> Result<Self, HostError> {
        Self::connect_expecting(settings, Expectations::default()).await
    }

    /// The same, with other waits.
    pub(super) async fn connect_expecting(
        settings: HostSettings,
        expected: Expectations,
    ) -> Result<Self, HostError> {
        let changes = Changes::listen(settings.bus.clone(), expected.clone()).await?;
        Ok(Self { settings, expected, session: Mutex::new(None), changes })
    }

    /// Asks the daemon something that changes nothing, as often as it takes within the bounds.
    async fn ask<T, F, A>(&self, operation: &'static str, question: F) -> Result<T, HostError>
    where
        F: Fn(Session) -> A,
        A: Future<Output = zbus::Result<T>>,
    {
        let mut attempt = 0;
        loop {
            match self.ask_once(operation, &question).await {
                Ok(answer) => return Ok(answer),
                Err(Trouble { again: true, .. }) if attempt + 1 < self.expected.attempts => {
                    sleep(self.expected.pause_after(attempt)).await;
                    attempt += 1;
                }
                Err(trouble) => return Err(trouble.error),
            }
        }
    }

    async fn ask_once<T, F, A>(&self, operation: &'static str, question: &F) -> Result<T, Trouble>
    where
        F: Fn(Session) -> A,
        A: Future<Output = zbus::Result<T>>,
    {
        let session = self.session().await?;
        let limit = self.expected.answer;
        match timeout(limit, question(session.clone())).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(error)) => {
                let trouble = Trouble::of(operation, &error);
                if trouble.again {
                    self.forget(&session).await;
                }
                Err(trouble)
            }
            Err(_) => Err(Trouble::certain(HostError::TimedOut { operation, limit })),
        }
    }

    /// The daemon as it was last found, or found anew: over a new connection where the bus was restarted.
    async fn session(&self) -> Result<Session, Trouble> {
        let mut held = self.session.lock().await;
        if let Some(session) = held.as_ref().filter(|session| !session.connection().is_closed()) {
            return Ok(session.clone());
        }
        *held = None;
        let connection =
            bus(self.settings.bus.as_deref(), self.expected.answer).await.map_err(Trouble::certain)?;
        let session = Session::open(connection, &self.expected).await?;
        *held = Some(session.clone());
        Ok(session)
    }

    /// Drops a session whose daemon went away, unless somebody has replaced it already.
    async fn forget(&self, gone: &Session) {
        let mut held = self.session.lock().await;
        if held.as_ref().is_some_and(|session| session.is(gone)) {
            *held = None;
        }
    }

    /// One look. The transaction is read before the deployments: when none is running at that moment, the deployments
    /// that are read after it are those that it left.
    async fn look(&self) -> Result<Look, HostError> {
        self.ask("observing the host", |session| async move {
            let sysroot = session.sysroot().await?;
            // A barrier: without it, the properties may be those of before the last change.
            sysroot.reload().await?;
            let booted = sysroot.booted().await?.as_str() != "/";
            let active = sysroot.active_transaction().await?;
            let address = sysroot.active_transaction_path().await?;
            Ok(Look { booted, active, address, deployments: sysroot.deployments().await? })
        })
        .await
    }

    /// The transaction that is running now.
    async fn running(&self) -> Result<Option<RunningTransaction>, HostError> {
        let (active, address) = self
            .ask("looking for a running transaction", |session| async move {
                let sysroot = session.sysroot().await?;
                Ok((sysroot.active_transaction().await?, sysroot.active_transaction_path().await?))
            })
            .await?;
        Ok(self.described(active, &address).await)
    }

    async fn described(&self, active: ActiveTransaction, address: &str) -> Option<RunningTransaction> {
        let (method, sender, _path) = active;
        if method.is_empty() && address.is_empty() {
            return None;
        }
        let title = if address.is_empty() { None } else { transaction::title(address, &self.expected).await };
        let shown = crate::text::shown;
        Some(RunningTransaction { method: shown(&method), sender: shown(&sender), title })
    }

    /// Waits until nothing runs. Level-triggered: a signal only says when to look, and without one it looks all the same.
    async fn idle(&self, title: &Mutex<String>) -> Result<(), HostError> {
        let mut changes = self.changes.subscribe();
        loop {
            changes.mark_unchanged();
            let Some(running) = self.running().await? else { return Ok(()) };
            *title.lock().await = running.title.unwrap_or(running.method);
            // Either way, look again. The counter cannot end: it lives as long as this value.
            let _ = timeout(self.expected.look, changes.changed()).await;
        }
    }
}

impl Host for RpmOstree {
    async fn observe(&self) -> Result<Observed, HostError> {
        let look = self.look().await?;
        if !look.booted {
            return Err(HostError::NotBooted);
        }
        let mut deployments = observed::deployments(look.deployments)?;
        observed::with_heads(&self.settings.sysroot, &mut deployments);
        let transaction = self.described(look.active, &look.address).await;
        Ok(Observed { deployments, transaction, arch: observed::architecture()? })
    }

    async fn base(&self, deployment: &Deployment, paths: &BTreeSet<String>) -> Result<Base, HostError> {
        rpmdb::base(&observed::root_path(&self.settings.sysroot, deployment), paths).await
    }

    async fn layer(
        &self,
        request: LayerRequest,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> Result<Outcome, HostError> {
        let way = Way { bus: self.settings.bus.as_deref(), expected: &self.expected };
        transaction::layer(way, request, progress).await
    }

    async fn finalize(&self, request: FinalizeRequest) -> Result<Outcome, HostError> {
        let way = Way { bus: self.settings.bus.as_deref(), expected: &self.expected };
        transaction::finalize(way, request).await
    }

    async fn wait_idle(&self, limit: Duration) -> Result<(), HostError> {
        let title = Mutex::new(String::new());
        match timeout(limit, self.idle(&title)).await {
            Ok(idle) => idle,
            Err(_) => Err(HostError::Busy { title: title.into_inner() }),
        }
    }

    async fn descriptors_per_call(&self) -> Result<usize, HostError> {
        let connection = bus(self.settings.bus.as_deref(), self.expected.answer).await?;
        let limit = transaction::descriptors(&connection, &self.expected).await;
        transaction::close(connection).await;
        limit
    }

    fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}
