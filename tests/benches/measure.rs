//! What a process tree costs, by the kernel's own books.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::{TimeVal, TimeValLike};
use proof::process::spawn;
use proof::scratch::environment;
use serde::{Deserialize, Serialize};

/// One run.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(crate) struct Cost {
    /// Seconds from start to end.
    pub(crate) wall: f64,
    /// Seconds of all processors, user and system.
    pub(crate) cpu: f64,
    /// KiB of the largest process.
    pub(crate) memory: u64,
    /// Bytes that were dirtied on disk.
    pub(crate) written: u64,
    /// Bytes that lie there in the end.
    #[serde(default)]
    pub(crate) kept: u64,
    /// Bytes that the registry sent.
    #[serde(default)]
    pub(crate) wire: u64,
}

/// Runs `command` to its end and writes the cost to `out`. This program does nothing else meanwhile, so that all its
/// children are that command's.
pub(crate) fn measure(out: &Path, command: &[String]) {
    let start = Instant::now();
    let status = Command::new(&command[0]).args(&command[1..]).status().unwrap();
    let wall = start.elapsed().as_secs_f64();
    assert!(status.success(), "{}: {status}", command.join(" "));
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).unwrap();
    let seconds = |time: TimeVal| time.num_microseconds() as f64 / 1e6;
    let cost = Cost {
        wall,
        cpu: seconds(usage.user_time()) + seconds(usage.system_time()),
        memory: u64::try_from(usage.max_rss()).unwrap(),
        written: written(),
        ..Cost::default()
    };
    fs::write(out, serde_json::to_string(&cost).unwrap()).unwrap();
}

/// What this process and the children it has waited for sent towards the disk.
fn written() -> u64 {
    let books = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = books.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.and_then(|number| number.parse().ok()).unwrap_or(0)
}

/// Has this program measure `command`, in the environment of `scratch`.
pub(crate) fn run(command: Vec<String>, scratch: &Path) -> Result<Cost, String> {
    let out = scratch.join("cost.json");
    let mut measured = Command::new(std::env::current_exe().unwrap());
    environment(&mut measured, scratch);
    measured.arg("measure").arg(&out).arg("--").args(&command);
    measured.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let output = spawn(measured).wait_with_output().unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        let first = said.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        return Err(format!("{}: {first}", command.join(" ").chars().take(60).collect::<String>()));
    }
    Ok(serde_json::from_slice(&fs::read(out).unwrap()).unwrap())
}

/// The bytes of all files below `place`.
pub(crate) fn size(place: &Path) -> u64 {
    let entries = fs::read_dir(place).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => size(&entry.path()),
            Ok(meta) if meta.is_file() => meta.len() / meta.nlink().max(1),
            Ok(_) | Err(_) => 0,
        })
        .sum()
}
