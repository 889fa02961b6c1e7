//! Where the output of a command goes: to our own outputs, and into a log.
//!
//! Decides: nothing. Must not: alter a byte of what goes to our own outputs. Input: pieces of two outputs.

use std::os::fd::AsFd;
use std::path::Path;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::fs::File;

use super::Problem;
use super::log::Log;
use crate::censor::Secrets;
use crate::drive::Desk;
use crate::exec::{ExecError, Output, Sink, Streams};

/// Our own outputs and the log.
pub(super) struct Local {
    streams: Streams<File, File>,
    log: Option<Log>,
    clock: fn() -> Timestamp,
}

/// The outputs of this process, by their descriptors: the usual ones are locked by whoever prints.
pub(super) fn outputs() -> Result<Streams<File, File>, ExecError> {
    let failed = |stream| move |source| ExecError::Local { stream, source };
    let stdout = std::io::stdout().as_fd().try_clone_to_owned().map_err(failed("stdout"))?;
    let stderr = std::io::stderr().as_fd().try_clone_to_owned().map_err(failed("stderr"))?;
    let file = |fd| File::from_std(std::fs::File::from(fd));
    Ok(Streams { stdout: file(stdout), stderr: file(stderr) })
}

impl Local {
    /// Our own outputs and, where a log is wanted, one without the secrets of the build.
    pub(super) async fn open(desk: &Desk<'_>, build: &str, log: Option<&Path>) -> Result<Self, Problem> {
        let log = match log {
            Some(path) => {
                let secrets = Arc::new(Secrets::new(&desk.secrets(build).await?)?);
                Some(Log::create(path, secrets).await.map_err(in_log)?)
            }
            None => None,
        };
        Ok(Local { streams: outputs()?, log, clock: desk.clock })
    }

    /// Writes the rest of the log.
    pub(super) async fn close(&mut self) -> Result<(), ExecError> {
        if let Some(log) = &mut self.log {
            log.close((self.clock)()).await.map_err(in_log)?;
        }
        Ok(())
    }
}

fn in_log(source: std::io::Error) -> ExecError {
    ExecError::Local { stream: "the log", source }
}

impl Sink for Local {
    async fn take(&mut self, output: Output, bytes: &[u8]) -> Result<(), ExecError> {
        if let Some(log) = &mut self.log {
            log.take(output, bytes, (self.clock)()).await.map_err(in_log)?;
        }
        self.streams.take(output, bytes).await
    }

    async fn flush(&mut self) -> Result<(), ExecError> {
        self.streams.flush().await
    }
}
