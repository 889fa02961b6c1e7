//! The settings as types, a struct for each section.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// An enum whose variants are written as one word each, with the words that a refused value is told.
macro_rules! words {
    ($(#[doc = $doc:literal])+ $name:ident { $($(#[doc = $meaning:literal])+ $(#[$default:meta])? $variant:ident = $word:literal,)+ }) => {
        $(#[doc = $doc])+
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub enum $name { $($(#[doc = $meaning])+ $(#[$default])? $variant,)+ }

        impl $name {
            /// All words, in order.
            pub const WORDS: &'static [&'static str] = &[$($word,)+];

            /// The word as it is written.
            pub const fn as_str(self) -> &'static str {
                match self { $($name::$variant => $word,)+ }
            }

            /// What the word means.
            pub fn of(word: &str) -> Option<Self> {
                match word { $($word => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

/// Everything the agent can be told about itself; every value has passed its check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `[machine-config]`: where the wish comes from.
    pub machine_config: MachineConfigSettings,
    /// `[payload]`: what is offered when no MachineConfig says it.
    pub payload: PayloadSettings,
    /// `[store]`: packages that were fetched and checked.
    pub store: StoreSettings,
    /// `[state]`: journal, ledger and status.
    pub state: StateSettings,
    /// `[host]`: the machine.
    pub host: HostSettings,
    /// `[cluster]`: the API server, where there is one.
    pub cluster: ClusterSettings,
    /// `[rollout]`: when the node may reboot into what was staged.
    pub rollout: RolloutSettings,
    /// `[metrics]`: where they are served.
    pub metrics: MetricsSettings,
    /// `[reconcile]`: the pace of the loop.
    pub reconcile: ReconcileSettings,
    /// `[log]`: how much is said.
    pub log: LogSettings,
}

/// `[machine-config]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MachineConfigSettings {
    /// The directory of MachineConfig documents.
    pub directory: PathBuf,
}

/// `[payload]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PayloadSettings {
    /// The image to use when no MachineConfig names one.
    pub image: Option<String>,
    /// Credentials for registries, in the format of `containers-auth.json(5)`.
    pub authfile: Option<PathBuf>,
    /// Another `containers-registries.conf(5)` than the host's.
    pub registries_conf: Option<PathBuf>,
    /// The release image whose `image-references` say which payloads belong to the release.
    pub release: Option<String>,
    /// What is done when the extensions image was built for another base than the node's.
    pub skew: Skew,
}

words! {
    /// What is done about an extensions image that was built for another base.
    Skew {
        /// It is refused.
        #[default]
        Refuse = "refuse",
        /// It is used, and said so.
        Allow = "allow",
    }
}

/// `[store]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreSettings {
    /// Where verified packages are kept.
    pub directory: PathBuf,
    /// How large the store may grow.
    pub max_bytes: u64,
}

/// `[state]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StateSettings {
    /// Where the journal of intents, the ledger and the status are kept.
    pub directory: PathBuf,
}

/// `[host]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HostSettings {
    /// The D-Bus address of rpm-ostreed; the system bus where it is unset.
    pub bus: Option<String>,
    /// The root of the host's file system.
    pub sysroot: PathBuf,
    /// Whether the agent changes the host or only tells of it.
    pub mode: Mode,
}

words! {
    /// Whether the agent changes the host.
    Mode {
        /// Unless somebody else owns the extensions of this host.
        #[default]
        Auto = "auto",
        /// Always; also when a machine-config-daemon's traces are there.
        Own = "own",
        /// Never.
        Observe = "observe",
    }
}

/// `[cluster]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ClusterSettings {
    /// How the API server is reached; none on a host without a cluster.
    pub kubeconfig: Option<PathBuf>,
    /// The name of this node's Node object; the host name where it is unset.
    pub node: Option<String>,
    /// Who joins the MachineConfigs.
    pub source: Source,
    /// The namespace of leases.
    pub namespace: String,
}

words! {
    /// Who joins the MachineConfigs of a pool.
    Source {
        /// The operator where it has annotated the Node, the agent elsewhere.
        #[default]
        Auto = "auto",
        /// The operator: the rendered MachineConfig that the Node names.
        Operator = "operator",
        /// The agent: what the pool of the Node selects.
        Pools = "pools",
    }
}

/// `[rollout]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RolloutSettings {
    /// How it is decided when the node reboots.
    pub strategy: Strategy,
    /// The pool, or FleetLock group, whose slots the node asks for; the node's own pool where it is unset.
    pub pool: Option<String>,
    /// How many nodes of a pool may be away at once, where no MachineConfigPool says it.
    pub max_unavailable: u64,
    /// The FleetLock server.
    pub fleetlock_url: Option<String>,
    /// When reboots are allowed, for the strategy `window`.
    pub windows: Option<String>,
    /// How long a drain may take before its slot is given back.
    pub drain_limit: Duration,
    /// How long a node may be away with its slot before another node may have it.
    pub reboot_limit: Duration,
    /// How often a node that waits asks again.
    pub poll: Duration,
}

words! {
    /// How it is decided when the node reboots.
    Strategy {
        /// By an admin.
        #[default]
        None = "none",
        /// At once.
        Immediate = "immediate",
        /// At once within weekly windows.
        Window = "window",
        /// By a FleetLock server, as Zincati asks one.
        FleetLock = "fleetlock",
        /// By leases in the cluster, with a drain before the reboot.
        Cluster = "cluster",
    }
}

/// `[metrics]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MetricsSettings {
    /// The unix socket that serves `/metrics`.
    pub socket: PathBuf,
    /// A loopback address that serves them too.
    pub listen: Option<SocketAddr>,
    /// A file for node-exporter's textfile collector.
    pub textfile: Option<PathBuf>,
}

/// `[reconcile]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ReconcileSettings {
    /// How long changes must have settled before a pass starts.
    pub dwell: Duration,
    /// The first pause after a failed pass; doubled each time.
    pub backoff_initial: Duration,
    /// The longest pause after a failed pass.
    pub backoff_limit: Duration,
    /// A pass at least this often, whether anything changed or not.
    pub interval: Duration,
    /// How long to wait for somebody else's transaction.
    pub wait_limit: Duration,
    /// How long our own transaction may take before it is given up as lost.
    pub transaction_limit: Duration,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogSettings {
    /// The least level that is written.
    pub level: Level,
}

words! {
    /// How much the agent says.
    Level {
        /// Only what failed.
        Error = "error",
        /// And what an admin should look at.
        Warn = "warn",
        /// And the story of each pass.
        #[default]
        Info = "info",
        /// And how decisions were made.
        Debug = "debug",
        /// And everything else.
        Trace = "trace",
    }
}
