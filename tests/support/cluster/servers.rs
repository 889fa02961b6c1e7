//! The processes of a cluster: how each is started, and when it counts as up.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::site::Site;
use super::{audit, etcd};
use crate::process::{Running, bound};
use crate::scratch::environment;
use crate::wait;

/// How often other ports are tried when somebody else was quicker.
const TRIES: u32 = 20;

/// Where one cluster listens: on loopback, or at the address of its own site.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    host: Ipv4Addr,
    api: u16,
    etcd: u16,
    peer: u16,
}

impl Ports {
    /// The usual ports, where nobody else is.
    fn usual(site: &Site) -> Self {
        Ports { host: site.network.inside, api: 6443, etcd: 2379, peer: 2380 }
    }

    /// Where the API server listens.
    pub(super) fn api(self) -> SocketAddr {
        (self.host, self.api).into()
    }

    /// Where etcd listens for its clients.
    pub(super) fn etcd(self) -> SocketAddr {
        (self.host, self.etcd).into()
    }

    fn url(self, port: u16) -> String {
        format!("http://{}:{port}", self.host)
    }

    /// Ports that are free now. They lie below those that the kernel gives to outgoing connections, so that a server
    /// that was killed finds its own free again.
    fn free() -> Self {
        let mut held = Vec::new();
        let mut next = || {
            loop {
                let random = u16::from_be_bytes(uuid::Uuid::new_v4().as_bytes()[..2].try_into().unwrap());
                let port = 12_000 + random % 20_000;
                if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                    held.push(listener);
                    return port;
                }
            }
        };
        Ports { host: Ipv4Addr::LOCALHOST, api: next(), etcd: next(), peer: next() }
    }
}

/// Where the cluster programs are, built by `tests/cluster/build` unless they are there.
#[track_caller]
fn programs() -> &'static Path {
    static PROGRAMS: OnceLock<PathBuf> = OnceLock::new();
    PROGRAMS.get_or_init(|| {
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/build");
        let output = Command::new(&build).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.unwrap_or_else(|error| panic!("starting {}: {error}", build.display()));
        assert!(output.status.success(), "{}: {}", build.display(), output.status);
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    })
}

/// The one program that holds all servers.
#[track_caller]
pub(super) fn program() -> PathBuf {
    programs().join("servers")
}

/// A program of the container runtime.
#[track_caller]
pub(super) fn runtime_program(name: &str) -> PathBuf {
    programs().join(name)
}

/// The program `kubectl`.
#[track_caller]
pub fn kubectl() -> PathBuf {
    programs().join("kubectl")
}

/// A server of the cluster at `dir`, in its environment; it dies with us.
fn part(dir: &Path, name: &str) -> Command {
    let mut command = bound(program());
    command.arg(name);
    at_home(command, dir)
}

/// The same in the network of the site, where there is one.
fn part_at(dir: &Path, site: Option<&Site>, name: &str) -> Command {
    let Some(site) = site else { return part(dir, name) };
    let mut command = bound("nsenter");
    command.args(site.network_only()).arg("--").arg(program()).arg(name);
    at_home(command, dir)
}

/// The command in the environment and directory of the cluster at `dir`.
pub(super) fn at_home(mut command: Command, dir: &Path) -> Command {
    environment(&mut command, dir);
    // How rarely Go's collector runs is for whoever starts the tests to say: it costs memory.
    for name in ["GOGC", "GOMEMLIMIT"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    command.current_dir(dir).stdin(Stdio::null());
    command
}

/// Starts etcd on the data that lies in `dir`, or on none.
pub(super) fn start_etcd(dir: &Path, site: Option<&Site>) -> (Running, Ports) {
    for _ in 0..TRIES {
        let ports = site.map_or_else(Ports::free, Ports::usual);
        let (clients, peers) = (ports.url(ports.etcd), ports.url(ports.peer));
        let mut command = part_at(dir, site, "etcd");
        command.args(["--unsafe-no-fsync", "--log-level=warn", "--data-dir=etcd"]);
        command.args([
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=default={peers}"),
        ]);
        if let Some(server) = up(dir, "etcd", command, || etcd::healthy(ports.etcd())) {
            return (server, ports);
        }
    }
    panic!("no free port for etcd in {TRIES} tries");
}

/// Starts the API server on its port; `ready` asks it. None when somebody else has the port.
pub(super) fn start_api(
    dir: &Path,
    ports: Ports,
    scope: Scope<'_>,
    ready: impl Fn() -> Result<(), String>,
) -> Option<Running> {
    let mut command = part_at(dir, scope.site(), "kube-apiserver");
    command.args([
        "--tls-cert-file=certificates/server.pem",
        "--tls-private-key-file=certificates/server.key",
        "--client-ca-file=certificates/ca.pem",
        "--cert-dir=run",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=certificates/accounts.pem",
        "--service-account-signing-key-file=certificates/accounts.key",
        "--authorization-mode=Node,RBAC",
        "--profiling=false",
    ]);
    command.arg(format!("--secure-port={}", ports.api));
    command.arg(format!("--etcd-servers={}", ports.url(ports.etcd)));
    if let Scope::Whole(site) = scope {
        command.args(site.api_server());
    } else {
        // A loopback address is refused as an endpoint of the Service `kubernetes`.
        command.args(["--bind-address=127.0.0.1", "--endpoint-reconciler-type=none"]);
        command.arg("--service-cluster-ip-range=10.96.0.0/24");
    }
    audit::arguments(dir, &mut command);
    if matches!(scope, Scope::Api) {
        // Nobody makes the default accounts that pods would then need.
        command.arg("--disable-admission-plugins=ServiceAccount");
    }
    up(dir, "kube-apiserver", command, ready)
}

/// How much of a cluster there is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Scope<'a> {
    /// etcd and an API server.
    Api,
    /// The controllers too.
    Controllers,
    /// Everything, at a site of its own.
    Whole(&'a Site),
}

impl<'a> Scope<'a> {
    /// The site, where there is one.
    pub(super) fn site(self) -> Option<&'a Site> {
        if let Scope::Whole(site) = self { Some(site) } else { None }
    }
}

/// Starts the controllers; `ready` says when they have done their first work.
pub(super) fn start_controllers(
    dir: &Path,
    kubeconfig: &Path,
    site: Option<&Site>,
    ready: impl Fn() -> Result<(), String>,
) -> Running {
    let mut command = part_at(dir, site, "kube-controller-manager");
    command.arg(format!("--kubeconfig={}", kubeconfig.display())).args([
        "--leader-elect=false",
        "--use-service-account-credentials",
        "--service-account-private-key-file=certificates/accounts.key",
        "--root-ca-file=certificates/ca.pem",
        "--cluster-signing-cert-file=certificates/ca.pem",
        "--cluster-signing-key-file=certificates/ca.key",
        "--secure-port=0",
        "--kube-api-qps=300",
        "--kube-api-burst=600",
        // A machine that is busy with tests may be late for long.
        "--node-monitor-grace-period=300s",
    ]);
    if site.is_none() {
        // No kubelet tells of our Nodes, and none shall be taken for dead.
        command.arg("--controllers=*,-node-lifecycle-controller,-taint-eviction-controller");
    }
    up(dir, "kube-controller-manager", command, ready).expect("it listens on no port")
}

/// Starts a part that reads a kubeconfig and listens on no port that others could have.
pub(super) fn start_other(
    dir: &Path,
    site: &Site,
    name: &str,
    args: &[String],
    ready: impl Fn() -> Result<(), String>,
) -> Running {
    let mut command = part_at(dir, Some(site), name);
    command.args(args);
    up(dir, name, command, ready).expect("its ports are its own")
}

/// Starts a server and waits until it is `ready`; its words go to a log. None when it ended because a port was taken.
#[track_caller]
pub(super) fn up(
    dir: &Path,
    name: &str,
    mut command: Command,
    ready: impl Fn() -> Result<(), String>,
) -> Option<Running> {
    let log = dir.join("log").join(format!("{name}.log"));
    // Appended to: what a killed server said stays.
    let before = fs::metadata(&log).map_or(0, |meta| meta.len());
    let file = File::options().create(true).append(true).open(&log).unwrap();
    command.stdout(file.try_clone().unwrap()).stderr(file);
    let mut server = Running::start(command);
    let up = wait::until(&format!("{name} to be ready"), || {
        if let Some(status) = server.child().try_wait().unwrap() {
            let said = fs::read_to_string(&log).unwrap();
            let said = said.get(usize::try_from(before).unwrap()..).unwrap_or_default();
            assert!(said.contains("address already in use"), "{name} ended ({status}): {said}");
            return Ok(false);
        }
        ready().map(|()| true)
    });
    up.then_some(server)
}
