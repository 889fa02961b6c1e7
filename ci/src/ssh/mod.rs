//! SSH into a pod: keys of our own making on both sides, and no way in but through the API server.
//!
//! ```text
//!  ssh -F ssh_config NODE ──► ProxyCommand: build-resources forward ──► API server ──► sshd in the pod
//!   pins the host's key                  the build's own token                    takes the build's key only
//! ```
//!
//! Decides: what server and client are told. Must not: trust a host on first use, or put a private key anywhere but in a
//! Secret and in a file that is 0600. Input: a place, or a Secret that was read.

mod client;
mod keys;
mod server;

pub use client::{Client, Files};
pub use server::Server;
pub(crate) use server::{SECRET, equip, is_settable, read};

use crate::error::{Failure, Reason, shown};

/// Where the server listens.
pub const PORT: u16 = 22;

/// What opens a node.
#[derive(Clone, PartialEq, Eq)]
pub struct Keys {
    /// The public key of the host.
    pub host: String,
    /// The private key of the build.
    pub private: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Keys").field("host", &self.host).finish_non_exhaustive()
    }
}

/// Why there is no way in by SSH.
#[derive(Debug, thiserror::Error)]
pub enum SshError {
    /// The Secret says less than was written.
    #[error("the Secret `{SECRET}` in `{}` has no usable `{}`", shown(.0), .1)]
    Malformed(String, &'static str),
    /// A defect of ours.
    #[error("the keys of a node cannot be made: {0}")]
    Make(String),
}

impl Failure for SshError {
    fn reason(&self) -> Reason {
        match self {
            SshError::Malformed(..) => Reason::Launch,
            SshError::Make(_) => Reason::Bug,
        }
    }

    fn cure(&self) -> Option<String> {
        match self {
            SshError::Malformed(..) => Some("release the build, and ask again".to_owned()),
            SshError::Make(_) => None,
        }
    }
}
