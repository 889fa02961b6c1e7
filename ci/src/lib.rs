//! Kubernetes build resources for CI: jobs ask for a *label*, and get a pod that behaves like a machine, or a namespace.
//!
//! ```text
//!  config ─┐
//!          ├─► place in a pool ─► reserve ─► make objects ─► wait ─► mint a token ─► inventory, kubeconfig
//!  request ┘       pure          Lease, CAS   idempotent                               one rename
//!                                                  ▲
//!                                release, gc ──────┘  by our system's label and by UID, never by name
//! ```
//!
//! All state is in API objects: a Lease a request, a Lease a pool, and the labels of what was made. Any process may die at
//! any point; the same command again, or `gc`, finishes what it began.

pub mod artifact;
pub mod buildset;
pub mod censor;
pub mod cleanup;
pub mod cli;
pub mod cluster;
pub mod config;
pub mod copy;
pub mod drive;
pub mod error;
pub mod exec;
pub mod forward;
pub mod git;
pub mod inventory;
pub mod metrics;
pub mod objects;
pub mod promote;
pub mod registry;
pub mod request;
pub mod schedule;
pub mod serve;
pub mod ssh;
pub mod state;
