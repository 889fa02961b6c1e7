//! A real cluster for tests: etcd and an API server, with RBAC, admission policies and tokens; with more where it is
//! asked for, up to a node that runs containers ([`Cluster::full`]).
//!
//! ```no_run
//! use proof::cluster::Cluster;
//!
//! let cluster = Cluster::shared();
//! cluster.install();
//! cluster.add_node("worker-0", &[("node-role.kubernetes.io/worker", "")]);
//! let kubeconfig = cluster.node_kubeconfig("worker-0");
//! println!("{}", cluster.kubectl_as(&kubeconfig, &["auth", "whoami"]).stdout);
//! ```
//!
//! Everything lies below one directory and dies with the program, as a [`Sandbox`](crate::sandbox::Sandbox) does.
//! Nothing here may be called from asynchronous code but what gives a client.

mod audit;
mod certificates;
mod counts;
mod etcd;
mod faults;
mod identity;
mod image;
mod node;
mod rootfs;
mod servers;
mod site;
mod whole;

use std::collections::BTreeMap;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, NodeCondition, NodeStatus, ServiceAccount};
use kube::api::{Api, ObjectMeta, PostParams};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

pub use audit::Asked;
pub use counts::Counts;
pub use faults::{Fault, FaultProxy};
pub use image::MachineImage;
pub use servers::kubectl as kubectl_program;

use crate::command;
use crate::process::{Finished, Running, bound};
use crate::scratch::{Scratch, processes};
use crate::wait;
use node::Machine;
use servers::{Ports, Scope};

/// A controller or a node takes seconds to come up: it is not asked again at once.
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

/// One cluster. See the head of this module.
#[derive(Debug)]
pub struct Cluster {
    // Fields are dropped from the top: the servers in the order of who needs whom, the directory last.
    machine: Option<Machine>,
    controllers: Option<Running>,
    api: Mutex<Option<Running>>,
    etcd: Running,
    ports: Ports,
    kubeconfig: PathBuf,
    scratch: Scratch,
}

impl Cluster {
    /// The cluster that all tests of this program share. Tests that break or stop it start their own.
    pub fn shared() -> &'static Cluster {
        static SHARED: OnceLock<Cluster> = OnceLock::new();
        SHARED.get_or_init(Cluster::start)
    }

    /// A cluster of its own: etcd and an API server.
    pub fn start() -> Self {
        Self::assemble(directory(), Scope::Api)
    }

    /// The same with the controllers: what is deleted takes its dependents along, and namespaces come to an end.
    pub fn start_with_controllers() -> Self {
        Self::assemble(directory(), Scope::Controllers)
    }

    /// The same, whose API server writes down who asks it for what: see [`Cluster::asked`].
    pub fn start_audited() -> Self {
        let scratch = directory();
        audit::wanted(scratch.path());
        Self::assemble(scratch, Scope::Controllers)
    }

    fn assemble(scratch: Scratch, scope: Scope<'_>) -> Self {
        certificates::make(&scratch.path().join("certificates"), &[]);
        let cluster = Self::serve(scratch, scope);
        // From the start, so that a twin knows it too.
        let client = cluster.client();
        cluster.ask(identity::ensure_account(client)).expect("the account of the agents can be made");
        cluster
    }

    /// A second API server on a copy of what etcd holds now: one that lags behind for ever. It knows the same
    /// identities; see [`Relay::lead_to`](crate::relay::Relay::lead_to) for how a client comes to it.
    pub fn twin(&self) -> Cluster {
        let scratch = directory();
        let copy = |name: &str| {
            let mut command = command::tool("cp", scratch.path());
            command::run(command.arg("-a").arg(self.dir().join(name)).arg(scratch.path()));
        };
        copy("certificates");
        let etcd = Pid::from_raw(i32::try_from(self.etcd.id()).unwrap());
        // Stopped, its files are what a crash would leave, and it recovers from those.
        kill(etcd, Signal::SIGSTOP).unwrap();
        copy("etcd");
        kill(etcd, Signal::SIGCONT).unwrap();
        Self::serve(scratch, Scope::Api)
    }

    fn serve(scratch: Scratch, scope: Scope<'_>) -> Self {
        let (dir, site) = (scratch.path(), scope.site());
        let (mut etcd, mut ports) = servers::start_etcd(dir, site);
        let (api, kubeconfig) = loop {
            let kubeconfig = identity::admin(dir, ports.api());
            let ready = || ready(dir, &kubeconfig, ports.api());
            if let Some(api) = servers::start_api(dir, ports, scope, ready) {
                break (api, kubeconfig);
            }
            drop(etcd);
            (etcd, ports) = servers::start_etcd(dir, site);
        };
        let (machine, controllers, api) = (None, None, Mutex::new(Some(api)));
        let mut cluster = Cluster { machine, controllers, api, etcd, ports, kubeconfig, scratch };
        if !matches!(scope, Scope::Api) {
            let ready = || cluster.default_account();
            let started = servers::start_controllers(cluster.dir(), &cluster.kubeconfig, site, ready);
            cluster.controllers = Some(started);
        }
        cluster
    }

    /// Whether the controllers have made the account that pods need.
    fn default_account(&self) -> Result<(), String> {
        let client = self.client_of(&self.kubeconfig);
        let found =
            self.ask(
                async move { Api::<ServiceAccount>::namespaced(client, "default").get_opt("default").await },
            );
        match found {
            Ok(Some(_)) => Ok(()),
            other => {
                std::thread::sleep(BETWEEN_LOOKS);
                Err(format!("{other:?}"))
            }
        }
    }

    /// The directory that holds the whole cluster.
    pub fn dir(&self) -> &Path {
        self.scratch.path()
    }

    /// Where the API server listens. It stays the same through [`Cluster::restart_api_server`].
    pub fn address(&self) -> SocketAddr {
        self.ports.api()
    }

    /// The kubeconfig of somebody who may do everything.
    pub fn admin_kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs `kubectl` as admin.
    #[track_caller]
    pub fn kubectl(&self, args: &[&str]) -> Finished {
        self.kubectl_as(&self.kubeconfig, args)
    }

    /// Runs `kubectl` as whoever the kubeconfig says.
    #[track_caller]
    pub fn kubectl_as(&self, kubeconfig: &Path, args: &[&str]) -> Finished {
        kubectl(self.dir(), kubeconfig, args)
    }

    /// Applies documents as admin.
    #[track_caller]
    pub fn apply(&self, yaml: &str) {
        let file = tempfile::NamedTempFile::new_in(self.dir().join("tmp")).unwrap();
        fs::write(file.path(), yaml).unwrap();
        self.kubectl(&["apply", "-f", file.path().to_str().unwrap()]).expect_success();
    }

    /// `kubectl get …` as JSON.
    #[track_caller]
    pub fn get_json(&self, args: &[&str]) -> Value {
        self.kubectl(&[&["get", "-o", "json"], args].concat()).expect_success().json()
    }

    /// Applies the project's own manifests as a plain Kubernetes has them, and waits until their kinds are served.
    #[track_caller]
    pub fn install(&self) {
        let place = Path::new(env!("CARGO_MANIFEST_DIR")).join("../agent/deploy/overlays/plain");
        self.kubectl(&["apply", "-k", place.to_str().unwrap()]).expect_success();
        self.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"])
            .expect_success();
    }

    /// A client with the rights of the admin, for asynchronous tests.
    pub fn client(&self) -> kube::Client {
        self.client_of(&self.kubeconfig)
    }

    /// A client that speaks for whoever the kubeconfig says, as the agent makes its own.
    #[track_caller]
    pub fn client_of(&self, kubeconfig: &Path) -> kube::Client {
        let config = extensions_agent::cluster::read(kubeconfig).unwrap();
        let _inside = runtime().enter();
        kube::Client::try_from(config).unwrap()
    }

    /// Adds a Node that is ready. It is no error if it is there.
    #[track_caller]
    pub fn add_node(&self, name: &str, labels: &[(&str, &str)]) {
        let client = self.client();
        let node = node(name, labels);
        self.ask(async move {
            identity::made(Api::<Node>::all(client).create(&PostParams::default(), &node).await)
        })
        .unwrap_or_else(|error| panic!("adding the node `{name}`: {error}"));
    }

    /// The kubeconfig of the agent on this Node: a token that is bound to the Node, in a file.
    #[track_caller]
    pub fn node_kubeconfig(&self, node: &str) -> PathBuf {
        self.node_kubeconfig_at(node, self.address())
    }

    /// The same with another address: of a [`Relay`](crate::relay::Relay) before the API server.
    #[track_caller]
    pub fn node_kubeconfig_at(&self, node: &str, address: SocketAddr) -> PathBuf {
        let (client, name) = (self.client(), node.to_owned());
        let token = self.ask(async move { identity::token(client, &name).await });
        let token = token.unwrap_or_else(|error| panic!("a token for the node `{node}`: {error}"));
        identity::node(self.dir(), node, address, &token)
    }

    /// Kills the API server at once, as the kernel does. What it has stored stays in etcd.
    #[track_caller]
    pub fn kill_api_server(&self) {
        let killed = self.api.lock().unwrap().take();
        assert!(killed.is_some(), "the API server is down already");
    }

    /// Starts the API server again, where it was.
    #[track_caller]
    pub fn restart_api_server(&self) {
        let mut api = self.api.lock().unwrap();
        assert!(api.is_none(), "the API server is up");
        let ready = || ready(self.dir(), &self.kubeconfig, self.address());
        let scope = match (&self.machine, &self.controllers) {
            (Some(machine), _) => Scope::Whole(machine.site()),
            (None, Some(_)) => Scope::Controllers,
            (None, None) => Scope::Api,
        };
        let started = wait::until("the port to be free again", || {
            servers::start_api(self.dir(), self.ports, scope, ready).ok_or_else(|| "it is taken".to_owned())
        });
        *api = Some(started);
    }

    /// Makes etcd forget all history. An API server that runs keeps some of its own: kill it first, and every watch
    /// from before is told 410 by the next one.
    #[track_caller]
    pub fn compact_etcd(&self) {
        etcd::compact(self.ports.etcd());
    }

    /// What the API server has counted of its own work.
    #[track_caller]
    pub fn counts(&self) -> Counts {
        Counts::parse(&self.kubectl(&["get", "--raw", "/metrics"]).expect_success().stdout)
    }

    /// Requests that the API server has answered so far, by verb and resource.
    #[track_caller]
    pub fn request_counts(&self) -> BTreeMap<(String, String), f64> {
        self.counts().requests()
    }

    /// The process id of the API server.
    pub fn api_server_id(&self) -> Option<u32> {
        self.api.lock().unwrap().as_ref().map(Running::id)
    }

    /// The processes that belong to this cluster.
    pub fn processes(&self) -> Vec<i32> {
        processes(self.dir(), "")
    }

    /// Runs asynchronous work to its end.
    fn ask<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        runtime().block_on(work)
    }
}

/// Where the work of this module is done.
fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
    })
}

fn directory() -> Scratch {
    let scratch = Scratch::new("cluster-");
    for name in ["log", "nodes", "home", "run", "tmp"] {
        fs::create_dir_all(scratch.path().join(name)).unwrap();
    }
    scratch
}

fn kubectl(dir: &Path, kubeconfig: &Path, args: &[&str]) -> Finished {
    let mut command = servers::at_home(bound(servers::kubectl()), dir);
    command.env("KUBECONFIG", kubeconfig).args(args);
    Finished::run(command)
}

fn ready(dir: &Path, kubeconfig: &Path, server: SocketAddr) -> Result<(), String> {
    // A process for each look would take the time that the server needs to come up.
    drop(TcpStream::connect(server).map_err(|error| error.to_string())?);
    let said = kubectl(dir, kubeconfig, &["get", "--raw", "/readyz"]);
    if said.status.success() { Ok(()) } else { Err(said.stderr) }
}

/// A Node as a kubelet would register it.
fn node(name: &str, labels: &[(&str, &str)]) -> Node {
    let mut all = BTreeMap::from([("kubernetes.io/hostname".to_owned(), name.to_owned())]);
    all.extend(labels.iter().map(|(label, value)| ((*label).to_owned(), (*value).to_owned())));
    let ready = NodeCondition {
        type_: "Ready".to_owned(),
        status: "True".to_owned(),
        reason: Some("KubeletReady".to_owned()),
        ..NodeCondition::default()
    };
    Node {
        metadata: ObjectMeta { name: Some(name.to_owned()), labels: Some(all), ..ObjectMeta::default() },
        spec: None,
        status: Some(NodeStatus { conditions: Some(vec![ready]), ..NodeStatus::default() }),
    }
}
