//! What must outlive every process: a Lease a request, and a Lease a pool with what is reserved in it.
//!
//! Decides: how a record is written and who may change it. Must not: know how a resource is made. Input: Leases of the
//! hub's namespace, untrusted until decoded. Every change is a compare-and-swap on the resource version.

mod ledger;
mod record;
mod store;

pub use ledger::{Entry, Ledger};
#[cfg(test)]
pub(crate) use record::tests;
pub use record::{Body, Phase, Record, Spot};
pub use store::{Listing, StateError, Store};
