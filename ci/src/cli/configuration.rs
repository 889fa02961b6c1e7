//! `config check` and `config rbac`.
//!
//! Decides: nothing. Must not: ask a cluster, but for `check --live`. Input: a configuration that was checked while it was read.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Problem, Said, live, manifest};
use crate::config::Config;

/// About the configuration.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// What about it.
    #[command(subcommand)]
    command: ConfigCommand,
}

/// About the configuration.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check it.
    #[command(after_help = "Example:\n  build-resources config check --live -f build-resources.yaml")]
    Check {
        /// Ask the clusters too: whether every context is there, and every right that `config rbac` grants. Ends with 77
        /// and names the rights that are missing.
        #[arg(long)]
        live: bool,
    },
    /// Print the rights that this program needs, as a manifest.
    Rbac,
}

pub(super) async fn run(
    config: &Config,
    args: &ConfigArgs,
    kubeconfig: Option<&Path>,
) -> Result<Said, Problem> {
    Ok(match args.command {
        ConfigCommand::Check { live: true } => live::check(config, kubeconfig).await?,
        ConfigCommand::Check { live: false } => {
            let labels = config.labels.len();
            let pools = config.pools().len();
            Said::new(
                format!("the configuration is valid: {labels} labels, {pools} pools\n"),
                json!({"valid": true, "labels": labels, "pools": pools}),
            )
        }
        ConfigCommand::Rbac => {
            let manifest = manifest(config);
            let yaml = manifest.iter().filter_map(|object| serde_saphyr::to_string(object).ok());
            Said::new(yaml.collect::<Vec<_>>().join("---\n"), Value::Array(manifest))
        }
    })
}
