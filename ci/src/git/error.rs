//! Why a push, a clone or a sync ended without what was asked.
//!
//! Decides: the reason and the cure of each. Must not: print. Input: none.

use std::io;
use std::path::PathBuf;

use crate::drive::Stop;
use crate::error::{Failure, Reason};
use crate::exec::ExecError;

/// Why it ended.
#[derive(Debug, thiserror::Error)]
pub enum GitError {
    /// The build or its node.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// The session.
    #[error(transparent)]
    Exec(#[from] ExecError),
    /// What was asked is not accepted.
    #[error("the {what} `{text}` is refused: {why}")]
    Refused {
        /// Its part.
        what: &'static str,
        /// The text, escaped.
        text: String,
        /// What is wanted instead.
        why: String,
    },
    /// A local repository cannot be used.
    #[error("the repository `{}` cannot be used: {why}", path.display())]
    Source {
        /// Where it lies.
        path: PathBuf,
        /// Why, git's words escaped.
        why: String,
    },
    /// The local git cannot be run.
    #[error("running {0}")]
    Tool(&'static str, #[source] io::Error),
    /// The container lacks a tool.
    #[error("the container has no {0}")]
    Lacks(&'static str),
    /// The far side did not do it.
    #[error("{operation} failed on the node: {said}")]
    Far {
        /// What was asked, with the repository.
        operation: String,
        /// The far side's words, escaped and cut.
        said: String,
    },
    /// What arrived is not what was sent.
    #[error("`{name}` on the node has {found}, and {wanted} was sent")]
    Differs {
        /// The repository.
        name: String,
        /// What was sent.
        wanted: String,
        /// What is there.
        found: String,
    },
    /// The connection broke, or time was over.
    #[error("{operation}: {problem}")]
    Lost {
        /// What was under way.
        operation: String,
        /// What happened to it.
        problem: String,
    },
    /// The manifest could not be written.
    #[error("writing `{}`", .0.display())]
    Manifest(PathBuf, #[source] io::Error),
}

impl Failure for GitError {
    fn reason(&self) -> Reason {
        match self {
            GitError::Stop(stop) => stop.reason(),
            GitError::Exec(error) => error.reason(),
            GitError::Refused { .. } | GitError::Source { .. } => Reason::Usage,
            GitError::Tool(..) | GitError::Lacks(_) => Reason::Config,
            GitError::Far { .. } | GitError::Differs { .. } | GitError::Manifest(..) => Reason::Output,
            GitError::Lost { .. } => Reason::Again,
        }
    }

    fn cure(&self) -> Option<String> {
        let text = match self {
            GitError::Stop(stop) => return stop.cure(),
            GitError::Exec(error) => return error.cure(),
            GitError::Source { why, .. } if why.contains("dubious ownership") => {
                "run this as the owner of the repository; others' settings could run programs as you"
            }
            GitError::Tool(..) => "install git 2.32 or newer, and a POSIX shell",
            GitError::Lacks(_) => "use an image that has `sh` and git, or a side-car that has them",
            GitError::Differs { .. } => {
                "something in the container changed the repository meanwhile; run it again"
            }
            GitError::Lost { .. } => "run it again; what has arrived is not sent twice",
            GitError::Refused { .. }
            | GitError::Source { .. }
            | GitError::Far { .. }
            | GitError::Manifest(..) => return None,
        };
        Some(text.to_owned())
    }
}
