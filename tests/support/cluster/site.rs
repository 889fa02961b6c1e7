//! Where a whole cluster lives: namespaces of its own for processes, mounts and network, joined to this machine by a pair
//! of virtual cards.
//!
//! ```text
//!  this machine                         the site
//!  proof-…  .outside ───────────────── uplink  .inside    etcd, API server
//!           routes to pods and Services        bridge  .gateway   the Node; behind it the pods
//! ```
//!
//! All of it is held by one process and gone with it; its control groups bear the name of the cluster's directory and go
//! with that.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::Stdio;
use std::sync::Once;

use super::servers::at_home;
use crate::command::{run, tool};
use crate::process::{Running, bound};
use crate::wait;

/// Process 1 of the site. What node programs look for at fixed places is empty here and private; the shell waits, and so
/// takes in the orphans of containerd.
const INIT: &str = r#"
mount --make-rshared /
for place in /run/containerd /var/lib/cni /var/lib/kubelet /var/log/containers /var/log/pods; do
  mkdir -p "$place"
  mount -t tmpfs tmpfs "$place"
done
group=${1##*/}
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  for one in cpuset cpu io memory hugetlb pids; do
    echo "+$one" > /sys/fs/cgroup/cgroup.subtree_control || :
  done
  mkdir -p "/sys/fs/cgroup/$group"
else
  for root in /sys/fs/cgroup/*/; do
    [ -e "$root/cgroup.procs" ] || continue
    mkdir -p "$root/$group"
    for one in cpuset.cpus cpuset.mems; do
      if [ -e "$root/$one" ]; then cat "$root/$one" > "$root/$group/$one"; fi
    done
  done
fi
: > "$1/run/site"
sleep infinity &
wait
"#;

/// Joins the two sides. Inside, the bridge has the Node's address, and Services are sought there too.
const JOIN: &str = r#"
holder=$1 card=$2 outside=$3 inside=$4 gateway=$5 pods=$6 services=$7
ip link add "$card" type veth peer name uplink netns "$holder"
ip addr add "$outside/30" dev "$card"
ip link set "$card" up
exec_inside() { nsenter "--net=/proc/$holder/ns/net" -- "$@"; }
exec_inside sh -eu -c '
  ip link set lo up
  ip addr add "$1/30" dev uplink
  ip link set uplink up
  ip link add bridge type bridge
  ip addr add "$2/24" dev bridge
  ip link set bridge up
  ip route add default via "$3"
  ip route add "$4" dev bridge
  echo 1 > /proc/sys/net/ipv4/ip_forward
  # Two pods of one bridge that speak through a Service need it.
  if [ -e /proc/sys/net/bridge ]; then echo 1 > /proc/sys/net/bridge/bridge-nf-call-iptables; fi
' sh "$inside" "$gateway" "$outside" "$services"
ip route add "$pods" via "$inside"
ip route add "$services" via "$inside"
"#;

/// The programs of this machine without which there is no node.
const PROGRAMS: &[&str] = &["/usr/sbin/nft", "/usr/lib/cni/bridge"];

/// The addresses of one site: four nets of 256 in a row, out of the range for carriers, which no host has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Network {
    /// This machine's end.
    pub(super) outside: Ipv4Addr,
    /// The site's end, where etcd and the API server listen.
    pub(super) inside: Ipv4Addr,
    /// The Node's address, on the bridge.
    pub(super) gateway: Ipv4Addr,
    second: u8,
    third: u8,
}

impl Network {
    /// One of 4,032, by chance.
    fn random() -> Self {
        let random = *uuid::Uuid::new_v4().as_bytes();
        Network::at(64 + random[0] % 63, (random[1] % 64) * 4)
    }

    /// Whether this machine has a way to it already.
    fn taken(&self) -> bool {
        let mut command = tool("ip", Path::new("/"));
        !run(command.args(["route", "show", &self.pods()])).is_empty()
    }

    fn at(second: u8, third: u8) -> Self {
        let at = |net: u8, host: u8| Ipv4Addr::new(100, second, third + net, host);
        Network { outside: at(2, 1), inside: at(2, 2), gateway: at(0, 1), second, third }
    }

    /// Where pods are.
    pub(super) fn pods(&self) -> String {
        format!("100.{}.{}.0/24", self.second, self.third)
    }

    /// Where Services are.
    pub(super) fn services(&self) -> String {
        format!("100.{}.{}.0/24", self.second, self.third + 1)
    }

    /// The addresses at which the API server is known: its own, the one it tells, and that of its Service.
    pub(super) fn of_the_server(&self) -> [Ipv4Addr; 3] {
        [self.inside, self.gateway, Ipv4Addr::new(100, self.second, self.third + 1, 1)]
    }
}

/// One site.
#[derive(Debug)]
pub(super) struct Site {
    holder: Running,
    /// Its addresses.
    pub(super) network: Network,
}

impl Site {
    /// Opens a site for the cluster in `dir`.
    #[track_caller]
    pub(super) fn open(dir: &Path) -> Self {
        let mut command = bound("unshare");
        command.args(["--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"]);
        command.args(["--propagation", "private", "sh", "-eu", "-c", INIT, "site"]).arg(dir);
        let log = fs::File::create(dir.join("log/site.log")).unwrap();
        let mut command = at_home(command, dir);
        command.stdout(Stdio::null()).stderr(log);
        let mut holder = Running::start(command);
        wait::until("the namespaces of the site", || {
            if dir.join("run/site").exists() {
                return Ok(());
            }
            let said = fs::read_to_string(dir.join("log/site.log")).unwrap_or_default();
            assert!(holder.child().try_wait().unwrap().is_none(), "the site ended: {said}");
            Err(said)
        });
        let network = std::iter::repeat_with(Network::random).find(|network| !network.taken());
        let site = Site { holder, network: network.expect("it repeats") };
        site.join(dir);
        site
    }

    fn join(&self, dir: &Path) {
        let Network { outside, inside, gateway, .. } = self.network;
        let card = format!("proof-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
        let mut command = tool("sh", dir);
        command.args(["-eu", "-c", JOIN, "join"]).arg(self.holder.id().to_string()).arg(card);
        command.args([outside, inside, gateway].map(|address| address.to_string()));
        run(command.args([self.network.pods(), self.network.services()]));
    }

    /// The arguments of `nsenter` for what needs the network alone.
    pub(super) fn network_only(&self) -> Vec<String> {
        vec![format!("--net=/proc/{}/ns/net", self.holder.id())]
    }

    /// The arguments of `nsenter` for what starts containers.
    pub(super) fn all_namespaces(&self) -> Vec<String> {
        let place = format!("/proc/{}/ns", self.holder.id());
        vec![
            format!("--net={place}/net"),
            format!("--mount={place}/mnt"),
            format!("--pid={place}/pid_for_children"),
        ]
    }

    /// What the API server must know of a node and of this network.
    pub(super) fn api_server(&self) -> Vec<String> {
        vec![
            "--bind-address=0.0.0.0".to_owned(),
            format!("--advertise-address={}", self.network.gateway),
            format!("--service-cluster-ip-range={}", self.network.services()),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            "--allow-privileged=true".to_owned(),
            "--kubelet-client-certificate=certificates/admin.pem".to_owned(),
            "--kubelet-client-key=certificates/admin.key".to_owned(),
            "--kubelet-certificate-authority=certificates/ca.pem".to_owned(),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
        ]
    }
}

/// Whether a whole cluster can run on this machine, or why not.
pub(super) fn possible() -> Result<(), String> {
    // The owner of a process's directory is its effective user.
    if fs::metadata("/proc/self").map_err(|error| error.to_string())?.uid() != 0 {
        return Err("it needs root, for namespaces, mounts and control groups".to_owned());
    }
    let missing: Vec<&str> =
        PROGRAMS.iter().copied().filter(|program| !Path::new(program).exists()).collect();
    if !missing.is_empty() {
        return Err(format!("missing: {} (`tests/needs.sh` names the Debian packages)", missing.join(", ")));
    }
    let trial = "mount --make-rshared / && ip link add trial type veth peer name other && \
        for one in /sys/fs/cgroup /sys/fs/cgroup/*; do [ ! -e $one/cgroup.procs ] || [ -w $one/cgroup.procs ] || exit 1; done";
    let mut command = tool("unshare", Path::new("/"));
    command.args(["--net", "--pid", "--mount", "--fork", "--propagation", "private", "sh", "-c", trial]);
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("unshare: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(format!("namespaces, virtual network cards or control groups cannot be had: {said}"))
}

/// The same as yes or no. No is told once, past the test runner, which keeps to itself what passing tests print.
///
/// # Panics
/// Where `CI` is set: there nothing may be passed over.
pub(super) fn possible_or_told() -> bool {
    static TOLD: Once = Once::new();
    let Err(why) = possible() else { return true };
    assert!(
        std::env::var_os("CI").is_none_or(|value| value.is_empty() || value == "false"),
        "no whole cluster can run here ({why}), and CI is set: nothing is skipped"
    );
    TOLD.call_once(|| {
        use std::io::Write as _;
        let _ = writeln!(std::io::stderr(), "SKIPPED: tests with real containers (T4): {why}");
    });
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nets_of_a_site_are_apart_and_in_the_range_for_carriers() {
        let last = Network::at(126, 252);
        assert_eq!(last.pods(), "100.126.252.0/24");
        assert_eq!(last.services(), "100.126.253.0/24");
        assert_eq!(last.outside, Ipv4Addr::new(100, 126, 254, 1));
        assert_eq!(last.of_the_server()[2], Ipv4Addr::new(100, 126, 253, 1));
        let some = Network::random();
        assert!((64..127).contains(&some.outside.octets()[1]), "{some:?}");
    }
}
