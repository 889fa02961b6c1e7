//! Versions and full package names, in rpm's own order.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{ManifestError, excerpt};
use crate::limits;
use crate::name::PackageName;

/// Epoch, version and release of one built package.
///
/// Ordered as rpm orders ([`Evr::rpm_cmp`]); where rpm sees no difference (`1.0` and `1.00`) the text decides, so that
/// equality is identity and the order is total.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Evr {
    epoch: u32,
    version: String,
    release: String,
}

/// Name, epoch, version, release and architecture: what identifies one built package.
///
/// Written as rpm-ostree writes it: `name-[epoch:]version-release.arch`, without an epoch of zero.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct Nevra {
    name: PackageName,
    evr: Evr,
    arch: String,
}

/// Compares two version or release strings as rpm does.
pub fn compare_versions(left: &str, right: &str) -> Ordering {
    // The crate compares whole EVRs only: an equal epoch and release leave the version to decide.
    rpm_version::Evr::new("0", left, "0").cmp(&rpm_version::Evr::new("0", right, "0"))
}

impl Evr {
    /// Builds an EVR from header values.
    ///
    /// # Errors
    /// When version or release is empty, too long or holds `-`, `:`, blanks or anything outside printable ASCII.
    pub fn new(epoch: u32, version: &str, release: &str) -> Result<Self, ManifestError> {
        Ok(Self { epoch, version: version_part(version)?, release: version_part(release)? })
    }

    /// rpm's order: epoch, then version, then release.
    pub fn rpm_cmp(&self, other: &Self) -> Ordering {
        self.epoch
            .cmp(&other.epoch)
            .then_with(|| compare_versions(&self.version, &other.version))
            .then_with(|| compare_versions(&self.release, &other.release))
    }

    /// The epoch; zero when a package has none.
    pub fn epoch(&self) -> u32 {
        self.epoch
    }

    /// The upstream version.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// The release of the package.
    pub fn release(&self) -> &str {
        &self.release
    }
}

impl Nevra {
    /// Puts the parts together.
    ///
    /// # Errors
    /// When `arch` is empty, too long or not alphanumeric.
    pub fn new(name: PackageName, evr: Evr, arch: &str) -> Result<Self, ManifestError> {
        let well_formed = !arch.is_empty()
            && arch.len() <= limits::VERSION_BYTES
            && arch.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        if !well_formed {
            return Err(ManifestError::Nevra {
                text: excerpt(arch),
                problem: "the architecture is malformed",
            });
        }
        Ok(Self { name, evr, arch: arch.to_owned() })
    }

    /// The package's name.
    pub fn name(&self) -> &PackageName {
        &self.name
    }

    /// The package's version.
    pub fn evr(&self) -> &Evr {
        &self.evr
    }

    /// The architecture the package was built for, or `noarch`.
    pub fn arch(&self) -> &str {
        &self.arch
    }
}

fn version_part(text: &str) -> Result<String, ManifestError> {
    let refused = |problem| ManifestError::Version { text: excerpt(text), problem };
    if text.is_empty() {
        return Err(refused("it is empty"));
    }
    if text.len() > limits::VERSION_BYTES {
        return Err(refused("it is too long"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+~^".contains(&byte)) {
        return Err(refused("only letters, digits and `._+~^` may stand in it"));
    }
    Ok(text.to_owned())
}

impl Ord for Evr {
    fn cmp(&self, other: &Self) -> Ordering {
        self.rpm_cmp(other)
            .then_with(|| self.version.cmp(&other.version))
            .then_with(|| self.release.cmp(&other.release))
    }
}

impl PartialOrd for Evr {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Evr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.epoch != 0 {
            write!(out, "{}:", self.epoch)?;
        }
        write!(out, "{}-{}", self.version, self.release)
    }
}

impl fmt::Display for Nevra {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}.{}", self.name, self.evr, self.arch)
    }
}

impl FromStr for Nevra {
    type Err = ManifestError;

    fn from_str(text: &str) -> Result<Self, ManifestError> {
        let refused = |problem| ManifestError::Nevra { text: excerpt(text), problem };
        let (rest, arch) = text.rsplit_once('.').ok_or_else(|| refused("there is no architecture"))?;
        let (rest, release) = rest.rsplit_once('-').ok_or_else(|| refused("there is no release"))?;
        let (name, version) = rest.rsplit_once('-').ok_or_else(|| refused("there is no version"))?;
        let (epoch, version) = version.split_once(':').unwrap_or(("0", version));
        let digits = epoch.bytes().all(|byte| byte.is_ascii_digit());
        let epoch =
            epoch.parse().ok().filter(|_| digits).ok_or_else(|| refused("the epoch is not a number"))?;
        Self::new(name.parse()?, Evr::new(epoch, version, release)?, arch)
    }
}

impl TryFrom<String> for Nevra {
    type Error = ManifestError;

    fn try_from(text: String) -> Result<Self, ManifestError> {
        text.parse()
    }
}

impl From<Nevra> for String {
    fn from(nevra: Nevra) -> String {
        nevra.to_string()
    }
}

#[cfg(test)]
mod tests;
