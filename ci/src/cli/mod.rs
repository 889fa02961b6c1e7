//! The commands: what each prints, and with which code it ends.
//!
//! Decides: the shape of the output. Must not: decide anything about a resource. Input: arguments and a configuration.

mod args;
mod artifact;
mod buildset;
mod configuration;
mod copy;
mod credentials;
mod exec;
mod fence;
mod forward;
mod git;
mod hold;
mod life;
mod live;
mod local;
mod log;
mod logs;
mod look;
mod promote;
mod rbac;
mod request;
mod serve;
mod show;

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use jiff::Timestamp;
use serde_json::{Value, json};

pub use args::{Cli, Command, Output};
pub use rbac::manifest;

use crate::config;
use crate::drive::{Clusters, Desk, Stop};
use crate::error::{Failure, Reason, chain};
use crate::inventory::{self, Handover, Plugin};
use crate::ssh;
use crate::state::Record;

/// Why a command ended without what was asked.
pub struct Problem {
    reason: Reason,
    message: String,
    cure: Option<String>,
}

impl<E: Failure> From<E> for Problem {
    fn from(error: E) -> Self {
        Problem { reason: error.reason(), message: chain(&error), cure: error.cure() }
    }
}

/// What a command says.
struct Said {
    text: String,
    json: Value,
    code: u8,
}

impl Said {
    fn new(text: String, json: Value) -> Self {
        Said { text, json, code: 0 }
    }
}

/// Runs what the arguments ask for; returns the exit code.
pub async fn main(
    arguments: impl IntoIterator<Item = std::ffi::OsString>,
    clock: fn() -> Timestamp,
    out: &mut impl Write,
    err: &mut impl Write,
) -> u8 {
    let cli = match Cli::try_parse_from(git::as_helper(arguments.into_iter().collect())) {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            let _ = write!(err, "{error}"); // where nobody listens, the code still says it
            return Reason::Usage.exit_code();
        }
        Err(help) => {
            let _ = write!(out, "{help}");
            return 0;
        }
    };
    match run(&cli, clock).await {
        Ok(said) => match print(&said, cli.output, out) {
            Ok(()) => said.code,
            Err(_) => Reason::Output.exit_code(),
        },
        Err(problem) => {
            let _ = complain(&problem, cli.output, err);
            problem.reason.exit_code()
        }
    }
}

fn print(said: &Said, output: Output, out: &mut impl Write) -> io::Result<()> {
    match output {
        Output::Text => write!(out, "{}", said.text)?,
        Output::Json if said.json.is_null() => {}
        Output::Json => writeln!(out, "{:#}", said.json)?,
    }
    out.flush()
}

fn complain(problem: &Problem, output: Output, err: &mut impl Write) -> io::Result<()> {
    match (output, &problem.cure) {
        (Output::Json, cure) => {
            let error = json!({"reason": problem.reason.code(), "message": problem.message, "cure": cure});
            writeln!(err, "{:#}", json!({"error": error}))
        }
        (Output::Text, Some(cure)) => writeln!(err, "error: {}\n  cure: {cure}", problem.message),
        (Output::Text, None) => writeln!(err, "error: {}", problem.message),
    }
}

async fn run(cli: &Cli, clock: fn() -> Timestamp) -> Result<Said, Problem> {
    if let Command::Promote(args) = &cli.command
        && let Some(said) = promote::alone(args).await?
    {
        return Ok(said);
    }
    let config = config::load(&cli.config)?;
    if let Command::Config(args) = &cli.command {
        return configuration::run(&config, args, cli.kubeconfig.as_deref()).await;
    }
    let clusters = Clusters::connect(&config, cli.kubeconfig.as_deref()).await?;
    let me = format!("{}-{}", std::process::id(), uuid::Uuid::new_v4());
    let mut desk = Desk::new(&config, &clusters, me, clock, Duration::from_secs(cli.timeout.unwrap_or(600)));
    desk.called = called(cli);
    match &cli.command {
        Command::Request(args) => request::run(&desk, cli, args).await,
        Command::List => look::list(&desk).await,
        Command::Show(args) => look::one(&desk, args).await,
        Command::Inventory(args) => look::inventory(&desk, cli, args).await,
        Command::Token(args) => credentials::run(&desk, args).await,
        Command::Renew(args) => life::renew(&desk, args).await,
        Command::Keep(args) => life::keep(&desk, args).await,
        Command::Forward(args) => forward::run(&desk, args).await,
        Command::Release(args) => life::release(&desk, args).await,
        Command::Return(args) => buildset::give(&desk, args).await,
        Command::Artifact(args) => artifact::run(&desk, args).await,
        Command::Promote(args) => promote::run(&desk, args).await,
        Command::Buildset(args) => buildset::about(&desk, args).await,
        Command::Sync(args) => git::sync(&desk, args).await,
        Command::GitSsh(args) => git::git_ssh(&desk, args).await,
        Command::GitRemote(args) => git::git_remote(&desk, args).await,
        Command::Gc(args) => life::gc(&desk, args).await,
        Command::Exec(args) => exec::run(&desk, args, cli.timeout).await,
        Command::Logs(args) => logs::run(&desk, args).await,
        Command::Put(args) => copy::put(&desk, args).await,
        Command::Fetch(args) => copy::fetch(&desk, args).await,
        Command::Hold(args) => hold::run(&desk, args).await,
        Command::Serve(args) if args.once => serve::run_once(&desk).await,
        Command::Serve(args) => serve::keep_on(&desk, cli, args).await,
        Command::Config(args) => configuration::run(&config, args, cli.kubeconfig.as_deref()).await,
    }
}

async fn hand_over(
    desk: &Desk<'_>,
    record: &Record,
    out: &Path,
    plugin: Option<Plugin>,
) -> Result<(), Problem> {
    let not_ready = || Stop::NotReady { build: record.body.request.build.clone(), phase: record.body.phase };
    if record.body.phase != crate::state::Phase::Ready || record.lapsed((desk.clock)()) {
        return Err(not_ready().into());
    }
    let spot = record.body.spot.as_ref().ok_or_else(not_ready)?;
    let granted = desk.grant_all(record).await?;
    let pool = desk.config.pool(&spot.provider, &spot.pool).map(|(_, pool)| pool).ok_or_else(not_ready)?;
    let inherited = desk.inherited(record).await?;
    let client = ssh::Client { command: desk.called.clone(), build: record.body.request.build.clone() };
    let handover =
        Handover { record, pool, granted: &granted, plugin, inherited: &inherited, client: &client };
    Ok(inventory::write(&handover, out)?)
}

/// How this program is called again from anywhere, with the same configuration and the same identity.
fn called(cli: &Cli) -> Vec<String> {
    let place = |path: &Path| std::path::absolute(path).unwrap_or(path.to_owned()).display().to_string();
    let program = std::env::current_exe().map_or("build-resources".to_owned(), |path| place(&path));
    let mut words = vec![program, "--config".to_owned(), place(&cli.config)];
    if let Some(kubeconfig) = &cli.kubeconfig {
        words.extend(["--kubeconfig".to_owned(), place(kubeconfig)]);
    }
    words
}

#[cfg(test)]
mod tests;
