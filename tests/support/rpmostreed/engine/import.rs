//! The pkgcache: local RPMs as commits of the repo, under refs that know the NEVRA only.
//!
//! That is the trap of the contract: importing other content under a known NEVRA moves the ref, *before* anything is
//! validated, and every later request that still names the old digest fails until the old content is imported again.
//! Header digests are verified here, payload digests are not: so does the real daemon.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::Failure;
use super::context::Context;
use super::deployments;
use super::origin::LocalRequest;
use super::package::{self, Facts};
use super::repo;
use crate::rpmostreed::faults::Step;

const REFS: &str = "rpmostree/pkg";
const FILE: &str = "package.rpm";

/// Imports each file, in order.
///
/// # Errors
/// At the first that is no RPM, or has a bad header digest; those before it stay imported.
pub fn import_all(context: &Context, files: Vec<OwnedFd>) -> Result<Vec<LocalRequest>, Failure> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    context.pass(Step::Import, "Importing local packages")?;
    files.into_iter().map(|file| import(context, file)).collect()
}

fn import(context: &Context, file: OwnedFd) -> Result<LocalRequest, Failure> {
    let not_an_rpm = || Failure::new("Reading rpm2cpio: Unrecognized archive format");
    let mut bytes = Vec::new();
    File::from(file).read_to_end(&mut bytes)?;
    let head = package::head_length(&bytes).ok_or_else(not_an_rpm)?;
    let tree = context.work().join("import");
    let _ = fs::remove_dir_all(&tree);
    fs::create_dir_all(&tree)?;
    let path = tree.join(FILE);
    fs::write(&path, &bytes)?;
    let facts = match package::in_file(context, &path)? {
        Ok(facts) => facts,
        Err(words) if words.contains("digest: BAD") => {
            return Err(Failure::new("Reading metainfo: Verification of /proc/self/fd/12 failed"));
        }
        Err(_) => return Err(not_an_rpm()),
    };
    check_archive(context, &path)?;
    let sha256 = hex::encode(Sha256::digest(bytes.get(..head).unwrap_or_default()));
    let nevra = facts.nevra();
    let mut commit = repo::ostree(context.dir(), "commit");
    commit
        .arg(format!("--branch={}", cache_ref(&facts)))
        .args(["--no-xattrs", "--no-bindings"])
        .arg(format!("--add-metadata-string=rpmostree.metadata_sha256={sha256}"))
        .arg(format!("--add-metadata-string=rpmostree.nevra={nevra}"))
        .arg(format!("--tree=dir={}", tree.display()));
    context.run(&mut commit, "Importing local packages")?.expect_ok("ostree commit")?;
    Ok(LocalRequest { sha256, nevra })
}

// The real daemon unpacks while it imports: a flip in the compressed stream is noticed only if the archive breaks.
fn check_archive(context: &Context, path: &Path) -> Result<(), Failure> {
    let root = context.work().join("unpacked");
    fs::create_dir_all(root.join(package::DATABASE.trim_start_matches('/')))?;
    let mut command = package::rpm_in(&root);
    command.args(["--install", "--nodeps", "--noscripts", "--notriggers", "--nodigest", "--nofiledigest"]);
    command.arg("--ignoresize");
    command.args(["--ignorearch", "--ignoreos"]).arg(path);
    let said = context.run(&mut command, "Importing archive")?;
    fs::remove_dir_all(root)?;
    if said.ok() {
        return Ok(());
    }
    Err(Failure::new("Importing archive: Skipped bytes before next valid header"))
}

/// Gives the RPM of a request, from the cache.
///
/// # Errors
/// When the cache has other content under this NEVRA, or none.
pub fn fetch(context: &Context, request: &LocalRequest) -> Result<PathBuf, Failure> {
    let path = check_out(context, &request.nevra)?;
    let bytes = fs::read(&path)?;
    let head = package::head_length(&bytes).unwrap_or(0);
    let found = hex::encode(Sha256::digest(bytes.get(..head).unwrap_or_default()));
    if found != request.sha256 {
        return Err(Failure::new(format!(
            "Checksum mismatch for package {}: expected {}, found {found}",
            request.nevra, request.sha256
        )));
    }
    Ok(path)
}

/// Every RPM in the cache: what `cache-only` makes candidates of.
///
/// # Errors
/// When one cannot be read.
pub fn fetch_everything(context: &Context) -> Result<Vec<PathBuf>, Failure> {
    cached(context)?.iter().map(|name| check_out_ref(context, name)).collect()
}

fn check_out(context: &Context, nevra: &str) -> Result<PathBuf, Failure> {
    let missing = || Failure::new(format!("Failed to find cached pkg for {nevra}"));
    let name = ref_of_nevra(nevra).ok_or_else(missing)?;
    if !repo::path(context.dir()).join("refs/heads").join(&name).exists() {
        return Err(missing());
    }
    check_out_ref(context, &name)
}

fn check_out_ref(context: &Context, name: &str) -> Result<PathBuf, Failure> {
    let to = context.work().join("packages").join(name.replace('/', "-"));
    let _ = fs::remove_dir_all(&to);
    fs::create_dir_all(to.parent().unwrap_or(&to))?;
    let mut command = repo::ostree(context.dir(), "checkout");
    context.run(command.arg(name).arg(&to), "Reading pkgcache")?.expect_ok("ostree checkout")?;
    Ok(to.join(FILE))
}

/// Drops what no deployment refers to, and says what that freed.
///
/// # Errors
/// When the deployments or the refs cannot be read.
pub fn drop_unreferenced(context: &Context) -> Result<(), Failure> {
    let view = deployments::read(context.dir())?;
    let used: BTreeSet<String> = view
        .deployments()
        .flat_map(|each| each.origin.all_local().filter_map(|local| ref_of_nevra(&local.nevra)))
        .collect();
    let (mut freed, mut count) = (0, 0);
    for name in cached(context)?.into_iter().filter(|name| !used.contains(name)) {
        let file = check_out_ref(context, &name)?;
        freed += fs::metadata(file)?.len();
        count += 1;
        fs::remove_file(repo::path(context.dir()).join("refs/heads").join(&name))?;
    }
    if count > 0 {
        let size = human(freed);
        context.message(format!("Freed: {size} (pkgcache branches: {count})"));
    }
    Ok(())
}

// The cache's refs are read from their files: it is a listing of two levels.
fn cached(context: &Context) -> Result<Vec<String>, Failure> {
    let place = repo::path(context.dir()).join("refs/heads").join(REFS);
    let mut names = Vec::new();
    if !place.is_dir() {
        return Ok(names);
    }
    for package in fs::read_dir(&place)? {
        let package = package?;
        for version in fs::read_dir(package.path())? {
            let version = version?.file_name();
            names.push(format!(
                "{REFS}/{}/{}",
                package.file_name().to_string_lossy(),
                version.to_string_lossy()
            ));
        }
    }
    names.sort();
    Ok(names)
}

fn cache_ref(facts: &Facts) -> String {
    format!("{REFS}/{}/{}.{}", escaped(&facts.name), escaped(&facts.evr()), escaped(&facts.arch))
}

fn ref_of_nevra(nevra: &str) -> Option<String> {
    let (rest, arch) = nevra.rsplit_once('.')?;
    let mut parts = rest.rsplitn(3, '-');
    let (release, version, name) = (parts.next()?, parts.next()?, parts.next()?);
    Some(format!("{REFS}/{}/{}-{}.{}", escaped(name), escaped(version), escaped(release), escaped(arch)))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'_' => escaped.push_str("__"),
            b'.' | b'-' => escaped.push(char::from(byte)),
            byte if byte.is_ascii_alphanumeric() => escaped.push(char::from(byte)),
            byte => escaped.push_str(&format!("_{byte:02X}")),
        }
    }
    escaped
}

// As GLib says sizes: powers of ten, one digit behind the point.
fn human(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} bytes"),
        1_000..1_000_000 => format!("{}.{} kB", bytes / 1_000, bytes % 1_000 / 100),
        _ => format!("{}.{} MB", bytes / 1_000_000, bytes % 1_000_000 / 100_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_ref_knows_the_nevra_only_and_escapes_it() {
        assert_eq!(ref_of_nevra("dep-b-1.0-1.el9.x86_64").unwrap(), "rpmostree/pkg/dep-b/1.0-1.el9.x86__64");
        assert_eq!(
            ref_of_nevra("libstdc++-2:1-1.noarch").unwrap(),
            "rpmostree/pkg/libstdc_2B_2B/2_3A1-1.noarch"
        );
    }

    #[test]
    fn sizes_read_as_glib_writes_them() {
        assert_eq!(human(294_100), "294.1 kB");
        assert_eq!(human(999), "999 bytes");
    }
}
