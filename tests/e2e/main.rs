//! The agent's own binary on a sandbox host, story by story, told from outside: documents in, D-Bus calls, deployments,
//! exit codes and printed words out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod bounds;
mod busy;
mod crash;
mod daemon;
mod drift;
mod foreign;
mod install;
mod node;
mod offline;
mod reboot;
mod refusals;
mod release;
mod state;
mod telemetry;
