//! The custom resource `NodeExtensions`: where one node stands, as `kubectl get nodeextensions` shows it.
//!
//! Decides: what of a status the cluster sees, and how it is cut to a bound. Must not: talk to the API server. Input:
//! the status of the daemon, what the Node says, and what was written last.

mod bound;
mod build;
mod conditions;
mod crd;
mod kind;
mod told;
mod types;

pub(super) use bound::cut;
pub use build::{build, same};
pub use crd::crd;
pub use kind::{NodeExtensions, VERSION};
pub use told::Told;
pub use types::{
    NodeCondition, NodeConditionKind, NodeExtension, NodeExtensionsStatus, NodePayload, NodeRollout, Summary,
};

#[cfg(test)]
pub(crate) mod tests;
