//! Waiting for a condition: looked at again and again until it holds, never for a fixed time.

use std::time::{Duration, Instant};

/// How long anything here may take before the test says what it waited for. Generous: machines are busy.
pub const LIMIT: Duration = Duration::from_secs(60);
/// Between two looks, at least and at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));
/// For how many times its own length one look is followed by none. Many looks start a program or ask a server: those
/// who wait must leave the machine to those who are waited for.
const REST: u32 = 4;

/// Waits until `look` gives something. The message of the timeout says what was waited for and what was seen last.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let start = Instant::now();
    loop {
        let began = Instant::now();
        match look() {
            Ok(found) => return found,
            Err(seen) if start.elapsed() > LIMIT => panic!("waited {LIMIT:?} for {what}; last seen: {seen}"),
            Err(_) => std::thread::sleep(pause(began.elapsed())),
        }
    }
}

/// How long to pause after a look that took so long.
fn pause(look: Duration) -> Duration {
    look.saturating_mul(REST).clamp(PAUSES.0, PAUSES.1)
}

/// Waits until the condition holds.
#[track_caller]
pub fn until_true(what: &str, mut holds: impl FnMut() -> bool) {
    until(what, || if holds() { Ok(()) } else { Err("not yet".to_owned()) });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_condition_that_comes_true_later_is_seen() {
        let mut looks = 0;
        let found = until("the third look", || {
            looks += 1;
            if looks == 3 { Ok(looks) } else { Err(format!("look {looks}")) }
        });
        assert_eq!(found, 3);
    }

    #[test]
    fn a_look_that_costs_much_is_taken_less_often_and_none_is_put_off_for_long() {
        assert_eq!(pause(Duration::ZERO), PAUSES.0);
        assert_eq!(pause(Duration::from_millis(50)), Duration::from_millis(200));
        assert_eq!(pause(Duration::from_secs(10)), PAUSES.1);
    }
}
