//! Our own table, for payloads that carry no map. The table is data (`data/builtin.json`); here is only how to read it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{Extension, ExtensionMap, MapOrigin, PackageSpec};
use crate::error::ManifestError;
use crate::name::ExtensionName;

const TABLE: &str = include_str!("../../data/builtin.json");

/// A minor release of OpenShift.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Release {
    major: u32,
    minor: u32,
}

#[derive(Deserialize)]
struct Table {
    extensions: BTreeMap<ExtensionName, Vec<Row>>,
}

#[derive(Deserialize)]
struct Row {
    from: String,
    to: Option<String>,
    packages: Vec<PackageSpec>,
}

impl ExtensionMap {
    /// The table's answer for a payload built for `version`, where `held` says whether the payload holds a package of a
    /// name.
    ///
    /// `version` may be OpenShift's (`4.14`, `4.14.3`) or the older OS versions that begin with it (`414.92.2023…`). With
    /// any other, such as the RHEL versions of newer images, or none, the newest row is taken that the payload can
    /// serve. An extension is offered only if the payload holds every package of it: the table is a guess about a
    /// payload that did not say.
    ///
    /// # Errors
    /// Never for the table that is built in; a test reads all of it.
    pub fn built_in(version: Option<&str>, held: impl Fn(&str) -> bool) -> Result<Self, ManifestError> {
        let broken = |problem: String| ManifestError::Document { path: "builtin.json".to_owned(), problem };
        let table: Table = serde_json::from_str(TABLE).map_err(|error| broken(error.to_string()))?;
        let release = version.and_then(Release::of);
        let mut map = Self { origin: MapOrigin::BuiltIn, extensions: BTreeMap::new() };
        for (name, rows) in table.extensions {
            // Rows stand in the order of releases, so the last that fits is the newest.
            for row in rows.into_iter().rev() {
                let fits = match release {
                    None => true,
                    Some(release) => {
                        row.covers(release).ok_or_else(|| broken(format!("release of `{name}`")))?
                    }
                };
                if fits && row.packages.iter().all(|package| held(package.as_str())) {
                    map.extensions.insert(name, Extension::new(row.packages));
                    break;
                }
            }
        }
        Ok(map)
    }
}

impl Row {
    fn covers(&self, release: Release) -> Option<bool> {
        let from = Release::of(&self.from)?;
        let to = self.to.as_deref().map(|to| Release::of(to).ok_or(())).transpose().ok()?;
        Some(from <= release && to.is_none_or(|to| release <= to))
    }
}

impl Release {
    /// Reads `4.14[.…]`, `5.0[.…]` or `414.92.…`; RHEL versions (`9.6.…`) say nothing of the release.
    fn of(text: &str) -> Option<Self> {
        let mut parts = text.split('.');
        let first = parts.next().filter(|first| first.bytes().all(|byte| byte.is_ascii_digit()))?;
        match (first, first.len()) {
            ("4" | "5", _) => {
                let digits = parts.next()?.split('-').next()?;
                Some(Self { major: first.parse().ok()?, minor: digits.parse().ok()? })
            }
            // Fedora CoreOS begins with the release of Fedora (`42.20250401.3.0`) and goes on with a whole date.
            (_, 2 | 3) if first.starts_with('4') && parts.next().is_some_and(|rhel| rhel.len() <= 3) => {
                Some(Self { major: 4, minor: first.strip_prefix('4')?.parse().ok()? })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offered(version: Option<&str>, missing: &[&str]) -> Vec<String> {
        let map = ExtensionMap::built_in(version, |name| !missing.contains(&name)).unwrap();
        let line = |(name, extension): (&ExtensionName, &Extension)| {
            let packages: Vec<&str> = extension.packages.iter().map(PackageSpec::as_str).collect();
            format!("{name}: {}", packages.join(" "))
        };
        map.extensions.iter().map(line).collect()
    }

    #[test]
    fn each_release_offers_what_it_offered() {
        let names = |version| -> Vec<String> {
            offered(Some(version), &[])
                .iter()
                .map(|line| line.split(':').next().unwrap().to_owned())
                .collect()
        };
        assert_eq!(names("4.5.0"), [""; 0]);
        assert_eq!(names("4.6"), ["kernel-devel", "usbguard"]);
        assert_eq!(names("4.10.3"), ["kernel-devel", "sandboxed-containers", "usbguard"]);
        assert_eq!(names("411.86.202301"), ["kerberos", "kernel-devel", "sandboxed-containers", "usbguard"]);
        assert!(names("4.21.0-rc.1").contains(&"wasm".to_owned()));
        assert!(!names("4.22").contains(&"wasm".to_owned()));
        assert!(names("4.19").contains(&"two-node-ha".to_owned()));
    }

    #[test]
    fn ipsec_grows_in_the_release_that_grew_it() {
        let old = "ipsec: NetworkManager-libreswan libreswan".to_owned();
        let new = "ipsec: NetworkManager-libreswan libreswan openvswitch3.5-ipsec".to_owned();
        assert!(offered(Some("4.22"), &[]).contains(&old));
        assert!(offered(Some("4.23"), &[]).contains(&new));
        assert!(offered(Some("5.0.1"), &[]).contains(&new));
    }

    #[test]
    fn without_a_known_release_the_newest_row_that_the_payload_can_serve_is_taken() {
        for unknown in [None, Some("9.6.20251015-1"), Some("42.20250401.3.0"), Some("junk"), Some("")] {
            let all = offered(unknown, &[]);
            assert!(
                all.contains(&"ipsec: NetworkManager-libreswan libreswan openvswitch3.5-ipsec".to_owned())
            );
            let older = offered(unknown, &["openvswitch3.5-ipsec", "crun-wasm"]);
            assert!(older.contains(&"ipsec: NetworkManager-libreswan libreswan".to_owned()));
            assert!(!older.iter().any(|line| line.starts_with("wasm")), "{older:?}");
        }
    }

    #[test]
    fn every_row_of_the_table_is_in_order_and_every_release_can_be_read() {
        let table: Table = serde_json::from_str(TABLE).unwrap();
        for (name, rows) in &table.extensions {
            let mut last = Release { major: 0, minor: 0 };
            for row in rows {
                let from = Release::of(&row.from).unwrap();
                assert!(from > last, "{name}: rows overlap or are out of order");
                last = row
                    .to
                    .as_deref()
                    .map_or(Release { major: u32::MAX, minor: 0 }, |to| Release::of(to).unwrap());
                assert!(last >= from, "{name}");
                assert!(!row.packages.is_empty(), "{name}");
            }
        }
    }
}
