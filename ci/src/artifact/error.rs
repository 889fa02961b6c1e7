//! Why a file or an image did not go to a registry, or did not come from one.
//!
//! Decides: the reason and the cure of each. Must not: print. Input: none.

use std::io;
use std::path::PathBuf;

use crate::drive::Stop;
use crate::error::{Failure, Reason, shown};

/// Why it did not.
#[derive(Debug, thiserror::Error)]
pub enum ArtifactError {
    /// The build, its buildset or the cluster.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// What opens the registry cannot be used.
    #[error("the way to the registry `{}`: {why}", shown(registry))]
    Way {
        /// Which one.
        registry: String,
        /// What is wrong.
        why: String,
    },
    /// It did not answer, or stopped in the middle.
    #[error("{operation}: {problem}")]
    Away {
        /// What was asked: `get blob sha256:…`.
        operation: String,
        /// What happened instead.
        problem: String,
    },
    /// It answered that it will not.
    #[error("{operation}: the answer was {code} {message}")]
    Refused {
        /// What was asked.
        operation: String,
        /// The HTTP status.
        code: u16,
        /// Its words, escaped and cut.
        message: String,
    },
    /// What came is not what was named.
    #[error("{what} is not what its digest says: {why}")]
    Different {
        /// What.
        what: String,
        /// Why.
        why: String,
    },
    /// More than is allowed.
    #[error("{what} is larger than {most} bytes")]
    TooLarge {
        /// What.
        what: String,
        /// The bound.
        most: u64,
    },
    /// A document that is none.
    #[error("{what}: {why}")]
    Document {
        /// What.
        what: String,
        /// What is wrong with it.
        why: String,
    },
    /// A local file.
    #[error("`{}`", path.display())]
    Local {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Neither the build nor what it inherits from has a registry that stays.
    #[error("no registry outlives the build `{}`", shown(.0))]
    NoRegistry(String),
    /// No parent returned it.
    #[error("nothing that `{}` inherits from returned a file `{}`", shown(build), shown(name))]
    NotReturned {
        /// The child.
        build: String,
        /// What it wants.
        name: String,
    },
    /// It lies with a build that the child did not name.
    #[error(
        "`{}` lies in the registry of `{}`, which `{}` does not inherit from",
        shown(name),
        shown(holder),
        shown(build)
    )]
    NotInherited {
        /// The child.
        build: String,
        /// What it wants.
        name: String,
        /// Where it is.
        holder: String,
    },
}

impl Failure for ArtifactError {
    fn reason(&self) -> Reason {
        match self {
            ArtifactError::Stop(error) => error.reason(),
            ArtifactError::Way { .. } => Reason::Config,
            ArtifactError::Refused { code: 401 | 403, .. } => Reason::Denied,
            ArtifactError::Refused { code: 404, .. } => Reason::Unknown,
            ArtifactError::Refused { code: 429 | 500.., .. }
            | ArtifactError::Away { .. }
            | ArtifactError::Different { .. } => Reason::Again,
            ArtifactError::Refused { .. } | ArtifactError::TooLarge { .. } | ArtifactError::Local { .. } => {
                Reason::Output
            }
            ArtifactError::Document { .. } | ArtifactError::NoRegistry(_) => Reason::Usage,
            ArtifactError::NotReturned { .. } | ArtifactError::NotInherited { .. } => Reason::Dependency,
        }
    }

    fn cure(&self) -> Option<String> {
        let text = match self {
            ArtifactError::Stop(error) => return error.cure(),
            ArtifactError::NoRegistry(_) => {
                "request a label with `registry` and `--keep buildset`, or inherit from a build that did"
            }
            ArtifactError::NotReturned { .. } => "`build-resources buildset show` lists what was returned",
            ArtifactError::NotInherited { .. } => "request it with `--inherits` for that build too",
            ArtifactError::TooLarge { .. } => "raise `--max-bytes`",
            ArtifactError::Different { .. } => "try again while nothing writes there",
            ArtifactError::Refused { code: 401 | 403, .. } => {
                "log in with an account that may read this repository and, to promote, write to it"
            }
            ArtifactError::Way { .. }
            | ArtifactError::Away { .. }
            | ArtifactError::Refused { .. }
            | ArtifactError::Document { .. }
            | ArtifactError::Local { .. } => return None,
        };
        Some(text.to_owned())
    }
}
