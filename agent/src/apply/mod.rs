//! 4 · *do*: carry one checked plan to the host, and believe only what the host then has.
//!
//! Decides: nothing that a plan decides; it keeps the order of intent, call and confirmation. Must not: resolve, plan,
//! or believe a signal. Input: a [`crate::plan`] that passed its checks, and the lock of this host.

mod extension_states;
mod pass_report;

pub use extension_states::extension_states;
pub use pass_report::{
    ExtensionState, FetchSummary, PassOutcome, PassReport, PayloadSummary, Problem, Timings,
};
