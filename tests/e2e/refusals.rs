//! What is refused: each with its own reason, exit code and cure, and with an untouched host.

use std::fs;

use proof::images::damage::{Flaw, damaged};
use proof::images::{Layout, Payload};
use proof::packages::tamper::{Part, tampered};
use proof::packages::{Release, Rpm, extensions, unsatisfiable};
use proof::registry::Registry;
use proof::sandbox::{Hand, Sandbox, Wish};

use crate::node::{CONFIG, apply, assert_refused, host_and_payload, wish};

/// A payload in which usbguard's own file is another one.
fn with_usbguard(change: impl Fn(&std::path::Path) -> std::path::PathBuf) -> Layout {
    let payload = Payload::of(Release::First).repodata(false);
    let (name, file) = payload
        .rpms()
        .iter()
        .find(|(name, _)| name.starts_with("usbguard-1"))
        .map(|(n, f)| (n.clone(), f.clone()))
        .unwrap();
    payload.package_as(&name, &change(&file)).build()
}

#[track_caller]
fn refused(wanted: &[&str], payload: &str, code: i32, reason: &str, words: &[&str]) {
    let host = Sandbox::start();
    wish(&host, wanted, payload);
    assert_refused(&host, &host.agent().apply(), code, reason, words);
}

#[test]
fn an_extension_that_the_payload_does_not_offer() {
    let (_, payload) = host_and_payload();
    refused(
        &["usbgard"],
        &payload.reference(),
        20,
        "UnknownExtension",
        &["usbgard", "usbguard", "sysstat", CONFIG],
    );
}

#[test]
fn a_name_outside_the_grammar() {
    let (_, payload) = host_and_payload();
    for name in ["--now", "../etc", "Usbguard", "usb guard"] {
        refused(&[name], &payload.reference(), 12, "InvalidExtensionName", &[CONFIG]);
    }
}

#[test]
fn a_requirement_that_nobody_provides() {
    let mut offered = extensions(Release::First);
    offered.push(unsatisfiable());
    let payload = Payload::with(Release::First, &offered).build();
    let words = ["libmissing.so.9()(64bit)", "broken-middle", "broken", CONFIG];
    refused(&["broken"], &payload.reference(), 21, "UnmetRequirement", &words);
}

#[test]
fn a_flipped_byte_in_a_packages_payload_or_header() {
    for part in [Part::Payload, Part::Header] {
        let payload = with_usbguard(|file| tampered(file, part));
        refused(&["usbguard"], &payload.reference(), 28, "CorruptPackage", &["usbguard-1.0.0"]);
    }
}

#[test]
fn two_different_files_with_one_nevra() {
    let payload = Payload::of(Release::First).repodata(false);
    let twin = extensions(Release::First)[0].rpms[0].clone().file("/usr/share/twin", "other content\n");
    let payload = payload.package_as("usbguard-twin.rpm", &twin.build()).build();
    refused(&["sysstat"], &payload.reference(), 27, "InconsistentPayload", &["usbguard-1.0.0"]);
}

#[test]
fn a_nevra_that_an_admin_layered_with_other_content() {
    let (host, payload) = host_and_payload();
    let offered = extensions(Release::First).into_iter().find(|one| one.name == "sysstat").unwrap();
    let sensors = offered.rpms.iter().find(|rpm| rpm.name() == "lm_sensors-libs").unwrap();
    let other = sensors.clone().file("/usr/share/doc/other", "an admin's own build\n");
    Hand::at(&host.bus_address()).layer(&[&other.build()]);
    host.reboot();
    let before = host.mutating_calls();
    wish(&host, &["sysstat"], &payload.reference());
    let done = host.agent().apply();
    assert_eq!(done.code(), Some(26), "{done:#?}");
    for word in ["LayeredContentDiffers", "lm_sensors-libs", "cure: "] {
        assert!(done.stderr.contains(word), "`{word}` is missing in {done:#?}");
    }
    assert_eq!(host.mutating_calls(), before, "the host was touched");
}

#[test]
fn a_payload_for_another_architecture() {
    let payload = Payload::of(Release::First).architecture("arm64").build();
    refused(&["usbguard"], &payload.reference(), 22, "WrongArchitecture", &[]);
}

#[test]
fn packages_for_another_architecture() {
    let payload = Payload::of(Release::First).repodata(false).remove("usbguard-1");
    let foreign = extensions(Release::First)[0].rpms[0].clone().arch("aarch64");
    let payload = payload.package(&foreign.build()).build();
    refused(&["usbguard"], &payload.reference(), 22, "WrongArchitecture", &["usbguard", "aarch64"]);
}

#[test]
fn kernel_devel_with_a_realtime_kernel() {
    let (host, payload) = host_and_payload();
    host.wish(CONFIG, &Wish::extensions(["kernel-devel"]).from(&payload.reference()).kernel("realtime"));
    assert_refused(&host, &host.agent().apply(), 23, "KernelTypeConflict", &["kernel-devel", "realtime"]);
}

#[test]
fn a_disk_without_room_for_the_packages() {
    let big = Rpm::new("big").filler(24 << 20);
    let offer = proof::packages::Extension {
        name: "big",
        packages: vec!["big".to_owned()],
        rpms: vec![big],
        ..unsatisfiable()
    };
    let payload = Payload::with(Release::First, &[offer]).build();
    let host = Sandbox::start();
    let small = host.dir().join("small");
    proof::scratch::small_disk(&small, 8 << 20);
    wish(&host, &["big"], &payload.reference());
    let done = host.agent().set("store", "directory", small.display().to_string()).apply();
    assert_refused(&host, &done, 32, "NotEnoughSpace", &["MiB"]);
}

#[test]
fn a_registry_that_serves_other_bytes() {
    let layout = Payload::of(Release::First).build();
    let registry = Registry::start();
    let image = registry.push(&layout, "release/extensions");
    let layers = layout.layers();
    registry.corrupt(&layers[layers.len() - 2]);
    let host = Sandbox::start();
    host.use_registry(&registry);
    wish(&host, &["usbguard"], &image);
    assert_refused(&host, &host.agent().apply(), 29, "DigestMismatch", &[]);
}

#[test]
fn a_layout_with_other_bytes() {
    let layout = Payload::of(Release::First).build();
    for flaw in [Flaw::LayerByte(1), Flaw::ManifestByte, Flaw::ConfigByte] {
        refused(&["usbguard"], &damaged(&layout, flaw).reference(), 29, "DigestMismatch", &[]);
    }
}

#[test]
fn a_document_that_is_not_a_machine_config() {
    let documents = [
        ("kind: Pod\napiVersion: v1\nmetadata:\n  name: x\n", "Pod"),
        ("just words", ""),
        ("{\"kind\": \"MachineConfig\"", ""),
        (
            "apiVersion: machineconfiguration.openshift.io/v1\nkind: MachineConfig\nmetadata:\n  name: x\nspec:\n  extensions: usbguard\n",
            "extensions",
        ),
    ];
    for (document, word) in documents {
        let host = Sandbox::start();
        host.machine_config("broken", document);
        assert_refused(&host, &host.agent().apply(), 11, "InvalidMachineConfig", &["broken.yaml", word]);
    }
}

#[test]
fn a_host_without_rpm_ostreed() {
    let (host, payload) = host_and_payload();
    host.remove_daemon();
    wish(&host, &["usbguard"], &payload.reference());
    assert_refused(&host, &host.agent().apply(), 42, "DaemonUnavailable", &["rpm-ostree"]);
}

#[test]
fn a_host_without_a_bus() {
    let (host, payload) = host_and_payload();
    host.stop_bus();
    wish(&host, &["usbguard"], &payload.reference());
    assert_refused(&host, &host.agent().apply(), 41, "BusUnavailable", &[]);
}

#[test]
fn a_daemon_that_does_not_allow_it() {
    let (host, payload) = host_and_payload();
    host.faults().turn_on(proof::rpmostreed::faults::Switch::NotAuthorized, "");
    wish(&host, &["usbguard"], &payload.reference());
    let done = host.agent().apply();
    assert_eq!(done.code(), Some(49), "{done:#?}");
    assert!(done.stderr.contains("NotAuthorized") && done.stderr.contains("polkit"), "{done:#?}");
}

#[test]
fn a_failing_scriptlet_is_told_with_the_daemons_words_and_leaves_the_host_as_it_was() {
    let broken = Rpm::new("scripted").post("exit 3\n");
    let offer = proof::packages::Extension {
        name: "scripted",
        packages: vec!["scripted".to_owned()],
        rpms: vec![broken],
        ..unsatisfiable()
    };
    let payload = Payload::with(Release::First, &[offer]).build();
    let host = Sandbox::start();
    wish(&host, &["scripted"], &payload.reference());
    let done = host.agent().apply();
    assert_eq!(done.code(), Some(46), "{done:#?}");
    assert!(done.stderr.contains("%post for scripted"), "{done:#?}");
    assert_eq!(crate::node::staged(&host), None);
}

#[test]
fn a_refusal_leaves_what_is_booted_and_a_corrected_list_recovers() {
    let (host, payload) = host_and_payload();
    apply(&host, &["sysstat"], &payload.reference());
    host.reboot();
    let before = host.mutating_calls().len();
    wish(&host, &["sysstat", "nonsense"], &payload.reference());
    assert_eq!(host.agent().apply().code(), Some(20));
    assert_eq!(host.mutating_calls().len(), before);
    apply(&host, &["sysstat", "usbguard"], &payload.reference());
    assert_eq!(host.mutating_calls().len(), before + 1);
}

#[test]
fn an_empty_configuration_directory_is_no_wish_and_a_missing_one_is_an_error() {
    let host = Sandbox::start();
    host.agent().apply().expect_success();
    assert_eq!(host.mutating_calls(), []);
    fs::remove_dir(host.dir().join("etc/machineconfigs")).unwrap();
    let done = host.agent().apply();
    assert_eq!(done.code(), Some(11), "{done:#?}");
}
