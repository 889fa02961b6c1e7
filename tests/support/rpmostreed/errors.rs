//! The D-Bus errors of the contract, by their exact names.
//!
//! The real daemon registers nice error names and hardly uses them: most errors leave it under the name GDBus makes up
//! for an unmapped GIO error. Clients have to know these, so the stand-in says the same.

use zbus::DBusError;
use zbus::message::{Header, Message};
use zbus::names::ErrorName;

const GIO: &str = "org.gtk.GDBus.UnmappedGError.Quark._g_2dio_2derror_2dquark";

/// An error reply: a name of the contract and a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BusError {
    name: String,
    text: String,
}

impl BusError {
    /// `G_IO_ERROR_FAILED`, for instance once a reboot was initiated.
    pub fn gio_failed(text: impl Into<String>) -> Self {
        Self { name: format!("{GIO}.Code0"), text: text.into() }
    }

    /// `G_IO_ERROR_NOT_FOUND`, for an unknown OS name.
    pub fn not_found(text: impl Into<String>) -> Self {
        Self { name: format!("{GIO}.Code1"), text: text.into() }
    }

    /// `G_IO_ERROR_BUSY`, for every call while another transaction lives.
    pub fn busy(text: impl Into<String>) -> Self {
        Self { name: format!("{GIO}.Code26"), text: text.into() }
    }

    /// What a caller gets who is not allowed to do this.
    pub fn denied(text: impl Into<String>) -> Self {
        Self { name: "org.freedesktop.DBus.Error.AccessDenied".into(), text: text.into() }
    }

    /// The generic D-Bus failure, for instance when there is no polkit to ask.
    pub fn failed(text: impl Into<String>) -> Self {
        Self { name: "org.freedesktop.DBus.Error.Failed".into(), text: text.into() }
    }

    /// The one registered error of the daemon that is used in practice.
    pub fn daemon_failed(text: impl Into<String>) -> Self {
        Self { name: "org.projectatomic.rpmostreed.Error.Failed".into(), text: text.into() }
    }

    /// Busy, in the words that name the running transaction.
    pub fn transaction_in_progress(title: &str) -> Self {
        Self::busy(format!(
            "Transaction in progress: {title}\n You can cancel the current transaction with `rpm-ostree cancel`"
        ))
    }
}

impl DBusError for BusError {
    fn create_reply(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name.as_str()).build(&self.text.as_str())
    }

    fn name(&self) -> ErrorName<'_> {
        ErrorName::try_from(self.name.as_str()).expect("the names above are valid")
    }

    fn description(&self) -> Option<&str> {
        Some(&self.text)
    }
}

impl From<zbus::Error> for BusError {
    fn from(error: zbus::Error) -> Self {
        Self::failed(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn busy_has_the_name_gdbus_makes_up_and_tells_how_to_cancel() {
        let busy = BusError::transaction_in_progress("install; localinstall: 2");
        assert_eq!(busy.name().as_str(), "org.gtk.GDBus.UnmappedGError.Quark._g_2dio_2derror_2dquark.Code26");
        assert_eq!(
            busy.description().unwrap(),
            "Transaction in progress: install; localinstall: 2\n You can cancel the current transaction with \
             `rpm-ostree cancel`"
        );
    }
}
