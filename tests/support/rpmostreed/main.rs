//! The stand-in for rpm-ostreed as a process: what D-Bus activation starts in the sandbox.
//!
//! It decides nothing; arguments and the environment come in here and go to [`proof::rpmostreed::service::run`].

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use proof::rpmostreed::service;

/// A stand-in for rpm-ostreed that layers for real on a sandbox sysroot. Never the real daemon.
#[derive(Parser)]
#[command(name = "stand-in-rpm-ostreed")]
struct Arguments {
    /// The sandbox host's directory.
    #[arg(long)]
    sandbox: PathBuf,
    /// The bus to serve on; the one that activated us when it is not given.
    #[arg(long, env = "DBUS_STARTER_ADDRESS")]
    bus: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match service::run(&arguments.sandbox, &arguments.bus).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stand-in-rpm-ostreed: {error}");
            ExitCode::FAILURE
        }
    }
}
