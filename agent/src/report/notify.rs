//! What the service manager is told: ready, what is going on, still alive, stopping.

use std::io;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::text::one_line;

/// Longest status line; `systemctl status` shows one line.
const STATUS_CHARS: usize = 200;

type Send = dyn Fn(&[NotifyState<'_>]) -> io::Result<()> + std::marker::Send + Sync;

/// The line to the service manager. Outside a service everything here does nothing.
pub struct Notifier {
    send: Box<Send>,
    watchdog: Option<Duration>,
}

impl std::fmt::Debug for Notifier {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Notifier").field("watchdog", &self.watchdog).finish_non_exhaustive()
    }
}

impl Notifier {
    /// The line that systemd gave this process, if it did.
    pub fn from_environment() -> Self {
        Self { send: Box::new(sd_notify::notify), watchdog: sd_notify::watchdog_enabled() }
    }

    /// A line that leads nowhere, for commands.
    pub fn silent() -> Self {
        Self { send: Box::new(|_| Ok(())), watchdog: None }
    }

    /// The start is over: the wish is watched and the loop begins. Whether the host answers is the loop's affair.
    pub fn ready(&self) {
        self.tell(&[NotifyState::Ready]);
    }

    /// One line on what is going on; shown by `systemctl status`.
    pub fn status(&self, text: &str) {
        let line = one_line(text, STATUS_CHARS);
        self.tell(&[NotifyState::Status(&line)]);
    }

    /// The main loop still turns. Only the loop itself may say so: a task of its own would outlive a loop that hangs.
    pub fn alive(&self) {
        if self.watchdog.is_some() {
            self.tell(&[NotifyState::Watchdog]);
        }
    }

    /// How often [`Notifier::alive`] has to be said: half of what the service manager allows; `None` when it does not ask.
    pub fn alive_every(&self) -> Option<Duration> {
        self.watchdog.map(|limit| limit / 2)
    }

    /// The stop begins; it may take until `limit`, for a transaction that is running.
    pub fn stopping(&self, limit: Duration) {
        let micros = u32::try_from(limit.as_micros()).unwrap_or(u32::MAX);
        self.tell(&[
            NotifyState::Stopping,
            NotifyState::ExtendTimeoutUsec(micros),
            NotifyState::Status("stopping"),
        ]);
    }

    /// The stop is over: a status that outlives its process would lie.
    pub fn stopped(&self) {
        self.tell(&[NotifyState::Status("")]);
    }

    fn tell(&self, states: &[NotifyState<'_>]) {
        if let Err(error) = (self.send)(states) {
            // The work goes on without an audience; the watchdog decides whether that is good enough.
            tracing::debug!(%error, "the service manager cannot be told");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn recording(watchdog: Option<Duration>) -> (Notifier, Arc<Mutex<Vec<String>>>) {
        let said = Arc::new(Mutex::new(Vec::new()));
        let keep = Arc::clone(&said);
        let send = move |states: &[NotifyState<'_>]| {
            keep.lock().unwrap().push(states.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "));
            Ok(())
        };
        (Notifier { send: Box::new(send), watchdog }, said)
    }

    #[test]
    fn the_life_of_a_service_is_told_in_order_and_its_status_cleared() {
        let (notifier, said) = recording(Some(Duration::from_secs(60)));
        notifier.ready();
        notifier.status("staged\nusbguard");
        notifier.alive();
        notifier.stopping(Duration::from_secs(90));
        notifier.stopped();
        assert_eq!(
            *said.lock().unwrap(),
            [
                "READY=1",
                "STATUS=staged usbguard",
                "WATCHDOG=1",
                "STOPPING=1 EXTEND_TIMEOUT_USEC=90000000 STATUS=stopping",
                "STATUS="
            ]
        );
        assert_eq!(notifier.alive_every(), Some(Duration::from_secs(30)));
    }

    #[test]
    fn without_a_watchdog_nothing_has_to_be_said() {
        let (notifier, said) = recording(None);
        notifier.alive();
        assert_eq!(notifier.alive_every(), None);
        assert!(said.lock().unwrap().is_empty());
    }

    #[test]
    fn a_long_status_is_cut_to_one_line() {
        let (notifier, said) = recording(None);
        notifier.status(&"ä\n".repeat(1000));
        let said = said.lock().unwrap().remove(0);
        assert!(said.chars().count() == "STATUS=".len() + STATUS_CHARS && !said.contains('\n'), "{said}");
    }
}
