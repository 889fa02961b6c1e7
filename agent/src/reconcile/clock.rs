//! The time, as an argument: a pass never asks the machine for it by itself.

use std::time::{Duration, Instant};

use jiff::Timestamp;

/// The time, as an argument.
pub trait Clock: Send + Sync {
    /// The time of day, for reports.
    fn now(&self) -> Timestamp;
    /// A time that never goes back, for durations.
    fn monotonic(&self) -> Duration;
}

/// The time of this machine.
#[derive(Debug, Clone, Copy)]
pub struct SystemClock {
    begun: Instant,
}

impl SystemClock {
    /// The clock, from now on.
    pub fn new() -> Self {
        Self { begun: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn monotonic(&self) -> Duration {
        self.begun.elapsed()
    }
}
