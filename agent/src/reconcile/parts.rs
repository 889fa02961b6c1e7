//! What a pass works with, and the looks at the host that its decision and its recovery share.

use std::time::Duration;

use super::Clock;
use super::notes::{Notes, Part};
use super::offer::PayloadRules;
use crate::apply::{Problem, State, Step, Watcher};
use crate::host::{Host, Observed};
use crate::owner::Owner;

/// What a pass works with.
pub struct Parts<'a, H, S> {
    /// The host.
    pub host: &'a H,
    /// Where payloads come from.
    pub source: &'a S,
    /// The agent's own state.
    pub state: &'a State,
    /// What the settings say of payloads.
    pub rules: PayloadRules<'a>,
    /// How long to wait for somebody else's transaction.
    pub wait_limit: Duration,
    /// How long our own transaction may take before it is given up as lost.
    pub transaction_limit: Duration,
    /// Who owns the extensions of this host, where it is not the agent: then a pass only looks.
    pub owner: &'a (dyn Fn() -> Option<Owner> + Send + Sync),
    /// Why the source of the wish cannot be asked at the moment.
    pub source_problem: &'a (dyn Fn() -> Option<Problem> + Send + Sync),
    /// This boot, when what is staged in it waits to be finalized by the roll-out; none when any reboot may bring it.
    pub locked_in: Option<&'a str>,
    /// Whether a person asks for it now: then a change is made that would be held back otherwise.
    pub insist: bool,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Makes a text that was never used before.
    pub nonce: &'a (dyn Fn() -> String + Send + Sync),
    /// Who is told about steps.
    pub watcher: Watcher<'a>,
}

impl<H: Host, S> Parts<'_, H, S> {
    /// Observes the host and notes what was seen.
    pub(super) async fn observe(&self, notes: &mut Notes<'_>) -> Result<Observed, Problem> {
        (self.watcher)(Step::Observing);
        let start = notes.start();
        let observed = self.host.observe().await;
        notes.took(Part::Observe, start);
        let observed = observed.map_err(|error| Problem::of(&error))?;
        notes.observed = Some(observed.clone());
        Ok(observed)
    }

    /// Waits until no transaction runs.
    pub(super) async fn wait_idle(
        &self,
        title: Option<String>,
        notes: &mut Notes<'_>,
    ) -> Result<(), Problem> {
        (self.watcher)(Step::Waiting { title });
        let start = notes.start();
        let idle = self.host.wait_idle(self.wait_limit).await;
        notes.took(Part::Wait, start);
        idle.map_err(|error| Problem::of(&error))
    }
}
