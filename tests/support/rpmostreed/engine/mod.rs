//! What a transaction does: really layers packages, with `ostree` and `rpm`, on the sandbox's sysroot.
//!
//! ```text
//!  update: the rules, in the daemon's order ─► import ─► depsolve ─► assemble (scripts) ─► stage
//!  cleanup, rollback, finalize-deployment: what is left of a host's life        reboot: [`finalize`]
//! ```
//!
//! Everything in here blocks, knows no D-Bus, and fails with the text that `Finished` will carry.

pub mod assemble;
pub mod command;
pub mod context;
pub mod deployments;
pub mod depsolve;
pub mod import;
pub mod lifecycle;
pub mod origin;
pub mod overrides;
pub mod package;
pub mod reboot;
pub mod repo;
pub mod scripts;
pub mod stage;
pub mod update;

pub use reboot::finalize;

use self::context::{Context, Output};
use super::faults::Step;
use super::request::Update;

/// The text of a failed transaction.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl Failure {
    /// A failure in these words.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The same failure, said to have happened in `place`.
    #[must_use]
    pub fn within(self, place: &str) -> Self {
        if place.is_empty() { self } else { Self(format!("{place}: {}", self.0)) }
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self(error.to_string())
    }
}

/// What `Cleanup` is asked to drop.
#[derive(Debug, Default, Clone, Copy)]
#[allow(missing_docs, reason = "each is the element of that name")]
pub struct CleanupWhat {
    pub base: bool,
    pub pending: bool,
    pub rollback: bool,
    pub repomd: bool,
}

/// What a transaction is to do.
#[derive(Debug)]
#[allow(missing_docs, reason = "each is the D-Bus method of that name")]
pub enum Job {
    Update { osname: String, update: Box<Update> },
    Rollback { osname: String, reboot: bool },
    Cleanup { osname: String, what: CleanupWhat },
    Finalize { osname: String, checksum: Option<String>, allow_missing_checksum: bool, allow_unlocked: bool },
    RefreshMd,
    ApplyLive,
}

/// Does the job; the error is the text of `Finished(false, …)`.
///
/// # Errors
/// Whatever made the job fail.
pub fn run(job: Job, context: &Context) -> Result<(), Failure> {
    context.faults().pass(Step::BeforeStart, context.cancel())?;
    context.clear_work()?;
    let result = match job {
        Job::Update { osname, update } => update::run(context, &osname, *update),
        Job::Rollback { osname, reboot } => lifecycle::rollback(context, &osname, reboot),
        Job::Cleanup { osname, what } => lifecycle::cleanup(context, &osname, what),
        Job::Finalize { osname, checksum, allow_missing_checksum, allow_unlocked } => {
            let expected = lifecycle::Expected { checksum, allow_missing_checksum, allow_unlocked };
            lifecycle::finalize_deployment(context, &osname, &expected)
        }
        Job::ApplyLive => Err(Failure::new("Not running under systemd")),
        Job::RefreshMd => {
            context.say(Output::Message("No enabled rpm-md repositories.".into()));
            Ok(())
        }
    };
    let _ = context.clear_work();
    result
}

#[cfg(test)]
mod tests;
