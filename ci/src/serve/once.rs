//! Everything that is to be done, until nothing is: dead drivers' requests are ready or gone, and nothing belongs to nobody.
//!
//! Decides: when it is over. Must not: wait for what is alive. Input: a desk.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::SignedDuration;
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::adopt::adopt;
use crate::cleanup::{Report, Scope, Task};
use crate::drive::{DRIVER, Desk, Stop};

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
            return Ok(outcome);
        }
        sleep(PAUSE).await;
    }
}
