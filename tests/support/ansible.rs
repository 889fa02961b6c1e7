//! Real Ansible with the collection `kubernetes.core`, as jobs run it; `tests/ansible/build` keeps it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use tempfile::TempDir;

use crate::cluster;
use crate::command::tool;
use crate::process::Finished;

/// Ansible with a home of its own and a `kubectl`.
#[derive(Debug)]
pub struct Ansible {
    home: TempDir,
}

impl Ansible {
    /// Installed unless it is there.
    #[track_caller]
    pub fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let kubectl = home.path().join("kubectl");
        std::os::unix::fs::symlink(cluster::kubectl_program(), &kubectl).unwrap();
        commands();
        Ansible { home }
    }

    /// One of its commands with this inventory: `ansible`, `ansible-inventory`, `ansible-playbook`.
    #[track_caller]
    pub fn run(&self, program: &str, inventory: &Path, args: &[&str]) -> Finished {
        let mut command = self.command(program, inventory, args);
        command.stdin(Stdio::null());
        Finished::run(command)
    }

    /// The same, to be started by the caller.
    #[track_caller]
    pub fn command(&self, program: &str, inventory: &Path, args: &[&str]) -> Command {
        let mut command = tool(commands().join(program), self.home.path());
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.home.path().display());
        command.env("PATH", path).env("ANSIBLE_NOCOLOR", "1").env("ANSIBLE_HOME", self.home.path());
        command.current_dir(self.home.path()).arg("-i").arg(inventory).args(args);
        command
    }

    /// What each host answered to `ansible all -m MODULE -a ARGUMENTS`, by name.
    #[track_caller]
    pub fn all(&self, inventory: &Path, module: &str, arguments: &str) -> Vec<(String, String)> {
        let asked = self.run("ansible", inventory, &["all", "--one-line", "-m", module, "-a", arguments]);
        let answers = asked.expect_success();
        let mut found: Vec<(String, String)> = answers
            .stdout
            .lines()
            .filter_map(|line| {
                let (host, rest) = line.split_once(" | ")?;
                let (_, said) = rest.split_once("(stdout)")?;
                // There kubectl and ssh say what is their own; now and then kubectl that a message came before its stream.
                let said = said.split_once(" (stderr)").map_or(said, |(stdout, _)| stdout);
                Some((host.to_owned(), said.trim().trim_end_matches("\\n").to_owned()))
            })
            .collect();
        found.sort();
        found
    }
}

impl Default for Ansible {
    fn default() -> Self {
        Ansible::new()
    }
}

/// Where its commands are.
#[track_caller]
fn commands() -> &'static Path {
    static COMMANDS: OnceLock<PathBuf> = OnceLock::new();
    COMMANDS.get_or_init(|| {
        let build = Path::new(env!("CARGO_MANIFEST_DIR")).join("ansible/build");
        let output = Command::new(&build).stdin(Stdio::null()).stderr(Stdio::inherit()).output();
        let output = output.unwrap_or_else(|error| panic!("starting {}: {error}", build.display()));
        assert!(output.status.success(), "{}: {}", build.display(), output.status);
        PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
    })
}
