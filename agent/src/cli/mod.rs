//! The commands: one file each, each returning a value; how it is written is decided once, here.
//!
//! Decides: which parts a command needs, and how it ends. Must not: decide anything about the host. Input: arguments,
//! and what `main` took from the process.

mod apply;
mod args;
mod config;
mod context;
mod docs;
mod explain;
mod fleet;
mod forecast;
mod gather;
mod inputs;
mod list;
mod parts;
mod plan;
mod progress;
mod render;
mod run;
mod status;
mod stop;
mod wishing;

use std::io::{self, Write};
use std::os::unix::net::UnixListener;

use jiff::Timestamp;

use crate::apply::Problem;
use crate::settings::Level;
use crate::telemetry::logging;

pub use args::{Cli, Command, Common, ConfigCommand, Output};
pub use context::Context;
pub use docs::{commands_page, reasons_page};
pub use forecast::{ForecastAnswer, Question, forecast};
pub use render::{Answer, Screen, render};
pub use stop::{Stop, tell};

/// What `main` took from the process before there were threads.
#[derive(Debug)]
pub struct Process {
    /// When it began.
    pub now: Timestamp,
    /// The metrics socket, where systemd opened it.
    pub metrics: Option<UnixListener>,
    /// The log filter of the environment.
    pub log: Option<String>,
}

/// Runs one command to its end and says how it ended; the answer is on stdout, everything else on stderr.
pub async fn main(cli: Cli, process: Process) -> u8 {
    let output = cli.common.output;
    let ended = match command(cli, process).await {
        Ok(ended) => ended,
        Err(stop) => Ended { exit_code: 0, problem: Some(stop.problem().clone()) },
    };
    let Some(problem) = ended.problem else { return ended.exit_code };
    // Where stderr is closed there is nobody to tell; the exit code still says it.
    let _ = tell(&problem, output, io::stderr().lock());
    problem.reason.exit_code()
}

/// How a command ended that could give its answer.
struct Ended {
    exit_code: u8,
    problem: Option<Problem>,
}

async fn command(cli: Cli, process: Process) -> Result<Ended, Stop> {
    let Cli { command, common } = cli;
    let context = Context::new(&common, command.wish(), process.now)?;
    logging::init(level(&command, &common, &context), process.log.as_deref());
    for warning in &context.loaded.warnings {
        tracing::warn!("{warning}");
    }
    match command {
        Command::Run => {
            run::run(&context, process.metrics).await?;
            Ok(Ended { exit_code: 0, problem: None })
        }
        Command::Plan(args) => {
            let answer = plan::plan(&context, args.observed.as_deref(), args.detailed_exitcode).await?;
            show(&answer, &common, &context)
        }
        Command::Apply(_) => show(&apply::apply(&context).await?, &common, &context),
        Command::Status(args) => {
            show(&status::status(&context, args.pending_exit_77).await?, &common, &context)
        }
        Command::List(_) => show(&list::list(&context).await?, &common, &context),
        Command::Explain(args) => {
            let answer =
                explain::explain(&context, args.name.as_deref(), args.plan.observed.as_deref()).await?;
            show(&answer, &common, &context)
        }
        Command::Fleet(args) => match args.payload.as_deref() {
            None => show(&fleet::fleet(&args).await?, &common, &context),
            Some(next) => show(&fleet::next(&context, &args, next).await?, &common, &context),
        },
        Command::Observe(_) => show(&gather::observe(&context).await?, &common, &context),
        Command::Config(ConfigCommand::Dump) => show(&config::dump(&context.loaded), &common, &context),
    }
}

/// A command that a person waits for says what is wrong; the daemon tells its story.
fn level(command: &Command, common: &Common, context: &Context) -> Level {
    let quiet = match command {
        Command::Run => context.settings().log.level,
        Command::Plan(_)
        | Command::Apply(_)
        | Command::Status(_)
        | Command::List(_)
        | Command::Explain(_)
        | Command::Fleet(_)
        | Command::Observe(_)
        | Command::Config(_) => Level::Warn,
    };
    match common.verbose {
        0 => quiet,
        1 => Level::Debug,
        2.. => Level::Trace,
    }
}

fn show<A: Answer>(answer: &A, common: &Common, context: &Context) -> Result<Ended, Stop> {
    context.progress.clear();
    let text = render(answer, common.output, Screen::of_stdout())?;
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // Whoever read the beginning has seen enough, as in `| head`.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {}
        written => written.map_err(Stop::internal)?,
    }
    Ok(Ended { exit_code: answer.exit_code(), problem: answer.problem() })
}
