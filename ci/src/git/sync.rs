//! Brings repositories to a node: makes what is missing, pushes what is not there yet, checks out, asks back.
//!
//! Decides: the order of the steps. Must not: take anything for done that the node did not confirm. Input: local
//! repositories. Each step may be done again; what has arrived is not sent twice.

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use tokio::time::{Instant, timeout_at};

use super::far::{Capture, Far, Meter, Pipes, metered};
use super::local::Git;
use super::plan::{Cache, Entry, Source, Wanted, apart, name_of, warnings};
use super::{GitError, script};
use crate::error::{Failure, Reason, shown};

/// How many sessions a sync has at once.
const SESSIONS: usize = 6;
/// How many repositories one session checks out at least: a session costs more bytes than a repository that is there.
const SHARE: usize = 16;
/// How often a step is begun when its connection breaks.
const TRIES: u32 = 3;
/// Most bytes that an answer may have: a line for each repository.
const ANSWER: usize = 1 << 18;
/// Most bytes of messages that are kept.
const MESSAGES: usize = 4096;

/// How a sync is done.
#[derive(Debug, Clone)]
pub struct Manner {
    /// Where the repositories lie over there: `/workspace/src`.
    pub root: String,
    /// Where the image keeps repositories that most jobs want: `/opt/git`.
    pub caches: String,
    /// How a cache in the image is used.
    pub cache: Cache,
    /// Whether files that are in no commit are removed.
    pub clean: bool,
    /// When patience is over.
    pub deadline: Instant,
}

/// What a sync did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Synced {
    /// What the node has, in the order of the sources.
    pub entries: Vec<Entry>,
    /// How many repositories something was sent of.
    pub pushed: usize,
    /// How many bytes went there.
    pub sent: u64,
    /// How many bytes came back.
    pub received: u64,
}

/// Looks at the sources; returns what is wanted of them, and what the user must know.
///
/// # Errors
/// When one of them cannot be used, or two would lie in one place.
pub async fn gather(
    git: &Git,
    sources: &[Source],
    all: bool,
) -> Result<(Vec<Wanted>, Vec<String>), GitError> {
    let look = |source: &Source| {
        let source = source.clone();
        async move {
            let why = |error: std::io::Error| GitError::Source {
                path: source.path.clone(),
                why: error.to_string(),
            };
            let path: PathBuf = std::fs::canonicalize(&source.path).map_err(why)?;
            let name = source.name.clone().map_or_else(|| name_of(&path), Ok)?;
            let facts = git.look(&path, source.reference.as_deref(), all).await?;
            let said = warnings(&name, &facts);
            Ok::<_, GitError>((Wanted::of(name, path, facts)?, said))
        }
    };
    let looked: Vec<_> = sources.iter().map(look).collect();
    let found: Vec<(Wanted, Vec<String>)> = stream::iter(looked).buffered(SESSIONS).try_collect().await?;
    let (wanted, said): (Vec<_>, Vec<_>) = found.into_iter().unzip();
    apart(&wanted)?;
    Ok((wanted, said.concat()))
}

/// Brings them there. Safe to repeat: the node says what it has, and only the rest is sent.
///
/// # Errors
/// When the node refuses, or has something else afterwards.
pub async fn sync(git: &Git, far: &Far, wanted: &[Wanted], manner: &Manner) -> Result<Synced, GitError> {
    let meter = Arc::new(Meter::default());
    let way = Way { git, far: metered(far.clone(), meter.clone()), manner };
    let all: Vec<&Wanted> = wanted.iter().collect();
    let there = again(|| way.prepare(&all)).await?;
    let missing: Vec<&Wanted> = all
        .iter()
        .zip(&there)
        .filter(|(one, there)| one.is_missing(there.as_ref()))
        .map(|(one, _)| *one)
        .collect();
    let pushes: Vec<_> = missing.iter().map(|one| again(|| way.push(one))).collect();
    stream::iter(pushes).buffer_unordered(SESSIONS).try_collect::<()>().await?;
    let share = all.len().div_ceil(SESSIONS).max(SHARE);
    let checkouts: Vec<_> = all.chunks(share).map(|some| again(|| way.check_out(some))).collect();
    let entries: Vec<Vec<Entry>> = stream::iter(checkouts).buffered(SESSIONS).try_collect().await?;
    let (sent, received) = meter.read();
    Ok(Synced { entries: entries.concat(), pushed: missing.len(), sent, received })
}

/// Does it again when the connection broke.
async fn again<T, F: Future<Output = Result<T, GitError>>>(
    mut step: impl FnMut() -> F,
) -> Result<T, GitError> {
    let mut tries = 1;
    loop {
        match step().await {
            Err(error) if error.reason() == Reason::Again && tries < TRIES => tries += 1,
            other => return other,
        }
    }
}

struct Way<'a> {
    git: &'a Git,
    far: Far,
    manner: &'a Manner,
}

impl Way<'_> {
    /// Waits for a step, but not for ever.
    async fn in_time<T>(
        &self,
        operation: &str,
        step: impl Future<Output = Result<T, GitError>>,
    ) -> Result<T, GitError> {
        timeout_at(self.manner.deadline, step).await.unwrap_or_else(|_| {
            Err(GitError::Lost { operation: operation.to_owned(), problem: "no time is left".to_owned() })
        })
    }

    /// Runs one of the programs; returns its exit code, its answer and its messages.
    async fn run(
        &self,
        operation: &str,
        command: Vec<String>,
        text: String,
    ) -> Result<(i32, String, String), GitError> {
        let (output, errors) = (Capture::of(ANSWER), Capture::of(MESSAGES));
        let running = (self.far)(command, Pipes::captured(text, &output, &errors));
        let code = self.in_time(operation, running).await?;
        match code {
            script::NO_GIT => Err(GitError::Lacks("git")),
            script::CUT => Err(GitError::Lost {
                operation: operation.to_owned(),
                problem: "its input was cut off".to_owned(),
            }),
            code => Ok((code, output.text(), errors.text())),
        }
    }

    async fn prepare(&self, all: &[&Wanted]) -> Result<Vec<Option<super::names::Id>>, GitError> {
        let operation = "making the repositories";
        let command = script::prepare(&self.manner.root, &self.manner.caches, self.manner.cache);
        let (code, said, messages) = self.run(operation, command, script::lines(all)).await?;
        let failed = || GitError::Far { operation: operation.to_owned(), said: shown(&messages) };
        if code == 0 { script::prepared(all, &said).ok_or_else(failed) } else { Err(failed()) }
    }

    async fn check_out(&self, some: &[&Wanted]) -> Result<Vec<Entry>, GitError> {
        let operation = "checking out";
        let command = script::checkout(&self.manner.root, self.manner.clean);
        let (code, said, messages) = self.run(operation, command, script::lines(some)).await?;
        if code != 0 {
            return Err(GitError::Far { operation: operation.to_owned(), said: shown(&messages) });
        }
        some.iter()
            .map(|one| one.verified(&self.manner.root, script::checked_out(&one.name, &said)))
            .collect()
    }

    /// Pushes the refs of one repository through one session.
    async fn push(&self, one: &Wanted) -> Result<(), GitError> {
        let operation = format!("pushing `{}`", one.name);
        let failed = |error| GitError::Tool("git", error);
        let mut child = self.git.push(one)?;
        let (Some(input), Some(output), Some(mut said)) =
            (child.stdout.take(), child.stdin.take(), child.stderr.take())
        else {
            return Err(failed(std::io::Error::other("it has no standard streams")));
        };
        let path = format!("{}/{}", self.manner.root, one.name);
        let (errors, messages) = (Capture::of(MESSAGES), Capture::of(MESSAGES));
        let pipes =
            Pipes { input: Box::new(input), output: Box::new(output), errors: Box::new(errors.clone()) };
        let session = (self.far)(script::receive(&path, script::Current::Ignore), pipes);
        let local = async {
            // What git says is only wanted for a message; its exit code decides.
            let _ = tokio::io::copy(&mut said, &mut messages.clone()).await;
            child.wait().await.map_err(failed)
        };
        let both = async { Ok(tokio::join!(session, local)) };
        let (ended, status) = self.in_time(&operation, both).await?;
        // Git says success only once the far side has confirmed every ref.
        if status?.success() {
            return Ok(());
        }
        match ended {
            Err(error) if error.reason() == Reason::Again => Err(error),
            Ok(script::NO_GIT) => Err(GitError::Lacks("git")),
            Ok(_) | Err(_) => Err(GitError::Far {
                operation,
                said: shown(&format!("{} {}", errors.text(), messages.text())),
            }),
        }
    }
}

#[cfg(test)]
mod tests;
