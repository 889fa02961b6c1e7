//! How a map names a package, and which packages of a payload it means.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{ManifestError, excerpt};
use crate::limits;
use crate::nevra::Nevra;

/// A package as a map names it: `usbguard`, or `kernel-devel-5.14.0-427.el9` where `match-base-evr` fixed a version.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageSpec(String);

impl PackageSpec {
    /// The text of the map.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the plain name of `nevra`.
    pub fn is_name_of(&self, nevra: &Nevra) -> bool {
        self.0 == nevra.name().as_str()
    }

    /// Whether this is name and version of `nevra`. The epoch may be left out, as file names do.
    pub fn is_version_of(&self, nevra: &Nevra) -> bool {
        let evr = nevra.evr();
        let Some(version) =
            self.0.strip_prefix(nevra.name().as_str()).and_then(|rest| rest.strip_prefix('-'))
        else {
            return false;
        };
        let version = match version.split_once(':') {
            Some((epoch, version)) if epoch == evr.epoch().to_string() => version,
            Some(_) => return false,
            None => version,
        };
        version.rsplit_once('-') == Some((evr.version(), evr.release()))
    }

    /// The packages that are meant: those of that name, or, where none has it, those of that name and version.
    ///
    /// Names win, because a name may look like a name with a version; sorted, the newest last.
    pub fn select<'a, T>(
        &self,
        packages: impl Iterator<Item = T> + Clone,
        nevra: impl Fn(&T) -> &'a Nevra,
    ) -> Vec<T> {
        let mut found: Vec<T> = packages.clone().filter(|package| self.is_name_of(nevra(package))).collect();
        if found.is_empty() {
            found = packages.filter(|package| self.is_version_of(nevra(package))).collect();
        }
        found.sort_by(|left, right| nevra(left).cmp(nevra(right)));
        found
    }
}

impl FromStr for PackageSpec {
    type Err = ManifestError;

    fn from_str(text: &str) -> Result<Self, ManifestError> {
        let mut bytes = text.bytes();
        let well_formed = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._+-~^:".contains(&byte))
            && text.len() <= limits::SPEC_BYTES;
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(ManifestError::PackageName { name: excerpt(text) })
        }
    }
}

impl fmt::Display for PackageSpec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl TryFrom<String> for PackageSpec {
    type Error = ManifestError;

    fn try_from(text: String) -> Result<Self, ManifestError> {
        text.parse()
    }
}

impl From<PackageSpec> for String {
    fn from(spec: PackageSpec) -> String {
        spec.0
    }
}
