//! Staging: the tree is checked out in its place with its origin beside it, and waits for the shutdown.

use std::fs;

use super::Failure;
use super::context::{Context, Output};
use super::deployments::{self, Staged, deploy_dir, origin_file};
use super::import;
use super::origin::Origin;
use super::repo;
use crate::rpmostreed::faults::Step;

/// Stages a commit in place of what was staged before.
///
/// # Errors
/// When the tree cannot be checked out.
pub fn stage(
    context: &Context,
    osname: &str,
    checksum: &str,
    origin: &Origin,
    locked: bool,
) -> Result<(), Failure> {
    context.task("Staging deployment", || {
        const PLACE: &str = "Staging deployment: Initializing deployment";
        context.pass(Step::Staging, PLACE)?;
        discard(context)?;
        let serial = next_serial(context, osname, checksum)?;
        let staged = Staged { osname: osname.to_owned(), checksum: checksum.to_owned(), serial, locked };
        let root = staged.root(context.dir());
        let aside = context.work().join("staged");
        let mut command = repo::ostree(context.dir(), "checkout");
        let said = context.run(command.args(["--fsync=no", checksum]).arg(&aside), PLACE)?;
        said.expect_ok("ostree checkout")?;
        fs::rename(aside, &root)?;
        fs::write(origin_file(&root), origin.to_string())?;
        let text = serde_json::to_vec(&staged).map_err(|error| Failure::new(error.to_string()))?;
        fs::write(Staged::file(context.dir()), text)?;
        repo::write_ref(context.dir(), "rpmostree/staged/0", checksum)?;
        keep_bases(context)?;
        context.say(Output::Changed);
        Ok(())
    })?;
    import::drop_unreferenced(context)?;
    context.pass(Step::AfterStagedBeforeFinished, "")
}

/// Drops the staged deployment; gives whether there was one.
///
/// # Errors
/// When its files cannot be removed.
pub fn discard(context: &Context) -> Result<bool, Failure> {
    let Some(staged) = Staged::read(context.dir()) else { return Ok(false) };
    let root = staged.root(context.dir());
    fs::remove_file(Staged::file(context.dir()))?;
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    let _ = fs::remove_file(origin_file(&root));
    repo::remove_refs(context.dir(), "rpmostree/staged")?;
    Ok(true)
}

fn next_serial(context: &Context, osname: &str, checksum: &str) -> Result<u32, Failure> {
    let mut next = 0;
    for entry in fs::read_dir(deploy_dir(context.dir(), osname))? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let serial = name.split_once('.').filter(|(start, _)| *start == checksum);
        if let Some(serial) = serial.and_then(|(_, serial)| serial.parse::<u32>().ok()) {
            next = next.max(serial + 1);
        }
    }
    Ok(next)
}

/// Refs for the bases under layered deployments: libostree would prune them otherwise, and the next uninstall needs them.
///
/// # Errors
/// When a commit cannot be read or a ref not written.
pub fn keep_bases(context: &Context) -> Result<(), Failure> {
    repo::remove_refs(context.dir(), "rpmostree/base")?;
    let view = deployments::read(context.dir())?;
    for (number, deployment) in view.deployments().enumerate() {
        if let Some(base) = repo::commit(context.dir(), &deployment.checksum)?.base {
            repo::write_ref(context.dir(), &format!("rpmostree/base/{number}"), &base)?;
        }
    }
    Ok(())
}
