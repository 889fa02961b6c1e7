//! The agent's own binary, with settings that point at one sandbox.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use super::bus;
use super::underway::Underway;
use crate::cache;
use crate::process::{Finished, Running, bound};
use crate::scratch::environment;
use crate::wait;

/// How the agent shall be run: what is not set points at the sandbox.
#[derive(Debug, Clone)]
pub struct Agent {
    dir: PathBuf,
    settings: toml::Table,
    variables: Vec<(String, String)>,
}

impl Agent {
    /// The agent of the sandbox at `dir`.
    pub fn of(dir: &Path) -> Self {
        let path = |name: &str| toml::Value::String(dir.join(name).display().to_string());
        let mut agent = Agent { dir: dir.to_owned(), settings: toml::Table::new(), variables: Vec::new() };
        agent = agent
            .set("machine-config", "directory", path("etc/machineconfigs"))
            .set("store", "directory", path("store"))
            .set("state", "directory", path("state"))
            .set("host", "bus", bus::address(dir))
            .set("host", "sysroot", path("sysroot"))
            .set("metrics", "socket", path("run/metrics.promsock"));
        agent
    }

    /// Another value for one key of the settings.
    #[must_use]
    pub fn set(mut self, section: &str, key: &str, value: impl Into<toml::Value>) -> Self {
        let table = self.settings.entry(section).or_insert_with(|| toml::Table::new().into());
        table.as_table_mut().unwrap().insert(key.to_owned(), value.into());
        self
    }

    /// The image to take extensions from.
    #[must_use]
    pub fn payload(self, image: &str) -> Self {
        self.set("payload", "image", image)
    }

    /// A variable in the agent's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.variables.push((name.to_owned(), value.as_ref().to_str().unwrap().to_owned()));
        self
    }

    /// Several variables at once: what a registry needs to be found.
    #[must_use]
    pub fn envs(mut self, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        self.variables.extend(variables);
        self
    }

    /// The agent with these arguments, ready to be started by [`crate::process::spawn`].
    pub fn command<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Command {
        let root = self.write_settings();
        let mut command = bound(binary("extensions-agent"));
        environment(&mut command, &self.dir);
        command.env("EXTENSIONS_AGENT_CONFIG_ROOT", root);
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(args).stdin(Stdio::null());
        command
    }

    /// Runs a command of the agent to its end.
    #[track_caller]
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Finished {
        Finished::run(self.command(args))
    }

    /// `extensions-agent apply`.
    #[track_caller]
    pub fn apply(&self) -> Finished {
        self.run(["apply"])
    }

    /// Starts a command of the agent and returns while it runs.
    #[track_caller]
    pub fn start<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Underway {
        Underway::start(self.command(args), &self.dir.join("log"))
    }

    /// `extensions-agent run`, as systemd would start it; its log goes to `log/agent-N.log`.
    #[track_caller]
    pub fn run_daemon(&self) -> Daemon {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let socket = self.dir.join(format!("run/notify-{number}"));
        let notices = UnixDatagram::bind(&socket).unwrap();
        let log = self.dir.join(format!("log/agent-{number}.log"));
        let mut command = self.command(["run"]);
        command.env("NOTIFY_SOCKET", &socket).stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap());
        let heard = Arc::default();
        listen(notices, Arc::clone(&heard));
        Daemon { process: Running::start(command), heard, log }
    }

    /// Each set of settings has a root of its own, so that two agents of one host can differ.
    fn write_settings(&self) -> PathBuf {
        let text = self.settings.to_string();
        let root = self.dir.join("config").join(&cache::key([text.as_bytes()])[..16]);
        let drop_ins = root.join("etc/extensions-agent/config.d");
        fs::create_dir_all(&drop_ins).unwrap();
        fs::write(drop_ins.join("50-sandbox.toml"), text).unwrap();
        root
    }
}

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A running agent.
#[derive(Debug)]
pub struct Daemon {
    process: Running,
    heard: Arc<Mutex<Vec<String>>>,
    log: PathBuf,
}

impl Daemon {
    /// Everything it has told its service manager so far, one assignment a line: `READY=1`, `STATUS=…`.
    pub fn notices(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// Waits until it has told its service manager something that `fits`.
    #[track_caller]
    pub fn await_notice(&mut self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        wait::until(what, || {
            let heard = self.notices();
            if let Some(found) = heard.iter().find(|notice| fits(notice)) {
                return Ok(found.clone());
            }
            let log = fs::read_to_string(&self.log).unwrap_or_default();
            if let Some(status) = self.process.child().try_wait().unwrap() {
                panic!("the agent ended ({status}) before {what}:\n{log}");
            }
            Err(format!("{heard:?}; its log:\n{log}"))
        })
    }

    /// Waits until it says that it is ready.
    #[track_caller]
    pub fn await_ready(&mut self) {
        self.await_notice("READY=1", |notice| notice == "READY=1");
    }

    /// Its log so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Asks it to end, as systemd does, and waits for it.
    #[track_caller]
    pub fn stop(mut self) -> ExitStatus {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        wait::until("the agent to stop", || {
            self.process
                .child()
                .try_wait()
                .unwrap()
                .ok_or_else(|| format!("it runs; its log:\n{}", self.log()))
        })
    }

    /// Kills it at once, as the kernel does.
    pub fn kill(mut self) {
        self.signal(nix::sys::signal::Signal::SIGKILL);
        self.process.child().wait().unwrap();
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.process.id()).unwrap());
        nix::sys::signal::kill(pid, signal).unwrap();
    }
}

/// Takes what is told as a service manager does, always: a queue that nobody empties would stop the teller.
fn listen(notices: UnixDatagram, heard: Arc<Mutex<Vec<String>>>) {
    let take = move || {
        let mut buffer = [0; 4096];
        while let Ok(length) = notices.recv(&mut buffer) {
            let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
            heard.lock().unwrap().extend(text.lines().map(str::to_owned));
        }
    };
    std::thread::Builder::new().name("service manager".to_owned()).spawn(take).unwrap();
}

/// One of the workspace's programs, found beside the test that runs; refused when older than its source.
#[track_caller]
pub fn binary(name: &str) -> PathBuf {
    let ours = std::env::current_exe().unwrap();
    let beside = ours.ancestors().skip(1).map(|place| place.join(name)).find(|path| path.is_file());
    let path =
        beside.unwrap_or_else(|| panic!("`{name}` is not built: run `cargo build --workspace --bins`"));
    let source = match name {
        "extensions-agent" => Some("../agent/src"),
        "build-resources" => Some("../ci/src"),
        _ => None,
    };
    if let Some(source) = source {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        let built = fs::metadata(&path).unwrap().modified().unwrap();
        assert!(
            newest(&source) <= built,
            "`{name}` is older than its source: run `cargo build --workspace --bins`"
        );
    }
    path
}

fn newest(place: &Path) -> SystemTime {
    let Ok(entries) = fs::read_dir(place) else { return SystemTime::UNIX_EPOCH };
    let times = entries.map(|entry| {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_dir() {
            newest(&entry.path())
        } else {
            entry.metadata().unwrap().modified().unwrap()
        }
    });
    times.max().unwrap_or(SystemTime::UNIX_EPOCH)
}
