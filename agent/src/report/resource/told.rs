//! What one status of the cluster is made of.

use crate::desired::NodeView;
use crate::owner::Owner;
use crate::report::Status;
use crate::rollout::RolloutStatus;

/// Everything that is known of the node after a pass.
#[derive(Debug, Clone)]
pub struct Told {
    /// What the pass found.
    pub status: Status,
    /// The rendered MachineConfig that the pass acted upon, where an operator renders them.
    pub config: Option<String>,
    /// What the Node said last, where it is watched.
    pub node: Option<NodeView>,
    /// The way from a staged deployment to a booted one.
    pub rollout: Option<RolloutStatus>,
    /// Who owns the extensions of this host, where the agent does not.
    pub owner: Option<Owner>,
}
