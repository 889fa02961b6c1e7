//! Who owns the extensions of this host: the agent, or somebody whose packages it would take away.
//!
//! Decides: from traces on the host and on the Node, whether another controller is at work. Must not: change anything,
//! or look anywhere but for the few files that are named here. Input: the Node as it was last seen, and the host's files.

mod traces;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::settings::Mode;

pub use traces::{HANDED_OVER, OWNER_ANNOTATION, Traces, gather};

/// Somebody else who owns the extensions of this host: the agent only tells of them then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Owner {
    /// The machine-config-daemon layers them itself.
    MachineConfigDaemon,
    /// The operator builds them into an image.
    ImageMode,
    /// The host is updated by bootc, which cannot carry layered packages.
    Bootc,
    /// The settings say that nothing is to be changed.
    Settings,
}

impl Owner {
    /// Who it is, as a sentence goes on after *only observed*.
    pub const fn because(self) -> &'static str {
        match self {
            Owner::MachineConfigDaemon => "the machine-config-daemon of this host layers extensions itself",
            Owner::ImageMode => "the operator builds the extensions of this host into its image",
            Owner::Bootc => "bootc updates this host, and it cannot carry layered packages",
            Owner::Settings => "the settings say so",
        }
    }

    /// How the agent would become the owner.
    pub const fn cure(self) -> &'static str {
        match self {
            Owner::MachineConfigDaemon => {
                "to hand the extensions over, remove them from what the machine-config-daemon is given, then `kubectl \
                 annotate node NODE extensions.agent/owner=extensions-agent`, or set `host.mode = \"own\"`"
            }
            Owner::ImageMode => {
                "put the extensions into the Containerfile of the MachineOSConfig, or delete the MachineOSConfig"
            }
            Owner::Bootc => "build the packages into the image that bootc pulls",
            Owner::Settings => "set `host.mode = \"auto\"`",
        }
    }
}

/// Who owns the extensions; none when it is the agent.
///
/// An image leaves no room for layered packages, so it goes before a daemon that would layer them.
pub const fn judge(mode: Mode, traces: &Traces) -> Option<Owner> {
    match mode {
        Mode::Own => None,
        Mode::Observe => Some(Owner::Settings),
        Mode::Auto if traces.image_mode => Some(Owner::ImageMode),
        Mode::Auto if traces.bootc => Some(Owner::Bootc),
        Mode::Auto if traces.machine_config_daemon && !traces.handed_over => Some(Owner::MachineConfigDaemon),
        Mode::Auto => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Traces =
        Traces { machine_config_daemon: false, handed_over: false, image_mode: false, bootc: false };

    #[test]
    fn the_traces_say_who_owns_and_the_settings_have_the_last_word() {
        let daemon = Traces { machine_config_daemon: true, ..NONE };
        let handed = Traces { handed_over: true, ..daemon };
        let image = Traces { image_mode: true, ..handed };
        let bootc = Traces { bootc: true, ..daemon };
        let cases = [
            (NONE, None),
            (daemon, Some(Owner::MachineConfigDaemon)),
            (handed, None),
            (Traces { machine_config_daemon: false, ..handed }, None),
            (image, Some(Owner::ImageMode)),
            (bootc, Some(Owner::Bootc)),
            (Traces { image_mode: true, ..bootc }, Some(Owner::ImageMode)),
        ];
        for (traces, owner) in cases {
            assert_eq!(judge(Mode::Auto, &traces), owner, "{traces:?}");
            assert_eq!(judge(Mode::Own, &traces), None, "{traces:?}");
            assert_eq!(judge(Mode::Observe, &traces), Some(Owner::Settings), "{traces:?}");
        }
    }

    #[test]
    fn each_owner_says_why_and_what_would_change_it() {
        let cases = [
            (Owner::MachineConfigDaemon, "machine-config-daemon", "extensions.agent/owner=extensions-agent"),
            (Owner::ImageMode, "image", "MachineOSConfig"),
            (Owner::Bootc, "bootc", "image"),
            (Owner::Settings, "settings", "host.mode"),
        ];
        for (owner, because, cure) in cases {
            assert!(owner.because().contains(because), "{owner:?}");
            assert!(owner.cure().contains(cure), "{owner:?}");
        }
        let written = format!("{}/{OWNER_ANNOTATION}={HANDED_OVER}", crate::cluster::GROUP);
        assert!(Owner::MachineConfigDaemon.cure().contains(&written));
    }
}
