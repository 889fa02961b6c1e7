//! What the user typed. The help texts here are the manual; `docs/cli.md` is generated from them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::settings::CONFIG_ROOT_ENV;

/// Layers the extensions that MachineConfigs ask for onto an rpm-ostree host: from the release's payload only, complete
/// and checked before the host is touched, in one transaction, and never what an admin layered.
#[derive(Debug, Parser)]
#[command(
    name = "extensions-agent",
    version,
    max_term_width = 110,
    propagate_version = true,
    disable_help_subcommand = true,
    after_long_help = AFTER_HELP
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// What all commands take.
    #[command(flatten)]
    pub common: Common,
}

/// What all commands take.
#[derive(Debug, Args)]
pub struct Common {
    /// How the answer is written to stdout
    ///
    /// Only `json` and `yaml` are for programs: they follow the schemas in /usr/share/extensions-agent/schema, named
    /// for the `kind` of the document (`apply` answers with a Status), and an error is written to stderr as a document
    /// too. The text may change at any time.
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Text, value_name = "FORM")]
    pub output: Output,
    /// Read settings below this directory instead of `/`
    #[arg(long, global = true, env = CONFIG_ROOT_ENV, default_value = "/", value_name = "DIR")]
    pub config_root: PathBuf,
    /// Say more on stderr; twice for everything
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Show no progress
    #[arg(short, long, global = true)]
    pub quiet: bool,
}

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// JSON.
    Json,
    /// YAML.
    Yaml,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Keep the host as the MachineConfigs want it; what the systemd unit runs
    #[command(after_long_help = RUN_HELP)]
    Run,
    /// Show what would change, from which package files, and why; change nothing
    #[command(after_long_help = PLAN_HELP)]
    Plan(PlanArgs),
    /// Do it once: stage the deployment that the next reboot takes
    #[command(after_long_help = APPLY_HELP)]
    Apply(Wish),
    /// Show for each extension whether it is wanted, staged, booted; why not, and what cures it
    #[command(after_long_help = STATUS_HELP)]
    Status(StatusArgs),
    /// Show which extensions the payload offers
    #[command(after_long_help = LIST_HELP)]
    List(Wish),
    /// Show why a package is, or would be, on this node
    #[command(after_long_help = EXPLAIN_HELP)]
    Explain(ExplainArgs),
    /// Show what all nodes of a cluster have, from anywhere: by pool, extension, version and stage
    #[command(after_long_help = FLEET_HELP)]
    Fleet(FleetArgs),
    /// Write down what the host has, as a document for `plan --observed`
    #[command(after_long_help = OBSERVE_HELP)]
    Observe(Wish),
    /// Look at the agent's own settings
    #[command(subcommand)]
    Config(ConfigCommand),
}

impl Command {
    /// The arguments that stand above the settings, where the command takes them.
    pub fn wish(&self) -> Option<&Wish> {
        match self {
            Command::Plan(args) => Some(&args.wish),
            Command::Explain(args) => Some(&args.plan.wish),
            Command::Apply(wish) | Command::List(wish) | Command::Observe(wish) => Some(wish),
            Command::Run | Command::Status(_) | Command::Fleet(_) | Command::Config(_) => None,
        }
    }
}

/// Where wish and offer come from, if not from the settings.
#[derive(Debug, Args, Clone, Default)]
pub struct Wish {
    /// The directory of MachineConfig documents, instead of `machine-config.directory`
    #[arg(long, value_name = "DIR")]
    pub machine_config: Option<PathBuf>,
    /// The payload, instead of the one that a MachineConfig or the settings name: `registry/repository@sha256:…`,
    /// `oci:DIR` or `dir:DIR`
    #[arg(long, value_name = "REF")]
    pub payload: Option<String>,
}

/// What `plan` takes.
#[derive(Debug, Args, Clone, Default)]
pub struct PlanArgs {
    /// Where wish and offer come from.
    #[command(flatten)]
    pub wish: Wish,
    /// Plan for the host in this document of `observe`, without asking rpm-ostree or D-Bus
    #[arg(long, value_name = "FILE")]
    pub observed: Option<PathBuf>,
    /// Exit with 2 when something would change, and with 0 only when nothing would
    #[arg(long)]
    pub detailed_exitcode: bool,
}

/// What `status` takes.
#[derive(Debug, Args, Clone)]
pub struct StatusArgs {
    /// Exit with 77 when a reboot is pending
    #[arg(long)]
    pub pending_exit_77: bool,
}

/// What `explain` takes.
#[derive(Debug, Args, Clone)]
pub struct ExplainArgs {
    /// An extension or a package, by name or NEVRA; everything when left out
    pub name: Option<String>,
    /// Where the plan comes from.
    #[command(flatten)]
    pub plan: ExplainPlan,
}

/// Where the plan that is explained comes from.
#[derive(Debug, Args, Clone)]
pub struct ExplainPlan {
    /// Where wish and offer come from.
    #[command(flatten)]
    pub wish: Wish,
    /// Explain for the host in this document of `observe`
    #[arg(long, value_name = "FILE")]
    pub observed: Option<PathBuf>,
}

/// What `fleet` takes.
#[derive(Debug, Args, Clone, Default)]
pub struct FleetArgs {
    /// The kubeconfig to use, instead of that of KUBECONFIG or `~/.kube/config`
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Only the nodes of this pool
    #[arg(long, value_name = "POOL")]
    pub pool: Option<String>,
    /// Say instead how an upgrade to this payload would go for the nodes: `registry/repository@sha256:…`, `oci:DIR` or
    /// `dir:DIR`
    #[arg(long, value_name = "REF")]
    pub payload: Option<String>,
    /// Prove it on the base in this document of `observe`, from a host that runs the next release
    #[arg(long, value_name = "FILE", requires = "payload")]
    pub observed: Option<PathBuf>,
    /// Exit with 2 when a node would be blocked
    #[arg(long, requires = "payload")]
    pub detailed_exitcode: bool,
}

/// What can be asked of the settings.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Show every setting with its value and the file it comes from
    Dump,
}

const AFTER_HELP: &str = "\
Examples:
  extensions-agent list                       what this release offers
  extensions-agent plan                       what would change, and why
  extensions-agent apply                      stage it
  extensions-agent status                     where each extension stands
  extensions-agent status -o json | jq .conditions

Exit codes:
  0       done, or nothing to do
  1       a bug of the agent
  2       wrong arguments; `plan --detailed-exitcode`: something would change
  10-76   one for each reason; the reason is on stderr, with what would cure it
  77      `status --pending-exit-77`: a reboot is pending
  The page exit-codes.md lists all reasons.

Files:
  /etc/extensions-agent/machine-config.d/  MachineConfigs: what this node wants
  /etc/extensions-agent/config.d/          settings; see `config dump`
  /var/lib/extensions-agent/               journal, ledger, last status
  /var/cache/extensions-agent/             packages, fetched and checked
  /run/extensions-agent/metrics.promsock   metrics

Environment:
  EXTENSIONS_AGENT_CONFIG_ROOT             as --config-root
  EXTENSIONS_AGENT_LOG                     log filter: `debug`, `target=trace`
  KUBECONFIG                               for `fleet`, as kubectl reads it
  NO_COLOR                                 no colours";

const RUN_HELP: &str = "\
Runs until it is stopped. A pass is made when a MachineConfig or a deployment changes, after failures with growing \
pauses, and every `reconcile.interval`. A pass with nothing to do calls nothing and fetches nothing. The agent never \
reboots the host: `status` and the metric `extensions_agent_reboot_pending` say that a reboot is due.

The log is on stderr and metrics are on the socket; `--output` is for its last error only.";

const PLAN_HELP: &str = "\
Examples:
  extensions-agent plan
  extensions-agent plan --detailed-exitcode || echo 'would change, or cannot'
  extensions-agent plan --machine-config ./mc --payload oci:./image \\
    --observed host.json -o json

The last one needs neither rpm-ostree nor D-Bus, and equal inputs give equal bytes. Packages are fetched into the \
store, or where it cannot be written into a directory that is removed afterwards. What cannot be had is refused with \
its reason, and the plan says what is missing, who wants it and what would cure it.";

const APPLY_HELP: &str = "\
Example:
  extensions-agent apply && systemctl reboot

Makes one pass: the exact package files go to rpm-ostree in one transaction, which is followed to its end, and the \
staged deployment is compared with the plan. Nothing happens to the running system before the reboot, and \
`rpm-ostree cleanup -p` takes it back until then. With nothing to do nothing is called. Safe to repeat, also after a \
crash.";

const STATUS_HELP: &str = "\
Examples:
  extensions-agent status
  extensions-agent status --pending-exit-77; [ $? != 77 ] || systemctl reboot
  extensions-agent status -o json | jq -r '.conditions[0].message'

Shows what the last pass found, of the service or of `apply`, and how long ago that was; the service need not run. Where \
host or MachineConfigs have changed since, or there was no pass yet, it looks at them itself, and changes nothing.

Stages: active; after reboot (staged); pending (the next pass deals with it); blocked (see the reason below the table); \
lost at reboot (running, but not in the next boot); to be removed, removed at reboot, gone (no longer wanted).";

const LIST_HELP: &str = "\
Examples:
  extensions-agent list
  extensions-agent list --payload registry.example/release/extensions@sha256:…

The second one shows what another release offers, before the upgrade to it. Needs no rpm-ostree and no D-Bus.";

const EXPLAIN_HELP: &str = "\
Examples:
  extensions-agent explain libqb       which extension needs it, and why
  extensions-agent explain usbguard    all packages of an extension
  extensions-agent explain             everything";

const FLEET_HELP: &str = "\
Examples:
  extensions-agent fleet
  extensions-agent fleet --pool worker
  extensions-agent fleet -o json | jq '.problems[]'
  extensions-agent fleet --payload registry.example/next/extensions@sha256:…

The last one says before an upgrade which nodes would be blocked on the next release, and why. Without `--observed` it \
is known what the payload offers and what it lacks, and what it leaves to the base is counted.

Reads the NodeExtensions of the cluster with the rights of whoever runs it; `get` and `list` on \
`nodeextensions.extensions.agent` are enough. Nodes are named where they are not where they should be, a few of each \
kind.";

const OBSERVE_HELP: &str = "\
Example, on the node and then anywhere:
  extensions-agent observe > host.json
  extensions-agent plan --machine-config ./mc --payload oci:./image \\
    --observed host.json

Writes JSON unless YAML is asked for. Of the base's files only those are listed that packages of the payload \
require.";
