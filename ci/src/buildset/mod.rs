//! What the builds of one buildset share: a provider, resources that outlive their build, and what one returns to another.
//!
//! Decides: who belongs together, how long what is kept lives, what a child is handed. Must not: make a node. Input:
//! requests that name a buildset, and its Lease. No process keeps a buildset alive: its Lease says until when it lives.

mod affinity;
mod handoff;
mod lifetime;

pub use crate::state::BuildsetError;
pub(crate) use affinity::{Settled, in_order};
pub use handoff::{Inherited, Returned};
pub use lifetime::Ended;
