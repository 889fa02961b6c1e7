//! The intent, written down before the call: what a restarted agent needs to tell what became of it.
//!
//! The host is the truth; the intent says only what we meant. After any crash: read it, look at the host, decide again.

use std::collections::BTreeSet;

use extensions_manifest::Sha256Digest;
use serde::{Deserialize, Serialize};

use crate::host::{Deployment, LocalPackage, Observed};
use crate::plan::{Change, Expected, Ledger, Owned};

/// One call that was meant, and perhaps made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Intent {
    /// Makes the call unlike any other; stands in the title of its transaction.
    pub nonce: String,
    /// The wish it answers; none when nothing is wanted.
    pub generation: Option<Sha256Digest>,
    /// The payload its packages come from.
    pub payload: Option<Sha256Digest>,
    /// The deployment it starts from.
    pub start: String,
    /// The deployments that were there before it: none of them can be what came of it.
    #[serde(default)]
    pub before: BTreeSet<String>,
    /// Packages it installs.
    pub install: BTreeSet<LocalPackage>,
    /// Packages it uninstalls.
    pub uninstall: BTreeSet<LocalPackage>,
    /// What must come of it.
    pub expected: Expected,
    /// What is ours once it has come.
    pub ledger: Ledger,
    /// Whether the transaction was seen to run.
    pub started: bool,
}

/// What became of an intent, as the host shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Something is running: it is ours, or it cannot be told yet.
    Running {
        /// Whether it carries our nonce.
        ours: bool,
    },
    /// The next boot takes, or the host runs, exactly what was meant.
    Done {
        /// That deployment.
        deployment: String,
    },
    /// The host has something else.
    NotDone,
}

impl Intent {
    /// The intent behind `change`.
    pub fn new(change: &Change, nonce: String) -> Self {
        let installed = change.install.values().map(|install| {
            let package = install.package.get();
            LocalPackage { nevra: package.facts.nevra.clone(), head: Some(package.head) }
        });
        let gone = change
            .uninstall
            .iter()
            .map(|gone| LocalPackage { nevra: gone.nevra.clone(), head: Some(gone.head) });
        let aim = change.basis.ledger.aim.as_ref();
        Self {
            nonce,
            generation: aim.map(|aim| aim.generation),
            payload: aim.and_then(|aim| aim.payload),
            start: change.start.id.clone(),
            before: change
                .basis
                .ledger
                .staging
                .as_ref()
                .map(|staging| staging.before.clone())
                .unwrap_or_default(),
            install: installed.collect(),
            uninstall: gone.collect(),
            expected: change.expected.clone(),
            ledger: change.basis.ledger.clone(),
            started: false,
        }
    }

    /// What became of it. Pure, so that every crash point is a test of values.
    pub fn verdict(&self, observed: &Observed) -> Verdict {
        if let Some(transaction) = &observed.transaction {
            let ours = transaction.title.as_ref().is_some_and(|title| title.contains(&self.nonce));
            return Verdict::Running { ours };
        }
        match self.fulfilled_by(observed) {
            Some(deployment) => Verdict::Done { deployment: deployment.id.clone() },
            None => Verdict::NotDone,
        }
    }

    /// The deployment that is exactly what was meant: that of the next boot, or the booted one. One that was there before
    /// is not: a change back to what is booted, which never ran, would claim packages that somebody else layered.
    pub fn fulfilled_by<'a>(&self, observed: &'a Observed) -> Option<&'a Deployment> {
        [observed.pending_or_booted(), observed.booted()]
            .into_iter()
            .flatten()
            .find(|deployment| self.is_later(deployment) && self.expected.is(deployment))
    }

    fn is_later(&self, deployment: &Deployment) -> bool {
        !self.before.contains(&deployment.id)
    }

    /// What is ours although the host does not have exactly what was meant: a call that ran may have staged our packages
    /// before somebody else went on from there. Without a sign that it ran, nothing is claimed.
    #[must_use]
    pub fn ledger_if_not_done(&self, ledger: &Ledger, observed: &Observed) -> Ledger {
        let mut next = ledger.clone();
        if !self.started {
            return next;
        }
        let later = observed.deployments.iter().filter(|deployment| self.is_later(deployment));
        let there: BTreeSet<&LocalPackage> =
            later.flat_map(|deployment| &deployment.local_packages).collect();
        let identity = |owned: &Owned| LocalPackage { nevra: owned.nevra.clone(), head: Some(owned.head) };
        let known: BTreeSet<LocalPackage> = next.owned.iter().map(identity).collect();
        for owned in &self.ledger.owned {
            let package = identity(owned);
            if self.install.contains(&package) && there.contains(&package) && !known.contains(&package) {
                next.owned.insert(owned.clone());
            }
        }
        next
    }
}
