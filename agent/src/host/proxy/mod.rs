//! The members of rpm-ostreed that are used, typed, one interface a file, with upstream's words as docs.
//!
//! Decides: nothing, retries nothing, waits for nobody. All knowledge of how the daemon behaves lives behind it, in the
//! files that call it. Written against `rpm-ostreed.xml`, whose methods and signatures have not changed from 2023.6 to
//! 2026.2.

pub(super) mod os;
pub(super) mod sysroot;
pub(super) mod transaction;

/// The well-known name of rpm-ostreed on the bus.
pub(super) const NAME: &str = "org.projectatomic.rpmostree1";
