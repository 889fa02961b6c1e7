//! Credentials that renew themselves: what a kubeconfig says of us, and what we then print.
//!
//! Decides: the words of the plugin. Must not: store a token. Input: arguments; the configuration must be readable where the
//! kubeconfig is used, and so must our own kubeconfig. That is why a job elsewhere is handed a token unless it is told
//! otherwise.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::{Cli, Problem, Said};
use crate::config::Name;
use crate::drive::Desk;
use crate::inventory::Plugin;

/// What the kubeconfig of a job holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Credentials {
    /// A token that lasts as long as the nodes may; it is all that a job on another machine needs.
    #[default]
    Token,
    /// The command that prints a token of at most an hour, for a job on a machine that has our own kubeconfig.
    Plugin,
}

/// One node.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  build-resources inventory 17 --credentials plugin --out nodes   # its kubeconfig runs this command\n  \
                  build-resources token 17 builder | jq -r .status.token\n\nThe token ends with the lease of the build, within \
                  ten minutes and an hour; kubectl asks again in time."
)]
pub struct TokenArgs {
    /// The build.
    build: String,
    /// The node, as the job calls it.
    node: Name,
}

pub(super) async fn run(desk: &Desk<'_>, args: &TokenArgs) -> Result<Said, Problem> {
    let granted = desk.token(&args.build, &args.node).await?;
    let credential = json!({
        "apiVersion": "client.authentication.k8s.io/v1",
        "kind": "ExecCredential",
        "status": {"token": granted.token, "expirationTimestamp": granted.expires.to_string()},
    });
    Ok(Said::new(format!("{credential}\n"), credential))
}

/// How a kubeconfig calls us.
pub(super) fn plugin(cli: &Cli, credentials: Credentials) -> Result<Option<Plugin>, Problem> {
    if credentials == Credentials::Token {
        return Ok(None);
    }
    let failed =
        |source| Problem::from(crate::inventory::InventoryError::of(Path::new("kubeconfig"), source));
    let absolute = |path: &PathBuf| std::path::absolute(path).map_err(failed);
    let mut arguments = vec!["--config".to_owned(), absolute(&cli.config)?.display().to_string()];
    if let Some(kubeconfig) = &cli.kubeconfig {
        arguments.extend(["--kubeconfig".to_owned(), absolute(kubeconfig)?.display().to_string()]);
    }
    let program = std::env::current_exe().map_err(failed)?;
    Ok(Some(Plugin { program: program.display().to_string(), arguments }))
}
