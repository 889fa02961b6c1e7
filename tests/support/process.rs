//! Processes that cannot outlive the test that needs them, however it ends.
//!
//! The kernel kills a [`bound`] process when the thread that started it goes away. Threads of tests come and go, so one
//! keeper thread, which lives as long as the whole program, starts them all.

use std::ffi::OsStr;
use std::io;
use std::process::{Child, Command};
use std::sync::{OnceLock, mpsc};

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
        std::thread::Builder::new().name("keeper".to_owned()).spawn(keep).expect("a thread can be had");
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
