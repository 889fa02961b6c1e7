//! A host that outlives the command that started it.
//!
//! The command starts itself once more in the background, with a socket between the two. As long as the start goes on,
//! an end of the command is an end of the host too; once both have said their word, the host stays.

use std::io::{BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, ExitCode};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::story::{self, Stage};

/// What the holder says when everything is up, and what it is answered.
const WORD: &str = "stay\n";
/// The file with the holder's process id, in the host's directory.
const HOLDER: &str = "run/holder.pid";

/// Starts a holder, waits until its host is up, and lets it stay.
#[allow(clippy::zombie_processes, reason = "the holder outlives this command, and init reaps it")]
pub(crate) fn start(story: bool) -> ExitCode {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let mut command = Command::new("setsid");
    command.arg("--wait").arg(std::env::current_exe().unwrap()).arg("hold").stdin(OwnedFd::from(theirs));
    if story {
        command.arg("--story");
    }
    let mut holder = command.spawn().unwrap();
    // The command holds the other end of the socket; while it does, the end of the holder would not be seen.
    drop(command);
    if hear(&ours) {
        (&ours).write_all(WORD.as_bytes()).unwrap();
        return ExitCode::SUCCESS;
    }
    eprintln!("error: the host did not come up: {}", holder.wait().unwrap());
    ExitCode::FAILURE
}

/// Is the holder: sets the stage, tells the story, and stays until it is told to end.
pub(crate) fn hold(story: bool) -> ExitCode {
    let starter = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let listening = starter.try_clone().unwrap();
    std::thread::spawn(move || {
        // Whoever started us went away before we were up: end at once, and take the host along.
        if !hear(&listening) {
            let _ = kill(Pid::this(), Signal::SIGKILL);
        }
    });
    let stage = Stage::set();
    std::fs::write(stage.host.dir().join(HOLDER), std::process::id().to_string()).unwrap();
    if story {
        story::tell(&stage);
    }
    story::what_next(&stage);
    (&starter).write_all(WORD.as_bytes()).unwrap();
    loop {
        std::thread::park();
    }
}

/// Whether the other side says the word before it goes away.
fn hear(stream: &UnixStream) -> bool {
    let mut heard = String::new();
    BufReader::new(stream).read_line(&mut heard).is_ok() && heard == WORD
}

/// Ends the holder of the host at `dir`; the host goes with it.
pub(crate) fn down(dir: &Path) -> ExitCode {
    let Ok(pid) = std::fs::read_to_string(dir.join(HOLDER)) else {
        eprintln!("error: no host is held at `{}`", dir.display());
        return ExitCode::FAILURE;
    };
    let _ = kill(Pid::from_raw(pid.trim().parse().unwrap()), Signal::SIGKILL);
    proof::wait::until_true("the host to be gone", || !dir.exists());
    ExitCode::SUCCESS
}
