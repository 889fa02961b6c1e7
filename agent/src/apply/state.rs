//! The agent's own directory: the lock, the ledger and the open intent.

use std::path::{Path, PathBuf};

use super::error::ApplyError;
use super::journal::Intent;
use super::lock::HostLock;
use super::sealed::{Found, Sealed, make_directory};
use crate::plan::Ledger;

/// The newest format of the files that this agent writes and reads.
const FORMAT: u32 = 1;

/// The state directory. Reading is for everybody; writing takes the lock.
#[derive(Debug, Clone)]
pub struct State {
    directory: PathBuf,
    ledger: Sealed,
    intent: Sealed,
}

impl State {
    /// The state below `directory`; nothing is read or made yet.
    pub fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            ledger: Sealed::new(directory.join("ledger.json"), FORMAT),
            intent: Sealed::new(directory.join("intent.json"), FORMAT),
        }
    }

    /// Makes the directory and takes the lock of this host.
    ///
    /// # Errors
    /// [`ApplyError::AnotherInstance`] when somebody else has it.
    pub fn lock(&self) -> Result<HostLock, ApplyError> {
        make_directory(&self.directory)?;
        HostLock::take(self.directory.join("lock"))
    }

    /// What is ours. A damaged ledger owns nothing: what cannot be proved ours is foreign and is never uninstalled.
    ///
    /// # Errors
    /// When the file cannot be read or was written by a newer agent.
    pub fn ledger(&self) -> Result<Ledger, ApplyError> {
        Ok(match self.ledger.read()? {
            Found::Value(ledger) => ledger,
            Found::Nothing => Ledger::default(),
            Found::Damaged(problem) => {
                tracing::warn!(problem, "the ledger is damaged: every layered package counts as foreign");
                Ledger::default()
            }
        })
    }

    /// The intent that was left open, if one was. A damaged one says nothing; the host is asked anyway.
    ///
    /// # Errors
    /// When the file cannot be read or was written by a newer agent.
    pub fn intent(&self) -> Result<Option<Intent>, ApplyError> {
        Ok(match self.intent.read()? {
            Found::Value(intent) => Some(intent),
            Found::Nothing => None,
            Found::Damaged(problem) => {
                tracing::warn!(problem, "the open intent is damaged and counts as none");
                None
            }
        })
    }

    /// Puts damaged files aside, so that they can be looked at and are not written over.
    ///
    /// # Errors
    /// When they cannot be renamed.
    pub fn quarantine(&self, _lock: &HostLock) -> Result<(), ApplyError> {
        if let Found::Damaged(problem) = self.ledger.read::<Ledger>()? {
            tracing::warn!(problem, "putting the damaged ledger aside");
            self.ledger.quarantine()?;
        }
        if let Found::Damaged(problem) = self.intent.read::<Intent>()? {
            tracing::warn!(problem, "putting the damaged intent aside");
            self.intent.quarantine()?;
        }
        Ok(())
    }

    /// Keeps the ledger. Safe to repeat.
    ///
    /// # Errors
    /// When it cannot be written durably.
    pub fn keep_ledger(&self, _lock: &HostLock, ledger: &Ledger) -> Result<(), ApplyError> {
        self.ledger.write(ledger)
    }

    /// Writes an intent down. Safe to repeat.
    ///
    /// # Errors
    /// When it cannot be written durably; the call must not be made then.
    pub fn open_intent(&self, _lock: &HostLock, intent: &Intent) -> Result<(), ApplyError> {
        self.intent.write(intent)
    }

    /// Settles the open intent: first what is ours, then that nothing is open. A crash in between repeats the first.
    ///
    /// # Errors
    /// When it cannot be written durably.
    pub fn settle_intent(&self, _lock: &HostLock, ledger: &Ledger) -> Result<(), ApplyError> {
        self.ledger.write(ledger)?;
        self.intent.remove()
    }
}
