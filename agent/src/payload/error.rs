//! How offering a payload can fail. Text from outside is escaped and cut before it gets here.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use extensions_manifest::{ManifestError, Nevra, Sha256Digest};
use thiserror::Error;

use crate::error::{Failure, Reason, size};
use crate::rpm::RpmError;

/// What is counted against the one bound that is a setting.
pub(super) const STORE_LIMIT: &str = "bytes of all packages of one payload";

/// Why there is no payload.
#[derive(Debug, Error)]
pub enum PayloadError {
    /// The reference cannot be read.
    #[error("`{text}` is not a payload reference: {problem}")]
    Reference {
        /// The reference, without credentials, escaped and cut.
        text: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A registry, a mirror or a directory does not answer.
    #[error("{operation} `{object}`")]
    Unavailable {
        /// What was tried.
        operation: &'static str,
        /// On what.
        object: String,
        /// What came back.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// A transport has found bytes to be others than asked for, before they got to us.
    #[error("{operation} `{object}`: it is not what its digest says")]
    Altered {
        /// What was tried.
        operation: &'static str,
        /// On what.
        object: String,
        /// What the transport said.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// No byte arrived for too long.
    #[error("{operation} `{object}`: nothing arrived for {seconds} s")]
    Silent {
        /// What was tried.
        operation: &'static str,
        /// On what.
        object: String,
        /// The limit.
        seconds: u64,
    },
    /// Bytes are not what their digest says.
    #[error("{object} has digest `{found}`, not `{expected}`")]
    Digest {
        /// What was read.
        object: String,
        /// The digest it was asked for by.
        expected: Sha256Digest,
        /// The digest of the bytes.
        found: Sha256Digest,
    },
    /// A blob is longer or shorter than its descriptor says.
    #[error("{object} has {found} bytes, not the {expected} of its descriptor")]
    Size {
        /// What was read.
        object: String,
        /// The size of the descriptor.
        expected: u64,
        /// How much there was, as far as it was read.
        found: u64,
    },
    /// The image is malformed, or laid out in a way that is not known.
    #[error("{object}: {problem}")]
    Image {
        /// Which part of it.
        object: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A file of the payload is not a sound package.
    #[error("package `{name}` of the payload")]
    Package {
        /// The name of the file, escaped and cut.
        name: String,
        /// Why it is refused.
        #[source]
        source: RpmError,
    },
    /// Two different files carry one name and version.
    #[error("`{nevra}` is carried by two different files, `{first}` and `{second}`")]
    TwoFiles {
        /// The name they share.
        nevra: Box<Nevra>,
        /// One file.
        first: Sha256Digest,
        /// The other.
        second: Sha256Digest,
    },
    /// The payload's own extension map cannot be used.
    #[error("reading the extension map of the payload")]
    Map {
        /// Why.
        #[source]
        source: ManifestError,
    },
    /// There is not enough room for it.
    #[error("the payload needs {} below `{}`, which has {} free", size(*.needs), directory.display(), size(*.has))]
    Space {
        /// How much is needed.
        needs: u64,
        /// How much there is.
        has: u64,
        /// Where.
        directory: PathBuf,
    },
    /// More than a bound allows.
    #[error("{what}: {found} is over the limit of {limit}")]
    Limit {
        /// What was counted.
        what: String,
        /// How much there was, as far as it was counted.
        found: u64,
        /// How much there may be.
        limit: u64,
    },
    /// The image is for other machines.
    #[error("the payload is for `{image}`, this host is `{host}`")]
    Architecture {
        /// What the image says.
        image: String,
        /// The host's architecture.
        host: String,
    },
    /// The store on disk cannot be read or written.
    #[error("{operation} `{path}`")]
    Store {
        /// What was tried.
        operation: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A stored file is gone or altered; it was dropped and the next load fetches it again.
    #[error("the stored file of `{nevra}` is {problem}; it will be fetched again")]
    Stored {
        /// Whose file.
        nevra: Box<Nevra>,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A worker of ours did not end as it must.
    #[error("reading layers: a worker ended without a result")]
    Worker,
}

impl Failure for PayloadError {
    fn reason(&self) -> Reason {
        match self {
            Self::Reference { .. } => Reason::InvalidReference,
            Self::Unavailable { .. } | Self::Silent { .. } => Reason::PayloadUnavailable,
            Self::Digest { .. } | Self::Altered { .. } | Self::Size { .. } => Reason::DigestMismatch,
            Self::Image { .. } => Reason::InvalidImage,
            Self::Package { source, .. } => source.reason(),
            Self::Map { source: ManifestError::Limit { .. } } => Reason::LimitExceeded,
            Self::TwoFiles { .. } | Self::Map { .. } => Reason::InconsistentPayload,
            Self::Space { .. } => Reason::NotEnoughSpace,
            Self::Limit { .. } => Reason::LimitExceeded,
            Self::Architecture { .. } => Reason::WrongArchitecture,
            Self::Store { .. } | Self::Stored { .. } => Reason::StateUnusable,
            Self::Worker => Reason::Internal,
        }
    }

    fn cure(&self) -> Option<String> {
        let reason = self.reason();
        // What an image is bounded by is no setting: whoever built it has to make it smaller.
        let is_setting = matches!(self, Self::Limit { what, .. } if what == STORE_LIMIT);
        let smaller = if is_setting {
            "raise `store.max-bytes`, or use a smaller payload"
        } else {
            "use the payload of a release, or have this one built within the bound"
        };
        let bounded = (reason == Reason::LimitExceeded).then_some(smaller);
        bounded.or(reason.cure()).map(str::to_owned)
    }
}
