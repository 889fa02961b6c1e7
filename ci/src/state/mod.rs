//! What must outlive every process: a Lease a request, a Lease a buildset, and a Lease a pool with what is reserved in it.
//!
//! Decides: how a record is written and who may change it. Must not: know how a resource is made. Input: Leases of the
//! hub's namespace, untrusted until decoded. Every change is a compare-and-swap on the resource version.

mod artifact;
mod buildset;
mod ledger;
mod record;
mod sets;
mod store;
mod words;

pub use artifact::Artifact;
pub(crate) use artifact::is_sha256;
#[cfg(test)]
pub(crate) use artifact::tests as artifact_tests;
pub use buildset::{Buildset, BuildsetError, Member};
pub use ledger::{Entry, Ledger, Waiter};
#[cfg(test)]
pub(crate) use record::tests;
pub use record::{Body, Note, Phase, Record, Spot, Tried};
pub use store::{Listing, StateError, Store};
pub use words::{Empty, Held, Stock, Until, Warm};
