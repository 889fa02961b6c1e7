//! `request`: ask for nodes, and wait for them.
//!
//! Decides: the words of the command. Must not: judge a request. Input: arguments.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::credentials::{self, Credentials};
use super::{Cli, Problem, Said, hand_over, show};
use crate::config::Name;
use crate::drive::{Desk, Until};
use crate::error::Reason;
use crate::request::{Keep, Node, Request, Wish, node};

/// What is asked for.
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  build-resources request --build 17 --label builder=one --label builder=two --out nodes\n  \
                  build-resources request --build 18 --buildset 4711 --inherits 17 --nodeset either --out nodes"
)]
pub struct RequestArgs {
    /// The build that asks. One build has one request.
    #[arg(long)]
    build: String,
    /// The buildset that the build belongs to; its builds reach each other over the network.
    #[arg(long)]
    buildset: Option<String>,
    /// How long the nodes live: as long as the build says that it wants them, or until the buildset ends.
    #[arg(long, value_enum, default_value_t = Keep::Job)]
    keep: Keep,
    /// A build of the same buildset. What it keeps for the buildset and what it returned is handed to this one. May be given
    /// several times.
    #[arg(long, value_name = "BUILD")]
    inherits: Vec<String>,
    /// Which of the waiting requests goes first: the lower number.
    #[arg(long, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    priority: Option<u32>,
    /// The change that is tested.
    #[arg(long)]
    change: Option<String>,
    /// A label, and what the job calls the node. May be given several times.
    #[arg(long, required_unless_present = "nodeset", value_name = "LABEL[=NAME]", value_parser = node)]
    label: Vec<Node>,
    /// A nodeset of the configuration, in place of labels.
    #[arg(long, conflicts_with = "label")]
    nodeset: Option<Name>,
    /// A user of the cluster who may look on: pods, their logs, events. May be given several times.
    #[arg(long, value_name = "USER")]
    viewer: Vec<String>,
    /// How far the request shall come.
    #[arg(long, value_enum, default_value_t = Wait::Ready)]
    wait: Wait,
    /// Where inventory.yaml, inventory.json, kubeconfig and, where there are any, secrets.json are put.
    #[arg(long)]
    out: Option<PathBuf>,
    /// What the kubeconfig holds.
    #[arg(long, value_enum, default_value_t)]
    credentials: Credentials,
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

fn unknown(name: &Name) -> Problem {
    Problem {
        reason: Reason::Usage,
        message: format!("there is no nodeset `{name}`"),
        cure: Some("`nodesets` of the configuration names them".to_owned()),
    }
}

/// Brings a request to ready, and hands it over.
pub(super) async fn run(desk: &Desk<'_>, cli: &Cli, args: &RequestArgs) -> Result<Said, Problem> {
    let alternatives = match &args.nodeset {
        Some(name) => desk.config.nodeset(name).ok_or_else(|| unknown(name))?,
        None => vec![args.label.clone()],
    };
    let nodes = alternatives.first().cloned().unwrap_or_default();
    let wish =
        Wish { keep: args.keep, inherits: args.inherits.clone(), priority: args.priority, alternatives };
    let request = Request::new(args.build.clone(), args.buildset.clone(), args.change.clone(), nodes)?;
    let request = request.wishing(wish)?.seen_by(args.viewer.clone())?;
    let record = desk.request(request, Until::from(args.wait)).await?;
    if let Some(out) = &args.out {
        let plugin = credentials::plugin(cli, args.credentials)?;
        hand_over(desk, &record, out, plugin).await?;
    }
    Ok(show::one(desk, &record))
}
