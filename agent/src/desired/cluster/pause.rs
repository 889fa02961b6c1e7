//! How long to wait before the API server is asked again. Pure.

use std::time::Duration;

use super::super::DesiredError;
use crate::error::{Failure, Reason};
use crate::jitter::scaled;

/// The first pause; doubled each time.
const FIRST: Duration = Duration::from_secs(1);
/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);
/// How long a watch lasts before it is asked for anew, less a fifth for chance. An hour is one request in an hour.
const WATCH: u64 = 3_600;

/// The pause after the `attempt`th failure in a row, from 1. `dice` is any number, another on each node: a thousand
/// nodes that lost one API server should not come back to the next one in step.
pub(super) fn pause(error: &DesiredError, attempt: u32, dice: u64) -> Duration {
    let doublings = attempt.saturating_sub(1).min(16);
    // What an admin has to mend is not mended by asking.
    let forbidden = error.reason() == Reason::ClusterForbidden;
    let most = if forbidden { LONGEST } else { FIRST.saturating_mul(1 << doublings).min(LONGEST) };
    scaled(most, 50, 50, dice)
}

/// A short pause before a watch that has ended is asked for anew.
pub(super) fn breath(dice: u64) -> Duration {
    Duration::from_millis(dice % 1_000)
}

/// How many seconds the next watch is to last.
pub(super) fn watch_secs(dice: u64) -> u64 {
    WATCH - dice % (WATCH / 5)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::ClusterError;

    #[test]
    fn pauses_double_up_to_a_minute_and_stay_in_their_half() {
        for (attempt, most) in [(1, 1), (2, 2), (6, 32), (7, 60), (u32::MAX, 60)] {
            for dice in 0..200 {
                let pause = pause(&DesiredError::NotAskedYet, attempt, dice);
                let most = Duration::from_secs(most);
                assert!(pause >= most / 2 && pause <= most, "attempt {attempt}, dice {dice}: {pause:?}");
            }
        }
    }

    #[test]
    fn a_refusal_is_not_asked_again_in_haste() {
        let error = ClusterError::Refused {
            operation: String::new(),
            code: 403,
            reason: String::new(),
            message: String::new(),
        };
        assert!(pause(&DesiredError::Cluster(error), 1, 0) >= Duration::from_secs(30));
    }

    #[test]
    fn watches_last_most_of_an_hour_and_do_not_end_in_step() {
        let spans: std::collections::BTreeSet<u64> = (0..10_000).map(watch_secs).collect();
        assert!(spans.len() > 500 && spans.iter().all(|secs| (2_880..=3_600).contains(secs)));
        assert!((0..5_000).all(|dice| breath(dice) < Duration::from_secs(1)));
    }
}
