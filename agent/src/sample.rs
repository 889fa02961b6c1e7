//! Values that tests of status and its text start from: one host, one extension, nothing special about either.

use std::collections::{BTreeMap, BTreeSet};

use crate::apply::ExtensionState;
use crate::host::{Deployment, LocalPackage};

/// A deployment with these packages layered from files; one that is not booted is staged.
pub(crate) fn deployment(id: &str, booted: bool, packages: &[&str]) -> Deployment {
    let local = |nevra: &&str| LocalPackage { nevra: nevra.parse().unwrap(), head: None };
    Deployment {
        id: id.to_owned(),
        osname: "fedora-coreos".to_owned(),
        checksum: id.to_owned(),
        serial: 0,
        base_checksum: "base".to_owned(),
        version: Some("39".to_owned()),
        booted,
        staged: !booted,
        pinned: false,
        local_packages: packages.iter().map(local).collect(),
        requested_packages: BTreeSet::new(),
        base_removals: BTreeSet::new(),
        other: BTreeMap::new(),
    }
}

/// Where usbguard stands.
pub(crate) fn state(desired: bool, staged: bool, booted: bool) -> ExtensionState {
    ExtensionState {
        desired,
        staged,
        booted,
        version: Some("1.0-1".to_owned()),
        requested_by: BTreeSet::from(["80-x".to_owned()]),
        packages: BTreeSet::from(["usbguard-1.0-1.x86_64".parse().unwrap()]),
        in_base: BTreeSet::new(),
    }
}
