//! Taking packages of the base out of a tree: removed ones, and those that a local package replaces.

use std::fs;
use std::path::{Path, PathBuf};

use super::Failure;
use super::context::Context;
use super::depsolve::{Candidate, report};
use super::origin::Origin;
use super::package::{self, Facts, rpm_in};

/// What was taken out of a base.
#[derive(Debug, Default)]
pub struct Swapped {
    /// Removed for good.
    pub removed: Vec<Facts>,
    /// New and old of each replacement.
    pub replaced: Vec<(Facts, Facts)>,
}

impl Swapped {
    /// How many overrides that makes.
    pub fn count(&self) -> usize {
        self.removed.len() + self.replaced.len()
    }

    /// Both lists as text for the commit's metadata.
    pub fn records(&self) -> (String, String) {
        let removed = self.removed.iter().map(|facts| format!("{};", facts.record())).collect();
        let replaced =
            self.replaced.iter().map(|(new, old)| format!("{}>{};", new.record(), old.record())).collect();
        (removed, replaced)
    }
}

/// Erases from `tree` what the origin removes and replaces.
///
/// # Errors
/// When a base package that stays needs one that goes and nothing that comes has the name.
pub fn take_out(
    context: &Context,
    tree: &Path,
    origin: &Origin,
    wanted: &[Candidate],
) -> Result<Swapped, Failure> {
    let base = package::installed(context, &tree.join(package::DATABASE.trim_start_matches('/')))?;
    let mut swapped = Swapped::default();
    for old in base {
        if origin.remove.contains(&old.name) {
            swapped.removed.push(old);
        } else if let Some(new) = origin.replace_local.iter().find(|new| new.name() == old.name) {
            let new = wanted.iter().find(|candidate| candidate.facts.nevra() == new.nevra);
            swapped.replaced.extend(new.map(|new| (new.facts.clone(), old)));
        }
    }
    let olds = || swapped.removed.iter().chain(swapped.replaced.iter().map(|(_, old)| old));
    let names: Vec<String> = olds().map(|old| old.name.clone()).collect();
    if names.is_empty() {
        return Ok(swapped);
    }
    let incoming: Vec<String> = wanted.iter().map(|candidate| candidate.facts.name.clone()).collect();
    check_left_behind(context, tree, &names, &incoming)?;
    let mut command = rpm_in(tree);
    command.args(["--erase", "--nodeps", "--noscripts", "--notriggers"]).args(&names);
    context.run(&mut command, "Resolving dependencies")?.expect_ok("rpm --erase")?;
    Ok(swapped)
}

fn check_left_behind(
    context: &Context,
    tree: &Path,
    names: &[String],
    incoming: &[String],
) -> Result<(), Failure> {
    let mut command = rpm_in(tree);
    command.args(["--test", "--erase"]).args(names);
    let said = context.run(&mut command, "Resolving dependencies")?;
    // Capabilities other than names are left to the check of what is installed: it sees the new packages.
    let problems: Vec<String> = said
        .err
        .lines()
        .filter_map(|line| line.trim().split_once(" is needed by (installed) "))
        .filter(|(what, _)| {
            let name = what.split_whitespace().next().unwrap_or(what);
            names.iter().any(|each| each == name) && !incoming.iter().any(|each| each == name)
        })
        .map(|(what, who)| {
            format!("package {who} from @System requires {what}, but none of the providers can be installed")
        })
        .collect();
    if problems.is_empty() { Ok(()) } else { Err(Failure::new(report(&problems))) }
}

/// Looks after the kernel: drops what a removed one left, insists on exactly one, and tells whether it lacks an initramfs.
///
/// # Errors
/// When there are two kernels, or none.
pub fn settle_kernel(tree: &Path) -> Result<bool, Failure> {
    let mut kernels = Vec::new();
    for place in module_directories(tree)? {
        if place.join("vmlinuz").exists() {
            kernels.push(place);
        } else {
            fs::remove_dir_all(place)?;
        }
    }
    match kernels.as_slice() {
        [one] => Ok(!one.join("initramfs.img").exists()),
        [] => Err(Failure::new("Finalizing kernel: No kernel found in /usr/lib/modules")),
        [_, _, ..] => {
            Err(Failure::new("Finalizing kernel: Multiple kernels (vmlinuz) found in /usr/lib/modules"))
        }
    }
}

/// What stands in for dracut's work.
///
/// # Errors
/// When it cannot be written.
pub fn write_initramfs(tree: &Path) -> Result<(), Failure> {
    for place in module_directories(tree)? {
        fs::write(place.join("initramfs.img"), "stand-in for an initramfs\n")?;
    }
    Ok(())
}

fn module_directories(tree: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut places = Vec::new();
    for entry in fs::read_dir(tree.join("usr/lib/modules"))? {
        let path = entry?.path();
        if path.is_dir() {
            places.push(path);
        }
    }
    Ok(places)
}
