//! The sandbox host.

pub mod sysroot;
