//! The sysroot is real: ostree and rpm agree on what is in it.

use proof::command::run;
use proof::packages::{Release, base, kernel_release};
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

#[test]
fn a_host_can_be_booted_from_either_release_and_has_the_other_at_hand() {
    for (release, other) in [(Release::First, Release::Second), (Release::Second, Release::First)] {
        let place = tempfile::tempdir().unwrap();
        let id = sysroot::fresh(release, place.path());
        let root = place.path().join("sysroot");
        let kernel = format!("kernel-core-5.14.0-{}.x86_64", kernel_release(release));
        assert!(sysroot::packages(&sysroot::deployment_root(&root, &id)).contains(&kernel), "{release:?}");
        let repo = format!("--repo={}", root.join("ostree/repo").display());
        let show = ["show", &repo, "--print-metadata-key=version", sysroot::refspec(other)];
        assert_eq!(run(sysroot::ostree(place.path()).args(show)).trim(), format!("'{}'", other.version()));
    }
}
