//! How the agent is measured: log lines, metrics, and where they are served.
//!
//! Decides: how facts are named and bounded. Must not: find out facts; callers bring them. Nothing here is a secret or
//! has an unbounded label.

pub mod catalogue;
mod grouping;
mod labels;
pub mod logging;
pub mod metrics;
mod reporting;
pub mod server;
pub mod textfile;

pub use metrics::{Format, Metrics, PassResult, Phase};
pub use reporting::Reporting;
