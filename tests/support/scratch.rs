//! A directory that takes everything with it when it goes: its files, its mounts, and every process marked as its own.
//!
//! When the value is dropped, or the program that holds it dies of whatever cause, a small shell outside kills every
//! process that carries the directory's mark, unmounts what is mounted below it, removes the control groups of its name,
//! and then the directory.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The variable by which a process is known to belong to a directory.
pub const MARK: &str = "PROOF_SANDBOX";

/// Waits for the end of its standard input, which is the end of its holder.
const UNDERTAKER: &str = r#"
cat > /dev/null
tries=0
# Anew until it is gone: what is being killed, or is not marked, may still write.
while [ -e "$1" ] && [ $tries -lt 1000 ]; do
  while pids=$(grep -lszxF "$2=$1" /proc/[0-9]*/environ | tr -dc '0-9\n'); [ "$pids" ] && [ $tries -lt 1000 ]; do
    kill -KILL $pids 2> /dev/null
    tries=$((tries + 1))
    sleep 0.01
  done
  awk -v dir="$1/" 'index($5, dir) == 1 { print $5 }' /proc/self/mountinfo | sort -r | while read -r mount; do
    umount -l "$mount"
  done
  held=
  for group in /sys/fs/cgroup/"${1##*/}" /sys/fs/cgroup/*/"${1##*/}"; do
    [ -d "$group" ] || continue
    find "$group" -depth -type d -exec rmdir {} + 2> /dev/null || held=$group
  done
  # What a kill has not reached yet keeps its group.
  [ -z "$held" ] || [ $tries -gt 400 ] || { tries=$((tries + 1)); sleep 0.05; continue; }
  rm -rf --one-file-system -- "$1" || sleep 0.01
  tries=$((tries + 1))
done
"#;

/// See the head of this module.
#[derive(Debug)]
pub struct Scratch {
    dir: PathBuf,
    undertaker: Child,
}

impl Scratch {
    /// A new, empty directory.
    pub fn new(prefix: &str) -> Self {
        let dir = tempfile::Builder::new().prefix(prefix).tempdir().unwrap().keep();
        // Clients that are not root must be able to reach what is in it.
        fs::set_permissions(&dir, PermissionsExt::from_mode(0o755)).unwrap();
        let mut command = Command::new("setsid");
        command.args(["--wait", "sh", "-c", UNDERTAKER, "undertaker"]).arg(&dir).arg(MARK);
        command.env_clear().env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        Scratch { undertaker: crate::process::spawn(command), dir }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.dir
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(self.undertaker.stdin.take());
        let _ = self.undertaker.wait();
    }
}

/// A file system of so many bytes at `place`, which lies in a [`Scratch`] and goes with it.
#[track_caller]
pub fn small_disk(place: &Path, bytes: u64) {
    fs::create_dir_all(place).unwrap();
    let size = format!("size={bytes}");
    let flags = nix::mount::MsFlags::empty();
    nix::mount::mount(Some("tmpfs"), place, Some("tmpfs"), flags, Some(size.as_str())).unwrap();
}

/// Gives the command the environment of a process that belongs to `dir`: its mark, and nothing of the user's.
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

/// The processes that belong to `dir` and run a program of this name; an empty name stands for any.
pub fn processes(dir: &Path, program: &str) -> Vec<i32> {
    let mark = format!("{MARK}={}", dir.display());
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap() {
        let place = entry.unwrap().path();
        let Some(pid) = place.file_name().and_then(|name| name.to_str()?.parse().ok()) else { continue };
        // A process may end while we look at it; a dead one that nobody has waited for has no environment.
        let Ok(variables) = fs::read(place.join("environ")) else { continue };
        let Ok(image) = fs::read_link(place.join("exe")) else { continue };
        let named = image.file_name().is_some_and(|name| name.to_string_lossy().starts_with(program));
        if named && variables.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()) {
            found.push(pid);
        }
    }
    found
}
