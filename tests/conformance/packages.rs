//! The packages that the clauses layer: architecture-independent, a few bytes, with names that no base holds.

use std::fs::{self, File};
use std::io::{Seek, Write};
use std::path::PathBuf;

use proof::packages::Rpm;

/// How every name begins.
pub(crate) const PREFIX: &str = "xagent-conf-";

/// One RPM file.
#[derive(Debug, Clone)]
pub(crate) struct Package {
    /// The package's name.
    pub(crate) name: String,
    /// `name-version-release.arch`.
    pub(crate) nevra: String,
    path: PathBuf,
}

impl Package {
    fn build(rpm: &Rpm) -> Self {
        Package { name: rpm.name().to_owned(), nevra: rpm.nevra(), path: rpm.build() }
    }

    /// The file, read-only, at its beginning.
    pub(crate) fn open(&self) -> File {
        File::open(&self.path).unwrap()
    }

    /// The same bytes in a file that no longer has a name.
    pub(crate) fn open_nameless(&self) -> File {
        anonymous(&self.bytes())
    }

    /// The bytes of the file.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(&self.path).unwrap()
    }
}

/// A nameless file with these bytes, at its beginning.
pub(crate) fn anonymous(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

fn describe(letter: &str, version: &str) -> Rpm {
    let name = format!("{PREFIX}{letter}");
    let readme = format!("/usr/share/{name}/README");
    let content = format!("{name} {version}, which the conformance suite layers and removes again\n");
    Rpm::new(&name).evr(0, version, "1").arch("noarch").file(&readme, content)
}

/// A package that needs nothing.
pub(crate) fn plain(letter: &str) -> Package {
    Package::build(&describe(letter, "1.0"))
}

/// Version 2 of the same.
pub(crate) fn newer(letter: &str) -> Package {
    Package::build(&describe(letter, "2.0"))
}

/// The NEVRA of [`plain`] around another content, so another header.
pub(crate) fn impostor(letter: &str) -> Package {
    let extra = format!("/usr/share/{PREFIX}{letter}/EXTRA");
    Package::build(&describe(letter, "1.0").file(&extra, "not what was layered\n"))
}

/// A package that needs another one.
pub(crate) fn needing(letter: &str, requirement: &str) -> Package {
    Package::build(&describe(letter, "1.0").requires(requirement))
}

/// A package that provides what [`needing`] may ask for.
pub(crate) fn providing(letter: &str, capability: &str) -> Package {
    Package::build(&describe(letter, "1.0").provides(capability))
}

/// A package whose `%post` is this.
pub(crate) fn with_post(letter: &str, body: &str) -> Package {
    Package::build(&describe(letter, "1.0").post(body))
}

/// A package whose `%post` takes two minutes: longer than anybody waits before cancelling it.
pub(crate) fn slow() -> Package {
    with_post("slow", "sleep 120\n")
}

/// A package with content that no compressor touches, so that its bytes can be found in the file.
pub(crate) fn incompressible(letter: &str) -> Package {
    Package::build(&describe(letter, "1.0").file(&format!("/usr/share/{PREFIX}{letter}/noise"), noise()))
}

/// The file with one byte of its header changed.
pub(crate) fn flipped_header(package: &Package) -> File {
    let mut bytes = package.bytes();
    // The first directory name is in the header's data; the payload comes after it.
    let directory = format!("/usr/share/{}/", package.name);
    let at = bytes.windows(directory.len()).position(|window| window == directory.as_bytes());
    bytes[at.expect("the header names the directory") + 1] ^= 1;
    anonymous(&bytes)
}

/// The file of [`incompressible`] with one byte of its payload changed, where only a digest can tell.
pub(crate) fn flipped_payload(package: &Package) -> File {
    let mut bytes = package.bytes();
    let tail = noise();
    let at = find_last(&bytes, &tail[tail.len() - 64..]);
    bytes[at + 32] ^= 1;
    anonymous(&bytes)
}

fn find_last(bytes: &[u8], needle: &[u8]) -> usize {
    bytes.windows(needle.len()).rposition(|window| window == needle).expect("the package holds these bytes")
}

/// 4 KiB that look random: each block is the digest of its number.
fn noise() -> Vec<u8> {
    use sha2::{Digest, Sha256};
    (0_u32..128).flat_map(|number| Sha256::digest(number.to_be_bytes())).collect()
}
