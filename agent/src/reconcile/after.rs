//! The roll-out as what is done after each pass, with the time of the loop's clock.

use std::time::Duration;

use super::Clock;
use super::run::AfterPass;
use crate::apply::PassReport;
use crate::host::Host;
use crate::rollout::{Coordinator, Moment};

/// The roll-out, and the clock it goes by.
pub struct Coordinated<'a, H> {
    /// The roll-out.
    pub coordinator: Coordinator<'a, H>,
    /// The time.
    pub clock: &'a dyn Clock,
}

impl<H: Host> AfterPass for Coordinated<'_, H> {
    async fn after(&mut self, report: &PassReport) -> Option<Duration> {
        let moment = Moment { now: self.clock.now(), monotonic: self.clock.monotonic() };
        self.coordinator.advance(report, moment).await
    }
}
