//! What the proofs stand on: a sandbox host of real parts, and a stand-in for the one part that cannot be had here.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is test code: a failed step must stop the test where it stands"
)]
