//! One transaction: from the method call that made it until its last peer has gone.
//!
//! ```text
//!  made ── Start ──► running ──► finished ── every peer gone, or 30 s ──► closed
//!    └── caller leaves the bus ──► closed (cancelled)
//! ```
//!
//! Only here is decided when it starts, when `Finished` is said and when it is closed. What it does is the engine's job.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::{AbortHandle, JoinHandle};
use zbus::Connection;

use super::call::Call;
use super::daemon::Daemon;
use super::engine::command::Cancel;
use super::engine::context::{Context, Lock, Output};
use super::engine::{self, Job};
use super::errors::BusError;
use super::faults::{Step, Switch};
use super::peer;

/// A transaction and the peers that follow it.
pub struct Transaction {
    call: Call,
    address: String,
    client: String,
    daemon: Arc<Daemon>,
    lock: Lock,
    cancel: Arc<Cancel>,
    inner: Mutex<Inner>,
}

struct Inner {
    title: String,
    // Taken by the first Start: whoever finds it gone did not start anything.
    job: Option<Job>,
    finished: Option<(bool, String)>,
    closed: bool,
    listener: Option<UnixListener>,
    accepting: Option<AbortHandle>,
    peers: Vec<(u64, Connection)>,
    next_peer: u64,
}

impl Transaction {
    /// Takes the sysroot lock and opens the socket. Nothing runs yet.
    ///
    /// # Errors
    /// Busy when somebody else (`ostree admin`, say) holds the sysroot lock.
    pub fn create(
        daemon: &Arc<Daemon>,
        call: Call,
        title: &str,
        client: &str,
        job: Job,
    ) -> Result<Arc<Self>, BusError> {
        let path = daemon.dir().join("run/transaction.sock");
        let failed = |error: std::io::Error| BusError::gio_failed(format!("{}: {error}", path.display()));
        let lock = Lock::take(daemon.dir())
            .map_err(|error| BusError::gio_failed(error.to_string()))?
            .ok_or_else(|| BusError::busy("System transaction in progress"))?;
        let _ = fs::remove_file(&path);
        let listener = UnixListener::bind(&path).map_err(failed)?;
        fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let inner = Inner {
            title: title.to_owned(),
            job: Some(job),
            finished: None,
            closed: false,
            listener: Some(listener),
            accepting: None,
            peers: Vec::new(),
            next_peer: 0,
        };
        Ok(Arc::new(Self {
            call,
            address: format!("unix:path={}", path.display()),
            client: client.to_owned(),
            daemon: Arc::clone(daemon),
            lock,
            cancel: Arc::new(Cancel::default()),
            inner: Mutex::new(inner),
        }))
    }

    /// The call that made it.
    pub fn call(&self) -> &Call {
        &self.call
    }

    /// Where its peers connect.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The title that Busy answers name.
    pub fn title(&self) -> String {
        self.inner.lock().unwrap().title.clone()
    }

    /// Who made it, in the daemon's words.
    pub fn client(&self) -> &str {
        &self.client
    }

    /// Begins to accept peers.
    pub fn serve(self: &Arc<Self>) {
        let Some(listener) = self.inner.lock().unwrap().listener.take() else { return };
        let accepting = tokio::spawn(peer::accept(listener, Arc::clone(self)));
        let mut inner = self.inner.lock().unwrap();
        if inner.closed {
            accepting.abort();
        }
        inner.accepting = Some(accepting.abort_handle());
    }

    /// Stops accepting; the socket file goes, so that a stale address fails to connect.
    pub fn stop_listening(&self) {
        let mut inner = self.inner.lock().unwrap();
        inner.closed = true;
        inner.listener = None;
        if let Some(accepting) = inner.accepting.take() {
            accepting.abort();
        }
        let _ = fs::remove_file(self.daemon.dir().join("run/transaction.sock"));
        inner.peers.clear();
        self.lock.release();
    }

    /// Whether `name` made this transaction and left before anybody started it.
    pub fn owner_vanished(&self, name: &str) -> bool {
        self.call.sender == name && self.inner.lock().unwrap().job.is_some()
    }

    /// `Start`: the job for the one who started it; nothing for all others.
    pub fn take_job(&self) -> Option<Job> {
        self.inner.lock().unwrap().job.take()
    }

    /// What `Finished` said, once it did.
    pub fn finished(&self) -> Option<(bool, String)> {
        self.inner.lock().unwrap().finished.clone()
    }

    /// `Cancel`: whoever asks.
    pub fn cancel(&self) {
        self.daemon.log().line("transaction: Cancel");
        self.cancel.cancel();
    }

    /// A peer has connected.
    pub fn add_peer(&self, peer: Connection) -> u64 {
        let mut inner = self.inner.lock().unwrap();
        let number = inner.next_peer;
        inner.next_peer += 1;
        inner.peers.push((number, peer));
        number
    }

    /// A peer has gone; the last one closes a finished transaction.
    pub async fn remove_peer(self: &Arc<Self>, number: u64) {
        self.inner.lock().unwrap().peers.retain(|(each, _)| *each != number);
        self.close_if_done().await;
    }

    /// Runs the job to its end, tells the peers, and lingers for them.
    pub async fn run(self: Arc<Self>, job: Job) {
        let (output, outputs) = unbounded_channel();
        let context = Context::new(
            self.daemon.dir(),
            self.lock.clone(),
            Arc::clone(&self.cancel),
            self.daemon.faults().clone(),
            output,
        );
        let work: JoinHandle<_> = tokio::task::spawn_blocking(move || engine::run(job, &context));
        self.pump(outputs).await;
        let (success, text) = match work.await {
            Ok(Ok(())) => (true, String::new()),
            Ok(Err(failure)) => (false, failure.to_string()),
            Err(panic) => (false, format!("the stand-in is broken: {panic}")),
        };
        self.daemon.log().line(&format!("transaction finished: {success} {text}"));
        self.lock.release();
        // First the signal, then the mark: a Start in between gets the one that is sent to it alone.
        let peers = self.peers();
        self.inner.lock().unwrap().finished = Some((success, text.clone()));
        for peer in &peers {
            peer::finished(peer, success, &text).await;
        }
        let (faults, cancel) = (self.daemon.faults().clone(), Arc::clone(&self.cancel));
        // On a thread of its own: an ordered hang must not stop the bus from being answered.
        let _ = tokio::task::spawn_blocking(move || faults.pass(Step::AfterFinished, &cancel)).await;
        drop(peers);
        self.close_if_done().await;
        self.force_close_later();
    }

    async fn pump(&self, mut outputs: UnboundedReceiver<Output>) {
        while let Some(output) = outputs.recv().await {
            match &output {
                Output::Title(title) => self.inner.lock().unwrap().title.clone_from(title),
                Output::Changed => self.daemon.publish().await,
                Output::Message(_)
                | Output::TaskBegin(_)
                | Output::TaskEnd
                | Output::Percent(..)
                | Output::ProgressEnd => {}
            }
            for peer in self.peers() {
                peer::tell(&peer, &output).await;
            }
        }
    }

    fn peers(&self) -> Vec<Connection> {
        self.inner.lock().unwrap().peers.iter().map(|(_, peer)| peer.clone()).collect()
    }

    async fn close_if_done(self: &Arc<Self>) {
        let done = {
            let inner = self.inner.lock().unwrap();
            inner.finished.is_some() && inner.peers.is_empty()
        };
        if done {
            self.daemon.drop_transaction(self).await;
        }
    }

    fn force_close_later(self: &Arc<Self>) {
        let this = Arc::clone(self);
        let linger = Duration::from_secs(self.daemon.faults().number(Switch::LingerSeconds, 30));
        tokio::spawn(async move {
            tokio::time::sleep(linger).await;
            for peer in this.peers() {
                this.daemon.log().line("Forcibly closing transaction due to timeout");
                let _ = peer.close().await;
            }
            this.daemon.drop_transaction(&this).await;
        });
    }
}
