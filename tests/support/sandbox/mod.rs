//! The sandbox host: a libostree sysroot, a bus, a monitor on it, and the agent pointed at all of it.
//!
//! ```no_run
//! use proof::images::Payload;
//! use proof::packages::Release;
//! use proof::registry::Registry;
//! use proof::sandbox::{Sandbox, Wish};
//!
//! let registry = Registry::start();
//! let payload = registry.push(&Payload::of(Release::First).build(), "release/extensions");
//! let host = Sandbox::start();
//! host.use_registry(&registry);
//! host.wish("50-worker-usbguard", &Wish::extensions(["usbguard"]).from(&payload));
//! host.agent().apply().expect_success();
//! assert_eq!(host.mutating_calls().len(), 1);
//! host.reboot();
//! assert!(host.booted_packages().iter().any(|package| package.starts_with("usbguard-1.0.0-15.el9")));
//! ```
//!
//! Everything lies below one directory, and every process carries that directory's name as a mark; both are gone when
//! the value is dropped, or when the program that holds it dies.

mod agent;
mod bus;
mod hand;
mod monitor;
mod scrape;
pub mod sysroot;
mod underway;
mod wish;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

pub use agent::{Agent, Daemon, binary};
pub use hand::{Hand, Underway as UnderwayByHand};
pub use monitor::Call;
pub use underway::Underway;
pub use wish::Wish;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::packages::Release;
use crate::registry::Registry;
use crate::rpmostreed::engine::finalize;
use crate::rpmostreed::faults::Faults;
use crate::scratch::{Scratch, processes};
use crate::wait::until_true;
use bus::Bus;
use monitor::{Monitor, Seen};

/// One host. See the head of this module.
#[derive(Debug)]
pub struct Sandbox {
    // Fields are dropped from the top: the directory goes last.
    bus: Mutex<Option<(Bus, Monitor)>>,
    seen: Arc<Mutex<Seen>>,
    scratch: Scratch,
}

impl Sandbox {
    /// A host that was just booted from the first release, nothing layered, rpm-ostreed (the stand-in) not yet running.
    pub fn start() -> Self {
        Self::booted_from(Release::First)
    }

    /// The same, booted from that release. The other one lies in the repository, ready to be rebased to.
    pub fn booted_from(release: Release) -> Self {
        let scratch = Scratch::new("sandbox-");
        let dir = scratch.path();
        for name in ["bus", "run", "control", "log", "home", "tmp", "state", "store", "etc/machineconfigs"] {
            fs::create_dir_all(dir.join(name)).unwrap();
        }
        let booted = sysroot::fresh(release, dir);
        fs::write(dir.join("run/booted"), booted).unwrap();
        bus::offer(dir, &binary(STAND_IN));
        let sandbox = Sandbox { bus: Mutex::default(), seen: Arc::default(), scratch };
        sandbox.start_bus();
        sandbox
    }

    /// The directory that holds the whole host.
    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// The libostree sysroot.
    pub fn sysroot(&self) -> PathBuf {
        self.dir().join("sysroot")
    }

    /// The address of its bus.
    pub fn bus_address(&self) -> String {
        bus::address(self.dir())
    }

    /// The id of the booted deployment.
    pub fn booted(&self) -> String {
        fs::read_to_string(self.dir().join("run/booted")).unwrap().trim().to_owned()
    }

    /// The root of the booted deployment.
    pub fn booted_root(&self) -> PathBuf {
        sysroot::deployment_root(&self.sysroot(), &self.booted())
    }

    /// Every method call on the bus so far but those to the bus itself, in order; none is missing that was passed on.
    pub fn calls(&self) -> Vec<Call> {
        match &*self.bus.lock().unwrap() {
            Some((_, monitor)) => monitor.calls(),
            None => self.seen.lock().unwrap().calls.clone(),
        }
    }

    /// Those of them that ask for a change of the host.
    pub fn mutating_calls(&self) -> Vec<Call> {
        self.calls().into_iter().filter(Call::is_mutating).collect()
    }

    /// Puts a MachineConfig document into the directory that the agent reads; an equal name replaces.
    pub fn machine_config(&self, name: &str, yaml: &str) -> PathBuf {
        let path = self.dir().join("etc/machineconfigs").join(format!("{name}.yaml"));
        // Renamed into place, as a careful admin's tool does: the agent never sees half a document.
        let aside = self.dir().join("tmp").join(format!("{name}.yaml"));
        fs::write(&aside, yaml).unwrap();
        fs::rename(aside, &path).unwrap();
        path
    }

    /// Takes that document away.
    pub fn remove_machine_config(&self, name: &str) {
        fs::remove_file(self.dir().join("etc/machineconfigs").join(format!("{name}.yaml"))).unwrap();
    }

    /// Asks for extensions by a whole MachineConfig document of this name.
    pub fn wish(&self, name: &str, wish: &Wish) -> PathBuf {
        self.machine_config(name, &wish.document(name))
    }

    /// Lets the host's containers tools reach that registry and accept its images.
    pub fn use_registry(&self, registry: &Registry) {
        registry.trust(&self.dir().join("home"));
    }

    /// The metrics of a running agent, as scraped.
    #[track_caller]
    pub fn metrics(&self) -> String {
        scrape::scrape(&self.dir().join("run/metrics.promsock"))
    }

    /// What the package database of the booted deployment holds, as NEVRAs, sorted.
    pub fn booted_packages(&self) -> Vec<String> {
        sysroot::packages(&self.booted_root())
    }

    /// The agent of this host, to be run as a command or as a daemon.
    pub fn agent(&self) -> Agent {
        Agent::of(self.dir())
    }

    /// What the stand-in is told to do wrong.
    pub fn faults(&self) -> Faults {
        Faults::of(self.dir())
    }

    /// Reboots: what is staged is finalized, and the id of what is booted then is given. Agents must be stopped first.
    #[track_caller]
    pub fn reboot(&self) -> String {
        self.kill_daemon();
        reboot(self.dir())
    }

    /// Kills the daemon on the bus at once, as the kernel does for lack of memory. Whether there was one to kill.
    pub fn kill_daemon(&self) -> bool {
        let killed = kill_daemon(self.dir());
        // A call that overtakes the news of its end would be lost with it. The barrier is for the news of its start.
        let _ = self.calls();
        until_true("the bus to notice", || !self.seen.lock().unwrap().daemon);
        killed
    }

    /// Makes rpm-ostreed one that cannot be activated, as on a host without rpm-ostree.
    pub fn remove_daemon(&self) {
        self.kill_daemon();
        bus::withdraw(self.dir());
        self.stop_bus();
        self.start_bus();
    }

    /// Stops the bus; the stand-in ends with it.
    pub fn stop_bus(&self) {
        let held = self.bus.lock().unwrap().take();
        assert!(held.is_some(), "the bus is stopped already");
        drop(held);
        self.seen.lock().unwrap().daemon = false;
    }

    /// Starts the bus again after [`Sandbox::stop_bus`].
    pub fn start_bus(&self) {
        let bus = Bus::start(self.dir());
        let log = self.dir().join("log/calls.jsonl");
        let monitor = Monitor::start(&self.bus_address(), self.seen.clone(), &log);
        *self.bus.lock().unwrap() = Some((bus, monitor));
    }
}

/// Reboots the sandbox at `dir`, whoever holds it.
#[track_caller]
pub fn reboot(dir: &Path) -> String {
    kill_daemon(dir);
    finalize(dir).unwrap_or_else(|failure| panic!("rebooting {}: {failure:?}", dir.display()))
}

fn kill_daemon(dir: &Path) -> bool {
    let daemons = || processes(dir, STAND_IN);
    let pids = daemons();
    for pid in &pids {
        // It may have ended by itself in between.
        let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
    }
    // An agent that runs may have the next one started at once.
    until_true("the stand-in to be gone", || !daemons().iter().any(|pid| pids.contains(pid)));
    !pids.is_empty()
}

/// The program that stands in for rpm-ostreed.
const STAND_IN: &str = "stand-in-rpm-ostreed";
