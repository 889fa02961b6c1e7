//! `org.projectatomic.rpmostree1.Sysroot`: what is deployed, what is running, who is looking.

use std::collections::HashMap;

use zbus::{OwnedObjectPath, OwnedVariant, SerializeDict, Type};

/// Where the object is.
pub(in crate::host) const PATH: &str = "/org/projectatomic/rpmostree1/Sysroot";
/// The interface.
pub(in crate::host) const INTERFACE: &str = "org.projectatomic.rpmostree1.Sysroot";

/// The method, the sender name and the object path of the running transaction; all empty when there is none.
pub(in crate::host) type ActiveTransaction = (String, String, String);

/// What a client says of itself.
#[derive(Debug, SerializeDict, Type)]
#[zbus(signature = "a{sv}")]
pub(in crate::host) struct ClientOptions {
    /// "id" (type 's'): a brief identifier for the client, shown by `rpm-ostree status` and in the journal.
    pub(in crate::host) id: &'static str,
}

/// Properties are read each time: a cache would answer for a daemon that has exited.
#[zbus::proxy(
    interface = "org.projectatomic.rpmostree1.Sysroot",
    default_path = "/org/projectatomic/rpmostree1/Sysroot",
    default_service = "org.projectatomic.rpmostree1"
)]
pub(in crate::host) trait Sysroot {
    /// Register as a client; if the daemon is idle with no clients, it exits.
    fn register_client(&self, options: &ClientOptions) -> zbus::Result<()>;

    /// Reload sysroot if changed. This can also be used as a way to sync with the daemon to ensure e.g. D-Bus properties
    /// are updated before reading them.
    fn reload(&self) -> zbus::Result<()>;

    /// The booted OSName, as an object path; `/` when the system is not booted into a deployment.
    #[zbus(property(emits_changed_signal = "false"))]
    fn booted(&self) -> zbus::Result<OwnedObjectPath>;

    /// A 3-tuple (method-name, sender-name, object path) for an active transaction, or empty strings.
    #[zbus(property(emits_changed_signal = "false"))]
    fn active_transaction(&self) -> zbus::Result<ActiveTransaction>;

    /// The D-Bus address of the active transaction, or an empty string.
    #[zbus(property(emits_changed_signal = "false"))]
    fn active_transaction_path(&self) -> zbus::Result<String>;

    /// Array of all deployments in boot order.
    #[zbus(property(emits_changed_signal = "false"))]
    fn deployments(&self) -> zbus::Result<Vec<HashMap<String, OwnedVariant>>>;
}
