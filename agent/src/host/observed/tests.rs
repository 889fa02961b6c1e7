//! Deployment dictionaries as the daemon shows them, and as it must never show them.

use serde_json::json;

use super::*;
use crate::error::{Failure as _, Reason};
use extensions_manifest::Sha256Digest;

fn owned(value: impl Into<Variant<'static>>) -> OwnedVariant {
    value.into().try_into().unwrap()
}

/// A deployment with local packages as rpm-ostreed 2024.9 shows it.
fn layered() -> Dictionary {
    let checksum = "a".repeat(64);
    Dictionary::from([
        ("id".to_owned(), owned(format!("fedora-coreos-{checksum}.0"))),
        ("osname".to_owned(), owned("fedora-coreos")),
        ("checksum".to_owned(), owned(checksum)),
        ("serial".to_owned(), owned(0_i32)),
        ("booted".to_owned(), owned(false)),
        ("staged".to_owned(), owned(true)),
        ("pinned".to_owned(), owned(false)),
        ("unlocked".to_owned(), owned("none")),
        ("timestamp".to_owned(), owned(1_700_000_000_u64)),
        ("version".to_owned(), owned("42.20250101.3.0")),
        ("base-checksum".to_owned(), owned("b".repeat(64))),
        ("packages".to_owned(), owned(Vec::<&str>::new())),
        ("requested-packages".to_owned(), owned(vec!["strace"])),
        ("requested-local-packages".to_owned(), owned(vec!["usbguard-1.0.0-15.el9.x86_64"])),
        ("requested-base-removals".to_owned(), owned(vec!["kernel"])),
    ])
}

fn with(key: &str, value: OwnedVariant) -> Dictionary {
    let mut dictionary = layered();
    dictionary.insert(key.to_owned(), value);
    dictionary
}

fn without(key: &str) -> Dictionary {
    let mut dictionary = layered();
    dictionary.remove(key);
    dictionary
}

#[test]
fn a_key_of_a_wrong_type_or_out_of_bounds_is_refused_by_name() {
    let long = "x".repeat(TEXT + 1);
    let many: Vec<String> = (0..=ENTRIES).map(|number| format!("p{number}")).collect();
    let table = [
        ("checksum", with("checksum", owned(1_i32))),
        ("checksum", with("checksum", owned("../../../etc"))),
        ("checksum", with("checksum", owned("A".repeat(64)))),
        ("osname", with("osname", owned("../etc"))),
        ("osname", with("osname", owned("a/b"))),
        ("osname", with("osname", owned(""))),
        ("base-checksum", with("base-checksum", owned("short"))),
        ("serial", with("serial", owned("0"))),
        ("serial", with("serial", owned(0_u32))),
        ("booted", with("booted", owned("yes"))),
        ("staged", with("staged", owned(1_i32))),
        ("version", with("version", owned(long.clone()))),
        ("requested-packages", with("requested-packages", owned("strace"))),
        ("requested-packages", with("requested-packages", owned(vec![1_u8]))),
        ("requested-packages", with("requested-packages", owned(vec![long]))),
        ("requested-base-removals", with("requested-base-removals", owned(many))),
        ("requested-local-packages", with("requested-local-packages", owned(vec!["not a nevra"]))),
        ("id", without("id")),
        ("booted", without("booted")),
    ];
    for (key, dictionary) in table {
        let error = deployments(vec![dictionary]).unwrap_err();
        assert_eq!(error.reason(), Reason::Internal);
        assert!(error.to_string().contains(&format!("`{key}`")), "{key}: {error}");
    }
}

#[test]
fn more_deployments_or_keys_than_the_bound_are_refused() {
    let many = (0..=DEPLOYMENTS).map(|_| layered()).collect();
    assert!(deployments(many).is_err());
    let mut wide = layered();
    wide.extend((0..KEYS).map(|number| (format!("key-{number}"), owned(true))));
    assert!(deployments(vec![wide]).is_err());
}

#[test]
fn a_layered_deployment_is_read_and_what_is_not_understood_is_kept() {
    let read = deployments(vec![layered()]).unwrap();
    let expected = Deployment {
        id: format!("fedora-coreos-{}.0", "a".repeat(64)),
        osname: "fedora-coreos".to_owned(),
        checksum: "a".repeat(64),
        serial: 0,
        base_checksum: "b".repeat(64),
        version: Some("42.20250101.3.0".to_owned()),
        booted: false,
        staged: true,
        pinned: false,
        local_packages: BTreeSet::from([LocalPackage {
            nevra: "usbguard-1.0.0-15.el9.x86_64".parse().unwrap(),
            head: None,
        }]),
        requested_packages: BTreeSet::from(["strace".to_owned()]),
        base_removals: BTreeSet::from(["kernel".to_owned()]),
        other: BTreeMap::from([
            ("packages".to_owned(), json!([])),
            ("timestamp".to_owned(), json!(1_700_000_000)),
            ("unlocked".to_owned(), json!("none")),
        ]),
    };
    assert_eq!(read, [expected]);
}

#[test]
fn without_layers_the_commit_is_its_own_base() {
    let read = deployments(vec![without("base-checksum")]).unwrap();
    assert_eq!(read[0].base_checksum, "a".repeat(64));
}

#[test]
fn the_digest_of_a_local_package_comes_from_the_origin_file_of_its_deployment() {
    let sysroot = tempfile::tempdir().unwrap();
    let mut read = deployments(vec![layered()]).unwrap();
    with_heads(sysroot.path(), &mut read);
    assert_eq!(read[0].local_packages.first().unwrap().head, None);

    let head = Sha256Digest::of(b"head");
    let deploy = sysroot.path().join("ostree/deploy/fedora-coreos/deploy");
    std::fs::create_dir_all(&deploy).unwrap();
    let text = format!("[packages]\nrequested-local={}:usbguard-1.0.0-15.el9.x86_64;\n", head.hex());
    std::fs::write(deploy.join(format!("{}.0.origin", "a".repeat(64))), text).unwrap();
    with_heads(sysroot.path(), &mut read);
    assert_eq!(read[0].local_packages.first().unwrap().head, Some(head));
    assert_eq!(root_path(sysroot.path(), &read[0]), deploy.join(format!("{}.0", "a".repeat(64))));
}
