//! Digests and names of what lies in a registry.
//!
//! Decides: which text is a digest, and which an image. Must not: talk to anybody. Input: what users and records say.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use crate::state::is_sha256;

/// A SHA-256. As text `sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Digest(String);

impl Digest {
    /// That of bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Digest(hex::encode(Sha256::digest(bytes)))
    }

    /// One that was computed.
    pub(super) fn computed(hash: Sha256) -> Self {
        Digest(hex::encode(hash.finalize()))
    }

    /// The 64 digits.
    pub fn hex(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "sha256:{}", self.0)
    }
}

impl FromStr for Digest {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("sha256:").filter(|digits| is_sha256(digits));
        digits.map(|digits| Digest(digits.to_owned())).ok_or("sha256: and 64 digits are wanted")
    }
}

/// A repository of a registry: `HOST:PORT/REPOSITORY`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repository {
    /// The registry: `HOST:PORT` or `HOST`.
    pub registry: String,
    /// The name in it.
    pub name: String,
}

/// An image by digest: `HOST:PORT/REPOSITORY@sha256:…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageRef {
    /// Where it lies.
    pub repository: Repository,
    /// What it is.
    pub digest: Digest,
}

/// What a repository may be called: parts of small letters and digits, with `.`, `-` and `_` between them.
fn named(name: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let part = |part: &str| {
        let (first, last) = (part.bytes().next(), part.bytes().last());
        first.is_some_and(inner)
            && last.is_some_and(inner)
            && part.bytes().all(|byte| inner(byte) || b".-_".contains(&byte))
    };
    name.len() <= 200 && name.split('/').all(part)
}

impl FromStr for Repository {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "HOST:PORT/REPOSITORY is wanted, in small letters";
        let (registry, name) = text.split_once('/').ok_or(wrong)?;
        let host = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
        if registry.is_empty() || !registry.bytes().all(host) || !named(name) {
            return Err(wrong);
        }
        Ok(Repository { registry: registry.to_owned(), name: name.to_owned() })
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.registry, self.name)
    }
}

impl FromStr for ImageRef {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (repository, digest) = text.split_once('@').ok_or("an image by digest is wanted: …@sha256:…")?;
        Ok(ImageRef { repository: repository.parse()?, digest: digest.parse()? })
    }
}

impl fmt::Display for ImageRef {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}@{}", self.repository, self.digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_20_only_what_a_registry_can_have_becomes_part_of_a_url() {
        let digest = Digest::of(b"{}");
        assert_eq!(
            digest.to_string(),
            "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"
        );
        for good in ["10.0.0.7:5000/a", "registry.example.com/ci/a-b_c.d", "[::1]:5000/a"] {
            let image: ImageRef = format!("{good}@{digest}").parse().unwrap();
            assert_eq!(image.to_string(), format!("{good}@{digest}"));
        }
        for bad in ["a", "h/", "h/..", "h/a//b", "h/A", "h/a?b", "h h/a", "/a", "h/-a", "h/a-", "h/a:1"] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
        for bad in ["h/a", "h/a@sha256:0", "h/a@sha512:0", "h/a:1"] {
            assert!(bad.parse::<ImageRef>().is_err(), "{bad}");
        }
    }
}
