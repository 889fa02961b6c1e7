//! `renew`, `keep`, `release` and `gc`: how long things live, and how they end.
//!
//! Decides: nothing but the words. Must not: delete anything itself. Input: arguments.

use clap::Args;
use serde_json::json;

use super::look::BuildArgs;
use super::{Problem, Said, show};
use crate::drive::{Desk, Released};

/// For how much longer.
#[derive(Debug, Args)]
pub struct RenewArgs {
    /// The build.
    build: String,
    /// For how many seconds from now; without it as the configuration says.
    #[arg(long = "for", value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    seconds: Option<u64>,
}

/// What ends.
#[derive(Debug, Args)]
pub struct ReleaseArgs {
    /// The build.
    build: String,
    /// Wait until nothing of it is left.
    #[arg(long)]
    wait: bool,
    /// Release it even if somebody holds it.
    #[arg(long)]
    held: bool,
}

/// How to clean.
#[derive(Debug, Args)]
pub struct GcArgs {
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

pub(super) async fn renew(desk: &Desk<'_>, args: &RenewArgs) -> Result<Said, Problem> {
    let seconds = args.seconds.unwrap_or(desk.config.leases.duration.get());
    Ok(show::one(desk, &desk.renew(&args.build, seconds).await?))
}

pub(super) async fn keep(desk: &Desk<'_>, args: &BuildArgs) -> Result<Said, Problem> {
    Ok(show::one(desk, &desk.keep(&args.build).await?))
}

pub(super) async fn release(desk: &Desk<'_>, args: &ReleaseArgs) -> Result<Said, Problem> {
    let build = &args.build;
    if args.held {
        desk.end_hold(&args.build).await?;
    }
    let state = match desk.release(build, args.wait).await? {
        Released::Gone => "gone".to_owned(),
        Released::Going => "going".to_owned(),
        Released::Kept(until) => format!("kept until its buildset ends, at the latest {until}"),
        Released::Held(_) => "held; `show` says by whom, and `release --held` ends it".to_owned(),
    };
    Ok(Said::new(format!("{build} is {state}\n"), json!({"build": build, "state": state})))
}

pub(super) async fn gc(desk: &Desk<'_>, args: &GcArgs) -> Result<Said, Problem> {
    show::cleaned(&desk.clean(args.dry_run).await?, args.dry_run)
}
