//! Why a command has no exit code.
//!
//! Decides: the reason of each. Must not: print. Input: none.

use std::io;

use crate::cluster::ClusterError;
use crate::error::{Failure, Reason, shown};

/// Why a command has no exit code.
#[derive(Debug, thiserror::Error)]
pub enum ExecError {
    /// The API server refused, or is away.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The API server speaks only the older protocol.
    #[error(
        "the API server does not speak v5.channel.k8s.io, which can end stdin; it came with Kubernetes 1.30"
    )]
    Old,
    /// The command could not be started.
    #[error("the command could not be started: {}", shown(.0))]
    NotStarted(String),
    /// The node says that it failed, and it was not the command.
    #[error("the node could not run the command to its end: {}", shown(.0))]
    Failed(String),
    /// The connection ended first.
    #[error("the connection ended before the command did: {}", shown(.0))]
    Cut(String),
    /// Nothing came any more.
    #[error("nothing came from the API server for {0} seconds, not even an answer to a ping")]
    Silent(u64),
    /// The other side broke the protocol.
    #[error("the session sent what it may not: {}", shown(.0))]
    Odd(String),
    /// The pod or its container is not there any more.
    #[error("the pod is lost: {}", shown(.0))]
    PodLost(String),
    /// A run has no exit code and nobody who would write one.
    #[error("the run is lost: what supervised the command in the container was killed")]
    Lost,
    /// There is no such run.
    #[error("the container has no such run")]
    Missing,
    /// The output of a run was deleted to make room.
    #[error("the output of this run is not kept any more")]
    Trimmed,
    /// The container cannot hold a detached run.
    #[error("no command can be run detached in this container: {}", shown(.0))]
    Unfit(String),
    /// The exit code that was written down is not the one that the view ended with.
    #[error("the exit code {spool} was written down, but the view of it ended with {view}")]
    Disagree {
        /// What was written down.
        spool: i32,
        /// What the view ended with.
        view: i32,
    },
    /// A stream of ours.
    #[error("passing on {stream}")]
    Local {
        /// Which one.
        stream: &'static str,
        /// What the system said.
        source: io::Error,
    },
}

impl Failure for ExecError {
    fn reason(&self) -> Reason {
        match self {
            ExecError::Cluster(error) => error.reason(),
            ExecError::Old => Reason::Unservable,
            ExecError::NotStarted(_) | ExecError::Unfit(_) => Reason::Usage,
            ExecError::Missing | ExecError::Trimmed => Reason::Unknown,
            ExecError::Failed(_)
            | ExecError::Cut(_)
            | ExecError::Silent(_)
            | ExecError::Odd(_)
            | ExecError::PodLost(_)
            | ExecError::Lost
            | ExecError::Disagree { .. } => Reason::Again,
            ExecError::Local { .. } => Reason::Output,
        }
    }

    fn cure(&self) -> Option<String> {
        match self {
            ExecError::Cluster(error) => error.cure(),
            ExecError::Old => Some("use a cluster of Kubernetes 1.30 or later".to_owned()),
            ExecError::NotStarted(_) => Some(
                "name a program that the image has; one that reads stdin needs `sh` and `cat` beside it"
                    .to_owned(),
            ),
            ExecError::Unfit(_) => Some(
                "use an image with `setsid stat dd mkdir mv rm ls date sleep` and a directory that can be written to \
                 (`--spool`), or `--attached`, which loses the command with the connection"
                    .to_owned(),
            ),
            ExecError::PodLost(_) | ExecError::Lost => {
                Some("release the build and ask for it anew; the node is not what it was".to_owned())
            }
            ExecError::Missing | ExecError::Trimmed => {
                Some("`build-resources logs BUILD NODE --list` names the runs that are there".to_owned())
            }
            ExecError::Failed(_)
            | ExecError::Cut(_)
            | ExecError::Silent(_)
            | ExecError::Odd(_)
            | ExecError::Disagree { .. }
            | ExecError::Local { .. } => None,
        }
    }
}

impl ExecError {
    /// Whether another session would find the same.
    pub(super) fn is_final(&self) -> bool {
        match self {
            ExecError::PodLost(_) | ExecError::Lost | ExecError::Missing | ExecError::Trimmed => true,
            ExecError::Cluster(_)
            | ExecError::Old
            | ExecError::NotStarted(_)
            | ExecError::Failed(_)
            | ExecError::Cut(_)
            | ExecError::Silent(_)
            | ExecError::Odd(_)
            | ExecError::Unfit(_)
            | ExecError::Disagree { .. }
            | ExecError::Local { .. } => false,
        }
    }

    /// Whether output that was there may not have come.
    pub fn is_cut_off(&self) -> bool {
        match self {
            ExecError::Cut(_) | ExecError::Silent(_) | ExecError::Failed(_) | ExecError::Disagree { .. } => {
                true
            }
            ExecError::Cluster(_)
            | ExecError::Old
            | ExecError::NotStarted(_)
            | ExecError::Odd(_)
            | ExecError::PodLost(_)
            | ExecError::Lost
            | ExecError::Missing
            | ExecError::Trimmed
            | ExecError::Unfit(_)
            | ExecError::Local { .. } => false,
        }
    }

    /// What it means that a session did not come about.
    pub(super) fn refused(operation: String, error: &kube::Error) -> Self {
        match ClusterError::of(operation, error) {
            ClusterError::Refused { code: 404, message, .. } => ExecError::PodLost(message),
            ClusterError::Refused { code: 400, message, .. } if message.contains("completed pod") => {
                ExecError::PodLost(message)
            }
            other @ (ClusterError::Refused { .. }
            | ClusterError::Away { .. }
            | ClusterError::Kubeconfig { .. }
            | ClusterError::Client(_)) => ExecError::Cluster(other),
        }
    }
}
