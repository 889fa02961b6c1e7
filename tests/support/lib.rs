//! What the proofs stand on: a sandbox host of real parts, and a stand-in for the one part that cannot be had here.
//!
//! ```text
//!  packages ─► real RPMs, made by rpmbuild ──┬─► sandbox::sysroot  a real libostree sysroot with a real rpmdb
//!                                            └─► images ─► registry  OCI images, served by a real registry
//!  sandbox::bus ─► a private dbus-daemon and a monitor that misses nothing
//!  rpmostreed   ─► the stand-in for rpm-ostreed; it really layers, with libostree and rpm
//!  Sandbox      ─► all of it together, and the agent's own binary pointed at it
//!  cluster      ─► a real etcd and API server, with identities for nodes; or all of Kubernetes, with containers
//!  ansible      ─► real Ansible, driven by the inventories of build resources
//!  fleet        ─► sandboxes that are nodes of a cluster, each with somebody who reboots it
//! ```
//!
//! Everything that is costly to make is kept under `target/proof-cache/`, named by the digest of what it is made from.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "this crate is test code: a failed step must stop the test where it stands"
)]

pub mod ansible;
pub mod cache;
pub mod cluster;
pub mod command;
pub mod fleet;
pub mod fleetlock;
pub mod images;
pub mod packages;
pub mod process;
pub mod prometheus;
pub mod registry;
pub mod relay;
pub mod rpmostreed;
pub mod sandbox;
pub mod scratch;
pub mod wait;
