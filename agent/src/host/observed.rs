//! What rpm-ostreed says of its deployments, typed at once.
//!
//! Decides: which keys are read, and that a key of a wrong type is refused by name instead of guessed at. Pure, but for
//! the origin files, which [`with_heads`] looks up. Input: the `Deployments` property.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use extensions_manifest::Nevra;
use zbus::{OwnedVariant, Variant};

use super::{Deployment, HostError, LocalPackage, origin, variant};
use crate::text::shown;

/// Most deployments; a host has two to five.
const DEPLOYMENTS: usize = 64;
/// Most keys of one deployment; the daemon knows some fifty.
const KEYS: usize = 256;
/// Most entries of one list.
const ENTRIES: usize = 4_096;
/// Longest text of one entry.
const TEXT: usize = 4_096;

const OPERATION: &str = "reading the deployments";

/// One deployment as it comes from the bus.
pub(super) type Dictionary = HashMap<String, OwnedVariant>;

/// All deployments, in boot order, without the digests of their local packages.
///
/// # Errors
/// [`HostError::Malformed`], which names the key.
pub(super) fn deployments(dictionaries: Vec<Dictionary>) -> Result<Vec<Deployment>, HostError> {
    if dictionaries.len() > DEPLOYMENTS {
        return Err(malformed("Deployments", format!("{} are more than {DEPLOYMENTS}", dictionaries.len())));
    }
    dictionaries.into_iter().map(deployment).collect()
}

/// Looks up the digests of local packages in the origin files below `sysroot`.
pub(super) fn with_heads(sysroot: &Path, deployments: &mut [Deployment]) {
    for deployment in deployments.iter_mut().filter(|deployment| !deployment.local_packages.is_empty()) {
        let heads = origin::load(&origin_path(sysroot, deployment));
        let packages = std::mem::take(&mut deployment.local_packages);
        deployment.local_packages = packages
            .into_iter()
            .map(|package| LocalPackage { head: heads.get(&package.nevra).copied(), nevra: package.nevra })
            .collect();
    }
}

/// The root of a deployment's tree. Its parts were held against their grammar when the deployment was read.
pub(super) fn root_path(sysroot: &Path, deployment: &Deployment) -> PathBuf {
    let deploy = sysroot.join("ostree/deploy").join(&deployment.osname).join("deploy");
    deploy.join(format!("{}.{}", deployment.checksum, deployment.serial))
}

fn origin_path(sysroot: &Path, deployment: &Deployment) -> PathBuf {
    let mut path = root_path(sysroot, deployment).into_os_string();
    path.push(".origin");
    path.into()
}

/// The architecture of the machine. For the machines that rpm-ostree runs on, the kernel and rpm use one word.
///
/// # Errors
/// [`HostError::Malformed`] when the kernel does not say.
pub fn architecture() -> Result<String, HostError> {
    let refused = |problem: String| HostError::Malformed {
        operation: "asking the kernel for the architecture",
        key: "machine".to_owned(),
        problem,
    };
    let names = nix::sys::utsname::uname().map_err(|error| refused(error.to_string()))?;
    let machine = names.machine().to_str().filter(|machine| !machine.is_empty());
    machine.map(str::to_owned).ok_or_else(|| refused("it is empty or not text".to_owned()))
}

fn deployment(dictionary: Dictionary) -> Result<Deployment, HostError> {
    if dictionary.len() > KEYS {
        return Err(malformed("Deployments", format!("{} keys are more than {KEYS}", dictionary.len())));
    }
    let mut keys = Keys(dictionary);
    let checksum = keys.needed("checksum", Keys::text)?;
    let osname = keys.needed("osname", Keys::text)?;
    if !is_commit(&checksum) {
        return Err(malformed("checksum", format!("`{}` is not a commit", shown(&checksum))));
    }
    if !is_stateroot(&osname) {
        return Err(malformed("osname", format!("`{}` is not a stateroot", shown(&osname))));
    }
    // **Trap:** there is no `base-checksum` when nothing is layered; the commit is then its own base.
    let base_checksum = keys.text("base-checksum")?.unwrap_or_else(|| checksum.clone());
    if !is_commit(&base_checksum) {
        return Err(malformed("base-checksum", format!("`{}` is not a commit", shown(&base_checksum))));
    }
    Ok(Deployment {
        id: keys.needed("id", Keys::text)?,
        osname,
        checksum,
        serial: keys.needed("serial", Keys::integer)?,
        base_checksum,
        version: keys.text("version")?,
        booted: keys.needed("booted", Keys::truth)?,
        staged: keys.truth("staged")?.unwrap_or(false),
        pinned: keys.truth("pinned")?.unwrap_or(false),
        local_packages: keys.local_packages()?,
        // **Trap:** `packages` holds what was layered from repositories, never local packages. Requests are what counts.
        requested_packages: keys.list("requested-packages")?.into_iter().collect(),
        base_removals: keys.list("requested-base-removals")?.into_iter().collect(),
        other: keys.rest(),
    })
}

/// The keys that have not been read yet.
struct Keys(Dictionary);

impl Keys {
    fn needed<T>(
        &mut self,
        key: &'static str,
        read: fn(&mut Self, &'static str) -> Result<Option<T>, HostError>,
    ) -> Result<T, HostError> {
        read(self, key)?.ok_or_else(|| malformed(key, "it is missing".to_owned()))
    }

    fn text(&mut self, key: &'static str) -> Result<Option<String>, HostError> {
        let Some(value) = self.0.remove(key) else { return Ok(None) };
        bounded(key, "s", &value).map(Some)
    }

    fn integer(&mut self, key: &'static str) -> Result<Option<i32>, HostError> {
        let Some(value) = self.0.remove(key) else { return Ok(None) };
        if let Variant::I32(number) = &*value { Ok(Some(*number)) } else { Err(wrong_type(key, "i", &value)) }
    }

    fn truth(&mut self, key: &'static str) -> Result<Option<bool>, HostError> {
        let Some(value) = self.0.remove(key) else { return Ok(None) };
        if let Variant::Bool(truth) = &*value { Ok(Some(*truth)) } else { Err(wrong_type(key, "b", &value)) }
    }

    fn list(&mut self, key: &'static str) -> Result<Vec<String>, HostError> {
        let Some(value) = self.0.remove(key) else { return Ok(Vec::new()) };
        let Variant::Array(array) = &*value else { return Err(wrong_type(key, "as", &value)) };
        if array.len() > ENTRIES {
            return Err(malformed(key, format!("{} entries are more than {ENTRIES}", array.len())));
        }
        array.inner().iter().map(|entry| bounded(key, "as", entry)).collect()
    }

    fn local_packages(&mut self) -> Result<BTreeSet<LocalPackage>, HostError> {
        let key = "requested-local-packages";
        let package = |text: String| match text.parse::<Nevra>() {
            Ok(nevra) => Ok(LocalPackage { nevra, head: None }),
            Err(error) => Err(malformed(key, error.to_string())),
        };
        self.list(key)?.into_iter().map(package).collect()
    }

    fn rest(self) -> BTreeMap<String, serde_json::Value> {
        self.0.into_iter().map(|(key, value)| (key, variant::to_json(&value))).collect()
    }
}

/// A text of a bounded length; `expected` is the type of the whole key.
fn bounded(key: &str, expected: &str, value: &Variant<'_>) -> Result<String, HostError> {
    let Variant::Str(text) = value else { return Err(wrong_type(key, expected, value)) };
    if text.len() > TEXT {
        return Err(malformed(key, format!("{} bytes are more than {TEXT}", text.len())));
    }
    Ok(text.as_str().to_owned())
}

/// A commit of libostree: 64 lower-case hex digits. It becomes part of a path.
fn is_commit(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// A stateroot: one component of a path.
fn is_stateroot(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 255
        && !text.starts_with('.')
        && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
}

fn wrong_type(key: &str, expected: &str, found: &Variant<'_>) -> HostError {
    malformed(key, format!("its type is `{}`, not `{expected}`", found.value_signature()))
}

fn malformed(key: &str, problem: String) -> HostError {
    HostError::Malformed { operation: OPERATION, key: key.to_owned(), problem }
}

#[cfg(test)]
mod tests;
