//! Processes that cannot outlive the test that needs them, however it ends, nor keep it from ending.
//!
//! The kernel kills a [`bound`] process when the thread that started it goes away. Threads of tests come and go, so one
//! keeper thread, which lives as long as the whole program, starts them all.

use std::ffi::OsStr;
use std::io;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Longer than any program runs here that ends by itself, on a busy machine and in a queue for a full pool.
const LONGEST: Duration = Duration::from_secs(1200);

/// A command that is killed when this program ends. It runs in a process group of its own, so that a Ctrl-C at the
/// terminal reaches it through us and not before us.
pub fn bound(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    command
}

/// Starts the command from the keeper thread.
#[track_caller]
pub fn spawn(command: Command) -> Child {
    let shown = format!("{command:?}");
    let (answer, child) = mpsc::channel();
    keeper().send((command, answer)).expect("the keeper lives as long as the program");
    child.recv().unwrap().unwrap_or_else(|error| panic!("starting {shown}: {error}"))
}

type Order = (Command, mpsc::Sender<io::Result<Child>>);

fn keeper() -> &'static mpsc::Sender<Order> {
    static KEEPER: OnceLock<mpsc::Sender<Order>> = OnceLock::new();
    KEEPER.get_or_init(|| {
        let (orders, inbox) = mpsc::channel::<Order>();
        let keep = move || {
            for (mut command, answer) in inbox {
                // Nobody waits for the answer only when the test was torn down meanwhile; the child dies with us.
                let _ = answer.send(command.spawn());
            }
        };
        thread::Builder::new().name("keeper".to_owned()).spawn(keep).expect("a thread can be had");
        orders
    })
}

/// A process that is killed and reaped when dropped.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Starts the command from the keeper thread and holds on to it.
    #[track_caller]
    pub fn start(command: Command) -> Self {
        Running(spawn(command))
    }

    /// The process.
    pub fn child(&mut self) -> &mut Child {
        &mut self.0
    }

    /// Its id.
    pub fn id(&self) -> u32 {
        self.0.id()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // An error says that it has ended already, which is as good.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What a program came to.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it said beside.
    pub stderr: String,
}

impl Finished {
    /// Waits for a program to end. One that never does is killed, so that the test says which it was instead of standing still.
    #[track_caller]
    pub fn of(child: Child) -> Self {
        let id = Pid::from_raw(i32::try_from(child.id()).unwrap());
        let (ended, over) = mpsc::channel::<()>();
        // It is not reaped before it has ended, so its number is its own for so long.
        let watch = thread::spawn(move || {
            let stuck = over.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout);
            stuck.then(|| {
                let words = std::fs::read(format!("/proc/{id}/cmdline")).unwrap_or_default();
                let _ = kill(id, Signal::SIGKILL); // it may have ended just now
                String::from_utf8_lossy(&words).replace('\0', " ")
            })
        });
        let output = child.wait_with_output().unwrap();
        drop(ended);
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("a program prints UTF-8");
        let finished =
            Finished { status: output.status, stdout: text(output.stdout), stderr: text(output.stderr) };
        if let Some(words) = watch.join().unwrap() {
            let Finished { stdout, stderr, .. } = &finished;
            panic!(
                "not ended after {LONGEST:?}, killed: {words}\n…{}\n…{}",
                last_of(stdout),
                last_of(stderr)
            );
        }
        finished
    }

    /// Runs a command from the keeper thread to its end.
    #[track_caller]
    pub fn run(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Finished::of(spawn(command))
    }

    /// The exit code; a signal is no code.
    pub fn code(&self) -> Option<i32> {
        self.status.code()
    }

    /// Standard output as JSON.
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }

    /// Panics with everything that was said unless the command succeeded.
    #[track_caller]
    pub fn expect_success(self) -> Self {
        assert!(self.status.success(), "{self:#?}");
        self
    }
}

/// As much of the end of a text as somebody reads.
fn last_of(text: &str) -> &str {
    text.char_indices().rev().nth(1999).map_or(text, |(at, _)| &text[at..])
}
