//! The table of keys. A new setting is one row here and one field in [`Settings`].

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::{
    ClusterSettings, HostSettings, Level, LogSettings, MachineConfigSettings, MetricsSettings, Mode,
    PayloadSettings, ReconcileSettings, RolloutSettings, Settings, Skew, Source, StateSettings,
    StoreSettings, Strategy,
};

/// One key: how it is written, what it may hold and which field it fills.
pub struct Key {
    /// The table it stands in.
    pub section: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// The value where nobody sets it, as it is written; `None` leaves it unset.
    pub default: Option<&'static str>,
    /// What it might look like, for keys without a default.
    pub example: Option<&'static str>,
    /// What it means: one or more sentences.
    pub doc: &'static str,
    /// What it may hold, and where the checked value goes.
    pub kind: Kind,
}

/// What a key may hold. Each kind carries the field that it fills, so that a row cannot fill one of another type.
pub enum Kind {
    /// An absolute path.
    Path(fn(&mut Settings) -> &mut PathBuf),
    /// An absolute path, or unset.
    OptionalPath(fn(&mut Settings) -> &mut Option<PathBuf>),
    /// One line of text, or unset.
    OptionalText(fn(&mut Settings) -> &mut Option<String>),
    /// An address of this host that only this host reaches, and a port; or unset.
    OptionalLoopback(fn(&mut Settings) -> &mut Option<SocketAddr>),
    /// A number of bytes between two bounds.
    Bytes(u64, u64, fn(&mut Settings) -> &mut u64),
    /// A span of time between two bounds.
    Duration(Duration, Duration, fn(&mut Settings) -> &mut Duration),
    /// One line of text.
    Text(fn(&mut Settings) -> &mut String),
    /// A number between two bounds.
    Count(u64, u64, fn(&mut Settings) -> &mut u64),
    /// One of these words; the function says whether it took the word.
    Word(&'static [&'static str], fn(&mut Settings, &str) -> bool),
}

const fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

const fn secs(count: u64) -> Duration {
    Duration::from_secs(count)
}

const HOUR: u64 = 3600;

/// The field takes what a word means, where it means anything.
fn take<T>(slot: &mut T, value: Option<T>) -> bool {
    value.map(|value| *slot = value).is_some()
}

/// Every key, grouped by section, in the order of the default file.
pub const KEYS: &[Key] = &[
    Key {
        section: "machine-config",
        name: "directory",
        default: Some("/etc/extensions-agent/machine-config.d"),
        example: None,
        doc: "The directory of MachineConfig documents (`*.yaml`, `*.yml`, `*.json`) that say what this node should have.",
        kind: Kind::Path(|settings| &mut settings.machine_config.directory),
    },
    Key {
        section: "payload",
        name: "image",
        default: None,
        example: Some("registry.example/release/extensions@sha256:<digest>"),
        doc: "The image to take extensions from when no MachineConfig sets `baseOSExtensionsContainerImage`: \
              `registry/repository@sha256:…`, `oci:DIRECTORY` or `dir:DIRECTORY`.",
        kind: Kind::OptionalText(|settings| &mut settings.payload.image),
    },
    Key {
        section: "payload",
        name: "authfile",
        default: None,
        example: Some("/var/lib/kubelet/config.json"),
        doc: "Credentials for registries, in the format of containers-auth.json(5). Unset: the default places of that page. \
              Read anew at each fetch, and never shown.",
        kind: Kind::OptionalPath(|settings| &mut settings.payload.authfile),
    },
    Key {
        section: "payload",
        name: "registries-conf",
        default: None,
        example: Some("/etc/containers/registries.conf"),
        doc: "Another containers-registries.conf(5) than the host's: mirrors, and registries without TLS.",
        kind: Kind::OptionalPath(|settings| &mut settings.payload.registries_conf),
    },
    Key {
        section: "payload",
        name: "release",
        default: None,
        example: Some("registry.example/release@sha256:<digest>"),
        doc: "The release image. Where it is set, a payload that its `image-references` do not name is refused, and where no \
              MachineConfig names a payload, the release does.",
        kind: Kind::OptionalText(|settings| &mut settings.payload.release),
    },
    Key {
        section: "payload",
        name: "skew",
        default: Some("refuse"),
        example: None,
        doc: "What is done when the labels of the extensions image say that it was built for another base than the node's: \
              `refuse`, or `allow` and say so.",
        kind: Kind::Word(Skew::WORDS, |settings, word| take(&mut settings.payload.skew, Skew::of(word))),
    },
    Key {
        section: "store",
        name: "directory",
        default: Some("/var/cache/extensions-agent"),
        example: None,
        doc: "Where fetched packages are kept, by digest. Its loss costs a download and nothing else.",
        kind: Kind::Path(|settings| &mut settings.store.directory),
    },
    Key {
        section: "store",
        name: "max-bytes",
        default: Some("4GiB"),
        example: None,
        doc: "How large the store may grow before what was used longest ago is removed.",
        kind: Kind::Bytes(1 << 20, 1 << 40, |settings| &mut settings.store.max_bytes),
    },
    Key {
        section: "state",
        name: "directory",
        default: Some("/var/lib/extensions-agent"),
        example: None,
        doc: "Where the journal of intents, the ledger of what the agent layered, and the last status are kept.",
        kind: Kind::Path(|settings| &mut settings.state.directory),
    },
    Key {
        section: "host",
        name: "bus",
        default: None,
        example: Some("unix:path=/run/dbus/system_bus_socket"),
        doc: "The D-Bus address on which rpm-ostreed is reached. Unset: the system bus.",
        kind: Kind::OptionalText(|settings| &mut settings.host.bus),
    },
    Key {
        section: "host",
        name: "sysroot",
        default: Some("/"),
        example: None,
        doc: "The root of the host's file system: `/`, or where it is mounted in a container.",
        kind: Kind::Path(|settings| &mut settings.host.sysroot),
    },
    Key {
        section: "host",
        name: "mode",
        default: Some("auto"),
        example: None,
        doc: "Whether the agent changes the host. `own`: it does. `observe`: it only tells of it. `auto`: it observes where a machine-config-daemon, \
              image mode or bootc owns the extensions of this host.",
        kind: Kind::Word(Mode::WORDS, |settings, word| take(&mut settings.host.mode, Mode::of(word))),
    },
    Key {
        section: "cluster",
        name: "kubeconfig",
        default: None,
        example: Some("/etc/extensions-agent/kubeconfig"),
        doc: "How the API server is reached. Unset: there is no cluster, and MachineConfigs come from `machine-config.directory`.",
        kind: Kind::OptionalPath(|settings| &mut settings.cluster.kubeconfig),
    },
    Key {
        section: "cluster",
        name: "node",
        default: None,
        example: Some("worker-0"),
        doc: "The name of this node's Node object. Unset: the host name.",
        kind: Kind::OptionalText(|settings| &mut settings.cluster.node),
    },
    Key {
        section: "cluster",
        name: "source",
        default: Some("auto"),
        example: None,
        doc: "Who joins the MachineConfigs. `operator`: the rendered one that the Node is annotated with. `pools`: the agent, from \
              what the MachineConfigPool of the Node selects. `auto`: the operator where the Node has its annotation.",
        kind: Kind::Word(Source::WORDS, |settings, word| {
            take(&mut settings.cluster.source, Source::of(word))
        }),
    },
    Key {
        section: "cluster",
        name: "namespace",
        default: Some("extensions-agent"),
        example: None,
        doc: "The namespace that holds the leases of the strategy `cluster`.",
        kind: Kind::Text(|settings| &mut settings.cluster.namespace),
    },
    Key {
        section: "rollout",
        name: "strategy",
        default: Some("none"),
        example: None,
        doc: "When the node reboots into what was staged. `none`: when an admin does it. `immediate`: at once. `window`: within \
              `rollout.windows`. `fleetlock`: when a FleetLock server grants it. `cluster`: when a slot of the pool is free, after a drain.",
        kind: Kind::Word(Strategy::WORDS, |settings, word| {
            take(&mut settings.rollout.strategy, Strategy::of(word))
        }),
    },
    Key {
        section: "rollout",
        name: "pool",
        default: None,
        example: Some("worker"),
        doc: "The pool, or FleetLock group, whose slots the node asks for. Unset: the MachineConfigPool of the node, else `default`.",
        kind: Kind::OptionalText(|settings| &mut settings.rollout.pool),
    },
    Key {
        section: "rollout",
        name: "max-unavailable",
        default: Some("1"),
        example: None,
        doc: "How many nodes of a pool may be away at once, where no MachineConfigPool says it.",
        kind: Kind::Count(1, 1000, |settings| &mut settings.rollout.max_unavailable),
    },
    Key {
        section: "rollout",
        name: "fleetlock-url",
        default: None,
        example: Some("http://fleetlock.example:8080"),
        doc: "The base URL of the FleetLock server, for the strategy `fleetlock`.",
        kind: Kind::OptionalText(|settings| &mut settings.rollout.fleetlock_url),
    },
    Key {
        section: "rollout",
        name: "windows",
        default: None,
        example: Some("Sat,Sun 22:00 2h; Wed 03:00 90m"),
        doc: "When reboots are allowed, for the strategy `window`: days, a time of day in UTC, and a length; several are \
              separated by `;`.",
        kind: Kind::OptionalText(|settings| &mut settings.rollout.windows),
    },
    Key {
        section: "rollout",
        name: "drain-limit",
        default: Some("1h"),
        example: None,
        doc: "How long a drain may take before the node gives its slot back, takes pods again and tries later.",
        kind: Kind::Duration(secs(1), secs(24 * HOUR), |settings| &mut settings.rollout.drain_limit),
    },
    Key {
        section: "rollout",
        name: "reboot-limit",
        default: Some("15m"),
        example: None,
        doc: "How long a slot may go without a sign of its node before another node may have it: longer than any reboot.",
        kind: Kind::Duration(secs(5), secs(24 * HOUR), |settings| &mut settings.rollout.reboot_limit),
    },
    Key {
        section: "rollout",
        name: "poll",
        default: Some("15s"),
        example: None,
        doc: "How often a node asks again while it waits for a slot, a window or the end of a drain.",
        kind: Kind::Duration(millis(100), secs(HOUR), |settings| &mut settings.rollout.poll),
    },
    Key {
        section: "metrics",
        name: "socket",
        default: Some("/run/extensions-agent/metrics.promsock"),
        example: None,
        doc: "The unix socket on which `/metrics` is served, unless systemd hands one over.",
        kind: Kind::Path(|settings| &mut settings.metrics.socket),
    },
    Key {
        section: "metrics",
        name: "listen",
        default: None,
        example: Some("127.0.0.1:9472"),
        doc: "A loopback address on which `/metrics` is served too, without encryption: for a proxy on the host that asks who scrapes.",
        kind: Kind::OptionalLoopback(|settings| &mut settings.metrics.listen),
    },
    Key {
        section: "metrics",
        name: "textfile",
        default: None,
        example: Some("/var/lib/node_exporter/extensions-agent.prom"),
        doc: "A file that is written after each pass for the textfile collector of node-exporter.",
        kind: Kind::OptionalPath(|settings| &mut settings.metrics.textfile),
    },
    Key {
        section: "reconcile",
        name: "dwell",
        default: Some("2s"),
        example: None,
        doc: "How long changes must have settled before a pass starts, so that many edits make one transaction.",
        kind: Kind::Duration(millis(0), secs(600), |settings| &mut settings.reconcile.dwell),
    },
    Key {
        section: "reconcile",
        name: "backoff-initial",
        default: Some("5s"),
        example: None,
        doc: "The first pause after a pass that failed for a passing reason; doubled each time, with jitter.",
        kind: Kind::Duration(millis(10), secs(HOUR), |settings| &mut settings.reconcile.backoff_initial),
    },
    Key {
        section: "reconcile",
        name: "backoff-limit",
        default: Some("10m"),
        example: None,
        doc: "The longest pause after a failed pass.",
        kind: Kind::Duration(millis(10), secs(24 * HOUR), |settings| &mut settings.reconcile.backoff_limit),
    },
    Key {
        section: "reconcile",
        name: "interval",
        default: Some("1h"),
        example: None,
        doc: "A pass at least this often even if nothing seems to have changed. With nothing to do it fetches nothing and \
              changes nothing.",
        kind: Kind::Duration(secs(1), secs(24 * HOUR), |settings| &mut settings.reconcile.interval),
    },
    Key {
        section: "reconcile",
        name: "wait-limit",
        default: Some("30m"),
        example: None,
        doc: "How long a pass waits for somebody else's transaction before it is tried again later.",
        kind: Kind::Duration(millis(100), secs(24 * HOUR), |settings| &mut settings.reconcile.wait_limit),
    },
    Key {
        section: "reconcile",
        name: "transaction-limit",
        default: Some("1h"),
        example: None,
        doc: "How long the agent's own transaction may take before its outcome counts as unknown.",
        kind: Kind::Duration(secs(1), secs(24 * HOUR), |settings| &mut settings.reconcile.transaction_limit),
    },
    Key {
        section: "log",
        name: "level",
        default: Some("info"),
        example: None,
        doc: "The least level that is written. The environment variable `EXTENSIONS_AGENT_LOG` wins over it, and takes \
              `target=level` filters too.",
        kind: Kind::Word(Level::WORDS, |settings, word| take(&mut settings.log.level, Level::of(word))),
    },
];

impl Key {
    /// `section.name`.
    pub fn path(&self) -> String {
        format!("{}.{}", self.section, self.name)
    }
}

/// Settings with nothing in them, to be filled from the table; never seen outside this folder.
pub(super) fn blank() -> Settings {
    Settings {
        machine_config: MachineConfigSettings::default(),
        payload: PayloadSettings::default(),
        store: StoreSettings::default(),
        state: StateSettings::default(),
        host: HostSettings::default(),
        cluster: ClusterSettings::default(),
        rollout: RolloutSettings::default(),
        metrics: MetricsSettings::default(),
        reconcile: ReconcileSettings::default(),
        log: LogSettings::default(),
    }
}
