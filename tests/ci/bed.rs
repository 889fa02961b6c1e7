//! One installation of build resources, alone under its own system name in a cluster that all these tests share.
//!
//! Here the cluster has controllers and no node; `kubelet::bed` has the same with a node that runs containers.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use build_resources::config::{self, Config};
use build_resources::drive::{Clusters, Desk};
use build_resources::request::Request;
use jiff::Timestamp;
use proof::cluster::Cluster;
use proof::process::{Finished, bound, spawn};
use proof::sandbox::binary;
use tempfile::TempDir;

/// The words that a test may change before they are written down.
const CONFIG: &str = "\
system: SYSTEM
hub: {namespace: HUB}
leases: {duration: 3600, max-age: 28800, confirm: 1}
labels: [{name: machine}, {name: space}]
providers:
  - name: here
    driver: kubernetes
    launch-retries: 1
    pools:
      - name: SYSTEM
        max-servers: 1000
        labels:
          - {name: machine, type: pod, image: 'localhost/machine:1', image-pull: Never, cpu: 100m, memory: 64}
          - {name: space, type: namespace, quota: {pods: 3}}
";

/// Where the records are unless a test wants its own.
const HUB: &str = "build-resources";

/// The same in one namespace.
const SHARED: &str = "\
system: SYSTEM
hub: {namespace: HUB}
leases: {duration: 3600, max-age: 28800, confirm: 1}
labels: [{name: machine}]
providers:
  - name: here
    driver: kubernetes
    mode: shared
    namespace: HUB
    launch-retries: 1
    pools:
      - name: SYSTEM
        max-servers: 1000
        labels:
          - {name: machine, type: pod, image: 'localhost/machine:1', image-pull: Never, cpu: 100m, cpu-limit: 2, memory: 64, memory-limit: 512}
";

/// One installation.
pub(crate) struct Bed {
    /// The cluster.
    pub(crate) cluster: &'static Cluster,
    /// Its name in that cluster.
    pub(crate) system: String,
    /// Where its files lie.
    pub(crate) dir: TempDir,
    /// What it offers.
    pub(crate) config: Config,
    /// The namespace of its records.
    pub(crate) hub: String,
}

impl Bed {
    /// An installation with the usual configuration.
    pub(crate) fn new() -> Self {
        Bed::with("max-servers: 1000", "max-servers: 1000")
    }

    /// The same with one change to its configuration.
    pub(crate) fn with(from: &str, to: &str) -> Self {
        assert!(CONFIG.contains(from), "{from}");
        Bed::of(&CONFIG.replacen(from, to, 1), HUB)
    }

    /// One whose records are in a namespace of its own, so that its account is nobody else's.
    pub(crate) fn alone(from: &str, to: &str) -> Self {
        assert!(CONFIG.contains(from), "{from}");
        Bed::of(&CONFIG.replacen(from, to, 1), &Bed::unique("hub"))
    }

    /// One with everything, its records too, in one namespace of its own.
    pub(crate) fn shared() -> Self {
        Bed::shared_with("max-servers: 1000", "max-servers: 1000")
    }

    /// The same with one change to its configuration.
    pub(crate) fn shared_with(from: &str, to: &str) -> Self {
        assert!(SHARED.contains(from), "{from}");
        Bed::of(&SHARED.replacen(from, to, 1), &Bed::unique("shared"))
    }

    /// The same in that prepared cluster.
    pub(crate) fn shared_on(cluster: &'static Cluster) -> Self {
        let hub = Bed::unique("shared");
        cluster.kubectl(&["create", "namespace", &hub]).expect_success();
        Bed::at(cluster, SHARED, &hub)
    }

    /// A name that nobody has yet.
    pub(crate) fn unique(prefix: &str) -> String {
        format!("{prefix}{}", &uuid::Uuid::new_v4().simple().to_string()[..8])
    }

    /// An installation with this configuration, in which SYSTEM and HUB are replaced.
    pub(crate) fn of(text: &str, hub: &str) -> Self {
        Bed::at(Bed::common(hub), text, hub)
    }

    /// One in a cluster of its own, whose API server writes down what it is asked.
    pub(crate) fn undisturbed() -> Self {
        let cluster: &'static Cluster = Box::leak(Box::new(Cluster::start_audited()));
        prepare(cluster);
        // Nothing of it runs out within an hour of looking on. Its servers die with the program.
        Bed::at(cluster, &CONFIG.replace("duration: 3600", "duration: 14400"), HUB)
    }

    /// The cluster that all share, with the namespace of the records.
    fn common(hub: &str) -> &'static Cluster {
        static CLUSTER: OnceLock<Cluster> = OnceLock::new();
        let cluster = CLUSTER.get_or_init(|| {
            let cluster = Cluster::start_with_controllers();
            prepare(&cluster);
            cluster
        });
        if hub != HUB {
            cluster.kubectl(&["create", "namespace", hub]).expect_success();
        }
        cluster
    }

    /// An installation in that prepared cluster, with this configuration and one change to it.
    pub(crate) fn on(cluster: &'static Cluster, config: &str, from: &str, to: &str) -> Self {
        assert!(config.contains(from), "{from}");
        Bed::at(cluster, &config.replacen(from, to, 1), HUB)
    }

    fn at(cluster: &'static Cluster, text: &str, hub: &str) -> Self {
        let system = Bed::unique("s");
        let text = text.replace("SYSTEM", &system).replace("HUB", hub);
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("config.yaml"), &text).unwrap();
        let config = config::parse(text.as_bytes()).unwrap();
        Bed { cluster, system, dir, config, hub: hub.to_owned() }
    }

    /// The kubeconfig of an account that has the printed rights and no others.
    pub(crate) fn least(&self) -> PathBuf {
        let manifest = self.run(&["config", "rbac"]).expect_success().stdout;
        self.cluster.apply(&manifest);
        let account = ["create", "token", "build-resources", "-n", &self.hub];
        let token = self.cluster.kubectl(&account).expect_success().stdout;
        let view = ["config", "view", "--minify", "--raw", "-o", "json"];
        let mut kubeconfig = self.cluster.kubectl(&view).expect_success().json();
        kubeconfig["users"][0]["user"] = serde_json::json!({"token": token.trim()});
        let path = self.path("least.yaml");
        std::fs::write(&path, kubeconfig.to_string()).unwrap();
        path
    }

    /// A place for files.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn command(&self, kubeconfig: &Path, args: &[&str]) -> Command {
        let mut command = bound(binary("build-resources"));
        command.env_clear().stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command.arg("--config").arg(self.path("config.yaml"));
        command.arg("--kubeconfig").arg(kubeconfig).args(args);
        command
    }

    /// Runs the program.
    pub(crate) fn run(&self, args: &[&str]) -> Finished {
        Finished::of(self.start(args))
    }

    /// Starts the program.
    pub(crate) fn start(&self, args: &[&str]) -> Child {
        self.start_as(self.cluster.admin_kubeconfig(), args)
    }

    /// Starts the program, which may say more than a pipe holds that nobody reads: it goes to the file `log`.
    pub(crate) fn start_talkative(&self, args: &[&str]) -> Child {
        self.start_logging(None, args)
    }

    /// The same with another filter of what it logs.
    pub(crate) fn start_logging(&self, filter: Option<&str>, args: &[&str]) -> Child {
        let mut command = self.command(self.cluster.admin_kubeconfig(), args);
        command.envs(filter.map(|filter| ("BUILD_RESOURCES_LOG", filter)));
        command.stderr(File::create(self.path("log")).unwrap());
        spawn(command)
    }

    /// Starts the program with another identity.
    pub(crate) fn start_as(&self, kubeconfig: &Path, args: &[&str]) -> Child {
        spawn(self.command(kubeconfig, args))
    }

    /// Runs the program with another identity.
    pub(crate) fn run_as(&self, kubeconfig: &Path, args: &[&str]) -> Finished {
        Finished::of(self.start_as(kubeconfig, args))
    }

    /// Runs the program, and takes what it prints as JSON.
    pub(crate) fn json(&self, args: &[&str]) -> serde_json::Value {
        self.run(&[&["--output", "json"], args].concat()).expect_success().json()
    }

    /// The namespace of one node of a build.
    pub(crate) fn namespace(&self, build: &str, at: usize) -> String {
        self.json(&["show", build])["nodes"][at]["namespace"].as_str().unwrap().to_owned()
    }

    /// Every namespace that carries the system's name, whether it is going away or not.
    pub(crate) fn namespaces(&self) -> Vec<String> {
        let label = format!("-lbuild-resources/system={}", self.system);
        let found = self.cluster.get_json(&["namespaces", &label]);
        let names = found["items"].as_array().unwrap().iter();
        names.map(|one| one["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    /// What is reserved in the only pool, by request.
    pub(crate) fn reserved(&self) -> serde_json::Map<String, serde_json::Value> {
        let name = format!("pool-{0}-here-{0}", self.system);
        let lease = self.cluster.get_json(&["lease", "-n", &self.hub, &name]);
        let text = lease["metadata"]["annotations"]["build-resources/ledger"].as_str().unwrap();
        serde_json::from_str(text).unwrap()
    }

    /// The names of the records.
    pub(crate) fn records(&self) -> Vec<String> {
        let label = format!("-lbuild-resources/system={},build-resources/request", self.system);
        let found = self.cluster.get_json(&["lease", "-n", &self.hub, &label]);
        let names = found["items"].as_array().unwrap().iter();
        names.map(|one| one["metadata"]["name"].as_str().unwrap().to_owned()).collect()
    }

    /// The clusters, for tests that drive the library.
    pub(crate) async fn clusters(&self) -> Clusters {
        Clusters::connect(&self.config, Some(self.cluster.admin_kubeconfig())).await.unwrap()
    }

    /// A desk of its own in the library.
    pub(crate) fn desk<'a>(&'a self, clusters: &'a Clusters, clock: fn() -> Timestamp) -> Desk<'a> {
        let me = uuid::Uuid::new_v4().to_string();
        Desk::new(&self.config, clusters, me, clock, Duration::from_secs(120))
    }
}

/// Makes what an admin does beforehand: the namespace of the records, and the roles that jobs are granted.
pub(crate) fn prepare(cluster: &Cluster) {
    cluster.kubectl(&["create", "namespace", HUB]).expect_success();
    let text = CONFIG.replace("SYSTEM", "s").replace("HUB", HUB);
    for object in build_resources::cli::manifest(&config::parse(text.as_bytes()).unwrap()) {
        if object["kind"] == "ClusterRole" {
            cluster.apply(&object.to_string());
        }
    }
}

/// A request for these labels.
pub(crate) fn asking(build: &str, labels: &[&str]) -> Request {
    let nodes = labels.iter().map(|text| build_resources::request::node(text).unwrap()).collect();
    Request::new(build.to_owned(), None, None, nodes).unwrap()
}

/// Runs a future on threads of its own.
pub(crate) fn block<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

/// A path as an argument.
pub(crate) fn arg(path: &Path) -> &str {
    path.to_str().unwrap()
}
