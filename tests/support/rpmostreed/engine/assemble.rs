//! From a base and its requests to a new commit: check out, solve, install with rpm, run scriptlets, commit.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha512};

use super::Failure;
use super::context::{Context, Output};
use super::depsolve::{self, Candidate};
use super::origin::{LocalRequest, Origin};
use super::package::{self, Facts, rpm_in};
use super::{import, overrides, repo, scripts};
use crate::rpmostreed::faults::Step;

/// Where a layered tree keeps the base's own database.
const BASE_DATABASE: &str = "usr/lib/sysimage/rpm-ostree-base-db";

/// A checked out base with everything solved.
pub struct Prepared {
    base: String,
    tree: PathBuf,
    packages: Vec<Candidate>,
    swapped: overrides::Swapped,
    state: String,
    fileoverride: bool,
}

impl Prepared {
    /// The digest that tells one set of packages on one base from another.
    pub fn state(&self) -> &str {
        &self.state
    }

    /// What would be installed.
    pub fn packages(&self) -> &[Candidate] {
        &self.packages
    }
}

/// Checks out the base and solves.
///
/// # Errors
/// When a package does not fit, in the daemon's words.
pub fn prepare(
    context: &Context,
    base: &str,
    origin: &Origin,
    cache_only: bool,
) -> Result<Prepared, Failure> {
    let wanted = load(context, base, origin)?;
    let tree = context.work().join("tree");
    let short = base.get(..7).unwrap_or(base);
    context.task(&format!("Checking out tree {short}"), || {
        context.pass(Step::Checkout, &format!("Checking out tree {short}"))?;
        check_out(context, base, None, &tree)
    })?;
    if origin.has_packages() {
        context.message("No enabled rpm-md repositories.");
        context.say(Output::Percent("Importing rpm-md".into(), 0));
        context.say(Output::ProgressEnd);
    }
    if !origin.requested.is_empty() {
        return Err(Failure::new("No enabled repositories"));
    }
    let mut swapped = overrides::Swapped::default();
    let packages = context.task("Resolving dependencies", || {
        context.pass(Step::Depsolve, "Resolving dependencies")?;
        swapped = overrides::take_out(context, &tree, origin, &wanted)?;
        depsolve::solve(context, &tree, wanted, cache_only)
    })?;
    let mut parts: Vec<String> = origin.all_local().map(LocalRequest::to_string).collect();
    parts.extend(packages.iter().map(|package| package.facts.nevra()));
    parts.extend(swapped.removed.iter().map(Facts::record));
    parts.sort();
    let state = hex::encode(Sha512::digest(format!("{base}\n{}", parts.join("\n"))));
    let fileoverride = !origin.local_fileoverride.is_empty();
    Ok(Prepared { base: base.to_owned(), tree, packages, swapped, state, fileoverride })
}

/// Installs, runs scriptlets and commits; gives the checksum.
///
/// # Errors
/// When rpm, a scriptlet or the commit fails.
pub fn assemble(context: &Context, prepared: &Prepared) -> Result<String, Failure> {
    let tree = &prepared.tree;
    let (overrides, overlays) =
        (prepared.swapped.count(), prepared.packages.len() - prepared.swapped.replaced.len());
    if overrides > 0 {
        context.message(format!("Applying {overrides} overrides and {overlays} overlays"));
    }
    context.say(Output::Percent("Checking out packages".into(), 0));
    let installed = install(context, prepared);
    context.say(Output::ProgressEnd);
    installed?;
    context.pass(Step::Scripts, "Running pre scripts")?;
    scripts::run(context, tree, &prepared.packages)?;
    tidy(tree)?;
    if overrides::settle_kernel(tree)? {
        context.task("Generating initramfs", || overrides::write_initramfs(tree))?;
    }
    context.task("Writing rpmdb", || {
        context.pass(Step::Rpmdb, "Writing rpmdb")?;
        check_out(context, &prepared.base, Some(package::DATABASE), &tree.join(BASE_DATABASE))?;
        settle_database(&tree.join("usr/share/rpm"))
    })?;
    context.task("Writing OSTree commit", || {
        context.pass(Step::Commit, "Writing OSTree commit")?;
        commit(context, prepared)
    })
}

fn load(context: &Context, base: &str, origin: &Origin) -> Result<Vec<Candidate>, Failure> {
    let database = context.work().join("base-rpmdb");
    check_out(context, base, Some(package::DATABASE), &database)?;
    let in_base = package::installed(context, &database)?;
    let mut wanted = Vec::new();
    for request in origin.all_local() {
        let file = import::fetch(context, request)?;
        if in_base.iter().any(|facts| facts.nevra() == request.nevra) {
            return Err(Failure::new(format!("Package '{}' is already in the base", request.nevra)));
        }
        let facts = package::in_file(context, &file)?.map_err(Failure::new)?;
        wanted.push(Candidate { file, facts });
    }
    Ok(wanted)
}

/// Checks out a commit, or a part of it, as copies: rpm writes in place, and the repo must not feel it.
///
/// # Errors
/// When ostree fails.
pub fn check_out(context: &Context, commit: &str, part: Option<&str>, to: &Path) -> Result<(), Failure> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut command = repo::ostree(context.dir(), "checkout");
    command.args(["--force-copy", "--fsync=no"]);
    if let Some(part) = part {
        command.arg(format!("--subpath={part}"));
    }
    context.run(command.arg(commit).arg(to), "Checking out tree")?.expect_ok("ostree checkout").map(drop)
}

fn install(context: &Context, prepared: &Prepared) -> Result<(), Failure> {
    let (tree, packages) = (&prepared.tree, &prepared.packages);
    // rpm writes /etc and into directories that a tree keeps elsewhere; real ones stand in their place meanwhile.
    fs::rename(tree.join("usr/etc"), tree.join("etc"))?;
    let links = open_directories(tree)?;
    for (number, package) in packages.iter().enumerate() {
        refuse_usr_local(context, package)?;
        context.count("Checking out packages", number + 1, packages.len());
    }
    if !packages.is_empty() {
        let mut command = rpm_in(tree);
        command.args([
            "--install",
            "--nodeps",
            "--noscripts",
            "--notriggers",
            "--nodigest",
            "--nofiledigest",
        ]);
        command.arg("--ignoresize");
        if prepared.fileoverride {
            command.arg("--replacefiles");
        }
        command.args(packages.iter().map(|package| &package.file));
        let said = context.run(&mut command, "Checking out packages")?;
        if !said.ok() {
            return Err(Failure::new(file_conflict(&said.err)));
        }
    }
    close_directories(tree, links)
}

fn refuse_usr_local(context: &Context, package: &Candidate) -> Result<(), Failure> {
    let said = context.run(package::rpm().args(["-qpl"]).arg(&package.file), "Checking out packages")?;
    if said.out.lines().any(|path| path.starts_with("/usr/local/")) {
        return Err(Failure::new(format!(
            "Checkout {}: opendir(local): No such file or directory",
            package.facts
        )));
    }
    Ok(())
}

// rpm: "file /usr/share/x/README from install of a-1-1.noarch conflicts with file from package b-1-1.noarch"
fn file_conflict(said: &str) -> String {
    let parse = |line: &str| {
        let rest = line.trim().strip_prefix("file ")?;
        let (path, rest) = rest.split_once(" from install of ")?;
        let (who, _) = rest.split_once(" conflicts with ")?;
        let name = path.rsplit('/').next()?;
        Some(format!("Checkout {who}: Hardlinking {path} to {name}: File exists"))
    };
    said.lines().find_map(parse).unwrap_or_else(|| format!("Checkout: {}", said.trim()))
}

const DIVERTED: [&str; 2] = ["opt", "var"];

// `/opt` is a link into /var, and /var is empty in a tree: packages get plain directories to unpack into.
fn open_directories(tree: &Path) -> Result<Vec<(PathBuf, PathBuf)>, Failure> {
    let mut links = Vec::new();
    for name in DIVERTED {
        let path = tree.join(name);
        if let Ok(target) = fs::read_link(&path) {
            fs::remove_file(&path)?;
            links.push((path.clone(), target));
        }
        fs::create_dir_all(path)?;
    }
    Ok(links)
}

// What was unpacked under /opt moves to /usr/lib/opt with a tmpfiles line each; what was under /var is silently gone.
fn close_directories(tree: &Path, links: Vec<(PathBuf, PathBuf)>) -> Result<(), Failure> {
    let mut lines = String::new();
    for entry in fs::read_dir(tree.join("opt"))? {
        let entry = entry?;
        let to = tree.join("usr/lib/opt");
        fs::create_dir_all(&to)?;
        fs::rename(entry.path(), to.join(entry.file_name()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        lines.push_str(&format!("L /opt/{name} - - - - ../../usr/lib/opt/{name}\n"));
    }
    if !lines.is_empty() {
        let place = tree.join("usr/lib/tmpfiles.d");
        fs::create_dir_all(&place)?;
        fs::write(place.join("rpm-ostree-autovar.conf"), lines)?;
    }
    fs::remove_dir_all(tree.join("var"))?;
    fs::create_dir(tree.join("var"))?;
    for (path, target) in links {
        let _ = fs::remove_dir(&path);
        symlink(target, path)?;
    }
    Ok(())
}

fn tidy(tree: &Path) -> Result<(), Failure> {
    fs::rename(tree.join("etc"), tree.join("usr/etc"))?;
    Ok(())
}

/// Leaves the database as one file that readers do not change: no write-ahead log, nor the mark that asks for one.
fn settle_database(directory: &Path) -> Result<(), Failure> {
    for name in [".rpm.lock", "rpmdb.sqlite-wal", "rpmdb.sqlite-shm"] {
        let _ = fs::remove_file(directory.join(name));
    }
    let file = directory.join("rpmdb.sqlite");
    let mut bytes = fs::read(&file)?;
    // 2 asks for a write-ahead log, 1 for a rollback journal.
    if let Some(format) = bytes.get_mut(18..20) {
        format.fill(1);
    }
    Ok(fs::write(file, bytes)?)
}

fn commit(context: &Context, prepared: &Prepared) -> Result<String, Failure> {
    let base = repo::commit(context.dir(), &prepared.base)?;
    let mut command = repo::ostree(context.dir(), "commit");
    command.args(["--orphan", "--no-xattrs", "--no-bindings", "--add-metadata=rpmostree.clientlayer=true"]);
    command.arg("--add-metadata=rpmostree.clientlayer_version=uint32 6");
    let mut text = |key: &str, value: &str| {
        command.arg(format!("--add-metadata-string={key}={value}"));
    };
    text("rpmostree.state-sha512", &prepared.state);
    if let Some(version) = &base.version {
        text("version", version);
    }
    let (removed, replaced) = prepared.swapped.records();
    text(repo::REMOVED, &removed);
    text(repo::REPLACED, &replaced);
    command.arg(format!("--parent={}", prepared.base)).arg(format!("--tree=dir={}", prepared.tree.display()));
    let said = context.run(&mut command, "Writing OSTree commit")?.expect_ok("ostree commit")?;
    Ok(said.trim().to_owned())
}
