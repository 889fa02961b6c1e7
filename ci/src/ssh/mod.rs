//! SSH into a pod: keys of our own making on both sides. The way in is through the API server, or by a Service where the
//! label wants one.
//!
//! ```text
//!  ssh -F ssh_config NODE ─┬► ProxyCommand: build-resources forward ──► API server ─┬► sshd in the pod
//!   pins the host's key    │             the build's own token                      │   takes the build's key only
//!                          └► Service: of the cluster, of its machines, balanced ───┘
//! ```
//!
//! Decides: what server and client are told. Must not: trust a host on first use, or put a private key anywhere but in a
//! Secret and in a file that is 0600. Input: a place, or a Secret that was read.

mod client;
mod keys;
mod server;
mod service;

pub use client::{Client, Door, Files};
pub use server::Server;
pub(crate) use server::{SECRET, equip, is_settable, read};
pub use service::{Address, Entrance};
pub(crate) use service::{SERVER, address};

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
    /// Nobody has given its Service an address.
    #[error("the Service `{}` in `{}` has no address yet", SERVER.name, shown(.0))]
    NoAddress(String),
    /// The Service or the pod says what is no address.
    #[error("`{}` is no address of a host", shown(.0))]
    Address(String),
    /// A defect of ours.
    #[error("the keys of a node cannot be made: {0}")]
    Make(String),
}

impl Failure for SshError {
    fn reason(&self) -> Reason {
        match self {
            SshError::Malformed(..) | SshError::Address(_) => Reason::Launch,
            SshError::NoAddress(_) => Reason::Again,
            SshError::Make(_) => Reason::Bug,
        }
    }

    fn cure(&self) -> Option<String> {
        match self {
            SshError::Malformed(..) => Some("release the build, and ask again".to_owned()),
            SshError::NoAddress(_) => {
                Some("ask for the files again, with `build-resources inventory BUILD`".to_owned())
            }
            SshError::Address(_) | SshError::Make(_) => None,
        }
    }
}
