//! What the user typed.
//!
//! Decides: the words of the command line. Must not: act on them. Input: arguments.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::drive::Until;
use crate::error::Reason;
use crate::request::{Node, node};

/// Build resources on Kubernetes: pods that behave like machines, and namespaces.
#[derive(Debug, Parser)]
#[command(
    name = "build-resources",
    version,
    about = "Build resources on Kubernetes: pods that behave like machines, and namespaces",
    long_about = "A job asks for nodes by label. It gets, for each, a pod that behaves like a machine or an empty namespace, \
                  an Ansible inventory, and a kubeconfig with credentials that end with the resource.\n\n\
                  All state lies in the cluster: kill any command at any point, and run it again.",
    after_long_help = help_of_codes(),
)]
pub struct Cli {
    /// The configuration: providers, pools, labels.
    #[arg(
        short = 'f',
        long,
        global = true,
        env = "BUILD_RESOURCES_CONFIG",
        default_value = "build-resources.yaml"
    )]
    pub config: PathBuf,
    /// The kubeconfig that holds the contexts of the configuration.
    #[arg(long, global = true, env = "KUBECONFIG")]
    pub kubeconfig: Option<PathBuf>,
    /// Seconds after which waiting ends.
    #[arg(long, global = true, default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: u64,
    /// How to print.
    #[arg(short, long, global = true, value_enum, default_value_t = Output::Text)]
    pub output: Output,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// How far a request shall come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Wait {
    /// The objects are there, and the job's token is let in.
    Created,
    /// The pods are ready too.
    Ready,
}

impl From<Wait> for Until {
    fn from(wait: Wait) -> Self {
        match wait {
            Wait::Created => Until::Created,
            Wait::Ready => Until::Ready,
        }
    }
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask for nodes, and wait for them. The same request again finds what is there.
    #[command(
        after_help = "Example:\n  build-resources request --build 17 --label builder=one --label builder=two --out nodes"
    )]
    Request {
        /// The build that asks. One build has one request.
        #[arg(long)]
        build: String,
        /// The buildset that the build belongs to; its builds reach each other over the network.
        #[arg(long)]
        buildset: Option<String>,
        /// The change that is tested.
        #[arg(long)]
        change: Option<String>,
        /// A label, and what the job calls the node. May be given several times.
        #[arg(long, required = true, value_name = "LABEL[=NAME]", value_parser = node)]
        label: Vec<Node>,
        /// How far the request shall come.
        #[arg(long, value_enum, default_value_t = Wait::Ready)]
        wait: Wait,
        /// Where inventory.yaml, inventory.json and kubeconfig are put.
        #[arg(long)]
        out: Option<PathBuf>,
    },
    /// List the builds.
    List,
    /// Show one build.
    Show {
        /// The build.
        build: String,
    },
    /// Put down inventory and kubeconfig anew, with new credentials.
    Inventory {
        /// The build.
        build: String,
        /// Where they are put.
        #[arg(long)]
        out: PathBuf,
    },
    /// Say that a build still wants its nodes.
    Renew {
        /// The build.
        build: String,
        /// For how many seconds from now; without it as the configuration says.
        #[arg(long = "for", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
        seconds: Option<u64>,
    },
    /// Renew a build until this process ends: its life is the life of the nodes.
    Keep {
        /// The build.
        build: String,
    },
    /// Give the nodes of a build back.
    Release {
        /// The build.
        build: String,
        /// Wait until nothing of it is left.
        #[arg(long)]
        wait: bool,
    },
    /// Clean once: mark what nobody wants, delete what was marked before, finish what a dead process began.
    Gc {
        /// Only say what would be done.
        #[arg(long)]
        dry_run: bool,
    },
    /// About the configuration; no cluster is asked.
    Config {
        /// What about it.
        #[command(subcommand)]
        command: ConfigCommand,
    },
}

/// About the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum ConfigCommand {
    /// Check it.
    Check,
    /// Print the rights that this program needs, as a manifest.
    Rbac,
}

fn help_of_codes() -> String {
    let codes =
        Reason::ALL.iter().map(|reason| format!("  {:>2}  {}\n", reason.exit_code(), reason.meaning()));
    format!("Exit codes:\n   0  done\n{}", codes.collect::<String>())
}
