//! Why a copy was not made.
//!
//! Decides: the reason of each. Must not: print. Input: none.

use std::io;
use std::path::PathBuf;

use crate::error::{Failure, Reason, shown};
use crate::exec::ExecError;

/// Why a copy was not made.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The session.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// The far side ended with another code than 0.
    #[error("the far side ended with {code}: {}", shown(trouble))]
    Far {
        /// The code.
        code: i32,
        /// What it said.
        trouble: String,
    },
    /// A path that cannot be copied.
    #[error("`{}` is no path of a file or directory in a container", shown(.0))]
    Path(String),
    /// An entry that may not be.
    #[error("`{}` is refused: {why}", shown(path))]
    Refused {
        /// Which one.
        path: String,
        /// Why.
        why: String,
    },
    /// More than was allowed.
    #[error("the copy is larger than {0}")]
    TooLarge(String),
    /// The two sides do not have the same.
    #[error("`{}` is not the same on both sides: {why}", shown(path))]
    Different {
        /// Which file.
        path: String,
        /// What is different.
        why: String,
    },
    /// The copy is not proven.
    #[error("the copy is not proven: {}", shown(.0))]
    Unproven(String),
    /// The stream of the copy.
    #[error("reading the stream")]
    Stream(#[source] io::Error),
    /// A local file.
    #[error("`{}`", path.display())]
    Local {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A defect of this program.
    #[error("a defect: {0}")]
    Bug(String),
}

impl CopyError {
    /// Whether nothing else explains it.
    pub(super) fn is_first(&self) -> bool {
        match self {
            CopyError::Refused { .. }
            | CopyError::TooLarge(_)
            | CopyError::Different { .. }
            | CopyError::Local { .. } => true,
            CopyError::Exec(_)
            | CopyError::Far { .. }
            | CopyError::Path(_)
            | CopyError::Unproven(_)
            | CopyError::Stream(_)
            | CopyError::Bug(_) => false,
        }
    }
}

impl Failure for CopyError {
    fn reason(&self) -> Reason {
        match self {
            CopyError::Exec(error) => error.reason(),
            CopyError::Far { code: 66, .. } => Reason::Unknown,
            CopyError::Far { code: 73, .. }
            | CopyError::Refused { .. }
            | CopyError::TooLarge(_)
            | CopyError::Local { .. } => Reason::Output,
            CopyError::Path(_) => Reason::Usage,
            CopyError::Far { .. }
            | CopyError::Different { .. }
            | CopyError::Unproven(_)
            | CopyError::Stream(_) => Reason::Again,
            CopyError::Bug(_) => Reason::Bug,
        }
    }

    fn cure(&self) -> Option<String> {
        match self {
            CopyError::Exec(error) => error.cure(),
            CopyError::Far { code: 127, .. } => {
                Some("use an image with sh, tar, find and sha256sum".to_owned())
            }
            CopyError::Refused { .. } => Some(
                "copy what a copy can hold: files, directories, and links that stay within; `exec --attached NODE -- tar` \
                 gives you the stream as it is"
                    .to_owned(),
            ),
            CopyError::TooLarge(_) => Some("raise `--max-entries` or `--max-bytes`".to_owned()),
            CopyError::Different { .. } => Some("copy again while nothing writes there".to_owned()),
            CopyError::Far { .. }
            | CopyError::Path(_)
            | CopyError::Unproven(_)
            | CopyError::Stream(_)
            | CopyError::Local { .. }
            | CopyError::Bug(_) => None,
        }
    }
}
