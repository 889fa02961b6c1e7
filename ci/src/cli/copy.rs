//! `put` and `fetch`: files into a node and out of it.
//!
//! Decides: what is said of a copy. Must not: know how it travels. Input: arguments; a ready build.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Problem, Said};
use crate::copy::{self, Bounds, Copied};
use crate::drive::Desk;

/// Copy a file or directory into a node.
#[derive(Debug, Args)]
#[command(after_help = "\
The files travel as a tar stream; the node then tells the SHA-256 of each, and only when all are right is the copy moved to
its place, by one rename. A directory must not be there yet. Devices, and links that leave the copy, are refused. The image
needs sh, tar, find and sha256sum.

Example:
  build-resources put 17 builder ./payload /workspace/payload")]
pub struct PutArgs {
    /// The build.
    build: String,
    /// The node, as the build calls it.
    node: String,
    /// What is copied.
    local: PathBuf,
    /// What it is called in the container, its own name included.
    remote: String,
    #[command(flatten)]
    how: How,
}

/// Copy a file or directory out of a node.
#[derive(Debug, Args)]
#[command(after_help = "\
What comes is not trusted: absolute paths, `..`, devices, and links that leave the copy are refused. The node tells the
SHA-256 of each file after the last; only when all are right is the copy moved to its place, by one rename. After a failure
nothing is there. A directory must not be there before. The image needs sh, tar, find and sha256sum.

Example:
  build-resources fetch 17 builder /workspace/artifacts ./artifacts")]
pub struct FetchArgs {
    /// The build.
    build: String,
    /// The node, as the build calls it.
    node: String,
    /// What is copied out of the container.
    remote: String,
    /// What it is called here, its own name included.
    local: PathBuf,
    #[command(flatten)]
    how: How,
}

/// What both have.
#[derive(Debug, Args)]
struct How {
    /// The container; without it the one that is the machine.
    #[arg(short, long)]
    container: Option<String>,
    /// Most files, directories and links.
    #[arg(long, default_value_t = Bounds::default().entries)]
    max_entries: u64,
    /// Most bytes of all files.
    #[arg(long, default_value_t = Bounds::default().bytes)]
    max_bytes: u64,
}

impl How {
    fn bounds(&self) -> Bounds {
        Bounds { entries: self.max_entries, bytes: self.max_bytes }
    }
}

/// `put`.
pub(super) async fn put(desk: &Desk<'_>, args: &PutArgs) -> Result<Said, Problem> {
    let target = desk.target(&args.build, &args.node, args.how.container.as_deref()).await?;
    Ok(said(copy::put(&target, &args.local, &args.remote, args.how.bounds()).await?))
}

/// `fetch`.
pub(super) async fn fetch(desk: &Desk<'_>, args: &FetchArgs) -> Result<Said, Problem> {
    let target = desk.target(&args.build, &args.node, args.how.container.as_deref()).await?;
    Ok(said(copy::fetch(&target, &args.remote, &args.local, args.how.bounds()).await?))
}

fn said(copied: Copied) -> Said {
    let Copied { entries, bytes } = copied;
    Said::new(
        format!("copied and proven: {entries} entries, {bytes} bytes\n"),
        json!({"entries": entries, "bytes": bytes}),
    )
}
