//! The sysroot is real: ostree and rpm agree on what is in it.

use proof::command::run;
use proof::packages::{Release, base};
use proof::sandbox::sysroot;

#[test]
fn the_package_database_of_the_base_answers_rpm() {
    let place = tempfile::tempdir().unwrap();
    let id = sysroot::fresh(Release::First, place.path());
    let root = sysroot::deployment_root(&place.path().join("sysroot"), &id);
    let installed = sysroot::packages(&root);
    let mut expected: Vec<String> = base(Release::First).iter().map(|rpm| rpm.nevra()).collect();
    expected.sort_unstable();
    assert_eq!(installed, expected);
    let files = std::fs::read_dir(root.join("usr/share/rpm")).unwrap().count();
    assert_eq!(files, 1, "reading left something behind");
}

#[test]
fn ostree_finds_the_base_deployed_and_whole() {
    let place = tempfile::tempdir().unwrap();
    let id = sysroot::fresh(Release::First, place.path());
    let root = place.path().join("sysroot");
    let status = run(sysroot::ostree(place.path()).args(["admin", "status", "--sysroot"]).arg(&root));
    assert!(status.contains(id.strip_prefix("fedora-coreos-").unwrap()), "{status}");
    assert!(status.contains("fedora:fedora/x86_64/coreos/stable"), "{status}");
    run(sysroot::ostree(place.path()).args(["fsck", "--repo"]).arg(root.join("ostree/repo")));
}
