//! What an admin or a MachineConfig names as the payload, parsed once.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use extensions_manifest::{Sha256Digest, excerpt};

use super::error::PayloadError;

/// Longest reference, in bytes: a host name, a repository of 255 and a digest fit many times.
const REFERENCE_BYTES: usize = 1024;
/// Longest tag, as the distribution specification has it.
const TAG_BYTES: usize = 128;

/// Where a payload is read from. Shown without secrets, because it cannot hold any.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// An image in a registry: `docker://host/repository@sha256:…`, or the same without the scheme.
    Registry {
        /// Host, port and path: `quay.io/openshift/extensions`.
        repository: String,
        /// Which image there.
        identifier: Identifier,
    },
    /// An OCI layout on disk: `oci:DIRECTORY` or `oci:DIRECTORY:NAME`.
    OciLayout {
        /// The directory that holds `index.json`.
        directory: PathBuf,
        /// The name of the image in the index; may be left out when there is only one.
        name: Option<String>,
    },
    /// A directory of RPMs, or an unpacked tree that holds one: `dir:DIRECTORY`.
    Directory {
        /// The directory.
        directory: PathBuf,
    },
}

/// Which image of a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identifier {
    /// Exactly this one.
    Digest(Sha256Digest),
    /// Whatever the tag names now; resolved to a digest before anything else is done.
    Tag(String),
}

impl FromStr for Reference {
    type Err = PayloadError;

    fn from_str(text: &str) -> Result<Self, PayloadError> {
        let refused = |problem| PayloadError::Reference { text: redacted(text), problem };
        if text.len() > REFERENCE_BYTES {
            return Err(refused("it is too long"));
        }
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(refused("blanks and control characters may not stand in it"));
        }
        if let Some(rest) = text.strip_prefix("oci:") {
            oci_layout(rest).map_err(refused)
        } else if let Some(rest) = text.strip_prefix("dir:") {
            Ok(Self::Directory { directory: directory(rest).map_err(refused)? })
        } else {
            registry(text.strip_prefix("docker://").unwrap_or(text)).map_err(refused)
        }
    }
}

fn oci_layout(rest: &str) -> Result<Reference, &'static str> {
    let (place, name) = match rest.split_once(':') {
        Some((place, name)) => (place, Some(name)),
        None => (rest, None),
    };
    if name.is_some_and(|name| name.is_empty() || name.len() > TAG_BYTES || name.contains(':')) {
        return Err("the name behind the directory is malformed");
    }
    Ok(Reference::OciLayout { directory: directory(place)?, name: name.map(str::to_owned) })
}

fn directory(text: &str) -> Result<PathBuf, &'static str> {
    if text.is_empty() { Err("it names no directory") } else { Ok(PathBuf::from(text)) }
}

fn registry(text: &str) -> Result<Reference, &'static str> {
    if text.contains("://") {
        return Err("only `docker://`, `oci:` and `dir:` are known");
    }
    let (name, digest) = match text.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (text, None),
    };
    let digest = digest.map(|digest| {
        let parsed: Result<Sha256Digest, _> = digest.parse();
        parsed.map_err(|_| "what follows `@` is not `sha256:` and 64 lower-case hex digits")
    });
    let digest = digest.transpose()?;
    let (host, path) = name.split_once('/').ok_or("it names no registry and repository")?;
    check_host(host)?;
    let (path, tag) = match path.rsplit_once(':') {
        Some((path, tag)) => (path, Some(tag)),
        None => (path, None),
    };
    if !path.split('/').all(is_component) {
        return Err("the repository is malformed");
    }
    if tag.is_some_and(|tag| !is_tag(tag)) {
        return Err("the tag is malformed");
    }
    let identifier = match (digest, tag) {
        (Some(digest), None) => Identifier::Digest(digest),
        (None, Some(tag)) => Identifier::Tag(tag.to_owned()),
        (Some(_), Some(_)) => return Err("it has both a tag and a digest"),
        (None, None) => return Err("it has neither a digest nor a tag"),
    };
    Ok(Reference::Registry { repository: format!("{host}/{path}"), identifier })
}

/// A host must look like one (`quay.io`, `localhost`, `[::1]:5000`): nothing is ever looked up on a default registry.
fn check_host(host: &str) -> Result<(), &'static str> {
    let known = host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte));
    let qualified = host == "localhost" || host.contains(['.', ':']);
    if known && qualified && !host.starts_with(['-', '.', ':']) {
        Ok(())
    } else {
        Err("it does not begin with the name of a registry")
    }
}

fn is_component(part: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    part.bytes().all(inner)
        && part.starts_with(|c: char| c.is_ascii_alphanumeric())
        && part.ends_with(|c: char| c.is_ascii_alphanumeric())
}

fn is_tag(tag: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !tag.is_empty() && tag.len() <= TAG_BYTES && !tag.starts_with(['.', '-']) && tag.bytes().all(inner)
}

/// The text for an error. What stands before an `@` in a wrong reference may be a password: it is never shown.
fn redacted(text: &str) -> String {
    let shown = match text.rsplit_once('@') {
        Some((before, after)) if before.contains("://") || before.contains(':') => format!("…@{after}"),
        Some(_) | None => text.to_owned(),
    };
    excerpt(&shown)
}

impl Reference {
    /// The same with a digest in the place of a tag.
    pub(super) fn at_digest(repository: &str, digest: Sha256Digest) -> Self {
        Self::Registry { repository: repository.to_owned(), identifier: Identifier::Digest(digest) }
    }

    /// The directory, where it is on disk.
    pub fn directory(&self) -> Option<&Path> {
        match self {
            Self::Registry { .. } => None,
            Self::OciLayout { directory, .. } | Self::Directory { directory } => Some(directory),
        }
    }
}

/// As a MachineConfig carries it: an image in a registry without `docker://`.
impl fmt::Display for Reference {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry { repository, identifier: Identifier::Digest(digest) } => {
                write!(out, "{repository}@{digest}")
            }
            Self::Registry { repository, identifier: Identifier::Tag(tag) } => {
                write!(out, "{repository}:{tag}")
            }
            Self::OciLayout { directory, name: Some(name) } => {
                write!(out, "oci:{}:{name}", directory.display())
            }
            Self::OciLayout { directory, name: None } => write!(out, "oci:{}", directory.display()),
            Self::Directory { directory } => write!(out, "dir:{}", directory.display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Failure, Reason};

    const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn a_reference_that_is_not_exact_is_refused() {
        for bad in [
            "",
            "usbguard",
            "extensions:latest",
            "openshift/extensions:latest",
            "quay.io/a/b",
            "quay.io/a/b@sha256:00",
            "quay.io/a/b@sha512:00",
            "quay.io/a/b:tag@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
            "quay.io/a/../b:x",
            "quay.io/A/b:x",
            "quay.io//b:x",
            "quay.io/a:-x",
            "-quay.io/a:x",
            "https://quay.io/a:x",
            "containers-storage:x",
            "oci:",
            "oci::x",
            "oci:dir:",
            "oci:dir:a:b",
            "dir:",
            "quay.io/a:x y",
            "quay.io/a:x\n",
            &format!("quay.io/{}:x", "a".repeat(2000)),
        ] {
            let error = bad.parse::<Reference>().expect_err(bad);
            assert_eq!(error.reason(), Reason::InvalidReference, "{bad:?}");
        }
    }

    #[test]
    fn a_password_in_a_reference_is_refused_and_never_shown() {
        for bad in ["docker://me:hunter2@quay.io/a/b:x", "me:hunter2@quay.io/a/b:x"] {
            let error = bad.parse::<Reference>().expect_err(bad).to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn each_form_of_reference_reads_as_it_is_shown() {
        let pullspec = format!("quay.io/openshift/rhel-coreos-extensions@{DIGEST}");
        for (given, shown) in [
            (pullspec.clone(), pullspec.clone()),
            (format!("docker://{pullspec}"), pullspec.clone()),
            ("localhost:5000/a/b:4.19".into(), "localhost:5000/a/b:4.19".into()),
            ("oci:/srv/image".into(), "oci:/srv/image".into()),
            ("oci:relative/image:4.19".into(), "oci:relative/image:4.19".into()),
            ("dir:/srv/rpms".into(), "dir:/srv/rpms".into()),
        ] {
            let reference: Reference = given.parse().unwrap();
            assert_eq!(reference.to_string(), shown);
            assert_eq!(shown.parse::<Reference>().unwrap(), reference);
        }
    }
}
