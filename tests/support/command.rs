//! Running the system's own tools: what they said is shown when they fail, and only then.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::process::Finished;

/// Runs a tool to its end and gives its standard output. Panics with everything it said when it fails.
#[track_caller]
pub fn run(command: &mut Command) -> String {
    let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let Finished { status, stdout, stderr } =
        Finished::of(child.unwrap_or_else(|error| panic!("starting {command:?}: {error}")));
    assert!(status.success(), "{command:?}: {status}\n{stdout}{stderr}");
    stdout
}

/// A tool with the few variables that keep its output the same everywhere, and nothing of the user's.
pub fn tool(program: impl AsRef<OsStr>, home: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", home)
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("SOURCE_DATE_EPOCH", EPOCH.to_string());
    command
}

/// The one moment at which everything here was built.
pub const EPOCH: u64 = 1_732_147_200;
