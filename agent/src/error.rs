//! One vocabulary for everything that can go wrong: a class that says what to do, and a reason that says what it is.
//!
//! Modules keep small enums of their own; each answers [`Failure::class`] and [`Failure::reason`]. The chain of causes is
//! printed once, at the edge, by [`chain`].

use std::error::Error;
use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What to do about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// The same again, later: the network or the daemon was away.
    Retry,
    /// Nothing until something else has ended or changed on the host.
    Wait,
    /// Nothing until a person changes what is wanted or offered.
    Refuse,
    /// Ours to mend.
    Bug,
}

/// What a failure knows about itself.
pub trait Failure: Error {
    /// What to do about it.
    fn class(&self) -> Class {
        self.reason().class()
    }

    /// What it is, in one closed word.
    fn reason(&self) -> Reason;

    /// What would cure it, for the admin at 3 a.m.; a full sentence without a full stop.
    fn cure(&self) -> Option<String> {
        self.reason().cure().map(str::to_owned)
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $name:ident = $code:literal, $exit:literal, $class:ident, $cure:expr;)+) => {
        /// Every reason for not being done, closed: metric label, status word, exit code and runbook heading are one.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
        pub enum Reason {
            $($(#[doc = $doc])+ #[serde(rename = $code)] $name,)+
        }

        impl Reason {
            /// All reasons, in the order of their exit codes.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)+];

            /// The reason as it is written everywhere.
            pub const fn code(self) -> &'static str {
                match self { $(Reason::$name => $code,)+ }
            }

            /// The exit code of a command that ends for this reason. Stable.
            pub const fn exit_code(self) -> u8 {
                match self { $(Reason::$name => $exit,)+ }
            }

            /// What to do about it.
            pub const fn class(self) -> Class {
                match self { $(Reason::$name => Class::$class,)+ }
            }

            /// What it means, for the generated page.
            pub const fn meaning(self) -> &'static str {
                match self { $(Reason::$name => concat!($($doc,)+).trim_ascii(),)+ }
            }

            /// What usually cures it.
            pub const fn cure(self) -> Option<&'static str> {
                match self { $(Reason::$name => $cure,)+ }
            }
        }
    };
}

reasons! {
    /// Something that cannot happen did.
    Internal = "Internal", 1, Bug, Some("report it, with the output of `extensions-agent status -o json`");
    /// The settings of the agent cannot be used.
    InvalidSettings = "InvalidSettings", 10, Refuse, Some("see `extensions-agent config dump` for each value and the file it comes from");
    /// A document is not a MachineConfig, or not a readable one.
    InvalidMachineConfig = "InvalidMachineConfig", 11, Refuse, Some("correct or remove that file");
    /// An extension name is outside the grammar.
    InvalidExtensionName = "InvalidExtensionName", 12, Refuse, Some("correct the name under `extensions:` in that MachineConfig");
    /// More is asked for or offered than a bound allows.
    LimitExceeded = "LimitExceeded", 13, Refuse, None;
    /// No payload is named, so nothing can be resolved.
    NoPayload = "NoPayload", 14, Refuse, Some("set `baseOSExtensionsContainerImage` in a MachineConfig, or `payload.image` in the settings");
    /// The reference of the payload cannot be read or pinned.
    InvalidReference = "InvalidReference", 15, Refuse, Some("write the payload as `registry/repository@sha256:…`, `oci:DIRECTORY` or `dir:DIRECTORY`");
    /// The payload does not offer an extension of that name.
    UnknownExtension = "UnknownExtension", 20, Refuse, Some("see `extensions-agent list` for what this payload offers");
    /// A requirement is provided by neither payload nor base.
    UnmetRequirement = "UnmetRequirement", 21, Refuse, Some("use the payload that was built for the booted release");
    /// The payload has it for another architecture only.
    WrongArchitecture = "WrongArchitecture", 22, Refuse, Some("use the payload of this node's architecture");
    /// `kernel-devel` was asked for together with a kernel it does not match.
    KernelTypeConflict = "KernelTypeConflict", 23, Refuse, Some("remove `kernel-devel` from `extensions:` or set `kernelType: default`");
    /// Two packages refuse to stand beside each other.
    PackageConflict = "PackageConflict", 24, Refuse, None;
    /// The base or another request holds a package in a version that cannot be replaced.
    VersionConflict = "VersionConflict", 25, Refuse, None;
    /// The same name and version is layered already, with other content.
    LayeredContentDiffers = "LayeredContentDiffers", 26, Refuse, Some("remove that package with `rpm-ostree uninstall`, or put back the payload it came from");
    /// The payload itself is inconsistent: a package that its map names is missing, or two files carry one name.
    InconsistentPayload = "InconsistentPayload", 27, Refuse, Some("report it to whoever built the payload; another payload may work");
    /// A package is not what its digests say.
    CorruptPackage = "CorruptPackage", 28, Refuse, Some("the payload was altered or built wrong; do not install from it");
    /// A blob or manifest is not what its digest says.
    DigestMismatch = "DigestMismatch", 29, Refuse, Some("the registry or a mirror serves other bytes than the release named");
    /// The image is malformed or has a layout that is not known.
    InvalidImage = "InvalidImage", 30, Refuse, Some("check that the reference names an extensions image or a machine-os-content image");
    /// More packages than one message on this bus may carry.
    TooManyPackagesForBus = "TooManyPackagesForBus", 31, Refuse, Some("use dbus-broker on the host, or ask for fewer extensions");
    /// There is not enough room on disk.
    NotEnoughSpace = "NotEnoughSpace", 32, Wait, Some("free space, or move `store.directory` to a larger file system");
    /// The image could not be read from its registry or directory.
    PayloadUnavailable = "PayloadUnavailable", 40, Retry, Some("check the registry, its mirrors and the pull secret from this node");
    /// The message bus cannot be reached.
    BusUnavailable = "BusUnavailable", 41, Retry, Some("check that the system bus runs: `systemctl status dbus.socket`");
    /// rpm-ostreed cannot be reached on the bus.
    DaemonUnavailable = "DaemonUnavailable", 42, Retry, Some("check `systemctl status rpm-ostreed`; the host must be an rpm-ostree host");
    /// The host is not booted from an rpm-ostree deployment.
    NotAnOstreeHost = "NotAnOstreeHost", 43, Refuse, Some("run the agent on a host that was booted from an rpm-ostree deployment");
    /// The host's package database cannot be read.
    BaseUnreadable = "BaseUnreadable", 44, Retry, Some("run `rpm -qa` on the node and see what it says");
    /// Another transaction is running on the host.
    TransactionInProgress = "TransactionInProgress", 45, Wait, Some("wait for it, or see `rpm-ostree status` for who runs it");
    /// rpm-ostree refused or failed the transaction.
    TransactionFailed = "TransactionFailed", 46, Retry, Some("see `journalctl -u rpm-ostreed` on the node");
    /// Somebody cancelled the transaction.
    TransactionCancelled = "TransactionCancelled", 47, Retry, None;
    /// The outcome of a transaction is unknown: the daemon went away.
    TransactionLost = "TransactionLost", 48, Retry, None;
    /// rpm-ostree does not allow the agent to do this.
    NotAuthorized = "NotAuthorized", 49, Refuse, Some("run the agent as root, or grant its user the polkit actions of rpm-ostree");
    /// What was staged or booted is not what was planned.
    NotConfirmed = "NotConfirmed", 50, Retry, None;
    /// A staged deployment that the agent did not make is in the way.
    ForeignDeployment = "ForeignDeployment", 51, Wait, Some("reboot into it, or drop it with `rpm-ostree cleanup -p`");
    /// The agent's own state on disk cannot be read or written.
    StateUnusable = "StateUnusable", 52, Retry, Some("check the state directory and its file system");
    /// Another instance of the agent holds the lock.
    AnotherInstance = "AnotherInstance", 53, Wait, Some("stop the other `extensions-agent`, or ask it: `extensions-agent status`");
    /// The reboot that the host is about to make has been requested already.
    RebootInProgress = "RebootInProgress", 54, Wait, Some("wait for the reboot");
    /// What was staged was gone again before it was booted, several times in a row.
    StagingLost = "StagingLost", 55, Refuse, Some("see who drops it: `journalctl -u rpm-ostreed -u ostree-finalize-staged` with `-b -1` for the last boot; then stop the agent, run `extensions-agent apply` and start it again");
    /// Somebody went back to an older deployment without what is wanted.
    RolledBack = "RolledBack", 56, Refuse, Some("boot the newer deployment again, change what is wanted, or stop the agent, run `extensions-agent apply` and start it again");
    /// The kubeconfig cannot be used, or names something that an agent must not do.
    InvalidKubeconfig = "InvalidKubeconfig", 57, Refuse, Some("correct the file that `cluster.kubeconfig` names");
    /// The API server does not answer.
    ClusterUnavailable = "ClusterUnavailable", 58, Retry, Some("check the API server from this node; until it answers, the agent keeps to what was last wanted");
    /// The API server does not know the node's identity, or does not allow what it asked.
    ClusterForbidden = "ClusterForbidden", 59, Retry, Some("apply the RBAC objects of the agent, and renew the token in its kubeconfig");
    /// The API server shows an older state than the agent has already seen.
    StaleClusterData = "StaleClusterData", 60, Wait, Some("wait until that API server has caught up; where etcd was restored from a backup, remove `seen.json` from the state directory and restart the agent");
    /// The Node object, or the MachineConfig that it names, does not exist.
    MissingObject = "MissingObject", 61, Wait, Some("see `kubectl get node,machineconfig,machineconfigpool,nodeextensions`: apply the agent's manifests where a kind is not known; `cluster.node` names the Node");
    /// More than one pool claims the node.
    AmbiguousPool = "AmbiguousPool", 62, Refuse, Some("let one MachineConfigPool select the node: see `kubectl get machineconfigpool -o yaml` and the labels of the Node");
    /// The release does not name that payload.
    PayloadNotInRelease = "PayloadNotInRelease", 63, Refuse, Some("use the extensions image that the release names, or unset `payload.release`");
    /// The release image cannot be understood.
    InvalidRelease = "InvalidRelease", 64, Refuse, Some("check that `payload.release` names a release image");
    /// The extensions image was built for another base than the node's.
    ReleaseSkew = "ReleaseSkew", 65, Refuse, Some("use the base and the extensions image of one release, or set `payload.skew = \"allow\"`");
    /// All slots of the pool are taken by other nodes.
    NoFreeSlot = "NoFreeSlot", 66, Wait, Some("wait for the nodes that hold them: see `kubectl get lease`");
    /// Pods of the node may not be evicted.
    DrainBlocked = "DrainBlocked", 67, Wait, Some("see the PodDisruptionBudget of the pods that are named");
    /// Reboots are allowed later.
    OutsideWindow = "OutsideWindow", 68, Wait, Some("wait for the window, or reboot the node by hand");
    /// The FleetLock server does not answer, or not in its protocol.
    FleetLockFailed = "FleetLockFailed", 69, Retry, Some("check the server that `rollout.fleetlock-url` names from this node");
    /// rpm-ostree would not finalize the deployment and reboot.
    FinalizeFailed = "FinalizeFailed", 70, Retry, Some("see `journalctl -u rpm-ostreed` on the node");
}

/// The error and all its causes on one line, `outer: inner: innermost`, without saying anything twice.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.ends_with(&said) {
            // Writing to a String cannot fail.
            let _ = write!(text, ": {said}");
        }
        cause = inner.source();
    }
    text
}

/// A number of bytes for people: `12.40 MiB`.
pub fn size(bytes: u64) -> String {
    indicatif::BinaryBytes(bytes).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_reason_has_its_own_exit_code_outside_the_shells_range() {
        let codes: BTreeSet<u8> = Reason::ALL.iter().map(|reason| reason.exit_code()).collect();
        assert_eq!(codes.len(), Reason::ALL.len());
        assert!(codes.iter().all(|code| *code == 1 || (10..=99).contains(code)));
    }

    #[test]
    fn a_size_is_short() {
        assert_eq!((size(0).as_str(), size(13_000_000).as_str()), ("0 B", "12.40 MiB"));
    }

    #[test]
    fn a_reason_reads_the_same_in_json_and_in_text() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.code());
        }
    }
}
