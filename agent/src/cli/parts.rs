//! The parts of a pass, opened as the settings say.

use crate::apply::{Problem, State, Step};
use crate::host::RpmOstree;
use crate::owner::Owner;
use crate::payload::Loader;
use crate::reconcile::{Parts, PayloadRules, SystemClock};
use crate::rollout;
use crate::settings::{Settings, Strategy};

use super::context::Context;
use super::stop::Stop;
use super::wishing::Around;

/// The parts of a pass, owned.
pub(super) struct OwnParts {
    host: RpmOstree,
    loader: Loader,
    /// The agent's own state.
    pub state: State,
    clock: SystemClock,
    /// This boot, where the roll-out decides when the node reboots.
    locked_in: Option<String>,
    nonce: fn() -> String,
}

/// What a pass asks about the world around the host.
pub(super) struct Asked {
    owner: Box<dyn Fn() -> Option<Owner> + Send + Sync>,
    problem: Box<dyn Fn() -> Option<Problem> + Send + Sync>,
}

impl From<Around> for Asked {
    fn from(around: Around) -> Self {
        let around = std::sync::Arc::new(around);
        let owner = std::sync::Arc::clone(&around);
        Self { owner: Box::new(move || owner.owner()), problem: Box::new(move || around.problem()) }
    }
}

impl OwnParts {
    /// Opens store and host.
    ///
    /// # Errors
    /// When either cannot be used.
    pub(super) async fn open(context: &Context) -> Result<Self, Stop> {
        Ok(Self {
            loader: context.loader()?,
            host: context.host().await?,
            state: State::new(&context.settings().state.directory),
            clock: SystemClock::new(),
            locked_in: coordinated(context.settings()).then(rollout::boot_id),
            nonce: || uuid::Uuid::new_v4().to_string(),
        })
    }

    /// As a pass takes them.
    pub(super) fn lent<'a>(
        &'a self,
        settings: &'a Settings,
        asked: &'a Asked,
        watcher: &'a (dyn Fn(Step) + Send + Sync),
    ) -> Parts<'a, RpmOstree, Loader> {
        Parts {
            host: &self.host,
            source: &self.loader,
            state: &self.state,
            rules: PayloadRules::of(&settings.payload),
            wait_limit: settings.reconcile.wait_limit,
            transaction_limit: settings.reconcile.transaction_limit,
            owner: &*asked.owner,
            source_problem: &*asked.problem,
            locked_in: self.locked_in.as_deref(),
            insist: false,
            clock: &self.clock,
            nonce: &self.nonce,
            watcher,
        }
    }
}

/// Whether somebody else than an admin decides when the node reboots.
fn coordinated(settings: &Settings) -> bool {
    settings.rollout.strategy != Strategy::None
}
