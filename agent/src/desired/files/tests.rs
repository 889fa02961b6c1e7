//! Real directories, real inotify, and waits on conditions only.

use std::os::unix::fs::symlink;

use super::*;
use crate::error::{Failure, Reason};

const SETTLE: Duration = Duration::from_millis(10);
const LIMIT: Duration = Duration::from_secs(20);

fn machine_config(name: &str, extensions: &str) -> String {
    format!(
        "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\nmetadata: {{name: {name}}}\nspec: \
         {{extensions: [{extensions}]}}\n"
    )
}

fn put(directory: &Path, name: &str, extensions: &str) {
    fs::write(directory.join(format!("{name}.yaml")), machine_config(name, extensions)).unwrap();
}

fn names(desired: &Desired) -> Vec<&str> {
    desired.extensions.keys().map(extensions_manifest::ExtensionName::as_str).collect()
}

/// Waits until the source says what `expected` says, or fails with what it said last.
async fn until(source: &FileSource, expected: &[&str]) {
    let mut watch = source.watch();
    let waited = tokio::time::timeout(
        LIMIT,
        watch.wait_for(|latest| latest.as_ref().is_ok_and(|d| names(d) == expected)),
    );
    let arrived = waited.await.is_ok();
    assert!(arrived, "wanted {expected:?}, last was {:?}", *source.watch().borrow());
}

async fn until_error(source: &FileSource, reason: Reason) -> String {
    let mut watch = source.watch();
    let waited = tokio::time::timeout(
        LIMIT,
        watch.wait_for(|latest| latest.as_ref().is_err_and(|e| e.reason() == reason)),
    );
    assert!(waited.await.is_ok(), "wanted {reason:?}, last was {:?}", *source.watch().borrow());
    let latest = source.watch().borrow().clone();
    crate::error::chain(latest.unwrap_err().as_ref())
}

#[test]
fn a_missing_directory_is_an_error_that_names_it_and_an_empty_one_is_no_wish() {
    let root = tempfile::tempdir().unwrap();
    let missing = root.path().join("missing");
    let error = read_once(&missing).unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidMachineConfig);
    assert!(crate::error::chain(&error).contains("missing"), "{error}");
    assert!(error.cure().unwrap().contains("machine-config.directory"));
    assert_eq!(names(&read_once(root.path()).unwrap()), Vec::<&str>::new());
}

#[test]
fn files_that_are_not_meant_are_left_alone() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "50-a", "usbguard");
    for name in ["README.md", ".hidden.yaml", "50-a.yaml~", "x.yaml.tmp"] {
        fs::write(root.path().join(name), "not a MachineConfig").unwrap();
    }
    fs::create_dir(root.path().join("sub")).unwrap();
    assert_eq!(names(&read_once(root.path()).unwrap()), ["usbguard"]);
}

#[test]
fn one_bad_file_among_good_ones_refuses_the_whole_and_is_named() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "50-a", "usbguard");
    let cases: [(&str, &str, Reason); 4] = [
        ("90-x.yaml", "kind: Pod\napiVersion: v1\n", Reason::InvalidMachineConfig),
        ("90-x.json", "{\"kind\": ", Reason::InvalidMachineConfig),
        ("90-x.yml", &machine_config("z", "'../x'"), Reason::InvalidExtensionName),
        ("90-x.yaml", &machine_config("50-a", "kerberos"), Reason::InvalidMachineConfig),
    ];
    for (name, text, reason) in cases {
        fs::write(root.path().join(name), text).unwrap();
        let error = read_once(root.path()).unwrap_err();
        let told = crate::error::chain(&error);
        assert_eq!(error.reason(), reason, "{told}");
        assert!(told.contains(name), "{told}");
        fs::remove_file(root.path().join(name)).unwrap();
    }
}

#[test]
fn what_is_not_a_file_is_refused_without_waiting_for_it() {
    let root = tempfile::tempdir().unwrap();
    nix::unistd::mkfifo(&root.path().join("fifo.yaml"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    assert!(crate::error::chain(&read_once(root.path()).unwrap_err()).contains("not a regular file"));
    fs::remove_file(root.path().join("fifo.yaml")).unwrap();
    symlink("nowhere", root.path().join("dangling.yaml")).unwrap();
    assert!(crate::error::chain(&read_once(root.path()).unwrap_err()).contains("dangling.yaml"));
}

#[tokio::test]
async fn a_written_removed_or_replaced_file_wakes_the_source() {
    let root = tempfile::tempdir().unwrap();
    let source = FileSource::start(root.path().to_owned(), SETTLE).await;
    until(&source, &[]).await;
    put(root.path(), "a", "usbguard");
    until(&source, &["usbguard"]).await;
    fs::write(root.path().join(".b"), machine_config("b", "kerberos")).unwrap();
    fs::rename(root.path().join(".b"), root.path().join("b.yaml")).unwrap();
    until(&source, &["kerberos", "usbguard"]).await;
    fs::remove_file(root.path().join("a.yaml")).unwrap();
    until(&source, &["kerberos"]).await;
}

#[tokio::test]
async fn a_bad_file_is_told_and_its_correction_heard() {
    let root = tempfile::tempdir().unwrap();
    put(root.path(), "a", "usbguard");
    let source = FileSource::start(root.path().to_owned(), SETTLE).await;
    put(root.path(), "b", "'No Such Name'");
    let told = until_error(&source, Reason::InvalidExtensionName).await;
    assert!(told.contains("`b`") && told.contains("b.yaml") && told.contains("No Such Name"), "{told}");
    put(root.path(), "b", "kerberos");
    until(&source, &["kerberos", "usbguard"]).await;
}

#[tokio::test]
async fn a_swapped_link_as_kubelet_makes_it_is_seen() {
    let root = tempfile::tempdir().unwrap();
    for (version, extensions) in [("..v1", "usbguard"), ("..v2", "kerberos")] {
        fs::create_dir(root.path().join(version)).unwrap();
        put(&root.path().join(version), "a", extensions);
    }
    symlink("..v1", root.path().join("..data")).unwrap();
    symlink("..data/a.yaml", root.path().join("a.yaml")).unwrap();
    let source = FileSource::start(root.path().to_owned(), SETTLE).await;
    until(&source, &["usbguard"]).await;
    symlink("..v2", root.path().join("..tmp")).unwrap();
    fs::rename(root.path().join("..tmp"), root.path().join("..data")).unwrap();
    until(&source, &["kerberos"]).await;
}

#[tokio::test]
async fn a_directory_may_come_late_and_be_replaced_as_a_whole() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("mc");
    let source = FileSource::start(directory.clone(), SETTLE).await;
    assert!(until_error(&source, Reason::InvalidMachineConfig).await.contains("mc"));
    fs::create_dir(&directory).unwrap();
    put(&directory, "a", "usbguard");
    until(&source, &["usbguard"]).await;

    let other = root.path().join("other");
    fs::create_dir(&other).unwrap();
    put(&other, "a", "kerberos");
    fs::rename(&directory, root.path().join("old")).unwrap();
    fs::rename(&other, &directory).unwrap();
    until(&source, &["kerberos"]).await;
    put(&directory, "b", "ipsec");
    until(&source, &["ipsec", "kerberos"]).await;
}
