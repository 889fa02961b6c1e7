//! `org.projectatomic.rpmostree1.OS`: one stateroot, and the one method that changes it.

use zbus::{Fd, SerializeDict, Type};

/// What to change. A key that is `None` is not sent.
///
/// **Trap:** the daemon silently ignores keys that it does not know and keys of a wrong type, and it reads some under
/// other names than its XML says. These four are spelled as its code reads them.
#[derive(Debug, Default, SerializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "kebab-case")]
pub(in crate::host) struct Modifiers<'a> {
    /// "install-local-packages" (type 'ah'): RPM packages to install from files. The handles are indexes into the file
    /// descriptors of the message; their number and that of the descriptors must be equal.
    pub(in crate::host) install_local_packages: Option<Vec<Fd<'a>>>,
    /// "uninstall-packages" (type 'as'): array of package names, or NEVRAs, to uninstall.
    pub(in crate::host) uninstall_packages: Option<Vec<String>>,
    /// "override-remove-packages" (type 'as'): base packages to remove.
    pub(in crate::host) override_remove_packages: Option<Vec<String>>,
    /// "override-reset-packages" (type 'as'): base packages whose override is undone.
    pub(in crate::host) override_reset_packages: Option<Vec<String>>,
}

/// How to change it. What is not listed here is never sent; see the traps.
///
/// **Trap:** without `no-pull-base` the call is an upgrade too: it would contact the registry and could move the base.
///
/// **Trap:** `cache-only` makes *every* package that lies in the package cache a candidate, also the left-overs of failed
/// requests, so that packages are layered which nobody asked for. It does not exist here on purpose.
///
/// **Trap:** `idempotent-layering` hides that a package is layered already, and re-imports it. The plan looks first, so
/// "already layered" is news and must stay an error.
#[derive(Debug, SerializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "kebab-case")]
pub(in crate::host) struct Options {
    /// "no-pull-base" (type 'b'): do not pull a base layer from the remote.
    pub(in crate::host) no_pull_base: bool,
    /// "lock-finalization" (type 'b'): the staged deployment is not finalized at shutdown before it is unlocked.
    pub(in crate::host) lock_finalization: Option<bool>,
    /// "initiating-command-line" (type 's'): becomes the title of the transaction and `COMMAND_LINE` in the journal.
    pub(in crate::host) initiating_command_line: String,
}

/// How to finalize.
///
/// **Trap:** `checksum` is that of the *base* of the staged deployment, not of the deployment.
///
/// **Trap:** whether a deployment is locked cannot be read from every daemon, so `allow-unlocked` is always sent.
#[derive(Debug, SerializeDict, Type)]
#[zbus(signature = "a{sv}", rename_all = "kebab-case")]
pub(in crate::host) struct FinalizeOptions {
    /// "checksum" (type 's'): the expected base commit of the staged deployment.
    pub(in crate::host) checksum: String,
    /// "allow-unlocked" (type 'b'): finalize one that was not locked too.
    pub(in crate::host) allow_unlocked: bool,
    /// "initiating-command-line" (type 's'): becomes the title of the transaction.
    pub(in crate::host) initiating_command_line: String,
}

/// The stateroot that is booted. Its path comes from `Sysroot.Booted`: building it would mean to repeat the daemon's
/// escaping of names.
#[zbus::proxy(interface = "org.projectatomic.rpmostree1.OS", assume_defaults = false)]
pub(in crate::host) trait Os {
    /// Generic deployment operation; returns the D-Bus address of its transaction. Nothing runs until somebody connects
    /// to that address and calls `Start`.
    fn update_deployment(&self, modifiers: &Modifiers<'_>, options: &Options) -> zbus::Result<String>;

    /// Unlocks the staged deployment and asks for a reboot; returns the D-Bus address of its transaction.
    fn finalize_deployment(&self, options: &FinalizeOptions) -> zbus::Result<String>;
}
