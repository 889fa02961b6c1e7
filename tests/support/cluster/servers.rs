//! The processes of a cluster: how each is started, and when it counts as up.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use super::etcd;
use crate::process::{Running, bound};
use crate::scratch::environment;
use crate::wait;

/// How often other ports are tried when somebody else was quicker.
const TRIES: u32 = 20;

/// Where one cluster listens, all on loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ports {
    pub(super) api: u16,
    pub(super) etcd: u16,
    peer: u16,
}

impl Ports {
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
        Ports { api: next(), etcd: next(), peer: next() }
    }
}

/// On loopback.
pub(super) fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}

/// The one program that holds all others, built by `tests/cluster/build` unless it is there.
#[track_caller]
pub(super) fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("cluster/build");
        let output = Command::new(&build).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.unwrap_or_else(|error| panic!("starting {}: {error}", build.display()));
        assert!(output.status.success(), "{}: {}", build.display(), output.status);
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    })
}

/// A part of the cluster program, in the environment of the cluster at `dir`; it dies with us.
pub(super) fn part(dir: &Path, name: &str) -> Command {
    let mut command = bound(program());
    environment(&mut command, dir);
    command.arg(name).current_dir(dir).stdin(Stdio::null());
    command
}

/// Starts etcd on the data that lies in `dir`, or on none.
pub(super) fn start_etcd(dir: &Path) -> (Running, Ports) {
    for _ in 0..TRIES {
        let ports = Ports::free();
        let (clients, peers) = (url(ports.etcd), url(ports.peer));
        let mut command = part(dir, "etcd");
        command.args(["--unsafe-no-fsync", "--log-level=warn", "--data-dir=etcd"]);
        command.args([
            format!("--listen-client-urls={clients}"),
            format!("--advertise-client-urls={clients}"),
            format!("--listen-peer-urls={peers}"),
            format!("--initial-advertise-peer-urls={peers}"),
            format!("--initial-cluster=default={peers}"),
        ]);
        if let Some(server) = up(dir, "etcd", command, || etcd::healthy(local(ports.etcd))) {
            return (server, ports);
        }
    }
    panic!("no free port for etcd in {TRIES} tries");
}

fn url(port: u16) -> String {
    format!("http://{}", local(port))
}

/// Starts the API server on its port; `ready` asks it. None when somebody else has the port.
pub(super) fn start_api(
    dir: &Path,
    ports: Ports,
    controllers: bool,
    ready: impl Fn() -> Result<(), String>,
) -> Option<Running> {
    let mut command = part(dir, "kube-apiserver");
    command.args([
        "--bind-address=127.0.0.1",
        // A loopback address is refused as an endpoint of the Service `kubernetes`.
        "--endpoint-reconciler-type=none",
        "--tls-cert-file=certificates/server.pem",
        "--tls-private-key-file=certificates/server.key",
        "--client-ca-file=certificates/ca.pem",
        "--cert-dir=run",
        "--service-account-issuer=https://kubernetes.default.svc",
        "--service-account-key-file=certificates/accounts.pem",
        "--service-account-signing-key-file=certificates/accounts.key",
        "--service-cluster-ip-range=10.96.0.0/24",
        "--authorization-mode=Node,RBAC",
        "--profiling=false",
    ]);
    command.arg(format!("--secure-port={}", ports.api)).arg(format!("--etcd-servers={}", url(ports.etcd)));
    if !controllers {
        // Nobody makes the default accounts that pods would then need.
        command.arg("--disable-admission-plugins=ServiceAccount");
    }
    up(dir, "kube-apiserver", command, ready)
}

/// Starts the controllers; `ready` says when they have done their first work.
pub(super) fn start_controllers(
    dir: &Path,
    kubeconfig: &Path,
    ready: impl Fn() -> Result<(), String>,
) -> Running {
    let mut command = part(dir, "kube-controller-manager");
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
        // No kubelet tells of our Nodes, and none shall be taken for dead.
        "--controllers=*,-node-lifecycle-controller,-taint-eviction-controller",
    ]);
    up(dir, "kube-controller-manager", command, ready).expect("it listens on no port")
}

/// Starts a server and waits until it is `ready`; its words go to a log. None when it ended because a port was taken.
#[track_caller]
fn up(
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
