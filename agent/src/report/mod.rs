//! 5 · *say*: what happened, to people, programs and the service manager.
//!
//! Decides: how a pass report reads. Must not: find out or change anything on the host. Input: the report of a pass.

pub mod events;
pub mod node;
pub mod notify;
pub mod publish;
pub mod resource;
pub mod status;

pub use notify::Notifier;
pub use status::{
    Condition, ConditionKind, DeploymentStatus, ExtensionStatus, Stage, Status, StatusError, Truth,
};
