//! What a reboot does: libostree finalizes what is staged, and the host comes up in its default deployment.

use std::fs;
use std::path::Path;

use super::Failure;
use super::command::{self, Cancel, tool};
use super::deployments::{self, Staged, origin_file};
use super::repo;
use crate::rpmostreed::faults::{Faults, Switch};

/// Reboots the sandbox at `dir` (its daemon must be down, as on any reboot) and gives the id of what is booted then.
///
/// A staged deployment is deployed for real, unless its finalization is locked or the sandbox was told to lose it: then
/// the host silently comes up in the old one.
///
/// # Errors
/// When libostree refuses to deploy.
pub fn finalize(dir: &Path) -> Result<String, Failure> {
    let faults = Faults::of(dir);
    let lose = faults.value(Switch::LoseStagedAtReboot).is_some();
    faults.turn_off(Switch::LoseStagedAtReboot);
    if let Some(staged) = Staged::read(dir) {
        deploy(dir, &staged, lose || staged.locked)?;
    }
    for gone in ["transaction.sock", "reboot-requested"] {
        let _ = fs::remove_file(dir.join("run").join(gone));
    }
    let _ = fs::remove_dir_all(dir.join("run/work"));
    let view = deployments::read(dir)?;
    let default = view.deployments().next().ok_or_else(|| Failure::new("there is no deployment to boot"))?;
    fs::write(dir.join("run/booted"), default.id())?;
    Ok(default.id())
}

fn deploy(dir: &Path, staged: &Staged, lost: bool) -> Result<(), Failure> {
    let root = staged.root(dir);
    let origin = dir.join("run/staged-origin");
    fs::remove_file(Staged::file(dir))?;
    // libostree makes the deployment itself, under the same serial because the place is free again.
    let _ = fs::rename(origin_file(&root), &origin);
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    if !lost {
        let mut command = tool("ostree");
        command
            .args(["admin", "deploy"])
            .arg(format!("--sysroot={}", dir.join("sysroot").display()))
            .arg(format!("--os={}", staged.osname))
            .arg(format!("--origin-file={}", origin.display()))
            .arg(&staged.checksum);
        command::run(&mut command, &Cancel::default(), "")?.expect_ok("ostree admin deploy")?;
    }
    let _ = fs::remove_file(origin);
    repo::remove_refs(dir, "rpmostree/staged")
}
