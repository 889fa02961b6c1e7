//! Whether the other side still lives.
//!
//! Decides: how long silence is borne. Must not: read a clock or a socket. Input: what was sent and heard, and when.
//!
//! A server answers a ping only once it has taken in all of stdin that came before it, and it takes in no more than the
//! command reads. So a ping carries how much of stdin was sent, and where its answer is still missing, silence says little:
//! the command may just not be reading.

use std::time::Duration;

use tokio::time::Instant;

/// Between two pings.
pub(super) const PING: Duration = Duration::from_secs(5);
/// Silence that is borne when the server has no reason for it: several pings without an answer.
const SILENCE: Duration = Duration::from_secs(20);
/// Silence that is borne while the command may be busy with what it was sent.
const BUSY: Duration = Duration::from_secs(600);
/// Silence that is borne once the command has ended.
pub(super) const DRAIN: Duration = Duration::from_secs(10);

/// What is known of the other side.
#[derive(Debug)]
pub(super) struct Heart {
    /// Messages of stdin that were sent, or are being sent.
    sent: u64,
    /// Those of them that the server has surely taken in.
    taken: u64,
    /// When something was heard, or listening began again.
    heard: Instant,
    /// Whether the command has ended.
    ended: bool,
}

impl Heart {
    pub(super) fn new(now: Instant) -> Self {
        Heart { sent: 0, taken: 0, heard: now, ended: false }
    }

    /// A message of stdin is about to be sent.
    pub(super) fn sending(&mut self) {
        self.sent = self.sent.saturating_add(1);
    }

    /// What the next ping carries.
    pub(super) fn ping(&self) -> [u8; 8] {
        self.sent.to_be_bytes()
    }

    /// A ping was answered.
    pub(super) fn pong(&mut self, carried: &[u8], now: Instant) {
        self.alive(now);
        if let Ok(carried) = <[u8; 8]>::try_from(carried) {
            self.taken = self.taken.max(u64::from_be_bytes(carried).min(self.sent));
        }
    }

    /// Something came that is no output. Once the command has ended, only output is worth waiting for: a server may answer
    /// pings for as long as it likes.
    pub(super) fn alive(&mut self, now: Instant) {
        if !self.ended {
            self.heard = now;
        }
    }

    /// Output came, or we begin to listen again after we did not: what came meanwhile was not heard.
    pub(super) fn heard(&mut self, now: Instant) {
        self.heard = now;
    }

    /// The command has ended.
    pub(super) fn ended(&mut self) {
        self.ended = true;
    }

    /// Whether the server may still hold some of stdin that the command has not read.
    pub(super) fn in_flight(&self) -> bool {
        self.sent > self.taken
    }

    /// How much silence is borne now.
    fn limit(&self) -> Duration {
        match (self.ended, self.in_flight()) {
            (true, _) => DRAIN,
            (false, true) => BUSY,
            (false, false) => SILENCE,
        }
    }

    /// When silence has lasted too long.
    pub(super) fn deadline(&self) -> Instant {
        self.heard.checked_add(self.limit()).unwrap_or(self.heard)
    }

    /// For how many seconds nothing came, where that is too long.
    pub(super) fn silent(&self, now: Instant) -> Option<u64> {
        (now >= self.deadline()).then(|| now.saturating_duration_since(self.heard).as_secs())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_15_an_unanswered_ping_is_the_end() {
        let start = Instant::now();
        let mut heart = Heart::new(start);
        assert_eq!(heart.silent(start + SILENCE - PING), None);
        assert_eq!(heart.silent(start + SILENCE), Some(SILENCE.as_secs()));
        heart.heard(start + PING);
        assert_eq!(heart.silent(start + SILENCE), None);
    }

    #[test]
    fn a_command_that_does_not_read_its_stdin_is_not_taken_for_a_dead_link() {
        let start = Instant::now();
        let mut heart = Heart::new(start);
        let before = heart.ping();
        heart.sending();
        heart.pong(&before, start);
        assert!(heart.in_flight() && heart.silent(start + SILENCE).is_none());
        let after = heart.ping();
        heart.pong(&after, start);
        assert!(!heart.in_flight() && heart.silent(start + SILENCE).is_some());
    }

    #[test]
    fn row_14_answers_to_pings_do_not_put_off_the_end_of_a_command_that_is_over() {
        let start = Instant::now();
        let mut heart = Heart::new(start);
        heart.ended();
        heart.pong(&heart.ping(), start + PING);
        heart.alive(start + PING);
        assert!(heart.silent(start + DRAIN).is_some());
        heart.heard(start + PING);
        assert!(heart.silent(start + DRAIN).is_none(), "output still comes");
    }

    #[test]
    fn an_answer_to_what_was_never_sent_proves_nothing() {
        let start = Instant::now();
        let mut heart = Heart::new(start);
        heart.sending();
        for odd in [&[0; 7][..], &[], &[0; 9]] {
            heart.pong(odd, start);
            assert!(heart.in_flight());
        }
        heart.pong(&u64::MAX.to_be_bytes(), start);
        heart.sending();
        assert!(heart.in_flight());
    }
}
