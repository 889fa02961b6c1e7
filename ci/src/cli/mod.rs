//! The commands: what each prints, and with which code it ends.
//!
//! Decides: the shape of the output. Must not: decide anything about a resource. Input: arguments and a configuration.

mod args;
mod rbac;
mod show;

use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use clap::Parser;
use jiff::Timestamp;
use serde_json::{Value, json};

pub use args::{Cli, Command, ConfigCommand, Output};
pub use rbac::manifest;

use crate::config::{self, Config};
use crate::drive::{Clusters, Desk, Released, Stop, Until};
use crate::error::{Failure, Reason, chain};
use crate::inventory::{self, Handover};
use crate::request::Request;
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
    let cli = match Cli::try_parse_from(arguments) {
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
    let config = config::load(&cli.config)?;
    if let Command::Config { command } = &cli.command {
        return Ok(about_config(&config, command));
    }
    let clusters = Clusters::connect(&config, cli.kubeconfig.as_deref()).await?;
    let me = format!("{}-{}", std::process::id(), uuid::Uuid::new_v4());
    let desk = Desk::new(&config, &clusters, me, clock, Duration::from_secs(cli.timeout));
    match &cli.command {
        Command::Request { build, buildset, change, label, wait, out } => {
            let nodes = label.clone();
            let request = Request::new(build.clone(), buildset.clone(), change.clone(), nodes)?;
            let record = desk.request(request, Until::from(*wait)).await?;
            if let Some(out) = out {
                hand_over(&desk, &record, out).await?;
            }
            Ok(show::one(&desk, &record))
        }
        Command::List => Ok(show::all(&desk, &desk.store.list().await?)),
        Command::Show { build } => Ok(show::one(&desk, &desk.find(build).await?)),
        Command::Inventory { build, out } => {
            let record = desk.find(build).await?;
            hand_over(&desk, &record, out).await?;
            Ok(show::one(&desk, &record))
        }
        Command::Renew { build, seconds } => {
            let seconds = seconds.unwrap_or(config.leases.duration.get());
            Ok(show::one(&desk, &desk.renew(build, seconds).await?))
        }
        Command::Keep { build } => Ok(show::one(&desk, &desk.keep(build).await?)),
        Command::Release { build, wait } => {
            let state = match desk.release(build, *wait).await? {
                Released::Gone => "gone",
                Released::Going => "going",
            };
            Ok(Said::new(format!("{build} is {state}\n"), json!({"build": build, "state": state})))
        }
        Command::Gc { dry_run } => show::cleaned(&desk.clean(*dry_run).await?, *dry_run),
        Command::Config { command } => Ok(about_config(&config, command)),
    }
}

fn about_config(config: &Config, command: &ConfigCommand) -> Said {
    match command {
        ConfigCommand::Check => {
            let labels = config.labels.len();
            let pools = config.pools().len();
            Said::new(
                format!("the configuration is valid: {labels} labels, {pools} pools\n"),
                json!({"valid": true, "labels": labels, "pools": pools}),
            )
        }
        ConfigCommand::Rbac => {
            let manifest = manifest(config);
            let yaml = manifest.iter().filter_map(|object| serde_saphyr::to_string(object).ok());
            Said::new(yaml.collect::<Vec<_>>().join("---\n"), Value::Array(manifest))
        }
    }
}

async fn hand_over(desk: &Desk<'_>, record: &Record, out: &Path) -> Result<(), Problem> {
    let not_ready = || Stop::NotReady { build: record.body.request.build.clone(), phase: record.body.phase };
    if record.body.phase != crate::state::Phase::Ready || record.lapsed((desk.clock)()) {
        return Err(not_ready().into());
    }
    let spot = record.body.spot.as_ref().ok_or_else(not_ready)?;
    let granted = desk.grant_all(record).await?;
    let pool = desk.config.pool(&spot.provider, &spot.pool).map(|(_, pool)| pool).ok_or_else(not_ready)?;
    Ok(inventory::write(&Handover { record, pool, granted: &granted }, out)?)
}

#[cfg(test)]
mod tests;
