//! What rpm-ostree's errors mean.
//!
//! Decides: from the name and the text of an error reply, and from the text of a failed transaction, which of our
//! errors and outcomes it is. Pure. The texts were taken from a running 2024.9 daemon.

use zbus::DBusError as _;
use zbus::fdo;

use super::{HostError, Outcome};
use crate::text::shown;

/// The name GDBus gives to errors of GLib's I/O domain, without the code.
///
/// **Trap:** "busy" and "rebooting" have no D-Bus names of their own; they are `Code26` and `Code0` of this quark.
const IO_QUARK: &str = "org.gtk.GDBus.UnmappedGError.Quark._g_2dio_2derror_2dquark.Code";

/// An error reply taken apart.
#[derive(Debug, Clone, Copy)]
pub(super) struct ErrorReply<'a> {
    /// The D-Bus name of the error.
    pub(super) name: &'a str,
    /// Its text.
    pub(super) text: &'a str,
}

/// Whether the error says that the other side is not there (any more), so that the same call may be made again.
///
/// **Trap:** calls do not reset the daemon's idle timer. A call that meets the exit gets `NoReply`, one that comes just
/// after it `ServiceUnknown` or `NameHasNoOwner`, for we speak to the unique name of the owner that we checked.
pub(super) fn vanished(error: &zbus::Error) -> bool {
    let zbus::Error::FDO(inner) = error else { return matches!(error, zbus::Error::InputOutput(_)) };
    matches!(
        **inner,
        fdo::Error::NoReply(_)
            | fdo::Error::ServiceUnknown(_)
            | fdo::Error::NameHasNoOwner(_)
            | fdo::Error::Disconnected(_)
            | fdo::Error::NoServer(_)
    )
}

/// Our error for what a call came back with.
pub(super) fn error(operation: &'static str, error: &zbus::Error) -> HostError {
    if vanished(error) {
        return HostError::Daemon { operation, problem: shown(&error.to_string()) };
    }
    let refused = |message: &str| HostError::Refused { operation, message: shown(message) };
    if let zbus::Error::MethodError(name, text, _) = error {
        return classify(operation, ErrorReply { name, text: text.as_deref().unwrap_or_default() });
    }
    if let zbus::Error::FDO(inner) = error {
        let text = inner.description().unwrap_or_default();
        return classify(operation, ErrorReply { name: &inner.name(), text });
    }
    if matches!(error, zbus::Error::SignatureMismatch(..) | zbus::Error::IncorrectType) {
        return HostError::Malformed {
            operation,
            key: "reply".to_owned(),
            problem: shown(&error.to_string()),
        };
    }
    refused(&error.to_string())
}

/// Our error for an error reply.
pub(super) fn classify(operation: &'static str, reply: ErrorReply<'_>) -> HostError {
    let ErrorReply { name, text } = reply;
    let io_code = name.strip_prefix(IO_QUARK);
    if io_code == Some("26") || busy_title(text).is_some() {
        return HostError::Busy { title: shown(busy_title(text).unwrap_or(text)) };
    }
    if text.starts_with("Reboot initiated") {
        return HostError::Rebooting;
    }
    // Without polkit on the bus, the answer to an unprivileged caller is a plain `Failed` with this text.
    let denied = name == "org.freedesktop.DBus.Error.AccessDenied"
        || name == "org.projectatomic.rpmostreed.Error.NotAuthorized"
        || text.starts_with("Authorization error:");
    if denied {
        return HostError::NotAuthorized { operation, message: shown(text) };
    }
    HostError::Refused { operation, message: shown(text) }
}

/// The title of the transaction that makes the host busy. The daemon says `Transaction in progress: TITLE` and on the
/// next line how to cancel it; with libostree's lock held by another tool it says `System transaction in progress`.
fn busy_title(text: &str) -> Option<&str> {
    let first = text.lines().next().unwrap_or_default();
    first
        .strip_prefix("Transaction in progress: ")
        .or_else(|| text.starts_with("System transaction in progress").then_some(first))
}

/// The outcome that `Finished` announces.
///
/// **Trap:** a failure carries no code and no domain, only text, and a cancelled transaction is known by the end of it.
///
/// **Trap:** `Finished(false)` does not mean that nothing is staged; whoever gets this must look at the deployments.
pub(super) fn outcome(success: bool, error: &str) -> Outcome {
    let message = shown(error);
    if success {
        Outcome::Finished
    } else if error.trim_end().ends_with("Operation was cancelled") {
        Outcome::Cancelled { message }
    } else {
        Outcome::Failed { message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Failure as _, Reason};

    const FAILED: &str = "org.freedesktop.DBus.Error.Failed";

    #[test]
    fn each_error_of_the_daemon_has_its_reason() {
        let io = |code: u32| format!("{IO_QUARK}{code}");
        let table = [
            (
                io(26),
                "Transaction in progress: install; localinstall: 2\n You can cancel…",
                Reason::TransactionInProgress,
            ),
            (io(26), "System transaction in progress", Reason::TransactionInProgress),
            (FAILED.to_owned(), "Transaction in progress: upgrade", Reason::TransactionInProgress),
            (io(0), "Reboot initiated, cannot start new transaction", Reason::RebootInProgress),
            (io(0), "something else", Reason::TransactionFailed),
            (io(1), "OS name \"x\" not found", Reason::TransactionFailed),
            (
                "org.freedesktop.DBus.Error.AccessDenied".to_owned(),
                "Rejected send message",
                Reason::NotAuthorized,
            ),
            (FAILED.to_owned(), "Authorization error: … PolicyKit1 was not provided…", Reason::NotAuthorized),
            (FAILED.to_owned(), "Expected 2 fds but received 1", Reason::TransactionFailed),
            (FAILED.to_owned(), "Cannot operate; `LockLayering=true` …", Reason::TransactionFailed),
        ];
        for (name, text, reason) in table {
            assert_eq!(
                classify("asking", ErrorReply { name: &name, text }).reason(),
                reason,
                "{name}: {text}"
            );
        }
    }

    #[test]
    fn busy_names_the_title_without_the_advice_to_cancel() {
        let text = "Transaction in progress: extensions-agent apply 1\n You can cancel the current transaction with `rpm-ostree cancel`";
        let error = classify("asking", ErrorReply { name: "x.y", text });
        assert_eq!(error.to_string(), "another transaction is running: `extensions-agent apply 1`");
    }

    #[test]
    fn a_finished_signal_becomes_one_outcome() {
        let cancelled = "Running %post for post-sleep: bwrap(/bin/sh): Operation was cancelled";
        let failed = "Could not depsolve transaction; 1 problem detected:\n Problem: conflicting requests";
        assert_eq!(outcome(true, ""), Outcome::Finished);
        assert_eq!(outcome(false, cancelled), Outcome::Cancelled { message: cancelled.to_owned() });
        assert_eq!(
            outcome(false, failed),
            Outcome::Failed {
                message: "Could not depsolve transaction; 1 problem detected:; Problem: conflicting requests"
                    .to_owned()
            }
        );
    }

    #[test]
    fn a_daemon_that_went_away_is_told_from_one_that_refuses() {
        let gone = |error: fdo::Error| vanished(&zbus::Error::FDO(Box::new(error)));
        assert!(gone(fdo::Error::NoReply(String::new())));
        assert!(gone(fdo::Error::ServiceUnknown(String::new())));
        assert!(gone(fdo::Error::NameHasNoOwner(String::new())));
        assert!(!gone(fdo::Error::AccessDenied(String::new())));
        assert!(!gone(fdo::Error::Failed(String::new())));
    }
}
