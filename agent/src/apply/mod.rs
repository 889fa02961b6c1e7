//! 4 · *do*: carry one checked plan to the host, and believe only what the host then has.
//!
//! Decides: nothing that a plan decides; it keeps the order of intent, call and confirmation. Must not: resolve, plan,
//! or believe a signal. Input: a [`CheckedPlan`] and the lock of this host.
//!
//! ```text
//!  open and hash files ─► intent, synced ─► one call ─► follow ─► look again ─► ledger, synced ─► intent settled
//! ```

mod by_name;
mod confirm;
mod error;
mod extension_states;
mod journal;
mod lock;
mod pass_report;
mod sealed;
mod source;
mod state;

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use extensions_manifest::Nevra;

use crate::host::{Host, HostError, LayerRequest, LocalFile, Observed, Outcome, Progress};
use crate::payload::FetchProgress;
use crate::plan::{Change, CheckedPlan, PlanDocument};

pub use by_name::{layered_by_name, with_by_name};
pub use confirm::confirm;
pub use error::ApplyError;
pub use extension_states::extension_states;
pub use journal::{Intent, Verdict};
pub use lock::HostLock;
pub use pass_report::{
    ExtensionState, FetchSummary, PassOutcome, PassReport, PayloadSummary, Problem, Timings,
};
pub(crate) use sealed::{Found, Sealed};
pub use source::PayloadSource;
pub use state::State;

/// What a pass is doing, for a progress bar, a status line or a watchdog.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Asking the host.
    Observing,
    /// An earlier run left an intent open; looking what became of it.
    Recovering {
        /// The nonce of that call.
        nonce: String,
    },
    /// Waiting for a transaction to end.
    Waiting {
        /// Its title, where it could be read.
        title: Option<String>,
    },
    /// Reading the payload.
    Fetching(FetchProgress),
    /// Reading the package database that the plan is proved against.
    ReadingBase,
    /// The plan was made.
    Planned(Box<PlanDocument>),
    /// Opening and hashing a file to hand over.
    Opening {
        /// Which package.
        nevra: Nevra,
    },
    /// Handing files and names over; rpm-ostree may first have to start, and to read them.
    Calling {
        /// How many package files go with the call.
        files: usize,
    },
    /// The transaction said something.
    Transaction(Progress),
    /// Looking again.
    Confirming,
}

/// Who is told about steps.
pub type Watcher<'a> = &'a (dyn Fn(Step) + Send + Sync);

/// What `apply` works with.
pub struct Tools<'a, H, S> {
    /// The host.
    pub host: &'a H,
    /// Where the files are.
    pub source: &'a S,
    /// The agent's own state.
    pub state: &'a State,
    /// The proof that no other instance works on this host.
    pub lock: &'a HostLock,
    /// Counts the calls that were made.
    pub calls: &'a AtomicU32,
    /// Whether what is staged waits to be finalized by us.
    pub lock_finalization: bool,
    /// How long the transaction may take before it is given up as lost.
    pub limit: Duration,
    /// Who is told about steps.
    pub watcher: Watcher<'a>,
}

/// A change that was carried out and confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applied {
    /// The deployment that has it; the next boot takes it.
    pub deployment: String,
    /// What the host said afterwards.
    pub observed: Observed,
}

/// Carries out one checked plan, in one call, and confirms it. The only code that changes the host.
///
/// Not to be repeated blindly after an error: the host is observed and a new plan is made. An intent that is left open
/// ([`ApplyError::Lost`], or this process dying) is settled by whoever looks next.
///
/// # Errors
/// Everything that [`ApplyError`] names; the host is unchanged unless it is [`ApplyError::Lost`].
pub async fn apply<H: Host, S: PayloadSource>(
    plan: CheckedPlan,
    tools: &Tools<'_, H, S>,
    nonce: String,
) -> Result<Applied, ApplyError> {
    let change = plan.change();
    let files = change.install.len();
    let limit = tools.host.descriptors_per_call().await?;
    if files > limit {
        return Err(HostError::TooManyFiles { files, limit }.into());
    }
    let request = request(change, tools, nonce.clone()).await?;
    let mut intent = Intent::new(change, nonce);
    tools.state.open_intent(tools.lock, &intent)?;
    let outcome = match call(request, tools, &mut intent).await {
        Ok(outcome) => outcome,
        Err(error) => {
            // The host's word for "no transaction of ours was started".
            tools.state.settle_intent(tools.lock, &tools.state.ledger()?)?;
            return Err(error.into());
        }
    };
    settle(change, tools, &intent, outcome).await
}

/// Opens and hashes every file. Hashing blocks for as long as reading takes; the runtime gets a turn after each file.
async fn request<H: Host, S: PayloadSource>(
    change: &Change,
    tools: &Tools<'_, H, S>,
    nonce: String,
) -> Result<LayerRequest, ApplyError> {
    let mut install = Vec::with_capacity(change.install.len());
    for (nevra, wanted) in &change.install {
        (tools.watcher)(Step::Opening { nevra: nevra.clone() });
        let opened = tools.source.open_package(&wanted.package);
        let fd = opened.map_err(|source| ApplyError::Package { nevra: Box::new(nevra.clone()), source })?;
        install.push(LocalFile { nevra: nevra.clone(), fd });
        tokio::task::yield_now().await;
    }
    Ok(LayerRequest {
        install,
        uninstall: change.uninstall.iter().map(|gone| gone.nevra.clone()).collect(),
        override_remove: change.override_remove.iter().cloned().collect(),
        override_reset: change.override_reset.iter().cloned().collect(),
        lock_finalization: tools.lock_finalization,
        nonce,
    })
}

/// Makes the call and follows it. The first sign of life is written down: from then on what it did is ours.
async fn call<H: Host, S: PayloadSource>(
    request: LayerRequest,
    tools: &Tools<'_, H, S>,
    intent: &mut Intent,
) -> Result<Outcome, HostError> {
    (tools.watcher)(Step::Calling { files: request.install.len() });
    tools.calls.fetch_add(1, Ordering::Relaxed);
    let mut progress = |progress: Progress| {
        if !intent.started {
            intent.started = true;
            if let Err(error) = tools.state.open_intent(tools.lock, intent) {
                tracing::warn!(error = %crate::error::chain(&error), "noting that the transaction has started");
            }
        }
        (tools.watcher)(Step::Transaction(progress));
    };
    match tokio::time::timeout(tools.limit, tools.host.layer(request, &mut progress)).await {
        Ok(outcome) => outcome,
        Err(_) => {
            tracing::warn!(limit = ?tools.limit, "the transaction takes too long and is not followed any more");
            Ok(Outcome::Lost)
        }
    }
}

/// Looks again, and settles the intent by what is there.
async fn settle<H: Host, S: PayloadSource>(
    change: &Change,
    tools: &Tools<'_, H, S>,
    intent: &Intent,
    outcome: Outcome,
) -> Result<Applied, ApplyError> {
    (tools.watcher)(Step::Confirming);
    let ledger = tools.state.ledger()?;
    if outcome == Outcome::NotOurs {
        tools.state.settle_intent(tools.lock, &ledger)?;
        return Err(ApplyError::NotOurs);
    }
    let observed = match tools.host.observe().await {
        Ok(observed) => observed,
        Err(error) => {
            tracing::warn!(error = %crate::error::chain(&error), "the host cannot be asked what became of it");
            return Err(ApplyError::Lost);
        }
    };
    let problem = match confirm(&change.expected, &observed) {
        Ok(next) => {
            let deployment = next.id.clone();
            tools.state.settle_intent(tools.lock, &intent.ledger.settled(&observed))?;
            return Ok(Applied { deployment, observed });
        }
        Err(problem) => problem,
    };
    let error = match outcome {
        // It may still be running; the intent stays open.
        Outcome::Lost => return Err(ApplyError::Lost),
        Outcome::Finished => ApplyError::NotConfirmed { problem },
        Outcome::Failed { message } => ApplyError::Failed { message },
        Outcome::Cancelled { message } => ApplyError::Cancelled { message },
        Outcome::NotOurs => ApplyError::NotOurs,
    };
    tools.state.settle_intent(tools.lock, &intent.ledger_if_not_done(&ledger, &observed))?;
    Err(error)
}
