//! The main job: install, install again, remove, replace, share.

use std::collections::BTreeSet;

use proof::images::Payload;
use proof::packages::{Release, kernel_rt};
use proof::registry::Registry;
use proof::sandbox::{Sandbox, Wish};

use crate::node::{self, CONFIG, apply, booted, host_and_payload, nevras, only_update, staged, strings};

#[test]
fn an_extension_goes_from_a_registry_to_the_booted_host_in_one_transaction() {
    let registry = Registry::start();
    let image = registry.push(&Payload::of(Release::First).build(), "release/extensions");
    let host = Sandbox::start();
    host.use_registry(&registry);
    apply(&host, &["usbguard"], &image);

    let closure = nevras(Release::First, "usbguard");
    let calls = host.mutating_calls();
    let call = only_update(&calls);
    assert_eq!(call.fds as usize, closure.len(), "exactly the closure travels");
    let (modifiers, options) = (&call.args[0], &call.args[1]);
    assert_eq!(modifiers["install-local-packages"].as_array().map(Vec::len), Some(closure.len()));
    assert_eq!(modifiers.get("uninstall-packages"), None);
    assert_eq!(options["no-pull-base"], true);
    assert_eq!(options.get("cache-only"), None);
    let title = options["initiating-command-line"].as_str().expect("a title with the nonce");
    assert!(title.starts_with("extensions-agent ") && title.len() > 30, "no nonce in `{title}`");
    assert_eq!(staged(&host), Some(closure.clone()));

    host.reboot();
    assert_eq!(booted(&host), closure);
    let packages: BTreeSet<String> = host.booted_packages().into_iter().collect();
    assert!(
        closure.is_subset(&packages),
        "the package database of the booted host lacks some: {packages:#?}"
    );
    assert!(host.booted_root().join("usr/bin/usbguard").exists());
}

#[test]
fn a_second_apply_makes_no_mutating_call_and_fetches_no_byte() {
    let registry = Registry::start();
    let image = registry.push(&Payload::of(Release::First).build(), "release/extensions");
    let host = Sandbox::start();
    host.use_registry(&registry);
    apply(&host, &["usbguard"], &image);
    let (calls, bytes) = (host.mutating_calls().len(), registry.relay().connections());
    for _ in 0..2 {
        host.agent().apply().expect_success();
        assert_eq!(host.mutating_calls().len(), calls);
        assert_eq!(registry.relay().connections(), bytes, "the registry was asked again");
        host.reboot();
    }
}

#[test]
fn two_calls_never_carry_the_same_nonce() {
    let (host, payload) = host_and_payload();
    apply(&host, &["sysstat"], &payload.reference());
    apply(&host, &["sysstat", "usbguard"], &payload.reference());
    let titles: BTreeSet<String> = host
        .mutating_calls()
        .iter()
        .map(|call| call.args[1]["initiating-command-line"].as_str().expect("a title").to_owned())
        .collect();
    assert_eq!(titles.len(), 2, "{titles:#?}");
}

#[test]
fn removal_is_one_transaction_and_leaves_the_pristine_base() {
    let (host, payload) = host_and_payload();
    let base = node::deployments(&host)[0]["checksum"].clone();
    apply(&host, &["usbguard"], &payload.reference());
    host.reboot();
    let before = host.mutating_calls().len();
    apply(&host, &[], &payload.reference());
    assert_eq!(host.mutating_calls().len(), before + 1, "one transaction removes all");
    let call = &host.mutating_calls()[before];
    assert_eq!(strings(&call.args[0], "uninstall-packages").len(), nevras(Release::First, "usbguard").len());
    assert_eq!(staged(&host), Some(BTreeSet::new()));
    host.reboot();
    assert_eq!(booted(&host), BTreeSet::new());
    let now = &node::deployments(&host)[0];
    assert_eq!(now["checksum"], base, "the booted commit is the base itself");
    host.agent().apply().expect_success();
    assert_eq!(host.mutating_calls().len(), before + 1);
}

#[test]
fn a_removed_machine_config_removes_what_it_asked_for() {
    let (host, payload) = host_and_payload();
    apply(&host, &["sysstat"], &payload.reference());
    host.reboot();
    host.remove_machine_config(CONFIG);
    host.agent().apply().expect_success();
    assert_eq!(staged(&host), Some(BTreeSet::new()));
}

#[test]
fn a_payload_with_newer_packages_replaces_all_of_them_in_one_transaction() {
    let (host, first) = host_and_payload();
    apply(&host, &["usbguard", "sysstat"], &first.reference());
    host.reboot();
    let before = host.mutating_calls().len();
    let second = Payload::of(Release::Second).build();
    apply(&host, &["usbguard", "sysstat"], &second.reference());
    let newer: BTreeSet<String> =
        nevras(Release::Second, "usbguard").union(&nevras(Release::Second, "sysstat")).cloned().collect();
    assert_eq!(host.mutating_calls().len(), before + 1);
    let call = &host.mutating_calls()[before];
    assert_eq!(call.fds as usize, newer.len());
    assert_eq!(strings(&call.args[0], "uninstall-packages").len(), newer.len());
    host.reboot();
    assert_eq!(booted(&host), newer);
}

#[test]
fn a_dependency_that_two_extensions_share_stays_while_one_needs_it() {
    let (host, payload) = host_and_payload();
    apply(&host, &["usbguard", "two-node-ha"], &payload.reference());
    host.reboot();
    assert_eq!(booted(&host), node::union(&["usbguard", "two-node-ha"]));
    apply(&host, &["two-node-ha"], &payload.reference());
    assert_eq!(staged(&host), Some(nevras(Release::First, "two-node-ha")), "libqb is still needed");
    host.reboot();
    assert_eq!(booted(&host), nevras(Release::First, "two-node-ha"));
}

#[test]
fn two_changes_before_a_reboot_end_in_what_was_wanted_last() {
    let (host, payload) = host_and_payload();
    apply(&host, &["usbguard"], &payload.reference());
    apply(&host, &["sysstat"], &payload.reference());
    host.reboot();
    assert_eq!(booted(&host), nevras(Release::First, "sysstat"));
}

#[test]
fn the_flat_layout_and_a_plain_directory_serve_as_well() {
    let flat = Payload::of(Release::First).kind(proof::images::Kind::MachineOsContent).build();
    let directory = Payload::of(Release::First).directory();
    for reference in [flat.reference(), format!("dir:{}", directory.display())] {
        let host = Sandbox::start();
        apply(&host, &["usbguard"], &reference);
        assert_eq!(staged(&host), Some(nevras(Release::First, "usbguard")), "from {reference}");
    }
}

#[test]
fn the_realtime_kernel_is_swapped_in_and_back_in_one_transaction_each() {
    let (host, payload) = host_and_payload();
    host.wish(CONFIG, &Wish::extensions(["sysstat"]).from(&payload.reference()).kernel("realtime"));
    host.agent().apply().expect_success();
    assert_eq!(host.mutating_calls().len(), 1);
    host.reboot();
    let running = booted(&host);
    assert!(running.iter().any(|nevra| nevra.starts_with("kernel-rt-core-")), "{running:#?}");
    assert!(nevras(Release::First, "sysstat").is_subset(&running));
    let packages = host.booted_packages();
    assert!(
        !packages.iter().any(|nevra| nevra.starts_with("kernel-core-")),
        "the base kernel is still there"
    );
    assert!(kernel_rt(Release::First).len() >= 4);

    host.wish(CONFIG, &Wish::extensions(["sysstat"]).from(&payload.reference()));
    host.agent().apply().expect_success();
    assert_eq!(host.mutating_calls().len(), 2);
    host.reboot();
    assert_eq!(booted(&host), nevras(Release::First, "sysstat"));
    assert!(host.booted_packages().iter().any(|nevra| nevra.starts_with("kernel-core-")));
}
