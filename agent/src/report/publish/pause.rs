//! How long to wait before the next try and before the next look, as functions of numbers. Pure.

use std::time::Duration;

use crate::jitter::scaled;

/// The pause after the first failure; doubled each time.
const FIRST: Duration = Duration::from_millis(500);
/// The longest pause: what has changed is known within a minute of the API server's return.
const LONGEST: Duration = Duration::from_secs(60);
/// How often a status is read back that has not changed.
const RESYNC: Duration = Duration::from_secs(3600);

/// The pause after the `attempt`th failure in a row, from 1.
pub(super) fn after(attempt: u32, seed: u64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    spread(FIRST.saturating_mul(1 << doublings).min(LONGEST), seed)
}

/// The time until the next look at a status that has not changed: an hour, or up to twice as long.
pub(super) fn resync(seed: u64) -> Duration {
    spread(RESYNC * 2, seed)
}

/// Between half of `time` and all of it, so that the nodes of a fleet do not ask in step.
fn spread(time: Duration, seed: u64) -> Duration {
    scaled(time, 50, 50, seed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_never_beyond() {
        for seed in 0..100 {
            for attempt in 1..100 {
                let pause = after(attempt, seed);
                assert!(pause >= FIRST / 2 && pause <= LONGEST, "{attempt} {seed} {pause:?}");
            }
            assert!(after(1, seed) <= FIRST && after(40, seed) >= LONGEST / 2);
            assert!(resync(seed) >= RESYNC && resync(seed) <= RESYNC * 2);
        }
    }

    #[test]
    fn nodes_do_not_ask_in_step() {
        let pauses: std::collections::BTreeSet<Duration> = (0..100).map(|seed| after(9, seed)).collect();
        assert!(pauses.len() > 80, "{}", pauses.len());
    }
}
