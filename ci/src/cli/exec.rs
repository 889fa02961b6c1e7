//! `exec`: a command in a node, followed to its end.
//!
//! Decides: the exit code and the result file. Must not: know how a session works. Input: arguments; a ready build.

use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use clap::Args;
use serde_json::{Value, json};
use tokio::fs::File;
use tokio::select;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::timeout;
use tracing::debug;

use super::local::{Local, outputs};
use super::{Problem, Said};
use crate::drive::Desk;
use crate::error::{Failure, Reason};
use crate::exec::{self, ExecError, Follow, Job, Offsets, Outcome, RunId, SPOOL, Streams, Target};

/// How often new credentials are tried in a row.
const GRANTS: u32 = 3;
/// What a command that took too long is said to have ended with, as timeout(1) has it.
const TIMED_OUT: u8 = 124;
/// How long a command that is cancelled may take to end: it is asked, and after ten seconds forced.
const ENDING: Duration = Duration::from_secs(30);
/// How long it may take to note that output was cut off.
const NOTING: Duration = Duration::from_secs(5);

/// Run a command in a node and pass on what it writes and how it ends.
#[derive(Debug, Args)]
#[command(after_help = "\
The command runs detached in the container: it goes on when a connection is cut, and its output is read again from where
it was lost. It reads nothing; with --attached it reads our stdin and ends with the connection. --timeout ends it, and so
do SIGINT and SIGTERM. The exit code is that of the command; 124 after --timeout; 75 when the way to it was lost. --result
tells them apart.

What it writes is kept in the container below --spool, at most --most bytes of one run, and of finished runs the last 16.
The image needs sh, setsid, stat, dd, mkdir, mv, rm, ls, date and sleep; coreutils and util-linux, or busybox, have them.

Examples:
  build-resources exec 17 builder -- make test
  build-resources exec 17 builder --run tests --log tests.log --result tests.json -- ./run-tests
  build-resources exec 17 builder --attached -- tar -C /srv -xf - < files.tar")]
pub struct ExecArgs {
    /// The build.
    build: String,
    /// The node, as the build calls it.
    node: String,
    /// The container; without it the one that is the machine.
    #[arg(short, long)]
    container: Option<String>,
    /// A file for both outputs, each line with its time. The secrets of the build are taken out: what was returned to it in
    /// confidence, and the passwords of its registries; not what is shorter than 8 bytes.
    #[arg(long, conflicts_with = "attached")]
    log: Option<PathBuf>,
    /// A file for how it ended, as JSON: code, cause, offsets, run.
    #[arg(long)]
    result: Option<PathBuf>,
    /// The name of the run. Within a container, a name runs once: the same again only follows it.
    #[arg(long, conflicts_with = "attached")]
    run: Option<RunId>,
    /// Where in the container runs lie.
    #[arg(long, default_value = SPOOL)]
    spool: String,
    /// Most bytes that the command may write; then it is ended. Looked at once a second.
    #[arg(long, default_value_t = 1 << 30, value_parser = clap::value_parser!(u64).range(1..))]
    most: u64,
    /// Seconds for which the way to the container may be lost.
    #[arg(long, default_value_t = 600)]
    patience: u64,
    /// Run it with our stdin, and let it end with the connection. Needs `sh` and `cat` in the image.
    #[arg(long)]
    attached: bool,
    /// The command.
    #[arg(last = true, required = true)]
    command: Vec<String>,
}

/// `exec`.
pub(super) async fn run(desk: &Desk<'_>, args: &ExecArgs, seconds: Option<u64>) -> Result<Said, Problem> {
    let job = Job {
        command: Some(args.command.clone()),
        run: args.run.clone().unwrap_or_else(RunId::random),
        spool: args.spool.clone(),
        most: args.most,
        seconds,
        patience: Duration::from_secs(args.patience),
    };
    let mut follow = Follow::new(job.clone(), Offsets::default());
    let mut cut_off = 0;
    let work = async {
        match args.attached {
            true => attached(desk, args, seconds, &mut cut_off).await,
            false => detached(desk, args, &job, &mut follow).await,
        }
    };
    let ended = select! {
        biased; // what has ended well has ended well
        ended = work => ended,
        // There is nothing left that a session could be resumed with.
        lost = lost(desk, args) => Err(lost),
    };
    let times = cut_off + follow.cut_off();
    if times > 0 {
        // That it is counted is a help, and no part of how the command ended.
        let noted = timeout(NOTING, desk.note_cut_off(&args.build, &args.node, times)).await;
        debug!(times, noted = matches!(noted, Ok(Ok(()))), "output was cut off");
    }
    let code = match &ended {
        Ok(outcome) => exit_code(outcome),
        Err(problem) => problem.reason.exit_code(),
    };
    if let Some(path) = &args.result {
        write_result(path, &result(&ended, code, &follow, &job))?;
    }
    ended.map(|_| Said { text: String::new(), json: Value::Null, code })
}

/// Resolves with the reason when the node's pod is lost.
async fn lost(desk: &Desk<'_>, args: &ExecArgs) -> Problem {
    match desk.lost_in(&args.build, &args.node).await {
        Ok(stop) => stop.into(),
        Err(_) => std::future::pending().await, // the command itself says what is wrong
    }
}

fn exit_code(outcome: &Outcome) -> u8 {
    match (outcome.cause.as_deref(), outcome.code) {
        (Some("timeout"), _) => TIMED_OUT,
        (_, Some(code)) => u8::try_from(code).unwrap_or(u8::MAX),
        (_, None) => 0,
    }
}

fn result(ended: &Result<Outcome, Problem>, exit: u8, follow: &Follow, job: &Job) -> Value {
    let (code, cause, message) = match ended {
        Ok(outcome) => (outcome.code, outcome.cause.as_deref().unwrap_or("exit"), None),
        Err(problem) => (None, problem.reason.code(), Some(&problem.message)),
    };
    let known = follow.known();
    json!({
        "code": code,
        "cause": cause,
        "message": message,
        "exit": exit,
        "offsets": {"stdout": known.stdout, "stderr": known.stderr},
        "run": job.run.as_str(),
        "sessions": follow.sessions(),
    })
}

fn write_result(path: &Path, result: &Value) -> Result<(), Problem> {
    let written = || {
        let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(dir)?;
        writeln!(file, "{result:#}")?;
        file.persist(path).map_err(|error| error.error).map(|_| ())
    };
    written().map_err(|source| ExecError::Local { stream: "the result file", source }.into())
}

/// Runs it attached: one session, and nothing survives it.
async fn attached(
    desk: &Desk<'_>,
    args: &ExecArgs,
    seconds: Option<u64>,
    cut_off: &mut u64,
) -> Result<Outcome, Problem> {
    let target = desk.target(&args.build, &args.node, args.container.as_deref()).await?;
    let Streams { stdout, stderr } = outputs()?;
    let stdin = std::io::stdin().as_fd().try_clone_to_owned();
    let stdin = stdin.map_err(|source| ExecError::Local { stream: "stdin", source })?;
    let stdin = File::from_std(std::fs::File::from(stdin));
    let session = exec::run(&target, &args.command, stdin, stdout, stderr);
    let longest = seconds.map_or(Duration::MAX, Duration::from_secs);
    match timeout(longest, session).await {
        Ok(exit) => {
            let exit = exit.inspect_err(|error| *cut_off = u64::from(error.is_cut_off()))?;
            Ok(Outcome { code: Some(exit.code), cause: None })
        }
        // Dropped with its connection; whether that ends the command is up to the container.
        Err(_) => Ok(Outcome { code: None, cause: Some("timeout".to_owned()) }),
    }
}

/// Runs it detached, with as many sessions and credentials as it takes.
async fn detached(
    desk: &Desk<'_>,
    args: &ExecArgs,
    job: &Job,
    follow: &mut Follow,
) -> Result<Outcome, Problem> {
    let mut local = Local::open(desk, &args.build, args.log.as_deref()).await?;
    let mut signals = Signals::listen()?;
    let mut grants = 0;
    let ended = loop {
        let target = desk.target(&args.build, &args.node, args.container.as_deref()).await?;
        let begun = follow.known();
        let ended = {
            let mut going = pin!(follow.go(&target, false, &mut local));
            select! {
                ended = &mut going => ended,
                // What is being followed is not dropped, so that no output is lost or told twice.
                number = signals.next() => break cancel(&target, job, going, &mut signals, number).await?,
            }
        };
        match ended {
            Err(error) if error.reason() == Reason::Denied && grants < GRANTS => {
                grants = if follow.known() == begun { grants + 1 } else { 0 }; // tokens end, and can be had anew
            }
            Err(error @ ExecError::Local { .. }) => {
                let _ = Follow::end(job, &target, "reader-gone").await; // the first failure is the one to tell
                return Err(error.into());
            }
            ended => break ended?,
        }
    };
    local.close().await?;
    Ok(ended)
}

/// Ends a command because a signal asks for it.
async fn cancel(
    target: &Target,
    job: &Job,
    going: impl Future<Output = Result<Outcome, ExecError>>,
    signals: &mut Signals,
    number: i32,
) -> Result<Outcome, Problem> {
    let both = async { tokio::join!(Follow::end(job, target, "cancelled"), going) };
    let ended = select! {
        ended = timeout(ENDING, both) => ended.ok().map(|(_, ended)| ended),
        _ = signals.next() => None,
    };
    match ended {
        Some(Ok(outcome)) => Ok(Outcome { code: Some(128 + number), ..outcome }),
        Some(Err(_)) | None => Err(Problem {
            reason: Reason::Again,
            message: format!("interrupted, but the command may go on in the container as run `{}`", job.run),
            cure: Some(format!("`build-resources logs BUILD NODE --run {} --follow` shows it", job.run)),
        }),
    }
}

/// The signals that ask us to end.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self, ExecError> {
        let listen = |kind| signal(kind).map_err(|source| ExecError::Local { stream: "the signals", source });
        Ok(Signals {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// The number of the next one. May be left at any time.
    async fn next(&mut self) -> i32 {
        select! {
            _ = self.interrupt.recv() => SignalKind::interrupt().as_raw_value(),
            _ = self.terminate.recv() => SignalKind::terminate().as_raw_value(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_16_the_exit_code_is_that_of_the_command() {
        let outcome = |code, cause: Option<&str>| Outcome { code, cause: cause.map(str::to_owned) };
        assert_eq!(exit_code(&outcome(Some(7), None)), 7);
        assert_eq!(exit_code(&outcome(Some(75), None)), 75);
        assert_eq!(exit_code(&outcome(Some(143), Some("timeout"))), TIMED_OUT);
        assert_eq!(exit_code(&outcome(Some(143), Some("output-limit"))), 143);
    }

    #[test]
    fn row_16_the_result_file_tells_an_exit_75_from_a_lost_way() {
        let run = "r".parse::<RunId>().unwrap();
        let patience = Duration::ZERO;
        let job = Job { command: None, run, spool: String::new(), most: 0, seconds: None, patience };
        let follow = Follow::new(job.clone(), Offsets { stdout: 3, stderr: 4 });
        let own = Ok(Outcome { code: Some(75), cause: None });
        let lost = Err(Problem::from(ExecError::Silent(20)));
        let (own, lost) = (result(&own, 75, &follow, &job), result(&lost, 75, &follow, &job));
        assert_eq!((&own["code"], &own["cause"], &own["exit"]), (&json!(75), &json!("exit"), &json!(75)));
        assert_eq!(
            (&lost["code"], &lost["cause"], &lost["exit"]),
            (&Value::Null, &json!("try-again"), &json!(75))
        );
        assert_eq!(own["offsets"], json!({"stdout": 3, "stderr": 4}));
    }
}
