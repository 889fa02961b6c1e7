//! One installation of build resources on the whole cluster, whose node runs containers.

use std::ops::Deref;
use std::sync::OnceLock;

use proof::cluster::{Cluster, MachineImage};

use crate::bed::{Bed, prepare};

/// The words that a test may change before they are written down. The node has two cores for all tests together.
const CONFIG: &str = "\
system: SYSTEM
hub: {namespace: build-resources}
leases: {duration: 3600, max-age: 28800, confirm: 1}
labels: [{name: machine}, {name: bash}, {name: space}]
providers:
  - name: here
    driver: kubernetes
    launch-retries: 1
    pools:
      - name: SYSTEM
        max-servers: 1000
        labels:
          - {name: machine, type: pod, image: 'localhost/machine:1', image-pull: Never, cpu: 10m, cpu-limit: 2, memory: 32, memory-limit: 512}
          - {name: bash, type: pod, image: 'localhost/bash:1', image-pull: Never, cpu: 10m, cpu-limit: 2, memory: 32, memory-limit: 512}
          - {name: space, type: namespace, quota: {pods: 10}}
";

/// What a label says to have a side-car that receives, and a second container of another user, who has no home.
pub(crate) const SIDE_CAR: &str = "workspace: {sync: sidecar, size: 50}, spec: {containers: [{name: second, \
    image: 'localhost/machine:1', imagePullPolicy: Never, command: [sleep, infinity], \
    securityContext: {runAsUser: 4242, runAsGroup: 4242}, env: [{name: HOME, value: /nowhere}]}]}";

/// The whole cluster, with what an installation needs in it.
fn prepared() -> Option<&'static Cluster> {
    static READY: OnceLock<()> = OnceLock::new();
    let cluster = Cluster::shared_full()?;
    READY.get_or_init(|| prepare(cluster));
    Some(cluster)
}

/// One installation: a [`Bed`].
pub(crate) struct NodeBed(Bed);

impl NodeBed {
    /// An installation with the usual configuration: the labels `machine`, `bash` and `space`. None where no whole
    /// cluster can run: then the test ends there.
    pub(crate) fn new() -> Option<Self> {
        NodeBed::with("max-servers: 1000", "max-servers: 1000")
    }

    /// The same with one change to its configuration.
    pub(crate) fn with(from: &str, to: &str) -> Option<Self> {
        Some(NodeBed(Bed::on(prepared()?, CONFIG, from, to)))
    }

    /// The same with these labels instead, each by its name and by all that it says beside it, from a provider that says this
    /// beside its driver, in lines that end.
    pub(crate) fn labelled(provider: &str, labels: &[(&str, &str)]) -> Option<Self> {
        let (head, _) = CONFIG.split_once("          - {").unwrap();
        let known = "{name: machine}, {name: bash}, {name: space}";
        let names: Vec<String> = labels.iter().map(|(name, _)| format!("{{name: {name}}}")).collect();
        let lines = labels.iter().map(|(name, says)| format!("          - {{name: {name}, {says}}}\n"));
        let driver = "    driver: kubernetes\n";
        let head = head.replacen(driver, &format!("{driver}{provider}"), 1);
        let text = head + &lines.collect::<String>();
        Some(NodeBed(Bed::on(prepared()?, &text, known, &names.join(", "))))
    }

    /// One with everything in one namespace, and the label `machine`.
    pub(crate) fn shared() -> Option<Self> {
        Some(NodeBed(Bed::shared_on(prepared()?)))
    }

    /// Makes an image known to the node; a label names it with `image-pull: Never`.
    #[allow(dead_code, reason = "for tests with programs of their own")]
    pub(crate) fn import(&self, image: &MachineImage) {
        self.0.cluster.import(image);
    }
}

impl Deref for NodeBed {
    type Target = Bed;

    fn deref(&self) -> &Bed {
        &self.0
    }
}
