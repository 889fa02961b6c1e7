//! `list`, `show` and `inventory`: what there is, and how to use it.
//!
//! Decides: nothing. Must not: change a record. Input: arguments.

use std::path::PathBuf;

use clap::Args;

use super::credentials::{self, Credentials};
use super::{Cli, Problem, Said, hand_over, show};
use crate::drive::Desk;

/// One build.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The build.
    pub(super) build: String,
}

/// One build, and a place for its files.
#[derive(Debug, Args)]
pub struct InventoryArgs {
    /// The build.
    build: String,
    /// Where they are put.
    #[arg(long)]
    out: PathBuf,
    /// What the kubeconfig holds.
    #[arg(long, value_enum, default_value_t)]
    credentials: Credentials,
}

pub(super) async fn list(desk: &Desk<'_>) -> Result<Said, Problem> {
    Ok(show::all(desk, &desk.store.list().await?))
}

pub(super) async fn one(desk: &Desk<'_>, args: &BuildArgs) -> Result<Said, Problem> {
    Ok(show::one(desk, &desk.find(&args.build).await?))
}

pub(super) async fn inventory(desk: &Desk<'_>, cli: &Cli, args: &InventoryArgs) -> Result<Said, Problem> {
    let record = desk.find(&args.build).await?;
    let plugin = credentials::plugin(cli, args.credentials)?;
    hand_over(desk, &record, &args.out, plugin).await?;
    Ok(show::one(desk, &record))
}
