//! Who owns the extensions of this host: the agent, or somebody whose packages it would take away.
//!
//! Decides: from traces on the host and on the Node, whether another controller is at work. Must not: look for them.
//! Input: facts that were gathered elsewhere.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
