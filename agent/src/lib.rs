//! The agent: from an `extensions:` list in a MachineConfig to packages layered on the host, in one direction.
//!
//! ```text
//!  MachineConfig ─► desired ──┐
//!  payload image ─► payload ──┼─► plan ─► check ─► apply ─► confirm ─► report ─► status, metrics, journal
//!  rpm-ostree ────► host (see)┘   pure    pure      │ host (do)          ▲
//!                   ▲                               └─► rpm-ostree       │
//!                   └──────────── reconcile: one pass at a time ─────────┘
//! ```
//!
//! Each folder owns one verb: *want, check, offer, see, decide, do, say*. A folder may use only folders above it in the
//! list below; `error`, `jitter`, `text` and `settings` are for all. The tidy test keeps it so.

pub mod error;
pub mod jitter;
pub mod settings;
pub mod text;

pub mod cluster;

pub mod desired;

pub mod rpm;

pub mod payload;

pub mod host;

pub mod owner;

pub mod plan;

pub mod apply;

pub mod rollout;

pub mod telemetry;

pub mod report;

pub mod reconcile;

pub mod cli;

#[cfg(test)]
pub(crate) mod golden;

#[cfg(test)]
pub(crate) mod sample;
