//! A large file that a build returned: where it lies, and how to know it.
//!
//! Decides: what of it is remembered. Must not: fetch it. Input: a buildset's record, untrusted until it is checked.

use serde::{Deserialize, Serialize};

/// A file in the registry of a build. Its name is the key that it stands under.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Artifact {
    /// The build whose registry has it.
    pub build: String,
    /// The node that this registry stands beside.
    pub node: String,
    /// The pullspec by digest: `ADDRESS:PORT/REPOSITORY@sha256:…`.
    pub image: String,
    /// The SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Its size in bytes.
    pub size: u64,
}

impl Artifact {
    /// Whether it says what we would have written: it is shown to Ansible, and becomes part of a URL.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), &'static str> {
        let plain =
            |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._:/@[]".contains(&byte));
        if !plain(&self.image) || !plain(&self.node) {
            return Err("an artifact lies where nothing can lie");
        }
        if !is_sha256(&self.sha256) {
            return Err("an artifact has no SHA-256");
        }
        Ok(())
    }
}

/// Whether it is 64 digits.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// One that is good.
    pub(crate) fn artifact() -> Artifact {
        let sha256 = "0123456789abcdef".repeat(4);
        Artifact {
            build: "b".to_owned(),
            node: "space".to_owned(),
            image: format!("10.0.0.7:5000/artifacts@sha256:{sha256}"),
            sha256,
            size: 5,
        }
    }

    #[test]
    fn row_20_what_ansible_would_evaluate_or_no_registry_has_is_refused() {
        artifact().check().unwrap();
        for bad in [
            Artifact { image: "{{ x }}".to_owned(), ..artifact() },
            Artifact { node: "{{ x }}".to_owned(), ..artifact() },
            Artifact { sha256: "../".to_owned(), ..artifact() },
            Artifact { sha256: "A".repeat(64), ..artifact() },
        ] {
            bad.check().unwrap_err();
        }
    }
}
