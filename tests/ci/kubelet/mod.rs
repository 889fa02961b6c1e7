//! The tests that need containers which really run (T4): on one whole cluster for all of them. Where that cannot run,
//! each of them is skipped, which is told on the terminal; with `CI` set it is a failure.

mod artifact;
mod bed;
mod copy;
mod exec;
mod git;
mod inventory;
mod lost;
mod payload;
mod process;
mod promote;
mod registry;
mod shared;
mod ssh;
mod usable;
mod warm;
mod workspace;
