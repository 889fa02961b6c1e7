//! What the user typed.
//!
//! Decides: the words of the command line. Must not: act on them. Input: arguments.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::error::Reason;

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
    /// Seconds after which waiting ends, 600 without it; for `exec`, after which the command is ended.
    #[arg(long, global = true, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub timeout: Option<u64>,
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

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Ask for nodes, and wait for them. The same request again finds what is there.
    Request(super::request::RequestArgs),
    /// List the builds.
    List,
    /// Show one build.
    Show(super::look::BuildArgs),
    /// Put down inventory and kubeconfig anew, with new credentials.
    Inventory(super::look::InventoryArgs),
    /// Print a fresh token of one node, in the form that kubectl asks of a credential plugin.
    Token(super::credentials::TokenArgs),
    /// Say that a build still wants its nodes.
    Renew(super::life::RenewArgs),
    /// Renew a build until this process ends: its life is the life of the nodes.
    Keep(super::look::BuildArgs),
    /// Bring a port of a node here.
    Forward(super::forward::ForwardArgs),
    /// Give the nodes of a build back.
    Release(super::life::ReleaseArgs),
    /// Return values and secrets to the builds that inherit from this one.
    Return(super::buildset::ReturnArgs),
    /// About large files that a build returned.
    Artifact(super::artifact::ArtifactArgs),
    /// About images for changes that depend on the one that built them.
    Promote(super::promote::PromoteArgs),
    /// About a buildset: what its builds share.
    Buildset(super::buildset::BuildsetArgs),
    /// Bring local repositories to a node, at the commits that are to be tested.
    Sync(super::git::SyncArgs),
    /// Be the ssh program of git, for pushes to nodes and clones from them.
    GitSsh(super::git::GitSshArgs),
    /// Be the remote helper of git, for URLs that begin with build-resources://.
    GitRemote(super::git::GitRemoteArgs),
    /// Clean once: mark what nobody wants, delete what was marked before, finish what a dead process began.
    Gc(super::life::GcArgs),
    /// Run a command in a node; it goes on when the connection is cut, and so does what is seen of it.
    Exec(super::exec::ExecArgs),
    /// Show what a run in a node wrote.
    Logs(super::logs::LogsArgs),
    /// Copy a file or directory into a node: whole and proven, or not at all.
    Put(super::copy::PutArgs),
    /// Copy a file or directory out of a node: whole and proven, or not at all.
    Fetch(super::copy::FetchArgs),
    /// Keep a build for people to look at, after its job.
    Hold(super::hold::HoldArgs),
    /// Do what has to be done without anybody asking: take up what dead processes began, and clean.
    Serve(super::serve::ServeArgs),
    /// About the configuration; only `check --live` asks a cluster.
    Config(super::configuration::ConfigArgs),
}

fn help_of_codes() -> String {
    let codes =
        Reason::ALL.iter().map(|reason| format!("  {:>2}  {}\n", reason.exit_code(), reason.meaning()));
    format!("Exit codes:\n   0  done\n{}", codes.collect::<String>())
}
