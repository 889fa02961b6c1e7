//! When the next pass runs: pauses, backoff and jitter as functions of values. Pure.

use std::time::Duration;

use crate::error::Class;
use crate::jitter::scaled;
use crate::settings::ReconcileSettings;

/// What could start a pass before its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wake {
    /// The wish changed.
    Wish,
    /// Deployments or the running transaction may have changed.
    Host,
    /// Something around the host has changed: who owns it, or whether the source of the wish can be asked.
    Around,
}

/// The pace of the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How long changes must have settled before a pass starts; so there is at most one transaction in that time.
    pub dwell: Duration,
    /// The first pause after a failed pass; doubled each time.
    pub initial: Duration,
    /// The longest pause after a failed pass.
    pub limit: Duration,
    /// A pass at least this often.
    pub interval: Duration,
}

impl From<&ReconcileSettings> for Pace {
    fn from(settings: &ReconcileSettings) -> Self {
        Self {
            dwell: settings.dwell,
            initial: settings.backoff_initial,
            limit: settings.backoff_limit,
            interval: settings.interval,
        }
    }
}

impl Pace {
    /// The pause after a pass that ended with `class` (none: it got there) for the `attempt`th time in a row, from 1.
    pub fn pause(&self, class: Option<Class>, attempt: u32, seed: u64) -> Duration {
        match class {
            // Many nodes were told at the same moment; they should not ask again at the same moment.
            None | Some(Class::Refuse | Class::Bug) => scaled(self.interval, 80, 40, seed),
            Some(Class::Retry | Class::Wait) => {
                let doublings = attempt.saturating_sub(1).min(31);
                let pause = self.initial.saturating_mul(1_u32 << doublings).min(self.limit);
                scaled(pause, 50, 50, seed)
            }
        }
    }

    /// Whether `wake` cuts that pause short. A transaction of ours that fails wakes us too, and must not undo its own
    /// backoff.
    pub fn cuts_short(wake: Wake, class: Option<Class>) -> bool {
        match (wake, class) {
            (Wake::Wish | Wake::Around, _) | (Wake::Host, None | Some(Class::Wait | Class::Refuse)) => true,
            (Wake::Host, Some(Class::Retry | Class::Bug)) => false,
        }
    }

    /// How long a change that keeps changing may put off the next pass.
    pub fn patience(&self) -> Duration {
        self.dwell.saturating_mul(4)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACE: Pace = Pace {
        dwell: Duration::from_secs(30),
        initial: Duration::from_secs(1),
        limit: Duration::from_secs(60),
        interval: Duration::from_secs(600),
    };

    #[test]
    fn pauses_double_up_to_the_limit_and_stay_in_their_half() {
        for (attempt, most) in [(1, 1), (2, 2), (3, 4), (6, 32), (7, 60), (40, 60), (u32::MAX, 60)] {
            for seed in 0..200 {
                let pause = PACE.pause(Some(Class::Retry), attempt, seed);
                let most = Duration::from_secs(most);
                assert!(pause >= most / 2 && pause <= most, "attempt {attempt}, seed {seed}: {pause:?}");
            }
        }
    }

    #[test]
    fn nodes_do_not_ask_at_the_same_moment() {
        let pauses: std::collections::BTreeSet<Duration> =
            (0..100).map(|seed| PACE.pause(None, 1, seed)).collect();
        assert!(pauses.len() > 20, "{pauses:?}");
        assert!(pauses.iter().all(|pause| (480..=720).contains(&pause.as_secs())));
    }

    #[test]
    fn what_a_person_must_cure_is_not_asked_again_and_again() {
        assert!(PACE.pause(Some(Class::Refuse), 1, 7) >= Duration::from_secs(480));
    }

    #[test]
    fn our_own_failing_transaction_does_not_undo_its_backoff() {
        assert!(!Pace::cuts_short(Wake::Host, Some(Class::Retry)));
        assert!(Pace::cuts_short(Wake::Wish, Some(Class::Retry)));
        assert!(Pace::cuts_short(Wake::Host, Some(Class::Wait)));
    }
}
