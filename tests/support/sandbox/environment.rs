//! What every process of a sandbox has in its environment, and nothing of the user's.

use std::path::Path;
use std::process::Command;

/// Carried by every process of a sandbox, so that none can hide from the clean-up.
pub const MARK: &str = "PROOF_SANDBOX";

/// Clears the environment and sets what a process of the sandbox at `dir` needs.
pub fn environment(command: &mut Command, dir: &Path) {
    let home = dir.join("home");
    command
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", &home)
        .env("XDG_CONFIG_HOME", home.join(".config"))
        .env("XDG_RUNTIME_DIR", dir.join("run"))
        .env("TMPDIR", dir.join("tmp"))
        .env("LC_ALL", "C.UTF-8")
        .env("TZ", "UTC")
        .env("RUST_BACKTRACE", "1")
        .env("OSTREE_SYSROOT_DEBUG", "mutable-deployments")
        .env(MARK, dir);
}

/// The processes of the sandbox at `dir` that run this program.
pub(super) fn owners(dir: &Path, program: &str) -> Vec<i32> {
    let mark = format!("{MARK}={}", dir.display());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let place = entry.unwrap().path();
        let Some(pid) = place.file_name().and_then(|name| name.to_str()?.parse().ok()) else { continue };
        // A process may end while we look at it.
        let Ok(variables) = std::fs::read(place.join("environ")) else { continue };
        let Ok(image) = std::fs::read_link(place.join("exe")) else { continue };
        let named = image.file_name().is_some_and(|name| name.to_string_lossy().starts_with(program));
        if named && variables.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
            found.push(pid);
        }
    }
    found
}
