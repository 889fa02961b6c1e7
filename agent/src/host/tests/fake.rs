//! A small stand-in for rpm-ostreed that does what a test scripts, on a private and real dbus-daemon.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::{mpsc, watch};
use zbus::message::Header;
use zbus::object_server::SignalEmitter;
use zbus::{Connection, Guid, OwnedObjectPath, OwnedVariant, Variant, connection, interface};

use crate::host::session::Expectations;
use crate::host::{HostSettings, RpmOstree, proxy, variant};

/// A real dbus-daemon with a socket of its own, on which everything is allowed.
pub(super) struct Bus {
    pub(super) dir: tempfile::TempDir,
    child: Child,
}

impl Bus {
    pub(super) fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let child = Self::spawn(dir.path());
        Self { dir, child }
    }

    fn spawn(dir: &Path) -> Child {
        let config = dir.join("bus.conf");
        let text = format!(
            "<busconfig><listen>unix:path={}</listen><auth>EXTERNAL</auth><policy context=\"default\">\
             <allow send_destination=\"*\"/><allow receive_sender=\"*\"/><allow own=\"*\"/></policy></busconfig>",
            dir.join("socket").display()
        );
        std::fs::write(&config, text).unwrap();
        let mut child = Command::new("dbus-daemon")
            .arg(format!("--config-file={}", config.display()))
            .args(["--nofork", "--nopidfile", "--nosyslog", "--print-address=1"])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // It listens when it says its address.
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut String::new()).unwrap();
        child
    }

    pub(super) fn stop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        let _ = std::fs::remove_file(self.dir.path().join("socket"));
    }

    pub(super) fn start_again(&mut self) {
        self.child = Self::spawn(self.dir.path());
    }

    pub(super) fn address(&self) -> String {
        format!("unix:path={}", self.dir.path().join("socket").display())
    }

    pub(super) async fn host(&self) -> RpmOstree {
        self.host_expecting(expectations()).await
    }

    pub(super) async fn host_expecting(&self, expected: Expectations) -> RpmOstree {
        let settings = HostSettings { bus: Some(self.address()), sysroot: self.dir.path().join("sysroot") };
        RpmOstree::connect_expecting(settings, expected).await.unwrap()
    }
}

impl Drop for Bus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// As on a host, but owned by whoever runs the tests, and in less of a hurry only where a test waits for it.
pub(super) fn expectations() -> Expectations {
    Expectations {
        owner: nix::unistd::getuid().as_raw(),
        attempts: 10,
        pause: Duration::from_millis(10),
        ..Expectations::default()
    }
}

#[derive(Debug, zbus::DBusError)]
#[zbus(prefix = "org.gtk.GDBus.UnmappedGError.Quark._g_2dio_2derror_2dquark")]
pub(super) enum IoError {
    #[zbus(error)]
    ZBus(zbus::Error),
    Code0(String),
    Code26(String),
}

/// How the transaction behaves once it is started.
#[derive(Debug, Clone)]
pub(super) enum Ending {
    /// `Start` says true, then this is said.
    Finished(bool, &'static str),
    /// `Finished(true)` comes first, then `Start` says false: the call was joined to another.
    Joined,
    /// `Start` says true, then the socket ends.
    Vanish,
}

/// What the stand-in was told, and what it saw.
#[derive(Default)]
pub(super) struct State {
    pub(super) not_booted: bool,
    pub(super) hang: bool,
    /// The code and the text of the error that answers `UpdateDeployment`.
    pub(super) refusal: Option<(u32, &'static str)>,
    /// The transaction that is running: method and address.
    pub(super) active: Option<(&'static str, String)>,
    pub(super) deployments: Vec<HashMap<String, OwnedVariant>>,
    /// How often the deployments were asked for.
    pub(super) looks: watch::Sender<u32>,
    pub(super) clients: Vec<String>,
    /// Who made the last call, with which modifiers (files by their content) and options.
    pub(super) call: Option<(String, serde_json::Value, serde_json::Value)>,
}

pub(super) type Shared = Arc<Mutex<State>>;

struct Sysroot(Shared);

#[interface(name = "org.projectatomic.rpmostree1.Sysroot")]
impl Sysroot {
    fn register_client(&self, options: HashMap<String, OwnedVariant>) {
        let id = String::try_from(options["id"].clone()).unwrap();
        self.0.lock().unwrap().clients.push(id);
    }

    async fn reload(&self) {
        if self.0.lock().unwrap().hang {
            std::future::pending::<()>().await;
        }
    }

    #[zbus(property)]
    fn booted(&self) -> OwnedObjectPath {
        let path = if self.0.lock().unwrap().not_booted { "/" } else { OS };
        path.try_into().unwrap()
    }

    #[zbus(property)]
    fn active_transaction(&self) -> (String, String, String) {
        let method = self.0.lock().unwrap().active.as_ref().map(|active| active.0);
        method.map_or_else(Default::default, |method| (method.to_owned(), ":1.7".to_owned(), OS.to_owned()))
    }

    #[zbus(property)]
    fn active_transaction_path(&self) -> String {
        self.0.lock().unwrap().active.as_ref().map(|active| active.1.clone()).unwrap_or_default()
    }

    #[zbus(property)]
    fn deployments(&self) -> Vec<HashMap<String, OwnedVariant>> {
        let state = self.0.lock().unwrap();
        state.looks.send_modify(|looks| *looks += 1);
        state.deployments.clone()
    }
}

pub(super) const OS: &str = "/org/projectatomic/rpmostree1/fedora_coreos";

struct Os {
    state: Shared,
    address: String,
}

#[interface(name = "org.projectatomic.rpmostree1.OS")]
impl Os {
    fn update_deployment(
        &self,
        #[zbus(header)] header: Header<'_>,
        modifiers: HashMap<String, OwnedVariant>,
        options: HashMap<String, OwnedVariant>,
    ) -> Result<String, IoError> {
        self.answer(&header, readable(modifiers), options)
    }

    fn finalize_deployment(
        &self,
        #[zbus(header)] header: Header<'_>,
        options: HashMap<String, OwnedVariant>,
    ) -> Result<String, IoError> {
        self.answer(&header, serde_json::Value::Null, options)
    }
}

impl Os {
    fn answer(
        &self,
        header: &Header<'_>,
        modifiers: serde_json::Value,
        options: HashMap<String, OwnedVariant>,
    ) -> Result<String, IoError> {
        let mut state = self.state.lock().unwrap();
        state.call = Some((header.sender().unwrap().to_string(), modifiers, readable(options)));
        match state.refusal {
            Some((0, text)) => Err(IoError::Code0(text.to_owned())),
            Some((_, text)) => Err(IoError::Code26(text.to_owned())),
            None => Ok(self.address.clone()),
        }
    }
}

/// A dictionary as JSON, each file as the text that is in it.
fn readable(dictionary: HashMap<String, OwnedVariant>) -> serde_json::Value {
    let text = |fd: &Variant<'_>| {
        let Variant::Fd(fd) = fd else { panic!("not a file") };
        let mut text = String::new();
        let mut file = std::fs::File::from(fd.as_fd().try_clone_to_owned().unwrap());
        file.read_to_string(&mut text).unwrap();
        text
    };
    let value = |value: &Variant<'_>| {
        let Variant::Array(array) = value else { return variant::to_json(value) };
        if array.element_signature().to_string() == "h" {
            array.inner().iter().map(text).collect::<Vec<_>>().into()
        } else {
            variant::to_json(value)
        }
    };
    dictionary.iter().map(|(key, entry)| (key.clone(), value(entry))).collect()
}

struct Transaction {
    ending: Ending,
    vanish: mpsc::UnboundedSender<()>,
}

#[interface(name = "org.projectatomic.rpmostree1.Transaction")]
impl Transaction {
    async fn start(&self, #[zbus(signal_emitter)] emitter: SignalEmitter<'_>) -> bool {
        match self.ending.clone() {
            Ending::Joined => {
                Self::finished(&emitter, true, "").await.unwrap();
                return false;
            }
            Ending::Vanish => {
                let vanish = self.vanish.clone();
                let emitter = emitter.to_owned();
                tokio::spawn(async move {
                    Self::task_begin(&emitter, "Checking out tree 11b440b").await.unwrap();
                    vanish.send(()).unwrap();
                });
            }
            Ending::Finished(success, error) => {
                let emitter = emitter.to_owned();
                tokio::spawn(async move {
                    Self::message(&emitter, "No enabled rpm-md repositories.").await.unwrap();
                    // More than a queue holds.
                    for _ in 0..200 {
                        Self::percent_progress(&emitter, "Checking out packages (1/2)", 0).await.unwrap();
                    }
                    Self::finished(&emitter, success, error).await.unwrap();
                });
            }
        }
        true
    }

    #[zbus(property)]
    fn title(&self) -> String {
        "install; localinstall: 2".to_owned()
    }

    #[zbus(signal)]
    async fn task_begin(emitter: &SignalEmitter<'_>, text: &str) -> zbus::Result<()>;
    #[zbus(signal)]
    async fn message(emitter: &SignalEmitter<'_>, text: &str) -> zbus::Result<()>;
    #[zbus(signal)]
    async fn percent_progress(emitter: &SignalEmitter<'_>, text: &str, percent: u32) -> zbus::Result<()>;
    #[zbus(signal)]
    async fn finished(emitter: &SignalEmitter<'_>, success: bool, error: &str) -> zbus::Result<()>;
}

/// The stand-in, running until it is dropped.
pub(super) struct Fake {
    pub(super) state: Shared,
    pub(super) socket: PathBuf,
    pub(super) connection: Connection,
    /// One message for each peer that has left the transaction.
    pub(super) left: mpsc::UnboundedReceiver<()>,
    peers: tokio::task::JoinHandle<()>,
}

impl Fake {
    pub(super) async fn start(bus: &Bus, ending: Ending) -> Self {
        Self::start_with(bus, ending, Shared::default()).await
    }

    pub(super) async fn start_with(bus: &Bus, ending: Ending, state: Shared) -> Self {
        let socket = bus.dir.path().join("transaction.sock");
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).unwrap();
        let (leaving, left) = mpsc::unbounded_channel();
        let peers = tokio::spawn(serve(listener, ending, leaving));
        let os = Os { state: state.clone(), address: format!("unix:path={}", socket.display()) };
        let connection = connection::Builder::address(bus.address().as_str())
            .serve_at(proxy::sysroot::PATH, Sysroot(state.clone()))
            .serve_at(OS, os)
            .name(proxy::NAME)
            .build()
            .await
            .unwrap();
        Self { state, socket, connection, left, peers }
    }

    /// Sets the running transaction and tells everybody.
    pub(super) async fn set_active(&self, active: Option<(&'static str, String)>) {
        self.state.lock().unwrap().active = active;
        self.say_again().await;
    }

    /// Tells everybody how things are, as the daemon does at every `Reload`.
    pub(super) async fn say_again(&self) {
        let sysroot =
            self.connection.object_server().interface::<_, Sysroot>(proxy::sysroot::PATH).await.unwrap();
        sysroot.get().await.active_transaction_changed(sysroot.signal_emitter()).await.unwrap();
    }

    /// Ends as a killed daemon does.
    pub(super) async fn kill(self) -> Shared {
        self.peers.abort();
        self.connection.clone().close().await.unwrap();
        self.state.clone()
    }
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.peers.abort();
    }
}

async fn serve(listener: UnixListener, ending: Ending, leaving: mpsc::UnboundedSender<()>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let (vanish, mut vanishing) = mpsc::unbounded_channel();
        let transaction = Transaction { ending: ending.clone(), vanish };
        let leaving = leaving.clone();
        tokio::spawn(async move {
            let peer = connection::Builder::unix_stream(stream.into_std().unwrap())
                .server(Guid::generate())
                .p2p()
                .serve_at("/", transaction)
                .build()
                .await
                .unwrap();
            tokio::select! {
                () = peer.closed() => {}
                Some(()) = vanishing.recv() => peer.clone().close().await.unwrap(),
            }
            let _ = leaving.send(());
        });
    }
}
