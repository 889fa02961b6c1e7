//! The bed is proved before anything is proved on it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod bus;
mod daemon;
mod faults;
mod host;
mod images;
mod rpms;
mod traces;
mod whole;
