//! Runs commands in a pod's container over a websocket that moves both directions at once and loses no byte.
//!
//! Decides: what of a finished session is a proven end. Must not: choose the pod; whoever makes the [`Target`] does.
//! Input: a target, a command, streams. Speaks `v5.channel.k8s.io` (Kubernetes 1.30 and later), which alone can end
//! stdin while output still comes.

mod error;
mod follow;
mod frame;
mod heart;
mod last;
mod pump;
mod remote;
#[cfg(test)]
mod shells;
mod stamp;
#[cfg(test)]
mod tests;
mod view;

use std::time::Duration;

use k8s_openapi::api::core::v1::Pod;
use kube::api::{AttachParams, Request};
use kube::{Client, Resource};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite};
use tokio::time::timeout;

pub use error::ExecError;
pub use follow::{Follow, Job, Outcome, Sink, Streams};
pub use remote::{Offsets, RunId, SPOOL};
pub use stamp::Stamper;
pub use view::Output;

use crate::cluster::{ClusterError, Sessions};
use last::{Last, Mark};

/// How long a session may take to begin.
const BEGIN: Duration = Duration::from_secs(60);

/// Most bytes of a list of runs.
const LISTED: u64 = 256 << 10;

/// A container in a pod, and a client that may run commands in it.
#[derive(Clone)]
pub struct Target {
    /// Speaks with the token of the build, not with ours.
    pub client: Client,
    /// The namespace of the pod.
    pub namespace: String,
    /// The pod.
    pub pod: String,
    /// The container in it.
    pub container: String,
    /// How many sessions there may be at a time.
    pub sessions: Sessions,
}

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    /// Its exit code; 128 and the number of the signal where one ended it.
    pub code: i32,
}

/// Runs a command with all its streams and waits for its end. Everything that it wrote is handed on before this returns.
/// An end of `stdin` is passed on while output still comes; when the command ends first, what it has not read is dropped. The
/// image needs `sh` and `cat`. Not safe to repeat: the command runs each time.
///
/// # Errors
/// When the command could not be started, the session ended before the command did, or a local stream failed. The command
/// may have run, or be running, when the session ended early.
pub async fn run(
    target: &Target,
    command: &[String],
    stdin: impl AsyncRead,
    stdout: impl AsyncWrite,
    stderr: impl AsyncWrite,
) -> Result<Exit, ExecError> {
    let (line, mut mark) = last::line(command);
    let _room = target.sessions.stream().await;
    let ended = session(target, &line, Some(stdin), (stdout, stderr), Some(&mut mark)).await;
    match (ended, mark.seen()) {
        (Ok(Exit { code: 127 }), Some(Last::Missing)) => {
            let program = command.first().map(String::as_str).unwrap_or_default();
            Err(ExecError::NotStarted(format!("the image has no `{program}`")))
        }
        (ended, _) => ended,
    }
}

/// The same for a command that reads nothing.
///
/// # Errors
/// As [`run`].
pub async fn watch(
    target: &Target,
    command: &[String],
    stdout: impl AsyncWrite,
    stderr: impl AsyncWrite,
) -> Result<Exit, ExecError> {
    let _room = target.sessions.stream().await;
    session(target, command, None::<tokio::io::Empty>, (stdout, stderr), None).await
}

/// One session. Whoever calls this has room for it.
async fn session(
    target: &Target,
    command: &[String],
    stdin: Option<impl AsyncRead>,
    (stdout, stderr): (impl AsyncWrite, impl AsyncWrite),
    mark: Option<&mut Mark>,
) -> Result<Exit, ExecError> {
    let operation = || format!("exec in pods/{}, container {}", target.pod, target.container);
    let params = AttachParams::default().container(target.container.as_str()).stdin(stdin.is_some());
    let request = Request::new(Pod::url_path(&(), Some(&target.namespace)))
        .exec(&target.pod, command.iter().map(String::as_str), &params)
        .map_err(|error| ExecError::Failed(error.to_string()))?;
    let connection = timeout(BEGIN, target.client.connect(request))
        .await
        .map_err(|_| ClusterError::Away {
            operation: operation(),
            problem: format!("no answer within {} seconds", BEGIN.as_secs()),
        })?
        .map_err(|error| ExecError::refused(operation(), &error))?;
    if stdin.is_some() && !connection.supports_stream_close() {
        return Err(ExecError::Old); // dropped here: what the server has started reads an end at once
    }
    pump::pump(connection.into_stream(), stdin, stdout, stderr, mark).await
}

/// The runs in a container, the newest first.
///
/// # Errors
/// As [`run`].
pub async fn runs(target: &Target, spool: &str) -> Result<Vec<RunId>, ExecError> {
    let (stdout, mut listed) = tokio::io::duplex(1 << 20);
    let line = remote::list(spool);
    let (exit, names) = tokio::join!(watch(target, &line, stdout, tokio::io::sink()), async {
        let mut names = Vec::new();
        let read = (&mut listed).take(LISTED).read_to_end(&mut names).await;
        drop(listed); // more is not wanted
        read.map(|_| names)
    });
    exit?;
    let names = names.map_err(|source| ExecError::Local { stream: "a list of runs", source })?;
    Ok(String::from_utf8_lossy(&names).lines().filter_map(|name| name.parse().ok()).collect())
}
