//! The sandbox host for people: the main job as a story, and a host that stays up to type at; and the story of build resources.
//!
//! Decides nothing: it shows what the shipped binaries do on a host of real parts and one stand-in, or in a real cluster.
#![allow(
    clippy::unwrap_used,
    reason = "part of the test bed: a failed step must stop the story where it stands"
)]

mod ci;
mod fleet;
mod hold;
mod story;

use std::path::PathBuf;
use std::process::{ExitCode, Stdio};

use clap::{Parser, Subcommand};
use proof::process::spawn;
use proof::sandbox::{self, Agent};

/// A sandbox host: real libostree, rpm, D-Bus and registry, and a stand-in for rpm-ostreed.
#[derive(Parser)]
#[command(name = "sandbox")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Show the main job: a MachineConfig asks for usbguard, the node layers it and reboots into it.
    Story {
        /// Leave the host running and say what to type next.
        #[arg(long)]
        keep: bool,
    },
    /// Show a roll-out: a MachineConfig in a real cluster, two nodes, and never both away.
    Fleet,
    /// Show build resources: a pod for a job on a whole cluster, repositories, output, an artifact, and nothing left.
    Ci,
    /// Start a host with a registry and a payload, and leave it running.
    Up,
    /// Run the agent on a host: `sandbox agent DIR status`.
    Agent {
        /// The host's directory.
        dir: PathBuf,
        /// The agent's own arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        args: Vec<String>,
    },
    /// Reboot a host.
    Reboot {
        /// The host's directory.
        dir: PathBuf,
    },
    /// End a host and remove everything of it.
    Down {
        /// The host's directory.
        dir: PathBuf,
    },
    /// What `story --keep` and `up` become in the background.
    #[command(hide = true)]
    Hold {
        /// Whether to tell the story first.
        #[arg(long)]
        story: bool,
    },
}

fn main() -> ExitCode {
    match Arguments::parse().verb {
        Verb::Story { keep: false } => {
            story::tell(&story::Stage::set());
            ExitCode::SUCCESS
        }
        Verb::Story { keep: true } => hold::start(true),
        Verb::Fleet => {
            fleet::tell();
            ExitCode::SUCCESS
        }
        Verb::Ci => ci::tell(),
        Verb::Up => hold::start(false),
        Verb::Hold { story } => hold::hold(story),
        Verb::Agent { dir, args } => agent(&dir, &args),
        Verb::Reboot { dir } => {
            println!("booted {}", sandbox::reboot(&dir));
            ExitCode::SUCCESS
        }
        Verb::Down { dir } => hold::down(&dir),
    }
}

fn agent(dir: &std::path::Path, args: &[String]) -> ExitCode {
    let mut command = story::for_people(Agent::of(dir).command(args));
    command.stdin(Stdio::inherit());
    let status = spawn(command).wait().unwrap();
    ExitCode::from(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
