//! The node of a whole cluster: containerd and runc below a kubelet, a scheduler and kube-proxy.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::json;

use super::image::{MachineImage, bash, machine, pause};
use super::servers::{at_home, program, runtime_program, start_other, up};
use super::site::Site;
use super::{certificates, identity};
use crate::command::{run, tool};
use crate::process::{Running, bound};

/// The name of the Node.
pub(super) const NAME: &str = "machine";
/// Where containerd listens, below the cluster's directory.
const SOCKET: &str = "run/containerd.sock";

/// Everything of a node.
#[derive(Debug)]
pub(super) struct Machine {
    // Dropped from the top; the site takes the containers along.
    _kubelet: Running,
    _proxy: Running,
    _scheduler: Running,
    _runtime: Running,
    site: Site,
}

impl Machine {
    /// Starts what a node has above its container runtime; `ready` says when pods may come.
    pub(super) fn start(
        dir: &Path,
        server: SocketAddr,
        site: Site,
        runtime: Running,
        ready: impl Fn() -> Result<(), String>,
    ) -> Self {
        let admin = format!("--kubeconfig={}", dir.join("admin.kubeconfig").display());
        let scheduler =
            ["--leader-elect=false", "--secure-port=0", "--kube-api-qps=300", "--kube-api-burst=600"];
        let scheduler = [vec![admin.clone()], scheduler.map(str::to_owned).to_vec()].concat();
        let scheduler = start_other(dir, &site, "kube-scheduler", &scheduler, || Ok(()));
        let kubelet = start_kubelet(dir, server, &site, ready);
        let proxy = [
            admin,
            format!("--hostname-override={NAME}"),
            "--proxy-mode=nftables".to_owned(),
            // The table of connections is this machine's, and stays as it is.
            "--conntrack-max-per-core=0".to_owned(),
        ];
        let proxy = start_other(dir, &site, "kube-proxy", &proxy, || Ok(()));
        Machine { _kubelet: kubelet, _proxy: proxy, _scheduler: scheduler, _runtime: runtime, site }
    }

    /// Where it lives.
    pub(super) fn site(&self) -> &Site {
        &self.site
    }

    /// The Node's address.
    pub(super) fn address(&self) -> Ipv4Addr {
        self.site.network.gateway
    }
}

/// Starts containerd with its images.
pub(super) fn start_runtime(dir: &Path, site: &Site) -> Running {
    let place = dir.display();
    let (shim, runc) = (runtime_program("containerd-shim-runc-v2"), runtime_program("runc"));
    let config = dir.join("containerd.toml");
    fs::write(
        &config,
        format!(
            r#"
version = 3
root = "{place}/containerd"
state = "{place}/run/containerd"
[grpc]
address = "{place}/{SOCKET}"
[plugins."io.containerd.internal.v1.opt"]
path = "{place}/containerd-opt"
# Its socket would be this machine's.
[plugins."io.containerd.nri.v1.nri"]
disable = true
[plugins."io.containerd.cri.v1.images"]
snapshotter = "overlayfs"
[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "localhost/pause:1"
[plugins."io.containerd.cri.v1.images".registry]
config_path = "{place}/registries"
[plugins."io.containerd.cri.v1.runtime"]
disable_apparmor = true
# Root in a container may lack the right to make a process less likely to be killed.
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
# A program of that name on the path would be another.
runtime_path = {shim:?}
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
BinaryName = {runc:?}
SystemdCgroup = false
[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["/usr/lib/cni"]
conf_dir = "{place}/cni"
"#
        ),
    )
    .unwrap();
    describe_network(dir, site);
    let mut command = bound("nsenter");
    command.args(site.all_namespaces()).arg("--").arg(runtime_program("containerd"));
    command.arg("--config").arg(config);
    let socket = dir.join(SOCKET);
    let listens = || UnixStream::connect(&socket).map(drop).map_err(|error| error.to_string());
    let runtime = up(dir, "containerd", at_home(command, dir), listens).expect("its socket is its own");
    for image in [pause(), machine(), bash()] {
        import(dir, &image);
    }
    runtime
}

/// Writes how a pod gets its card and its address.
fn describe_network(dir: &Path, site: &Site) {
    fs::create_dir_all(dir.join("cni")).unwrap();
    let range = json!([[{ "subnet": site.network.pods(), "gateway": site.network.gateway }]]);
    let network = json!({
        "cniVersion": "0.4.0",
        "name": "proof",
        "plugins": [{
            "type": "bridge",
            "bridge": "bridge",
            "isGateway": true,
            "hairpinMode": true,
            "ipam": {
                "type": "host-local",
                "ranges": range,
                "routes": [{ "dst": "0.0.0.0/0" }],
                "dataDir": dir.join("addresses"),
            },
        }],
    });
    fs::write(dir.join("cni/proof.conflist"), network.to_string()).unwrap();
}

/// Makes an image known to containerd.
#[track_caller]
pub(super) fn import(dir: &Path, image: &MachineImage) {
    let mut command = tool(runtime_program("ctr"), dir);
    command.arg("--address").arg(dir.join(SOCKET));
    command.args(["--namespace", "k8s.io", "images", "import", "--snapshotter", "overlayfs"]);
    run(command.arg(image.archive()));
}

/// Lets the kubelet pull from the registry at `host:port`, whose certificate that authority has signed.
pub(super) fn trust(dir: &Path, registry: &str, authority: &str) {
    let place = dir.join("registries").join(registry);
    fs::create_dir_all(&place).unwrap();
    let ca = place.join("ca.pem");
    fs::write(&ca, authority).unwrap();
    let there = format!("https://{registry}");
    fs::write(place.join("hosts.toml"), format!("server = {there:?}\n[host.{there:?}]\nca = {ca:?}\n"))
        .unwrap();
}

fn start_kubelet(
    dir: &Path,
    server: SocketAddr,
    site: &Site,
    ready: impl Fn() -> Result<(), String>,
) -> Running {
    let address = site.network.gateway;
    let certificates = dir.join("certificates");
    certificates::kubelet(&certificates, NAME, address);
    fs::write(dir.join("resolv.conf"), "").unwrap();
    let group = dir.file_name().and_then(|name| name.to_str()).unwrap();
    let config = json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": { "enabled": false },
            "webhook": { "enabled": true },
            "x509": { "clientCAFile": certificates.join("ca.pem") },
        },
        "authorization": { "mode": "Webhook" },
        "tlsCertFile": certificates.join("kubelet.pem"),
        "tlsPrivateKeyFile": certificates.join("kubelet.key"),
        "containerRuntimeEndpoint": format!("unix://{}", dir.join(SOCKET).display()),
        "cgroupDriver": "cgroupfs",
        // Two kubelets of one machine would take each other's groups for orphans.
        "cgroupRoot": format!("/{group}"),
        "failSwapOn": false,
        "podLogsDir": dir.join("pods"),
        "volumePluginDir": dir.join("volume-plugins"),
        "resolvConf": dir.join("resolv.conf"),
        "maxPods": 200,
        "serializeImagePulls": false,
        "evictionHard": {
            "memory.available": "50Mi", "nodefs.available": "1%", "nodefs.inodesFree": "1%", "imagefs.available": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "kubeAPIQPS": 300,
        "kubeAPIBurst": 600,
        "eventRecordQPS": 300,
        "eventBurst": 600,
    });
    let path = dir.join("kubelet.json");
    fs::write(&path, config.to_string()).unwrap();
    let kubeconfig = identity::kubelet(dir, server);
    let mut command = bound("nsenter");
    command.args(site.all_namespaces()).arg("--").arg(program()).args([
        "kubelet".to_owned(),
        format!("--config={}", path.display()),
        format!("--kubeconfig={}", kubeconfig.display()),
        format!("--root-dir={}", dir.join("kubelet").display()),
        format!("--cert-dir={}", dir.join("run").display()),
        format!("--hostname-override={NAME}"),
        format!("--node-ip={address}"),
    ]);
    up(dir, "kubelet", at_home(command, dir), ready).expect("its ports are its own")
}
