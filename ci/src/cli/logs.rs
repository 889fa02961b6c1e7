//! `logs`: what a command in a node wrote, looked at later.
//!
//! Decides: nothing. Must not: begin a run. Input: arguments; a ready build.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};

use super::local::Local;
use super::{Problem, Said};
use crate::drive::Desk;
use crate::exec::{self, ExecError, Follow, Job, Offsets, RunId, SPOOL};

/// Show what a run in a node wrote.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  build-resources logs 17 builder                  # what the newest run has written so far
  build-resources logs 17 builder --run tests --follow
  build-resources logs 17 builder --run tests --from 4096 --stderr-from 0
  build-resources logs 17 builder --follow --log tests.log >/dev/null   # to hand on: what is printed has all secrets in it")]
pub struct LogsArgs {
    /// The build.
    build: String,
    /// The node, as the build calls it.
    node: String,
    /// The container; without it the one that is the machine.
    #[arg(short, long)]
    container: Option<String>,
    /// The run; without it the newest.
    #[arg(long)]
    run: Option<RunId>,
    /// Only name the runs, the newest first.
    #[arg(long, conflicts_with = "run")]
    list: bool,
    /// From which byte of stdout on.
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// From which byte of stderr on.
    #[arg(long, default_value_t = 0)]
    stderr_from: u64,
    /// A file for both outputs, each line with the time of now, without the secrets of the build, as `exec --log` writes it.
    /// Only of a whole run: what begins or ends in the middle of a secret would not be known for one.
    #[arg(long, requires = "follow", conflicts_with_all = ["from", "stderr_from"])]
    log: Option<PathBuf>,
    /// Follow it to its end.
    #[arg(long)]
    follow: bool,
    /// Where in the container runs lie.
    #[arg(long, default_value = SPOOL)]
    spool: String,
}

/// `logs`.
pub(super) async fn run(desk: &Desk<'_>, args: &LogsArgs) -> Result<Said, Problem> {
    let target = desk.target(&args.build, &args.node, args.container.as_deref()).await?;
    let runs = match &args.run {
        Some(run) => vec![run.clone()],
        None => exec::runs(&target, &args.spool).await?,
    };
    if args.list {
        let names: Vec<&str> = runs.iter().map(RunId::as_str).collect();
        let text = names.iter().map(|name| format!("{name}\n")).collect();
        return Ok(Said::new(text, json!({"runs": names})));
    }
    let run = runs.into_iter().next().ok_or(ExecError::Missing)?;
    let patience = Duration::from_secs(120); // more than a session that says nothing takes
    let job = Job { command: None, run, spool: args.spool.clone(), most: 0, seconds: None, patience };
    let mut follow = Follow::new(job, Offsets { stdout: args.from, stderr: args.stderr_from });
    let mut local = Local::open(desk, &args.build, args.log.as_deref()).await?;
    follow.go(&target, !args.follow, &mut local).await?;
    local.close().await?;
    Ok(Said::new(String::new(), Value::Null))
}
