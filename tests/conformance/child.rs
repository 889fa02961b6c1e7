//! What has to be done by somebody who is not root: this same program, run again as uid 65534.
//!
//! The directory of the socket becomes the child's working directory while it is still root, so that only the socket's
//! own mode counts, not the modes of the directories above it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use crate::client::{Bus, Caller, OS_INTERFACE};
use crate::peer::Peer;
use crate::request::Request;
use crate::verdict::{Stop, Verdict, skip};

/// What the child does.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Task {
    /// Cancels the transaction at a private socket.
    Cancel,
    /// Asks the daemon on a bus for a change.
    Layer,
}

impl Task {
    const ALL: [Task; 2] = [Task::Cancel, Task::Layer];

    fn flag(self) -> &'static str {
        match self {
            Task::Cancel => "--as-nobody-cancel",
            Task::Layer => "--as-nobody-layer",
        }
    }
}

const LIMIT: Duration = Duration::from_secs(60);

/// Skips when nobody can be made of us.
pub(crate) fn possible() -> Verdict {
    if !nix::unistd::geteuid().is_root() {
        return skip("only root can run a child as uid 65534");
    }
    if !Path::new("/usr/bin/setpriv").exists() {
        return skip("setpriv (util-linux) is not installed");
    }
    Ok(())
}

/// Runs this program as uid 65534 on the socket of an address, and gives the line it printed.
pub(crate) async fn run(task: Task, address: &str, daemon: Option<u32>) -> Result<String, Stop> {
    let socket = socket_of(address, daemon)?;
    let (Some(directory), Some(file)) = (socket.parent(), socket.file_name()) else {
        return skip(format!("`{}` is not a path of a socket", socket.display()));
    };
    let place = tempfile::tempdir().unwrap();
    fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let program = place.path().join("conformance");
    fs::copy("/proc/self/exe", &program).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    let mut command = tokio::process::Command::new("/usr/bin/setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(&program);
    command.arg(task.flag()).arg(file);
    command
        .current_dir(directory)
        .env_clear()
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .kill_on_drop(true);
    let output = command.output().await.map_err(|error| Stop::Skip(format!("starting setpriv: {error}")))?;
    let line = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if line.starts_with("no way in") {
        return skip(format!("uid 65534: {line}"));
    }
    Ok(line)
}

fn socket_of(address: &str, daemon: Option<u32>) -> Result<PathBuf, Stop> {
    let rest = address.strip_prefix("unix:").unwrap_or_default();
    let Some(path) = rest.split(',').find_map(|pair| pair.strip_prefix("path=")) else {
        return skip(format!("`{address}` has no path"));
    };
    let direct = PathBuf::from(path);
    let inside = daemon.map(|pid| PathBuf::from(format!("/proc/{pid}/root{path}")));
    Ok(if direct.exists() { direct } else { inside.unwrap_or(direct) })
}

/// The other side: does what the flag says and prints one line.
pub(crate) async fn main(arguments: &[String]) -> Option<()> {
    let [flag, socket] = arguments else {
        return None;
    };
    let task = Task::ALL.into_iter().find(|task| task.flag() == flag)?;
    let address = format!("unix:path={socket}");
    let said = match task {
        Task::Cancel => cancel(&address).await,
        Task::Layer => layer(address).await,
    };
    println!("{said}");
    Some(())
}

async fn cancel(address: &str) -> String {
    match Peer::connect(address, None, LIMIT).await {
        Err(error) => format!("no way in: {error:?}"),
        Ok(peer) => match peer.cancel().await {
            Ok(()) => "cancelled".to_owned(),
            Err(error) => format!("{error:?}"),
        },
    }
}

async fn layer(address: String) -> String {
    let caller = match Caller::connect(&Bus::At(address), LIMIT).await {
        Err(error) => return format!("no way in: {error}"),
        Ok(caller) => caller,
    };
    let sysroot = (crate::client::SYSROOT, crate::client::SYSROOT_INTERFACE);
    let os = match caller.text(sysroot.0, sysroot.1, "Booted").await {
        Err(error) => return format!("no way in: {error}"),
        Ok(os) => os,
    };
    let request = Request::uninstall(&["xagent-conf-a"]).dry();
    match caller.call(&os, OS_INTERFACE, "UpdateDeployment", &(&request.modifiers, &request.options)).await {
        Ok(_) => "let through".to_owned(),
        Err(error) => error.to_string(),
    }
}
