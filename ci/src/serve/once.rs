//! Everything that is to be done, until nothing is: dead drivers' requests are ready or gone, and nothing belongs to nobody.
//!
//! Decides: when it is over. Must not: wait for what is alive. Input: a desk.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::adopt::adopt;
use super::stock::{Plan, keep, plan};
use crate::cleanup::{Report, Scope, Task};
use crate::drive::{DRIVER, Desk, Stop};
use crate::error::chain;

/// Between two passes.
const PAUSE: Duration = Duration::from_millis(300);

/// What was done.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Outcome {
    /// Builds whose driver had died, and that are ready now.
    pub adopted: Vec<String>,
    /// Builds whose driver had died and that could not be made ready, with the cause. They are released.
    pub given_up: BTreeMap<String, String>,
    /// How many nodes were made that are kept ready.
    pub stocked: usize,
    /// Why others could not be.
    pub not_stocked: Vec<String>,
    /// What the cleaner did.
    #[serde(flatten)]
    pub cleaned: Report,
}

/// Takes up what dead drivers left, and cleans, again and again until nothing is left to do or the desk's patience is over.
///
/// A driver that is silent is waited for, for as long as it may be believed to be alive.
///
/// # Errors
/// When the records cannot be had. A provider that is away is named in the outcome, and not waited for.
pub async fn once(desk: &Desk<'_>) -> Result<Outcome, Stop> {
    let mut outcome = Outcome::default();
    let began = (desk.clock)();
    let believed = SignedDuration::from_secs(i64::try_from(DRIVER).unwrap_or(30) + 1);
    // First of all, so that it is gone when this ends.
    let surplus = plan(desk, &Scope::All, &desk.store.list().await?).surplus;
    let kept = keep(desk, &Scope::All, &Plan { surplus, ..Plan::default() }).await;
    outcome.not_stocked = kept.failures.iter().map(|stop| chain(stop)).collect();
    loop {
        for (build, failure) in adopt(desk, &Scope::All).await? {
            match failure {
                None => outcome.adopted.push(build),
                Some(why) => drop(outcome.given_up.insert(build, why)),
            }
        }
        let task = Task { dry: false, scope: Scope::All, spare_orphans: true };
        let report = desk.clean_part(&task).await?;
        let alive = (desk.clock)().duration_since(began) > believed;
        let over = report.is_quiet() && (report.driven == 0 || alive);
        outcome.cleaned.then(report);
        if over || Instant::now() + PAUSE >= desk.deadline {
            stock_up(desk, &mut outcome).await?;
            return Ok(outcome);
        }
        sleep(PAUSE).await;
    }
}

/// Fills the stock, each place tried once: a label whose nodes do not become usable must not keep us.
async fn stock_up(desk: &Desk<'_>, outcome: &mut Outcome) -> Result<(), Stop> {
    let missing = plan(desk, &Scope::All, &desk.store.list().await?).missing;
    let kept = keep(desk, &Scope::All, &Plan { missing, ..Plan::default() }).await;
    outcome.stocked = kept.made;
    outcome.not_stocked.extend(kept.failures.iter().map(|stop| chain(stop)));
    Ok(())
}
