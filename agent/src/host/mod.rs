//! 2 · *see* and *do*: the machine, through whatever manages its deployments.
//!
//! Decides: nothing. It says what is booted, staged and layered, and carries one change to the host and follows it to
//! one outcome. Must not: know what is wanted or offered. Input: rpm-ostreed on the bus, origin files and the package
//! database of the booted deployment.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::os::fd::OwnedFd;
use std::time::Duration;

use extensions_manifest::{Base, Nevra, Sha256Digest};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

mod bus;
mod changes;
mod client;
mod error;
mod files;
mod observed;
mod origin;
mod progress;
mod proxy;
mod reply;
mod rpmdb;
mod session;
mod transaction;
mod variant;

#[cfg(test)]
mod tests;

pub use client::{HostSettings, RpmOstree};
pub use error::HostError;
pub use observed::architecture;

/// The machine, whatever manages its deployments. rpm-ostree is the first and will not be the only one.
pub trait Host: Send + Sync {
    /// What is deployed and what is running, now.
    ///
    /// # Errors
    /// When the host cannot be asked.
    fn observe(&self) -> impl Future<Output = Result<Observed, HostError>> + Send;

    /// The base packages of this deployment, without layered ones. Of its files only those in `paths` are listed.
    ///
    /// # Errors
    /// [`HostError::Base`] when the package database cannot be read.
    fn base(
        &self,
        deployment: &Deployment,
        paths: &BTreeSet<String>,
    ) -> impl Future<Output = Result<Base, HostError>> + Send;

    /// Carries one change to the host, as one transaction, and follows it to one outcome.
    ///
    /// An error means that no transaction of ours was started; every doubt is [`Outcome::Lost`]. Afterwards the host may
    /// be busy for a moment longer: [`Host::wait_idle`] before the next call.
    ///
    /// # Errors
    /// When the host would not take the change: busy, rebooting, not allowed, not there.
    fn layer(
        &self,
        request: LayerRequest,
        progress: &mut (dyn FnMut(Progress) + Send),
    ) -> impl Future<Output = Result<Outcome, HostError>> + Send;

    /// Finalizes the staged deployment and reboots into it, as one transaction. [`Outcome::Finished`] means that the reboot
    /// was requested; [`Outcome::Lost`] that it may have been, for the host goes down under the answer.
    ///
    /// # Errors
    /// When the host would not take the call: nothing staged on that base, busy, rebooting already, not allowed.
    fn finalize(&self, request: FinalizeRequest) -> impl Future<Output = Result<Outcome, HostError>> + Send;

    /// Returns when no transaction is running any more, whoever made it.
    ///
    /// # Errors
    /// [`HostError::Busy`] when one is still running after `limit`.
    fn wait_idle(&self, limit: Duration) -> impl Future<Output = Result<(), HostError>> + Send;

    /// The most files that one call may carry.
    ///
    /// # Errors
    /// When the host cannot be asked.
    fn descriptors_per_call(&self) -> impl Future<Output = Result<usize, HostError>> + Send;

    /// A counter that moves whenever deployments or the running transaction may have changed. It only says *look*.
    fn changes(&self) -> watch::Receiver<u64>;
}

/// How a transaction of ours ended. The *deployment* is the truth, not this: it must be observed afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The host says it is done.
    Finished,
    /// The host says it failed. A deployment may be staged all the same.
    Failed {
        /// What it said, escaped and cut.
        message: String,
    },
    /// Somebody cancelled it; anyone on the host may.
    Cancelled {
        /// What the host said, escaped and cut.
        message: String,
    },
    /// The host went away before it said how it ended.
    Lost,
    /// The call was joined to somebody else's that looked equal: what finished was theirs, ours was never run.
    NotOurs,
}

/// A package that was layered from a local file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct LocalPackage {
    /// Which package.
    pub nevra: Nevra,
    /// SHA-256 of everything before its payload, from the origin file; unknown when that file could not be read.
    pub head: Option<Sha256Digest>,
}

/// One deployment, as far as the agent needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deployment {
    /// `osname-checksum.serial`.
    pub id: String,
    /// The stateroot.
    pub osname: String,
    /// The commit that is checked out.
    pub checksum: String,
    /// Tells deployments of one commit apart.
    pub serial: i32,
    /// The commit of the base: `checksum` itself when nothing is layered.
    pub base_checksum: String,
    /// The version of the base, where it has one.
    pub version: Option<String>,
    /// Whether the host runs from it.
    pub booted: bool,
    /// Whether it waits for the next reboot to be finalized.
    pub staged: bool,
    /// Whether an admin pinned it.
    pub pinned: bool,
    /// Packages layered from local files.
    pub local_packages: BTreeSet<LocalPackage>,
    /// Packages requested by name from repositories.
    pub requested_packages: BTreeSet<String>,
    /// Base packages that are removed.
    pub base_removals: BTreeSet<String>,
    /// Everything else the daemon said, unread but kept for support cases.
    #[serde(default)]
    pub other: BTreeMap<String, serde_json::Value>,
}

/// A transaction that is running on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RunningTransaction {
    /// The method that made it.
    pub method: String,
    /// The bus name of the client that made it.
    pub sender: String,
    /// Its title, where it could be read; holds the nonce of the call when it is ours.
    pub title: Option<String>,
}

/// What the host says of itself at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Observed {
    /// In boot order: the first is what the next boot takes.
    pub deployments: Vec<Deployment>,
    /// What is running now.
    pub transaction: Option<RunningTransaction>,
    /// The architecture of the host, in rpm's words.
    pub arch: String,
}

/// The host and its base in one document: `observe` writes it and `plan --observed` reads it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct HostDocument {
    /// What the host said.
    #[serde(flatten)]
    pub observed: Observed,
    /// The packages of the booted base.
    pub base: Base,
}

impl Observed {
    /// The deployment the host runs from.
    pub fn booted(&self) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.booted)
    }

    /// The deployment that the next reboot would finalize.
    pub fn staged(&self) -> Option<&Deployment> {
        self.deployments.iter().find(|deployment| deployment.staged)
    }

    /// The deployment that a layering call starts from: the pending one if there is one, else the booted one.
    pub fn pending_or_booted(&self) -> Option<&Deployment> {
        self.deployments.first().filter(|first| !first.booted).or_else(|| self.booted())
    }
}

/// One package to hand over: who it is and an open, read-only file with exactly the verified bytes.
#[derive(Debug)]
pub struct LocalFile {
    /// Which package.
    pub nevra: Nevra,
    /// The file, rewound.
    pub fd: OwnedFd,
}

/// One call to the host: everything that changes, in one transaction.
#[derive(Debug)]
pub struct LayerRequest {
    /// Packages to install from files.
    pub install: Vec<LocalFile>,
    /// Packages to uninstall, by NEVRA.
    pub uninstall: Vec<Nevra>,
    /// Base packages to remove (kernel swap).
    pub override_remove: Vec<String>,
    /// Base packages whose removal is undone (kernel swap back).
    pub override_reset: Vec<String>,
    /// Whether the staged deployment waits for [`Host::finalize`]: a reboot before that comes up in the old one.
    pub lock_finalization: bool,
    /// Makes the call unlike any other, and recognisable in the journal and in `rpm-ostree status`.
    pub nonce: String,
}

/// The call that ends in a reboot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalizeRequest {
    /// The *base* commit of the deployment that is staged; the host refuses when it has staged another.
    pub base_checksum: String,
    /// As in [`LayerRequest::nonce`].
    pub nonce: String,
}

/// What a running transaction says on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// A step began: `Checking out tree 11b440b`.
    Task(String),
    /// A remark: `No enabled rpm-md repositories.`
    Message(String),
    /// Part of a step, in percent where the daemon counts, `None` where it does not.
    Percent(String, Option<u8>),
}
