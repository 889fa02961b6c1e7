//! `config check` and `config rbac`.
//!
//! Decides: nothing. Must not: ask a cluster. Input: a configuration that was checked while it was read.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::{Said, manifest};
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
    Check,
    /// Print the rights that this program needs, as a manifest.
    Rbac,
}

pub(super) fn run(config: &Config, args: &ConfigArgs) -> Said {
    match args.command {
        ConfigCommand::Check => {
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
    }
}
