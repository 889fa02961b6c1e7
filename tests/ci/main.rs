//! Build resources in a real cluster, row by row: what each row of `ci/docs/rows.md` promises, tried from outside.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "test code"
)]

mod bed;
mod buildset;
mod cleaner;
mod controller;
mod crash;
mod intermediate;
mod kubelet;
mod lifetime;
mod matrix;
mod openshift;
mod pods;
mod promote;
mod providers;
mod quota;
mod rights;
mod rows;
mod serve;
mod shared;
mod size;
mod tokens;
mod usable;
mod warm;
