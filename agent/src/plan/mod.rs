//! 3 · *decide*: what to do, if anything.
//!
//! Decides: the one change that takes the host from what is layered to what is wanted, or why there is none. Must not:
//! read a file, a clock or a bus; everything it needs is an argument. Input: the wish, the payload, what the host says,
//! its base and the ledger of what is ours.

mod document;
mod ledger;
mod refusal;

pub use document::{
    API_VERSION, Decision, InstallLine, KeepLine, PayloadLine, PlanDocument, StartLine, UninstallLine,
};
pub use ledger::{Aim, Ledger, Owned, Retired, Share};
pub use refusal::{Objection, Refusal};
