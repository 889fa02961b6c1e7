//! A real libostree sysroot: a base whose tree rpm installed, with a real package database, committed and deployed.
//!
//! Both releases are committed; the booted one is deployed. The whole is made once and copied for each sandbox.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cache;
use crate::command::{run, tool};
use crate::packages::{Release, base, build_all, kernel_release};
use crate::scratch::MARK;

/// The stateroot that everything lies in.
pub const OSNAME: &str = "fedora-coreos";

/// The ref that holds a release.
pub fn refspec(release: Release) -> &'static str {
    release.pick("fedora:fedora/x86_64/coreos/stable", "fedora:fedora/x86_64/coreos/next")
}

/// Makes `<place>/sysroot` a fresh sysroot with this release deployed, and gives the id of the deployment.
pub fn fresh(release: Release, place: &Path) -> String {
    let template = template(release);
    let sysroot = place.join("sysroot");
    // Marked, so that a copy which is under way ends with the directory.
    let mut copy = Command::new("cp");
    copy.env(MARK, place).args(["-a", "--reflink=auto"]).arg(template.join("sysroot")).arg(&sysroot);
    run(&mut copy);
    fs::read_to_string(template.join("booted")).unwrap()
}

/// The root of a deployment.
pub fn deployment_root(sysroot: &Path, id: &str) -> PathBuf {
    let rest =
        id.strip_prefix(OSNAME).and_then(|rest| rest.strip_prefix('-')).expect("an id of our stateroot");
    sysroot.join("ostree/deploy").join(OSNAME).join("deploy").join(rest)
}

/// What the package database of a tree holds, as NEVRAs, sorted.
pub fn packages(root: &Path) -> Vec<String> {
    let mut rpm = tool("rpm", Path::new("/nonexistent"));
    rpm.args(["-qa", "--nosignature", "--queryformat=%{NEVRA}\n", "--dbpath"])
        .arg(root.join("usr/share/rpm"));
    let mut found: Vec<String> = run(&mut rpm).lines().map(str::to_owned).collect();
    found.sort_unstable();
    found
}

/// `ostree` on a sysroot that stays free of immutable flags, so that it can be removed again.
pub fn ostree(home: &Path) -> Command {
    let mut command = tool("ostree", home);
    command.env("OSTREE_SYSROOT_DEBUG", "mutable-deployments,no-xattrs");
    command
}

/// Changes whenever the way of making a sysroot does.
const RECIPE: &str = "sysroot recipe 2";

fn template(release: Release) -> PathBuf {
    let mut parts = vec![RECIPE.to_owned(), release.version().to_owned()];
    let files = [Release::First, Release::Second].map(|release| build_all(&base(release)));
    parts.extend(files.iter().flatten().map(|file| file.display().to_string()));
    let key = cache::key(parts.iter().map(String::as_bytes));
    cache::entry("sysroot", &key, |place| {
        let sysroot = place.join("sysroot");
        fs::create_dir(&sysroot).unwrap();
        run(ostree(place).args(["admin", "init-fs"]).arg(&sysroot));
        let at = format!("--sysroot={}", sysroot.display());
        run(ostree(place).args(["admin", "os-init", &at, OSNAME]));
        let repo = format!("--repo={}", sysroot.join("ostree/repo").display());
        run(ostree(place).args([
            "remote",
            "add",
            &repo,
            "--no-gpg-verify",
            "fedora",
            "http://127.0.0.1:1/none",
        ]));
        for (release, files) in [Release::First, Release::Second].into_iter().zip(&files) {
            let tree = place.join("tree");
            grow(&tree, release, files, place);
            commit(&tree, release, &repo, place);
            fs::remove_dir_all(&tree).unwrap();
        }
        run(ostree(place).args([
            "admin",
            "deploy",
            &at,
            &format!("--os={OSNAME}"),
            "--karg=rw",
            refspec(release),
        ]));
        fs::write(place.join("booted"), only_deployment(&sysroot)).unwrap();
    })
}

/// The tree of a base: what rpm installs, laid out as ostree wants it.
fn grow(tree: &Path, release: Release, rpms: &[PathBuf], home: &Path) {
    fs::create_dir(tree).unwrap();
    let mut rpm = tool("rpm", home);
    rpm.args(["--force-debian", "--install", "--nosignature", "--root"]).arg(tree);
    run(rpm.args(["--define", "_dbpath /usr/share/rpm", "--define", "_db_backend sqlite"]).args(rpms));
    settle_database(&tree.join("usr/share/rpm"));

    let uname = format!("5.14.0-{}.x86_64", kernel_release(release));
    fs::write(tree.join("usr/lib/modules").join(uname).join("initramfs.img"), "stand-in for an initramfs\n")
        .unwrap();
    fs::rename(tree.join("etc"), tree.join("usr/etc")).unwrap();
    fs::create_dir_all(tree.join("usr/lib/sysimage")).unwrap();
    symlink("../../share/rpm", tree.join("usr/lib/sysimage/rpm")).unwrap();
    for name in ["var", "tmp"] {
        let _ = fs::remove_dir_all(tree.join(name));
    }
    for name in ["var", "boot", "dev", "proc", "run", "sys", "sysroot"] {
        fs::create_dir_all(tree.join(name)).unwrap();
    }
    for (link, target) in LINKS {
        symlink(target, tree.join(link)).unwrap();
    }
}

/// Where a host keeps what changes.
const LINKS: &[(&str, &str)] = &[
    ("ostree", "sysroot/ostree"),
    ("tmp", "sysroot/tmp"),
    ("home", "var/home"),
    ("opt", "var/opt"),
    ("root", "var/roothome"),
    ("srv", "var/srv"),
    ("mnt", "var/mnt"),
    ("media", "run/media"),
];

/// Leaves one file that a reader leaves as it is: no write-ahead log, nor the mark in the file that asks for one.
fn settle_database(directory: &Path) {
    /// Bytes 18 and 19 of the file: 2 says write-ahead log, 1 says rollback journal.
    const FORMAT: std::ops::Range<usize> = 18..20;
    let pending = fs::metadata(directory.join("rpmdb.sqlite-wal")).map_or(0, |log| log.len());
    assert_eq!(pending, 0, "rpm works its log in when it closes");
    for name in [".rpm.lock", "rpmdb.sqlite-wal", "rpmdb.sqlite-shm"] {
        let _ = fs::remove_file(directory.join(name));
    }
    let file = directory.join("rpmdb.sqlite");
    let mut bytes = fs::read(&file).unwrap();
    bytes[FORMAT].fill(1);
    fs::write(file, bytes).unwrap();
}

fn commit(tree: &Path, release: Release, repo: &str, home: &Path) {
    let version = format!("--add-metadata-string=version={}", release.version());
    let checksum = run(ostree(home)
        .args(["commit", repo, "--orphan", "--no-xattrs", "--subject=base", &version])
        .args([
            "--add-metadata-string=ostree.linux=stand-in",
            "--owner-uid=0",
            "--owner-gid=0",
            &format!("--timestamp={}", timestamp(release)),
            &format!("--tree=dir={}", tree.display()),
        ]));
    run(ostree(home).args(["refs", repo, &format!("--create={}", refspec(release)), checksum.trim()]));
}

fn timestamp(release: Release) -> &'static str {
    release.pick("2024-11-21T00:00:00Z", "2024-12-05T00:00:00Z")
}

fn only_deployment(sysroot: &Path) -> String {
    let deployments = fs::read_dir(sysroot.join("ostree/deploy").join(OSNAME).join("deploy")).unwrap();
    let names = deployments.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names: Vec<String> = names.filter(|name| !name.ends_with(".origin")).collect();
    assert_eq!(names.len(), 1, "one deployment in {names:?}");
    format!("{OSNAME}-{}", names[0])
}
