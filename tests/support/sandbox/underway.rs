//! A command of the agent while it runs: what it has said so far, and its end.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::process::{Finished, Running};
use crate::wait;

static NUMBER: AtomicU32 = AtomicU32::new(0);

/// A command that was started and not waited for.
#[derive(Debug)]
pub struct Underway {
    process: Running,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Underway {
    /// Starts the command; its words go to files in `log`.
    pub(super) fn start(mut command: Command, log: &std::path::Path) -> Self {
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let stdout = log.join(format!("command-{number}.out"));
        let stderr = log.join(format!("command-{number}.err"));
        command.stdout(fs::File::create(&stdout).unwrap()).stderr(fs::File::create(&stderr).unwrap());
        Underway { process: Running::start(command), stdout, stderr }
    }

    /// Everything it has said so far, on both channels.
    pub fn said(&self) -> String {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        read(&self.stdout) + &read(&self.stderr)
    }

    /// Waits for its end.
    #[track_caller]
    pub fn finish(mut self) -> Finished {
        let status = wait::until("the command to end", || {
            self.process.child().try_wait().unwrap().ok_or_else(|| self.said())
        });
        let read = |path| fs::read_to_string(path).unwrap();
        Finished { status, stdout: read(&self.stdout), stderr: read(&self.stderr) }
    }

    /// Kills it at once, as the kernel does.
    pub fn kill(mut self) {
        self.process.child().kill().unwrap();
        self.process.child().wait().unwrap();
    }
}
