//! `artifact`: a large file that a parent returned, here.
//!
//! Decides: what is said of it. Must not: know how it travels. Input: arguments; a build that inherits.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use serde_json::json;

use super::{Problem, Said};
use crate::copy::Bounds;
use crate::drive::Desk;
use crate::error::shown;

/// About large files that a build returned.
#[derive(Debug, Args)]
pub struct ArtifactArgs {
    /// What about them.
    #[command(subcommand)]
    command: ArtifactCommand,
}

/// About large files.
#[derive(Debug, Subcommand)]
enum ArtifactCommand {
    /// Fetch one that a parent returned with `return --artifact`.
    #[command(after_help = "\
The file is fetched from the registry of the build that has it, through the API server and with that build's own credentials.
Its size and SHA-256 are compared with what was returned; only then is it moved to its place, by one rename.

Example:
  build-resources artifact get 18 packages packages.tar    # 18 inherits from the build that returned `packages`")]
    Get {
        /// The build that inherits it.
        build: String,
        /// The name under which it was returned.
        name: String,
        /// What it is called here.
        file: PathBuf,
        /// Most bytes.
        #[arg(long, default_value_t = Bounds::default().bytes)]
        max_bytes: u64,
    },
}

/// `artifact`.
pub(super) async fn run(desk: &Desk<'_>, args: &ArtifactArgs) -> Result<Said, Problem> {
    let ArtifactCommand::Get { build, name, file, max_bytes } = &args.command;
    let got = desk.take_file(build, name, file, *max_bytes).await?;
    Ok(Said::new(
        format!("fetched and proven: {}, {} bytes, sha256:{}\n", shown(name), got.size, got.sha256),
        json!({"name": name, "size": got.size, "sha256": got.sha256, "image": got.image}),
    ))
}
