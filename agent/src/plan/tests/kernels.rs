//! Another kernel than the base's.

use super::*;
use crate::error::{Failure, Reason};

const RT: &[&str] = &["kernel-rt-core-5.14-1.x86_64", "kernel-rt-modules-5.14-1.x86_64"];
const KERNEL: &[&str] = &["kernel", "kernel-core", "kernel-modules"];

fn kernel_base() -> Base {
    base(&[
        "glibc-2.34-1.x86_64",
        "kernel-5.14-1.x86_64",
        "kernel-core-5.14-1.x86_64",
        "kernel-modules-5.14-1.x86_64",
    ])
}

fn kernel_payload() -> Payload {
    payload(
        "one",
        &[
            (RT[0], &["kernel-rt-modules = 5.14-1"]),
            (RT[1], &[]),
            (USBGUARD, &["glibc"]),
            ("kernel-devel-5.14-1.x86_64", &[]),
        ],
        &[("usbguard", &["usbguard"]), ("kernel-devel", &["kernel-devel"])],
    )
}

fn realtime(extensions: &[&str]) -> Case {
    let mut case = Case::wants(extensions).from(kernel_payload());
    case.base = kernel_base();
    case.desired.kernel_type = KernelType::Realtime;
    case.desired.kernel_type_from = Some("99-realtime".to_owned());
    case
}

#[test]
fn kernel_devel_beside_another_kernel_is_refused_before_anything_is_resolved() {
    let mut case = realtime(&["kernel-devel"]);
    case.payload = None;
    let refusal = case.refusal();
    assert_eq!(refusal.reason(), Reason::KernelTypeConflict);
    let asked = &refusal.objections().next().unwrap().requested_by;
    assert_eq!(*asked, BTreeSet::from(["99-kernel-devel".to_owned(), "99-realtime".to_owned()]));
}

#[test]
fn a_kernel_that_the_payload_lacks_or_the_machine_cannot_boot_is_refused() {
    let without = realtime(&[]).from(release()).refusal();
    assert_eq!(without.reason(), Reason::KernelTypeConflict);
    assert!(without.to_string().contains("kernel-rt-core"), "{without}");
    let mut pages = realtime(&[]);
    pages.desired.kernel_type = KernelType::Pages64k;
    assert_eq!(pages.refusal().reason(), Reason::KernelTypeConflict);
}

#[test]
fn a_realtime_kernel_and_an_extension_travel_in_one_change() {
    let change = realtime(&["usbguard"]).change();
    assert_eq!(installs(&change), [RT[0], RT[1], USBGUARD]);
    assert_eq!(change.override_remove.iter().collect::<Vec<_>>(), KERNEL);
    assert_eq!(change.expected.removals, change.override_remove);
}

#[test]
fn a_wanted_kernel_counts_as_an_extension_with_who_asked_for_it() {
    let wanted = super::super::wanted(&realtime(&["usbguard"]).desired);
    assert_eq!(wanted.keys().cloned().collect::<BTreeSet<_>>(), names(&["kernel-type-realtime", "usbguard"]));
    assert_eq!(wanted[&name("kernel-type-realtime")], BTreeSet::from(["99-realtime".to_owned()]));
}

#[test]
fn the_default_kernel_comes_back_in_one_change() {
    let there = realtime(&[]).change();
    let mut observed = booted(&[local(RT[0], "one"), local(RT[1], "one")]);
    observed.deployments[0].base_removals = there.expected.removals.clone();
    let mut back = Case::wants(&[]).on(observed.clone());
    back.ledger = there.basis.ledger.clone();
    let change = back.change();
    assert_eq!(uninstalls(&change), RT);
    assert_eq!(change.override_reset.iter().collect::<Vec<_>>(), KERNEL);
    assert!(change.expected.removals.is_empty() && change.expected.packages.is_empty());

    let mut again = realtime(&[]).on(observed);
    again.ledger = there.basis.ledger;
    assert!(matches!(again.plan(), Plan::Nothing(_)));
}

#[test]
fn a_base_package_that_an_admin_removed_stays_removed() {
    let mut observed = booted(&[]);
    observed.deployments[0].base_removals = BTreeSet::from(["kernel-modules".to_owned()]);
    let change = realtime(&[]).on(observed.clone()).change();
    assert_eq!(change.override_remove.iter().collect::<Vec<_>>(), ["kernel", "kernel-core"]);

    observed.deployments[0].base_removals = change.expected.removals.clone();
    observed.deployments[0].local_packages = change.expected.packages.clone();
    let mut back = Case::wants(&[]).on(observed);
    back.ledger = change.basis.ledger;
    assert_eq!(back.change().expected.removals, BTreeSet::from(["kernel-modules".to_owned()]));
}
