//! What a job works with: the directories, the lock, the cancel, the faults, and the way to say something.

use std::fs::{self, File, OpenOptions};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use tokio::sync::mpsc::UnboundedSender;

use super::Failure;
use super::command::{self, Cancel, Said};
use crate::rpmostreed::faults::{Faults, Step};

/// Something that peers (or the bus) are told, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// The title is known now.
    Title(String),
    /// A line of text.
    Message(String),
    /// A task begins.
    TaskBegin(String),
    /// The task ends; failed or not, it says "done".
    TaskEnd,
    /// Counted work.
    Percent(String, u32),
    /// Counted work has ended.
    ProgressEnd,
    /// The deployments have changed: the bus is told.
    Changed,
}

/// libostree's own lock on the sysroot, shared so that it can be given back before the transaction ends.
#[derive(Debug, Clone)]
pub struct Lock(Arc<Mutex<Option<Flock<File>>>>);

impl Lock {
    /// Takes the lock of the sandbox at `dir`; none when somebody else has it.
    ///
    /// # Errors
    /// When there is no lock file to be had.
    pub fn take(dir: &Path) -> Result<Option<Self>, Failure> {
        let path = dir.join("sysroot/ostree/lock");
        let file = OpenOptions::new().create(true).truncate(false).write(true).open(path)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Some(Self(Arc::new(Mutex::new(Some(lock)))))),
            Err((_, Errno::EWOULDBLOCK)) => Ok(None),
            Err((_, error)) => Err(Failure::new(format!("locking sysroot: {error}"))),
        }
    }

    /// Gives it back, for good.
    pub fn release(&self) {
        self.0.lock().unwrap().take();
    }
}

/// The surroundings of one job.
pub struct Context {
    dir: PathBuf,
    lock: Lock,
    cancel: Arc<Cancel>,
    faults: Faults,
    output: UnboundedSender<Output>,
}

impl Context {
    /// Puts the parts together.
    pub fn new(
        dir: &Path,
        lock: Lock,
        cancel: Arc<Cancel>,
        faults: Faults,
        output: UnboundedSender<Output>,
    ) -> Self {
        Self { dir: dir.to_owned(), lock, cancel, faults, output }
    }

    /// The sandbox directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Scratch space, on the file system of the repo, gone after the job.
    pub fn work(&self) -> PathBuf {
        self.dir.join("run/work")
    }

    /// Empties the scratch space: a daemon that died has left some.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn clear_work(&self) -> Result<(), Failure> {
        if self.work().exists() {
            fs::remove_dir_all(self.work())?;
        }
        Ok(fs::create_dir_all(self.work())?)
    }

    /// The sysroot lock.
    pub fn lock(&self) -> &Lock {
        &self.lock
    }

    /// The cancel of this transaction.
    pub fn cancel(&self) -> &Cancel {
        &self.cancel
    }

    /// What to do wrong.
    pub fn faults(&self) -> &Faults {
        &self.faults
    }

    /// Says something to all who listen.
    pub fn say(&self, output: Output) {
        // Nobody listening is no reason to stop: a started transaction belongs to nobody.
        let _ = self.output.send(output);
    }

    /// Says a line of text.
    pub fn message(&self, text: impl Into<String>) {
        self.say(Output::Message(text.into()));
    }

    /// Does `work` as a task: its end is said whether it fails or not.
    ///
    /// # Errors
    /// That of `work`.
    pub fn task<T>(&self, name: &str, work: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
        self.say(Output::TaskBegin(name.to_owned()));
        let result = self.cancel.check(name).and_then(|()| work());
        self.say(Output::TaskEnd);
        result
    }

    /// Counted work as the daemon reports it: its percentage divides wrongly, so that it stays 0 until the last item.
    pub fn count(&self, what: &str, done: usize, total: usize) {
        let percentage = if done == total { 100 } else { 0 };
        self.say(Output::Percent(format!("{what} ({done}/{total})"), percentage));
    }

    /// Passes a point where a fault may be waiting.
    ///
    /// # Errors
    /// The fault, or a cancel.
    pub fn pass(&self, step: Step, place: &str) -> Result<(), Failure> {
        self.cancel.check(place)?;
        self.faults.pass(step, &self.cancel).map_err(|failure| {
            // A cancel says where it happened; an ordered failure says exactly what was ordered.
            if self.cancel.check("").is_err() { failure.within(place) } else { failure }
        })
    }

    /// Runs a tool that a cancel may end.
    ///
    /// # Errors
    /// When it cannot start, or a cancel at `place`.
    pub fn run(&self, command: &mut Command, place: &str) -> Result<Said, Failure> {
        command::run(command, &self.cancel, place)
    }
}
