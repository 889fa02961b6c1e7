//! Hosts in a cluster: each with its Node, its agent, and a supervisor that reboots it when the agent asks for it.
//!
//! ```no_run
//! use proof::cluster::Cluster;
//! use proof::fleet::{FleetNode, Transitions, pool};
//! use proof::sandbox::Wish;
//!
//! let cluster = Cluster::shared();
//! cluster.install();
//! cluster.apply(&pool("worker", "1"));
//! let record = Transitions::default();
//! let nodes = ["worker-0", "worker-1"]
//!     .map(|name| FleetNode::join(cluster, name, "worker", &record, |agent| agent.set("rollout", "strategy", "cluster")));
//! cluster.apply(&Wish::extensions(["usbguard"]).document("50-usbguard"));
//! proof::wait::until_true("both to boot it", || nodes.iter().all(|node| node.has_booted("usbguard-1")));
//! assert_eq!(record.most_away(), 1);
//! ```

mod documents;
mod transitions;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

pub use documents::{pool, role};
pub use transitions::{Event, Transition, Transitions};

use crate::cluster::Cluster;
use crate::relay::Relay;
use crate::sandbox::{Agent, Daemon, Sandbox};
use crate::wait::until_true;

/// Between two looks of a supervisor.
const PAUSE: Duration = Duration::from_millis(5);

/// A sandbox host that is a node of a cluster. Its supervisor goes with the value.
#[derive(Debug)]
pub struct FleetNode {
    shared: Arc<Shared>,
    relay: Relay,
    kubeconfig: PathBuf,
    supervisor: Option<JoinHandle<()>>,
}

/// What the test and the supervisor both hold.
#[derive(Debug)]
struct Shared {
    name: String,
    host: Sandbox,
    agent: Agent,
    running: Mutex<Option<Daemon>>,
    record: Transitions,
    hangs: AtomicBool,
    ends: AtomicBool,
}

impl FleetNode {
    /// A fresh host becomes the node `name` with this role, and its agent runs. `adapt` sets what else its settings say.
    #[track_caller]
    pub fn join(
        cluster: &Cluster,
        name: &str,
        its_role: &str,
        record: &Transitions,
        adapt: impl FnOnce(Agent) -> Agent,
    ) -> Self {
        Self::join_with(cluster, Sandbox::start(), (name, its_role), record, adapt)
    }

    /// The same with a host that was prepared.
    #[track_caller]
    pub fn join_with(
        cluster: &Cluster,
        host: Sandbox,
        (name, its_role): (&str, &str),
        record: &Transitions,
        adapt: impl FnOnce(Agent) -> Agent,
    ) -> Self {
        cluster.add_node(name, &[(&role(its_role), "")]);
        let relay = Relay::to(cluster.address());
        let kubeconfig = cluster.node_kubeconfig_at(name, relay.address());
        let agent = host
            .agent()
            .set("cluster", "kubeconfig", kubeconfig.to_str().unwrap())
            .set("cluster", "node", name)
            .set("reconcile", "dwell", "0s")
            .set("rollout", "poll", "1s");
        let shared = Arc::new(Shared {
            name: name.to_owned(),
            agent: adapt(agent),
            host,
            running: Mutex::default(),
            record: record.clone(),
            hangs: AtomicBool::new(false),
            ends: AtomicBool::new(false),
        });
        shared.start_agent(Event::Joined);
        let supervised = shared.clone();
        let supervise = move || supervised.supervise();
        let supervisor =
            std::thread::Builder::new().name(format!("supervisor of {name}")).spawn(supervise).unwrap();
        FleetNode { shared, relay, kubeconfig, supervisor: Some(supervisor) }
    }

    /// The name of its Node.
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The host.
    pub fn host(&self) -> &Sandbox {
        &self.shared.host
    }

    /// Its agent, to be run as a command beside the one that runs.
    pub fn agent(&self) -> &Agent {
        &self.shared.agent
    }

    /// What lies between its agent and the API server: it counts, breaks, and leads elsewhere.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// Who its agent is to the API server.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Whether the booted deployment has a package whose NEVRA begins so.
    pub fn has_booted(&self, package: &str) -> bool {
        self.host().booted_packages().iter().any(|nevra| nevra.starts_with(package))
    }

    /// From now on a reboot that is asked for takes the node away and does not bring it back, until this is taken back.
    pub fn hang_in_reboot(&self, hangs: bool) {
        self.shared.hangs.store(hangs, Ordering::SeqCst);
    }

    /// The node is lost at once, with whatever it holds: its agent is killed, and no supervisor brings it back.
    pub fn die(&self) {
        self.hang_in_reboot(true);
        let daemon = self.shared.running.lock().unwrap().take();
        self.shared.record.record(self.name(), Event::Died);
        daemon.into_iter().for_each(Daemon::kill);
    }

    /// A node that was lost, or hangs, boots again.
    #[track_caller]
    pub fn revive(&self) {
        let asked = self.host().faults().reboot_requested();
        self.hang_in_reboot(false);
        if asked {
            return until_true("the supervisor to have it booted", || self.is_running());
        }
        assert!(!self.is_running(), "the node `{}` is alive", self.name());
        self.shared.boot();
    }

    /// Whether its agent was started and not yet stopped.
    pub fn is_running(&self) -> bool {
        self.shared.running.lock().unwrap().is_some()
    }

    /// Stops its agent alone, as an admin does.
    #[track_caller]
    pub fn stop_agent(&self) {
        let daemon = self.shared.running.lock().unwrap().take();
        assert!(daemon.expect("the agent runs").stop().success(), "{}", self.log());
    }

    /// Starts its agent again after [`FleetNode::stop_agent`].
    pub fn start_agent(&self) {
        let mut running = self.shared.running.lock().unwrap();
        assert!(running.is_none(), "the agent of `{}` runs", self.name());
        *running = Some(self.shared.agent.run_daemon());
    }

    /// What its agents have told their service manager so far; that of the last boot.
    pub fn notices(&self) -> Vec<String> {
        self.shared.running.lock().unwrap().as_ref().map(Daemon::notices).unwrap_or_default()
    }

    /// The logs of all its boots, one after the other.
    pub fn log(&self) -> String {
        let mut logs: Vec<PathBuf> = fs::read_dir(self.host().dir().join("log"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("agent-")))
            .collect();
        logs.sort_by_key(|path| fs::metadata(path).unwrap().modified().unwrap());
        logs.iter().map(|path| fs::read_to_string(path).unwrap()).collect()
    }
}

impl Drop for FleetNode {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::SeqCst);
        let ended = self.supervisor.take().map(JoinHandle::join);
        // Killed before its host goes, so that it sees nothing of the end.
        let daemon = self.shared.running.lock().map(|mut running| running.take()).ok().flatten();
        daemon.into_iter().for_each(Daemon::kill);
        if matches!(ended, Some(Err(_))) && !std::thread::panicking() {
            panic!("the supervisor of `{}` failed; what it said stands above", self.shared.name);
        }
    }
}

impl Shared {
    /// Reboots the host whenever that was asked for.
    fn supervise(&self) {
        while !self.ends.load(Ordering::SeqCst) {
            if self.host.faults().reboot_requested() {
                self.go_down();
                while self.hangs.load(Ordering::SeqCst) && !self.ends.load(Ordering::SeqCst) {
                    std::thread::sleep(PAUSE);
                }
                if self.ends.load(Ordering::SeqCst) {
                    return;
                }
                self.boot();
            }
            std::thread::sleep(PAUSE);
        }
    }

    /// Stops the agent as a shutdown does. A node that died is down already.
    fn go_down(&self) {
        let daemon = self.running.lock().unwrap().take();
        if let Some(daemon) = daemon {
            self.record.record(&self.name, Event::Down);
            // One that is still starting does not know the signal yet.
            let ready = daemon.notices().iter().any(|notice| notice == "READY=1");
            let stopped = daemon.stop();
            assert!(stopped.success() || !ready, "the agent of `{}`: {stopped}", self.name);
        }
    }

    fn boot(&self) {
        self.host.reboot();
        self.start_agent(Event::Up);
    }

    fn start_agent(&self, event: Event) {
        // Held over both: an agent that asks for a reboot at once is stopped after it is known to run.
        let mut running = self.running.lock().unwrap();
        *running = Some(self.agent.run_daemon());
        self.record.record(&self.name, event);
    }
}
