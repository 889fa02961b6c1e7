//! Repositories to and from a node, over exec: a way for git itself, and a sync of many at once.
//!
//! ```text
//!  git push ssh://NODE@BUILD/src/x ───► git-ssh ────┐
//!  git push build-resources://BUILD/NODE/src/x ─────┤ serve ─► exec ─► git receive-pack, git upload-pack
//!  sync BUILD NODE SRC… ─► gather ─► prepare ─► push┘                  on the node
//!                          local git    │       └─► check out ─► verify ─► manifest
//!                                       └── what the node has
//! ```
//!
//! Decides: nothing; see the files. Must not: hold more than one way to run a command over there, which is [`Far`]. Input:
//! arguments of a caller or of git.

mod address;
mod error;
mod far;
mod local;
mod names;
mod plan;
mod receiver;
mod script;
mod serve;
mod sync;

pub use address::{Address, SCHEME, Service, Spot, ssh, url};
pub use error::GitError;
pub use far::{Far, Input, Output, Pipes};
pub use local::Git;
pub use names::{Format, Id, RefName, Repository};
pub use plan::{Cache, Entry, Facts, Source, Wanted, source};
pub use receiver::Receiver;
pub use serve::{helper, serve};
pub use sync::{Manner, Synced, gather, sync};

/// Where images keep repositories that most jobs want.
pub const CACHES: &str = "/opt/git";
