//! How being a package can fail. Text from the file is never repeated here but as a checked name or digest.

use std::io;

use extensions_manifest::{ManifestError, Nevra, Sha256Digest};
use thiserror::Error;

use crate::error::{Failure, Reason};

/// Why a file is not a package that may be layered.
#[derive(Debug, Error)]
pub enum RpmError {
    /// The bytes could not be read.
    #[error("reading the package")]
    Read(#[source] io::Error),
    /// The file ends inside its headers.
    #[error("the package ends inside its headers")]
    Truncated,
    /// A bound or a rule of the format is broken.
    #[error("the {part} of the package is malformed: {problem}")]
    Malformed {
        /// Lead, signature header or header.
        part: &'static str,
        /// Which bound or rule.
        problem: String,
    },
    /// The parser refused what the guard had let pass.
    #[error("reading the header of the package")]
    Parse(#[source] Box<rpm::Error>),
    /// It holds sources, not software.
    #[error("it is a source package")]
    SourcePackage,
    /// Name, version, architecture or a digest is outside the vocabulary.
    #[error("the header of the package names something malformed")]
    Identity(#[source] ManifestError),
    /// A dependency cannot be read.
    #[error("reading the dependencies of `{nevra}`")]
    Dependency {
        /// Whose.
        nevra: Box<Nevra>,
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// A link of the chain is missing.
    #[error("the package carries no SHA-256 of its {link}")]
    NoDigest {
        /// Header or payload.
        link: &'static str,
    },
    /// A link of the chain is broken.
    #[error("the {link} of the package has digest `{found}`, not `{expected}`")]
    Digest {
        /// Header or payload.
        link: &'static str,
        /// What the link above says.
        expected: Sha256Digest,
        /// What the bytes have.
        found: Sha256Digest,
    },
    /// The file is longer or shorter than it was said to be.
    #[error("the package has {found} bytes, not {expected}")]
    Size {
        /// What was said.
        expected: u64,
        /// What there was.
        found: u64,
    },
    /// More than a bound allows.
    #[error("{what}: {found} is over the limit of {limit}")]
    Limit {
        /// What was counted.
        what: &'static str,
        /// How much there was.
        found: u64,
        /// How much there may be.
        limit: u64,
    },
}

impl Failure for RpmError {
    fn reason(&self) -> Reason {
        match self {
            Self::Read(_) => Reason::PayloadUnavailable,
            Self::Limit { .. } => Reason::LimitExceeded,
            Self::Truncated
            | Self::Malformed { .. }
            | Self::Parse(_)
            | Self::SourcePackage
            | Self::Identity(_)
            | Self::Dependency { .. }
            | Self::NoDigest { .. }
            | Self::Digest { .. }
            | Self::Size { .. } => Reason::CorruptPackage,
        }
    }
}
