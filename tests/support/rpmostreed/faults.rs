//! What the stand-in is told to do wrong: files in `control/`, and the typed way to write them.
//!
//! A file named after a [`Step`] holds `fail MESSAGE`, `hang` or `die` and fires **once**: the file is taken away as the
//! step is reached, so that a retry, or the daemon after its next activation, goes through. While hanging, the step's
//! `.reached` file exists; [`Faults::release`] lets it go on. The other files are switches that stay until removed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::engine::Failure;
use super::engine::command::Cancel;

/// The points of a transaction where something can be made to go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// `Start` was called; nothing has run, the title is still the first one.
    BeforeStart,
    /// Before the local packages are imported.
    Import,
    /// Inside `Resolving dependencies`.
    Depsolve,
    /// Inside `Checking out tree`.
    Checkout,
    /// Before the first scriptlet.
    Scripts,
    /// Inside `Writing rpmdb`.
    Rpmdb,
    /// Inside `Writing OSTree commit`.
    Commit,
    /// Inside `Staging deployment`, before anything was written.
    Staging,
    /// The deployment is staged; `Finished` has not been sent.
    AfterStagedBeforeFinished,
    /// `Finished` was sent.
    AfterFinished,
}

impl Step {
    /// All steps, in the order they are passed.
    pub const ALL: [Self; 10] = [
        Self::BeforeStart,
        Self::Import,
        Self::Depsolve,
        Self::Checkout,
        Self::Scripts,
        Self::Rpmdb,
        Self::Commit,
        Self::Staging,
        Self::AfterStagedBeforeFinished,
        Self::AfterFinished,
    ];

    /// The name of the control file.
    pub fn name(self) -> &'static str {
        match self {
            Self::BeforeStart => "before-start",
            Self::Import => "import",
            Self::Depsolve => "depsolve",
            Self::Checkout => "checkout",
            Self::Scripts => "scripts",
            Self::Rpmdb => "rpmdb",
            Self::Commit => "commit",
            Self::Staging => "staging",
            Self::AfterStagedBeforeFinished => "after-staged-before-finished",
            Self::AfterFinished => "after-finished",
        }
    }
}

/// Switches that stay on until they are taken away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// Every transaction call answers Busy; the text is the title of the other client's transaction.
    Busy,
    /// The next reboot loses the staged deployment (no finalization at shutdown). Fires once.
    LoseStagedAtReboot,
    /// `FinalizeDeployment` fails with the text.
    RefuseFinalize,
    /// The text is a systemd inhibitor's reason: a requested reboot is blocked, what was staged stays.
    InhibitReboot,
    /// Callers are not authorized, root included.
    NotAuthorized,
    /// Milliseconds between a method call and its reply.
    DelayReply,
    /// Seconds until idle exit, instead of 60.
    IdleSeconds,
    /// Seconds that a finished transaction waits for its peers, instead of 30.
    LingerSeconds,
}

impl Switch {
    fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::LoseStagedAtReboot => "lose-staged-at-reboot",
            Self::RefuseFinalize => "refuse-finalize",
            Self::InhibitReboot => "inhibit-reboot",
            Self::NotAuthorized => "not-authorized",
            Self::DelayReply => "delay-reply-milliseconds",
            Self::IdleSeconds => "idle-seconds",
            Self::LingerSeconds => "linger-seconds",
        }
    }
}

/// The control directory of one sandbox.
#[derive(Debug, Clone)]
pub struct Faults {
    control: PathBuf,
    run: PathBuf,
}

impl Faults {
    /// The faults of the sandbox at `dir`.
    pub fn of(dir: &Path) -> Self {
        Self { control: dir.join("control"), run: dir.join("run") }
    }

    /// Makes the next transaction fail at `step` with `message`.
    pub fn fail_at(&self, step: Step, message: &str) {
        self.write(step.name(), &format!("fail {message}"));
    }

    /// Makes the next transaction wait at `step` until [`Faults::release`] or a cancel.
    pub fn hang_at(&self, step: Step) {
        self.write(step.name(), "hang");
    }

    /// Makes the daemon die by SIGKILL at `step` of the next transaction.
    pub fn die_at(&self, step: Step) {
        self.write(step.name(), "die");
    }

    /// Whether a transaction is waiting at `step` right now.
    pub fn is_hanging_at(&self, step: Step) -> bool {
        self.reached(step).exists()
    }

    /// Waits until a transaction hangs at `step`.
    ///
    /// # Panics
    /// When none does within half a minute.
    pub async fn reached_hang_at(&self, step: Step) {
        for _ in 0..3000 {
            if self.is_hanging_at(step) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no transaction reached `{}` within 30 seconds", step.name());
    }

    /// Lets a hanging transaction go on, or takes back a fault that has not fired.
    pub fn release(&self, step: Step) {
        let _ = fs::remove_file(self.control.join(step.name()));
        let _ = fs::remove_file(self.reached(step));
    }

    /// Turns a switch on, with its text or number.
    pub fn turn_on(&self, switch: Switch, value: &str) {
        self.write(switch.name(), value);
    }

    /// Turns a switch off.
    pub fn turn_off(&self, switch: Switch) {
        let _ = fs::remove_file(self.control.join(switch.name()));
    }

    /// The value of a switch that is on.
    pub fn value(&self, switch: Switch) -> Option<String> {
        fs::read_to_string(self.control.join(switch.name())).ok().map(|text| text.trim().to_owned())
    }

    /// The number in a switch, or what holds without it.
    pub fn number(&self, switch: Switch, otherwise: u64) -> u64 {
        self.value(switch).and_then(|text| text.parse().ok()).unwrap_or(otherwise)
    }

    /// Makes the stand-in behave as after a reboot was initiated; the next reboot clears it.
    pub fn initiate_reboot(&self) {
        fs::create_dir_all(&self.run).unwrap();
        fs::write(self.run.join("reboot-requested"), "").unwrap();
    }

    /// Whether a reboot was requested (by a transaction or a test) and has not happened.
    pub fn reboot_requested(&self) -> bool {
        self.run.join("reboot-requested").exists()
    }

    /// Takes back everything.
    pub fn clear(&self) {
        let _ = fs::remove_dir_all(&self.control);
    }

    /// Passes `step`: on the side of the stand-in.
    pub(crate) fn pass(&self, step: Step, cancel: &Cancel) -> Result<(), Failure> {
        let file = self.control.join(step.name());
        let Ok(order) = fs::read_to_string(&file) else { return cancel.check("") };
        if order.trim() == "hang" {
            // Renaming announces that the step is reached; the released file ends the wait.
            fs::rename(&file, self.reached(step))?;
            while self.reached(step).exists() {
                std::thread::sleep(Duration::from_millis(5));
                if let Err(cancelled) = cancel.check("") {
                    let _ = fs::remove_file(self.reached(step));
                    return Err(cancelled);
                }
            }
            return Ok(());
        }
        fs::remove_file(&file)?;
        if order.trim() == "die" {
            nix::sys::signal::kill(nix::unistd::Pid::this(), nix::sys::signal::Signal::SIGKILL).unwrap();
        }
        Err(Failure::new(order.trim().strip_prefix("fail").unwrap_or(&order).trim()))
    }

    fn reached(&self, step: Step) -> PathBuf {
        self.control.join(format!("{}.reached", step.name()))
    }

    // Written aside and renamed, so that the stand-in never reads half an order.
    fn write(&self, name: &str, text: &str) {
        fs::create_dir_all(&self.control).unwrap();
        let aside = self.control.join(format!(".{name}"));
        fs::write(&aside, text).unwrap();
        fs::rename(aside, self.control.join(name)).unwrap();
    }
}
