//! The whole cluster, with a node that runs containers: how its parts come together, and what only it can do.

use std::net::Ipv4Addr;
use std::sync::OnceLock;

use k8s_openapi::api::core::v1::{Node, NodeCondition};
use kube::api::Api;

use super::image::MachineImage;
use super::node::{self, Machine};
use super::servers::Scope;
use super::site::{self, Site};
use super::{BETWEEN_LOOKS, Cluster, certificates, directory};

impl Cluster {
    /// The whole: also a scheduler, kube-proxy, and a kubelet on containerd, on a network of its own that this machine
    /// reaches. The Node is ready, and the images `localhost/machine:1` and `localhost/bash:1` are there.
    ///
    /// # Panics
    /// Where it cannot run.
    pub fn full() -> Self {
        site::possible().unwrap_or_else(|why| panic!("no whole cluster can run here: {why}"));
        Cluster::whole()
    }

    /// The same, or none where it cannot run, which is told on the terminal.
    ///
    /// # Panics
    /// Where it cannot run and `CI` is set: there nothing may be passed over.
    pub fn full_or_told() -> Option<Self> {
        site::possible_or_told().then(Cluster::whole)
    }

    /// The one that all tests of this program share.
    pub fn shared_full() -> Option<&'static Cluster> {
        static SHARED: OnceLock<Option<Cluster>> = OnceLock::new();
        SHARED.get_or_init(Cluster::full_or_told).as_ref()
    }

    fn whole() -> Self {
        let scratch = directory();
        let site = Site::open(scratch.path());
        certificates::make(&scratch.path().join("certificates"), &site.network.of_the_server());
        // The images are taken in beside the start of the servers.
        let (runtime, mut cluster) = std::thread::scope(|scope| {
            let dir = scratch.path().to_owned();
            let runtime = scope.spawn({
                let site = &site;
                move || node::start_runtime(&dir, site)
            });
            let cluster = Self::serve(scratch, Scope::Whole(&site));
            (runtime.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)), cluster)
        });
        let node = || cluster.node_is_ready();
        cluster.machine = Some(Machine::start(cluster.dir(), cluster.ports.api(), site, runtime, node));
        cluster
    }

    /// Makes an image known to the node; at once, and also when one of that name is there.
    #[track_caller]
    pub fn import(&self, image: &MachineImage) {
        assert!(self.machine.is_some(), "this cluster has no node");
        node::import(self.dir(), image);
    }

    /// What a cluster's admin does so that the node may pull from the registry at `host:port`: trust its authority.
    pub fn trust(&self, registry: &str, authority: &str) {
        node::trust(self.dir(), registry, authority);
    }

    /// The address of the Node, which this machine reaches: where a Service of type `NodePort` listens.
    pub fn node_address(&self) -> Option<Ipv4Addr> {
        self.machine.as_ref().map(Machine::address)
    }

    /// Whether the kubelet says that pods may come.
    fn node_is_ready(&self) -> Result<(), String> {
        let client = self.client_of(&self.kubeconfig);
        let found = self.ask(async move { Api::<Node>::all(client).get_opt(node::NAME).await });
        let conditions = found.map_err(|error| error.to_string())?.and_then(|node| node.status?.conditions);
        let ready = |one: &NodeCondition| one.type_ == "Ready" && one.status == "True";
        match conditions {
            Some(all) if all.iter().any(ready) => Ok(()),
            other => {
                std::thread::sleep(BETWEEN_LOOKS);
                Err(format!("{other:?}"))
            }
        }
    }
}
