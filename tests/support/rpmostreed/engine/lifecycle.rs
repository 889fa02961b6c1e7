//! Transactions that make no tree: cleanup, rollback, and asking for the reboot.

use std::fs;

use super::command::tool;
use super::context::{Context, Output};
use super::deployments::{self, Staged, View};
use super::{CleanupWhat, Failure, import, stage};
use crate::rpmostreed::faults::Switch;

/// Drops deployments and what nothing refers to.
///
/// # Errors
/// When libostree refuses.
pub fn cleanup(context: &Context, osname: &str, what: CleanupWhat) -> Result<(), Failure> {
    let mut changed = false;
    if what.pending {
        changed |= stage::discard(context)?;
        while let Some(index) = index_of(&deployments::read(context.dir())?, |view| {
            view.pending_of(osname).map(deployments::Deployment::id)
        }) {
            undeploy(context, index)?;
            changed = true;
        }
    }
    if what.rollback {
        while let Some(index) = index_of(&deployments::read(context.dir())?, |view| {
            view.rollback_of(osname).map(deployments::Deployment::id)
        }) {
            undeploy(context, index)?;
            changed = true;
        }
    }
    if changed {
        stage::keep_bases(context)?;
        context.say(Output::Changed);
    } else if what.pending || what.rollback {
        context.message("Deployments unchanged.");
    }
    if changed || what.base {
        import::drop_unreferenced(context)?;
    }
    Ok(())
}

// libostree counts without the staged deployment that only we know of.
fn index_of(view: &View, pick: impl FnOnce(&View) -> Option<String>) -> Option<usize> {
    let id = pick(view)?;
    view.deployments().filter(|each| !each.staged).position(|each| each.id() == id)
}

fn undeploy(context: &Context, index: usize) -> Result<(), Failure> {
    // `ostree admin` wants the lock that this transaction holds.
    context.lock().release();
    let mut command = tool("ostree");
    command
        .args(["admin", "undeploy"])
        .arg(format!("--sysroot={}", context.dir().join("sysroot").display()))
        .arg(index.to_string());
    context.run(&mut command, "Cleaning deployments")?.expect_ok("ostree admin undeploy").map(drop)
}

/// Puts the rollback deployment (or the booted one, when there is only a pending one) first.
///
/// # Errors
/// When there is nothing to roll back to, or something is staged.
pub fn rollback(context: &Context, osname: &str, reboot: bool) -> Result<(), Failure> {
    let view = deployments::read(context.dir())?;
    let (pending, rollback) = (view.pending_of(osname), view.rollback_of(osname));
    if pending.is_some_and(|pending| pending.staged) {
        return Err(Failure::new("Staged deployment (remove with cleanup -p)"));
    }
    let target = match (pending, rollback) {
        (_, Some(rollback)) => rollback,
        (Some(_), None) => {
            view.booted_of(osname).ok_or_else(|| Failure::new("No rollback deployment found"))?
        }
        (None, None) => return Err(Failure::new("No rollback deployment found")),
    };
    context.message(format!("Moving '{}.{}' to be first deployment", target.checksum, target.serial));
    put_first(context, &target.id())?;
    context.say(Output::Changed);
    if reboot { request_reboot(context) } else { Ok(()) }
}

// Debian 12's `ostree` has no `set-default`: the order lies in the boot loader entries' version, so that is what moves.
fn put_first(context: &Context, id: &str) -> Result<(), Failure> {
    let order = deployments::boot_order(context.dir())?;
    let mut files: Vec<_> = order.iter().filter(|(_, each)| each == id).collect();
    files.extend(order.iter().filter(|(_, each)| each != id));
    for (behind, (file, _)) in files.iter().enumerate() {
        let version = files.len() - behind;
        let text = fs::read_to_string(file)?;
        let lines = text.lines().map(|line| {
            if line.starts_with("version ") { format!("version {version}\n") } else { format!("{line}\n") }
        });
        fs::write(file, lines.collect::<String>())?;
    }
    Ok(())
}

/// What `FinalizeDeployment` insists on.
pub struct Expected {
    /// The *base* checksum of the staged deployment.
    pub checksum: Option<String>,
    /// Whether it may be missing.
    pub allow_missing_checksum: bool,
    /// Whether the staged deployment may be unlocked already.
    pub allow_unlocked: bool,
}

/// Unlocks the staged deployment and asks for a reboot.
///
/// # Errors
/// When nothing is staged, or something else than expected.
pub fn finalize_deployment(context: &Context, osname: &str, expected: &Expected) -> Result<(), Failure> {
    if let Some(text) = context.faults().value(Switch::RefuseFinalize) {
        return Err(Failure::new(text));
    }
    let view = deployments::read(context.dir())?;
    let default = view.deployments().next().ok_or_else(|| Failure::new("No deployments found"))?;
    if !default.staged {
        return Err(Failure::new("No pending staged deployment found"));
    }
    if default.osname != osname {
        return Err(Failure::new(format!("Staged deployment is not for osname '{osname}'")));
    }
    let base = super::update::base_of(context, &default.checksum)?;
    match &expected.checksum {
        None if !expected.allow_missing_checksum => return Err(Failure::new("Missing expected checksum")),
        Some(wanted) if *wanted != base => {
            return Err(Failure::new(format!("Expected staged base checksum {wanted}, but found {base}")));
        }
        None | Some(_) => {}
    }
    check_inhibitors(context)?;
    if let Some(mut staged) = Staged::read(context.dir()) {
        if !staged.locked && !expected.allow_unlocked {
            return Err(Failure::new("Staged deployment already unlocked"));
        }
        staged.locked = false;
        let text = serde_json::to_vec(&staged).map_err(|error| Failure::new(error.to_string()))?;
        fs::write(Staged::file(context.dir()), text)?;
    }
    request_reboot(context)
}

/// Asks for a reboot, unless an inhibitor blocks it.
///
/// # Errors
/// When it is blocked. What was staged stays staged.
pub fn request_reboot(context: &Context) -> Result<(), Failure> {
    check_inhibitors(context)?;
    context.faults().initiate_reboot();
    Ok(())
}

fn check_inhibitors(context: &Context) -> Result<(), Failure> {
    match context.faults().value(Switch::InhibitReboot) {
        Some(why) => {
            Err(Failure::new(format!("Reboot blocked by a systemd inhibitor lock in `block` mode\n{why}")))
        }
        None => Ok(()),
    }
}
