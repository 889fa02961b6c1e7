//! `request`: asks for nodes, and hands them over.
//!
//! Decides: the words of the request. Must not: decide where it goes. Input: arguments.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::{Problem, Said, hand_over, show};
use crate::drive::{Desk, Until};
use crate::request::{Node, Request, node};

/// What is asked for.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  build-resources request --build 17 --label builder=one --label builder=two --out nodes"
)]
pub struct RequestArgs {
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

pub(super) async fn run(desk: &Desk<'_>, args: &RequestArgs) -> Result<Said, Problem> {
    let (build, buildset, change) = (args.build.clone(), args.buildset.clone(), args.change.clone());
    let request = Request::new(build, buildset, change, args.label.clone())?;
    let record = desk.request(request, Until::from(args.wait)).await?;
    if let Some(out) = &args.out {
        hand_over(desk, &record, out).await?;
    }
    Ok(show::one(desk, &record))
}
