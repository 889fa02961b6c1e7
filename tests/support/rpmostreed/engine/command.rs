//! Running the host's tools so that a cancel ends them.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use super::Failure;

/// What a cancelled operation says, behind where it was.
pub const CANCELLED: &str = "Operation was cancelled";

/// Whether the transaction was cancelled, and the tool that would have to die for it.
#[derive(Debug, Default)]
pub struct Cancel {
    cancelled: AtomicBool,
    child: Mutex<Option<u32>>,
}

impl Cancel {
    /// Cancels: the running tool is killed, the next check fails.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::SeqCst);
        if let Some(child) = *self.child.lock().unwrap() {
            // The whole group: a bwrap that is killed before it has tied its child to itself would leave the child, with
            // our pipe, behind. It may have ended by itself in this moment.
            let _ = killpg(Pid::from_raw(child.cast_signed()), Signal::SIGKILL);
        }
    }

    /// Fails, in the words of a cancel at `place`, when there was one.
    ///
    /// # Errors
    /// `<place>: Operation was cancelled`.
    pub fn check(&self, place: &str) -> Result<(), Failure> {
        if self.cancelled.load(Ordering::SeqCst) {
            return Err(Failure::new(CANCELLED).within(place));
        }
        Ok(())
    }
}

/// What a tool said and how it ended.
#[derive(Debug)]
pub struct Said {
    /// The exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// Whether it ended well.
    pub fn ok(&self) -> bool {
        self.code == Some(0)
    }

    /// Standard output of a tool that must not fail.
    ///
    /// # Errors
    /// With what it complained about.
    pub fn expect_ok(self, what: &str) -> Result<String, Failure> {
        if self.ok() {
            return Ok(self.out);
        }
        let code = self.code;
        Err(Failure::new(format!("{what}: exit code {code:?}: {}", self.err.trim())))
    }
}

/// A tool with nothing of the caller's environment.
pub fn tool(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", "/nonexistent")
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        // Deployments stay removable: the sandbox is thrown away as a directory.
        .env("OSTREE_SYSROOT_DEBUG", "mutable-deployments,no-xattrs")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// Runs a tool to its end, or to the cancel.
///
/// # Errors
/// When it cannot be started, or when it was cancelled at `place`.
pub fn run(command: &mut Command, cancel: &Cancel, place: &str) -> Result<Said, Failure> {
    cancel.check(place)?;
    let program = command.get_program().to_string_lossy().into_owned();
    command.process_group(0);
    let child = command.spawn().map_err(|error| Failure::new(format!("starting {program}: {error}")))?;
    *cancel.child.lock().unwrap() = Some(child.id());
    // A cancel between the first check and the line above has found no child to kill.
    if cancel.check(place).is_err() {
        cancel.cancel();
    }
    let output = child.wait_with_output();
    *cancel.child.lock().unwrap() = None;
    cancel.check(place)?;
    let output = output?;
    Ok(Said {
        code: output.status.code(),
        out: String::from_utf8_lossy(&output.stdout).into_owned(),
        err: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[test]
    fn a_cancel_kills_the_tool_and_says_where_it_was() {
        let cancel = Arc::new(Cancel::default());
        let there = Arc::clone(&cancel);
        let work = std::thread::spawn(move || run(tool("sleep").arg("60"), &there, "Writing rpmdb"));
        while cancel.child.lock().unwrap().is_none() {
            std::thread::yield_now();
        }
        cancel.cancel();
        assert_eq!(work.join().unwrap().unwrap_err().to_string(), "Writing rpmdb: Operation was cancelled");
    }
}
