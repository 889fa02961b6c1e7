//! The registry of a build: its images are pushed there and pulled from there, and by nobody else.
//!
//! ```text
//!  Service ──► its address ──► Secret: password, certificate ──► server, pull secret, accounts
//!   applied       read          created if absent: decides         applied, always the same
//! ```
//!
//! Decides: what stands beside a node whose label says `registry`. Must not: make a second credential, or let a namespace
//! of another buildset in. Input: a place. A death between any two writes is mended by doing the same again.

mod certificate;
mod credential;
mod objects;

pub use credential::Access;
pub use objects::Registry;
pub(crate) use objects::{POD, SECRET};

use crate::error::{Failure, Reason, shown};

/// The port of the server.
pub const PORT: u16 = 5000;

/// Why there is no registry.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The Secret says less than was written.
    #[error("the Secret `{SECRET}` in `{}` has no usable `{}`", shown(.0), .1)]
    Malformed(String, &'static str),
    /// The Service has no address.
    #[error("the Service of the registry in `{}` has no cluster address", shown(.0))]
    NoAddress(String),
    /// Its server does not answer yet.
    #[error("the registry in `{}` is not ready", shown(.0))]
    NotReady(String),
    /// A defect of ours.
    #[error("the credential of a registry cannot be made: {0}")]
    Make(String),
}

impl Failure for RegistryError {
    fn reason(&self) -> Reason {
        match self {
            RegistryError::Malformed(..) | RegistryError::NoAddress(_) => Reason::Launch,
            RegistryError::NotReady(_) => Reason::Again,
            RegistryError::Make(_) => Reason::Bug,
        }
    }

    fn cure(&self) -> Option<String> {
        match self {
            RegistryError::Malformed(..) => {
                Some("the job changed what it was given; release the build, and ask again".to_owned())
            }
            RegistryError::NotReady(_) => Some("ask again with the same request; it is driven on".to_owned()),
            RegistryError::NoAddress(_) | RegistryError::Make(_) => None,
        }
    }
}
