//! Nothing is left behind: no process, no file, however the sandbox ends.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use proof::process::{bound, spawn};
use proof::sandbox::Sandbox;
use proof::scratch::{environment, processes};
use proof::wait::until_true;

#[test]
fn a_dropped_sandbox_leaves_no_process_and_no_file() {
    let host = Sandbox::start();
    let dir = host.dir().to_owned();
    // One that hides from its parent, as a daemon does.
    let mut stray = Command::new("setsid");
    environment(&mut stray, &dir);
    spawn({
        stray.args(["--fork", "sleep", "1000"]);
        stray
    })
    .wait()
    .unwrap();
    // While a process becomes another program, its mark cannot be read for a moment.
    until_true("the bus and the stray to be marked", || processes(&dir, "").len() >= 2);
    drop(host);
    assert_eq!(processes(&dir, ""), Vec::<i32>::new());
    assert!(!dir.exists());
}

#[test]
fn a_mount_goes_before_the_files_and_what_is_mounted_stays() {
    let host = Sandbox::start();
    let elsewhere = tempfile::tempdir().unwrap();
    fs::write(elsewhere.path().join("kept"), "").unwrap();
    let target = host.dir().join("tmp/mounted");
    fs::create_dir(&target).unwrap();
    proof::command::run(Command::new("mount").arg("--bind").arg(elsewhere.path()).arg(&target));
    assert!(target.join("kept").exists());
    let dir = host.dir().to_owned();
    drop(host);
    assert!(!dir.exists());
    assert!(elsewhere.path().join("kept").exists(), "the clean-up went through the mount");
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap();
    assert!(!mounts.contains(dir.to_str().unwrap()), "{mounts}");
}

#[test]
fn what_still_writes_when_the_end_comes_is_taken_along() {
    let scratch = proof::scratch::Scratch::new("traces-");
    let dir = scratch.path().to_owned();
    // Not marked: nobody knows that it belongs here, and it makes files faster than one sweep removes them.
    let mut writer = bound("sh");
    writer
        .args(["-c", "i=0; while [ $i -lt 4000 ] && mkdir $0/$i 2>/dev/null; do i=$((i+1)); done"])
        .arg(&dir);
    let mut writer = spawn(writer);
    until_true("the writer to be at work", || dir.join("10").exists());
    drop(scratch);
    assert!(!dir.exists());
    writer.wait().unwrap();
}

#[test]
fn a_killed_holder_leaves_no_process_and_no_file() {
    if let Some(told) = std::env::var_os("PROOF_TELL") {
        // The holder: says where its sandbox is, and waits to be killed.
        let host = Sandbox::start();
        fs::write(told, host.dir().to_str().unwrap()).unwrap();
        loop {
            std::thread::park();
        }
    }
    let place = tempfile::tempdir().unwrap();
    let told = place.path().join("told");
    let mut holder = bound(std::env::current_exe().unwrap());
    holder
        .args(["--exact", "traces::a_killed_holder_leaves_no_process_and_no_file"])
        .env("PROOF_TELL", &told);
    let mut holder = spawn({
        holder.stdout(Stdio::null()).stderr(Stdio::null());
        holder
    });
    until_true("the holder's sandbox", || fs::read_to_string(&told).is_ok_and(|text| !text.is_empty()));
    let dir = PathBuf::from(fs::read_to_string(&told).unwrap());
    assert!(!processes(&dir, "").is_empty(), "the holder's bus is marked");
    holder.kill().unwrap();
    holder.wait().unwrap();
    until_true("the undertaker to finish", || processes(&dir, "").is_empty() && !dir.exists());
}

#[test]
fn two_sandboxes_do_not_share_anything() {
    let (one, two) = (Sandbox::start(), Sandbox::start());
    assert_ne!(one.bus_address(), two.bus_address());
    fs::write(one.booted_root().join("usr/lib/os-release"), "changed").unwrap();
    assert_ne!(fs::read_to_string(two.booted_root().join("usr/lib/os-release")).unwrap(), "changed");
    let dir = two.dir().to_owned();
    drop(one);
    assert!(!processes(&dir, "").is_empty() && dir.exists(), "the other went with it");
}
