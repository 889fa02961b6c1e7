//! `UpdateDeployment` and its kin: the rules, in the order in which the daemon applies them.
//!
//! The starting point is the *pending* deployment when there is one: requests accumulate.

use super::assemble::{self, Prepared};
use super::context::{Context, Output};
use super::deployments::{self, Deployment};
use super::lifecycle::request_reboot;
use super::origin::{LocalRequest, Origin, name_of};
use super::package::{self, Facts};
use super::{Failure, import, repo, stage};
use crate::rpmostreed::request::Update;

/// The request while it is worked out.
struct Working {
    origin: Origin,
    base: String,
    changed: bool,
}

/// Does it.
///
/// # Errors
/// With the text of the refusal or of the accident.
pub fn run(context: &Context, osname: &str, mut update: Update) -> Result<(), Failure> {
    update.check()?;
    context.say(Output::Title(update.title()));
    if update.options.register_driver.is_some() {
        // The caller has no systemd unit here, as with the real daemon without systemd.
        return Err(Failure::new("could not find caller systemd unit"));
    }
    let view = deployments::read(context.dir())?;
    let merge = view
        .default_of(osname)
        .ok_or_else(|| Failure::new(format!("No deployments found for os {osname}")))?;
    let mut working = start(context, merge)?;
    move_origin(context, &update, &mut working)?;
    change_packages(context, &mut update, &mut working)?;
    change_overrides(context, &mut update, &mut working)?;
    if !update.options.no_pull_base {
        pull_base(context, &mut working)?;
    }
    remove_from_base(context, &update, &mut working)?;
    finish(context, osname, &update, merge, working)
}

/// The base under a commit: itself, when nothing is layered.
///
/// # Errors
/// When the repo does not have it.
pub fn base_of(context: &Context, checksum: &str) -> Result<String, Failure> {
    Ok(repo::commit(context.dir(), checksum)?.base.unwrap_or_else(|| checksum.to_owned()))
}

fn start(context: &Context, merge: &Deployment) -> Result<Working, Failure> {
    let base = base_of(context, &merge.checksum)?;
    Ok(Working { origin: merge.origin.clone(), base, changed: false })
}

fn move_origin(context: &Context, update: &Update, working: &mut Working) -> Result<(), Failure> {
    if let Some(refspec) = &update.refspec {
        if *refspec == working.origin.refspec {
            return Err(Failure::new(format!("Old and new refs are equal: {refspec}")));
        }
        working.origin.refspec.clone_from(refspec);
    }
    working.origin.override_commit = match &update.revision {
        Some(revision) => Some(revision_commit(context, revision, &working.origin.refspec)?),
        None => None,
    };
    Ok(())
}

// A full checksum, or the version of what the ref points at now.
fn revision_commit(context: &Context, revision: &str, refspec: &str) -> Result<String, Failure> {
    let wanted = revision.strip_prefix("revision=").unwrap_or(revision);
    if wanted.len() == 64 && wanted.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        context.message(format!("Validating checksum '{wanted}'"));
        return repo::resolve(context.dir(), wanted);
    }
    let version = wanted.strip_prefix("version=").unwrap_or(wanted);
    context.message(format!("Resolving version '{version}'"));
    let commit = repo::resolve(context.dir(), refspec)?;
    if repo::commit(context.dir(), &commit)?.version.as_deref() == Some(version) {
        return Ok(commit);
    }
    Err(Failure::new(format!("Version {version} not found")))
}

fn change_packages(context: &Context, update: &mut Update, working: &mut Working) -> Result<(), Failure> {
    let idempotent = update.options.idempotent_layering;
    let origin = &mut working.origin;
    if update.options.no_layering {
        working.changed |= origin.has_packages();
        origin.requested.clear();
        origin.local.clear();
        origin.local_fileoverride.clear();
    } else {
        for wanted in &update.uninstall {
            working.changed |= uninstall(origin, wanted, idempotent)?;
        }
    }
    for wanted in &update.install {
        if origin.requested.contains(wanted) {
            if !idempotent {
                return Err(Failure::new(format!("Package/capability '{wanted}' is already requested")));
            }
            continue;
        }
        origin.requested.push(wanted.clone());
        working.changed = true;
    }
    // Imported before anything else is known about them: what fails later has still been imported.
    let plain = import::import_all(context, std::mem::take(&mut update.local))?;
    working.changed |= add_local(origin, plain, idempotent, |origin| &mut origin.local)?;
    let over = import::import_all(context, std::mem::take(&mut update.local_fileoverride))?;
    working.changed |= add_local(origin, over, idempotent, |origin| &mut origin.local_fileoverride)?;
    Ok(())
}

fn uninstall(origin: &mut Origin, wanted: &str, idempotent: bool) -> Result<bool, Failure> {
    let before = (origin.requested.len(), origin.local.len(), origin.local_fileoverride.len());
    let asked = |local: &LocalRequest| local.nevra == wanted || local.name() == wanted;
    origin.requested.retain(|each| each != wanted);
    origin.local.retain(|local| !asked(local));
    origin.local_fileoverride.retain(|local| !asked(local));
    let after = (origin.requested.len(), origin.local.len(), origin.local_fileoverride.len());
    if before == after && !idempotent {
        return Err(Failure::new(format!("Package/capability '{wanted}' is not currently requested")));
    }
    Ok(before != after)
}

/// Adds what is new. Known is known *by NEVRA*: other content under a known NEVRA is not new, which is the trap.
fn add_local(
    origin: &mut Origin,
    packages: Vec<LocalRequest>,
    idempotent: bool,
    list: impl Fn(&mut Origin) -> &mut Vec<LocalRequest>,
) -> Result<bool, Failure> {
    let mut changed = false;
    for package in packages {
        let known =
            origin.local.iter().chain(&origin.local_fileoverride).any(|each| each.nevra == package.nevra);
        if known && !idempotent {
            return Err(Failure::new(format!("Package '{package}' is already layered")));
        }
        if !known {
            list(origin).push(package);
            changed = true;
        }
    }
    Ok(changed)
}

fn change_overrides(context: &Context, update: &mut Update, working: &mut Working) -> Result<(), Failure> {
    let origin = &mut working.origin;
    if update.options.no_overrides {
        working.changed |= origin.has_overrides();
        origin.remove.clear();
        origin.replace_local.clear();
        return Ok(());
    }
    for wanted in &update.override_reset {
        let before = (origin.remove.len(), origin.replace_local.len());
        let name = if origin.remove.contains(wanted) { wanted.as_str() } else { name_of(wanted) };
        origin.remove.retain(|each| each != name);
        origin.replace_local.retain(|each| each.nevra != *wanted && each.name() != wanted);
        if before == (origin.remove.len(), origin.replace_local.len()) {
            return Err(Failure::new(format!("No overrides for package '{wanted}'")));
        }
        working.changed = true;
    }
    for package in import::import_all(context, std::mem::take(&mut update.override_replace_local))? {
        origin.replace_local.retain(|each| each.name() != package.name());
        if origin.remove.iter().any(|each| each == package.name()) {
            return Err(Failure::new(format!("Override already exists for package '{}'", package.name())));
        }
        origin.replace_local.push(package);
        working.changed = true;
    }
    Ok(())
}

fn pull_base(context: &Context, working: &mut Working) -> Result<(), Failure> {
    let commit = match &working.origin.override_commit {
        Some(commit) => commit.clone(),
        None => repo::resolve(context.dir(), &working.origin.refspec)?,
    };
    context.say(Output::ProgressEnd);
    working.changed |= commit != working.base;
    working.base = commit;
    Ok(())
}

fn remove_from_base(context: &Context, update: &Update, working: &mut Working) -> Result<(), Failure> {
    if update.override_remove.is_empty() {
        return Ok(());
    }
    let database = context.work().join("override-rpmdb");
    assemble::check_out(context, &working.base, Some(package::DATABASE), &database)?;
    let base = package::installed(context, &database)?;
    for wanted in &update.override_remove {
        let matches = |facts: &&Facts| facts.name == *wanted || facts.nevra() == *wanted;
        let found = base.iter().find(matches);
        let found = found.ok_or_else(|| Failure::new(format!("Package \"{wanted}\" not found")))?;
        let origin = &mut working.origin;
        let known = origin.remove.contains(&found.name)
            || origin.replace_local.iter().any(|each| each.name() == found.name);
        if known {
            return Err(Failure::new(format!("Override already exists for package '{}'", found.name)));
        }
        origin.remove.push(found.name.clone());
        working.changed = true;
    }
    Ok(())
}

fn finish(
    context: &Context,
    osname: &str,
    update: &Update,
    merge: &Deployment,
    mut working: Working,
) -> Result<(), Failure> {
    let options = &update.options;
    let prepared = if working.origin.is_layered() {
        let prepared = assemble::prepare(context, &working.base, &working.origin, options.cache_only)?;
        let before = repo::commit(context.dir(), &merge.checksum)?.state;
        working.changed |= before.as_deref() != Some(prepared.state());
        Some(prepared)
    } else {
        None
    };
    if options.dry_run {
        print_transaction(context, prepared.as_ref());
        return Ok(());
    }
    if !working.changed && update.refspec.is_none() {
        context.message(if update.is_upgrade() { "No upgrade available." } else { "No change." });
        return Ok(());
    }
    if options.download_only {
        context.message("Update downloaded.");
        return Ok(());
    }
    let checksum = match &prepared {
        Some(prepared) => assemble::assemble(context, prepared)?,
        None => working.base.clone(),
    };
    stage::stage(context, osname, &checksum, &working.origin, options.lock_finalization)?;
    if options.apply_live {
        return Err(Failure::new("Not running under systemd"));
    }
    if options.reboot { request_reboot(context) } else { Ok(()) }
}

fn print_transaction(context: &Context, prepared: Option<&Prepared>) {
    let packages = prepared.map(Prepared::packages).unwrap_or_default();
    if !packages.is_empty() {
        context.message(format!("Installing {} packages:", packages.len()));
        for each in packages {
            context.message(format!("  {} (@commandline)", each.facts));
        }
    }
}

#[cfg(test)]
mod tests;
