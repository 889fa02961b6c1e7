//! Why a request, a release or a look-up ended without what was asked.
//!
//! Decides: the reason and the cure of each. Must not: print. Input: none.

use crate::cluster::ClusterError;
use crate::config::Name;
use crate::error::{Failure, Reason, shown};
use crate::registry::RegistryError;
use crate::ssh::SshError;
use crate::state::{BuildsetError, Phase, StateError};

/// Why it ended.
#[derive(Debug, thiserror::Error)]
pub enum Stop {
    /// The records.
    #[error(transparent)]
    State(#[from] StateError),
    /// The cluster.
    #[error(transparent)]
    Cluster(#[from] ClusterError),
    /// The buildset.
    #[error(transparent)]
    Buildset(#[from] BuildsetError),
    /// The registry of a build.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The way into a node by SSH.
    #[error(transparent)]
    Ssh(#[from] SshError),
    /// The build has another request already.
    #[error("the build `{}` has asked for something else before", shown(.0))]
    Different(String),
    /// There is no such build.
    #[error("there is no build `{}`", shown(.0))]
    Unknown(String),
    /// The build has no such node.
    #[error("the build `{}` has no node `{}`", shown(build), shown(node))]
    NoNode {
        /// The build.
        build: String,
        /// What was asked for.
        node: String,
    },
    /// The node is a namespace.
    #[error("the node `{0}` is no pod")]
    NoPod(Name),
    /// It is not ready.
    #[error("the build `{}` is {}", shown(build), phase.as_str())]
    NotReady {
        /// The build.
        build: String,
        /// How far it is.
        phase: Phase,
    },
    /// Another process drives the request.
    #[error("another process drives `{}`", shown(.0))]
    Busy(String),
    /// No pool can ever hold the request.
    #[error("no pool can ever hold this request: {0}")]
    Unservable(String),
    /// No pool has room.
    #[error("no pool has room: {0}")]
    Full(String),
    /// The pool of a request is not configured any more.
    #[error("the pool `{pool}` of provider `{provider}`, or a label in it, is not configured any more")]
    Unconfigured {
        /// The provider.
        provider: Name,
        /// The pool.
        pool: Name,
    },
    /// Credentials for an image cannot be copied.
    #[error(
        "the Secret `{name}` of `image-pull-secrets` cannot be copied from the namespace `{namespace}`: {problem}"
    )]
    PullSecret {
        /// Where it should be.
        namespace: String,
        /// Its name.
        name: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A node did not become usable.
    #[error("node `{node}` did not become usable: {why}")]
    Launch {
        /// The node.
        node: Name,
        /// Why, in the cluster's words.
        why: String,
    },
    /// A quota of the cluster has no room.
    #[error("a quota of the cluster has no room for node `{0}`")]
    NoRoom(Name),
    /// Ours to mend.
    #[error("an object cannot be written: {0}")]
    Bug(String),
    /// The pod of a node is gone from under the job.
    #[error("node `{node}` is lost: {why}")]
    Lost {
        /// The node.
        node: Name,
        /// Why, in the cluster's words.
        why: String,
    },
    /// Somebody keeps the build for looking at it.
    #[error("`{}` holds the build `{}` until {until}: {}", shown(by), shown(build), shown(reason))]
    Held {
        /// The build.
        build: String,
        /// Who.
        by: String,
        /// Why.
        reason: String,
        /// How long.
        until: jiff::Timestamp,
    },
    /// Its nodes share their namespace with others, and end with the job's account.
    #[error("`{0}` cannot be held: its nodes end with the job's own account")]
    Unholdable(String),
    /// What holds the objects of a node does not go away.
    #[error("`{holder}` does not go away: {why}")]
    Blocked {
        /// Its namespace, or in a shared namespace its account.
        holder: String,
        /// Why, in the cluster's words.
        why: String,
    },
}

impl Failure for Stop {
    fn reason(&self) -> Reason {
        match self {
            Stop::State(error) => error.reason(),
            Stop::Cluster(error) => error.reason(),
            Stop::Registry(error) => error.reason(),
            Stop::Ssh(error) => error.reason(),
            Stop::Buildset(error) => error.reason(),
            Stop::Different(_) | Stop::NoPod(_) => Reason::Usage,
            Stop::Unknown(_) | Stop::NoNode { .. } => Reason::Unknown,
            Stop::NotReady { .. } | Stop::Busy(_) | Stop::Full(_) | Stop::NoRoom(_) | Stop::Lost { .. } => {
                Reason::Again
            }
            Stop::Held { .. } => Reason::Blocked,
            Stop::Unholdable(_) => Reason::Usage,
            Stop::Bug(_) => Reason::Bug,
            Stop::Unservable(_) => Reason::Unservable,
            Stop::Unconfigured { .. } | Stop::PullSecret { .. } => Reason::Config,
            Stop::Launch { .. } => Reason::Launch,
            Stop::Blocked { .. } => Reason::Blocked,
        }
    }

    fn cure(&self) -> Option<String> {
        match self {
            Stop::State(error) => error.cure(),
            Stop::Cluster(error) => error.cure(),
            Stop::Registry(error) => error.cure(),
            Stop::Ssh(error) => error.cure(),
            Stop::Buildset(error) => error.cure(),
            Stop::Different(_) => Some("give each build a name of its own, or release it first".to_owned()),
            Stop::Unknown(_) => Some("`build-resources list` shows the builds".to_owned()),
            Stop::NoNode { .. } | Stop::NoPod(_) => {
                Some("`build-resources show BUILD` lists the nodes of a build and what they are".to_owned())
            }
            Stop::NotReady { .. } => Some("ask again with the same request; it is driven on".to_owned()),
            Stop::Busy(_) => Some("wait; if that process died, its Lease lapses within a minute".to_owned()),
            Stop::Full(_) => Some("wait longer with `--timeout`, or raise the limits of a pool".to_owned()),
            Stop::Unservable(_) => {
                Some("offer these labels together in one pool that is large enough".to_owned())
            }
            Stop::Unconfigured { .. } => Some("release the build, or put the pool back".to_owned()),
            Stop::PullSecret { .. } => Some("make it there, or name another in the label".to_owned()),
            Stop::NoRoom(_) => Some(
                "the request is kept: ask again, or wait longer with `--timeout`, until others have ended"
                    .to_owned(),
            ),
            Stop::Launch { .. } | Stop::Bug(_) => None,
            Stop::Lost { .. } => Some("release the build, and ask for its nodes again".to_owned()),
            Stop::Held { .. } => Some("`build-resources release --held` ends the hold".to_owned()),
            Stop::Unholdable(_) => {
                Some("a provider of `mode: namespace` has nodes that can be held".to_owned())
            }
            Stop::Blocked { .. } => Some(
                "remove what holds it; nothing here ever strips a finalizer. `gc` finishes the release then"
                    .to_owned(),
            ),
        }
    }
}
