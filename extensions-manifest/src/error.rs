//! What was wrong with a document or a name, where, and which limit was hit.

use thiserror::Error;

/// A value that does not belong to the vocabulary.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ManifestError {
    /// An extension name outside the grammar.
    #[error("`{name}` is not an extension name: use 1 to 63 of a-z, 0-9 and `-`, not starting with `-`")]
    ExtensionName {
        /// The name, escaped and cut.
        name: String,
    },
    /// A package name that rpm would not accept.
    #[error("`{name}` is not a package name")]
    PackageName {
        /// The name, escaped and cut.
        name: String,
    },
    /// A version, release or architecture with bytes that do not belong there.
    #[error("`{text}` is not a version: {problem}")]
    Version {
        /// The text, escaped and cut.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Not `name-[epoch:]version-release.arch`.
    #[error("`{text}` is not a NEVRA: {problem}")]
    Nevra {
        /// The text, escaped and cut.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Not a SHA-256 digest.
    #[error("`{text}` is not a SHA-256 digest")]
    Digest {
        /// The text, escaped and cut.
        text: String,
    },
    /// A dependency string that cannot be read.
    #[error("`{text}` is not a dependency: {problem}")]
    Dependency {
        /// The text, escaped and cut.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A document that is wrong at one place.
    #[error("{path}: {problem}")]
    Document {
        /// The place inside the document, such as `extensions.usbguard.packages[0]`.
        path: String,
        /// What is wrong there.
        problem: String,
    },
    /// More than a bound allows.
    #[error("{what}: {found} is over the limit of {limit}")]
    Limit {
        /// What was counted.
        what: String,
        /// How much there was.
        found: u64,
        /// How much there may be.
        limit: u64,
    },
}

/// Most characters of untrusted text in one error: enough for a pullspec with its digest.
const EXCERPT_CHARS: usize = 120;

/// The beginning of untrusted text, with everything escaped but printable ASCII, fit for an error message.
pub fn excerpt(text: &str) -> String {
    let mut shown: String = text.chars().take(EXCERPT_CHARS).flat_map(char::escape_default).collect();
    if text.chars().nth(EXCERPT_CHARS).is_some() {
        shown.push('…');
    }
    shown
}
