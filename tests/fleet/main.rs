//! The agent in a real cluster, told from outside: `kubectl` in; objects, D-Bus calls and deployments out.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod bed;
mod hosts;
mod next;
mod observe;
mod outage;
mod owner;
mod resource;
mod rights;
mod rollout;
mod scrape;
mod stage;
mod wish;
