//! What is ours, through reboots, lost stagings and rollbacks.

use super::*;

fn layered() -> [LocalPackage; 3] {
    [LIBQB, PROTOBUF, USBGUARD].map(|text| local(text, "one"))
}

/// The ledger after usbguard was layered and its removal was staged.
fn removal_staged() -> Ledger {
    let case = Case::wants(&[]).on(booted(&layered())).having_layered(&["usbguard"], release());
    case.change().basis.ledger
}

fn with_rollback(next: &[LocalPackage], rollback: &[LocalPackage]) -> Observed {
    let mut observed = booted(next);
    observed.deployments[0].id = "newer".to_owned();
    observed.deployments.push(deployment("booted", rollback));
    observed
}

#[test]
fn the_same_name_with_other_content_is_never_ours() {
    let ledger = Case::wants(&["usbguard"]).change().basis.ledger;
    let there = deployment("d", &[]);
    assert!(ledger.owns(&local(LIBQB, "one"), &there));
    assert!(!ledger.owns(&local(LIBQB, "an admin's"), &there));
    assert!(!ledger.owns(&LocalPackage { nevra: nevra(LIBQB), head: None }, &there));
}

#[test]
fn a_lost_removal_leaves_the_packages_ours() {
    // Staged, then the power went: the booted deployment still has them, and the ledger is settled against that.
    let ledger = removal_staged().settled(&booted(&layered()));
    let mut again = Case::wants(&[]).on(booted(&layered()));
    again.ledger = ledger;
    assert_eq!(uninstalls(&again.change()), [LIBQB, PROTOBUF, USBGUARD]);
}

#[test]
fn while_the_removal_waits_for_its_reboot_nothing_is_forgotten() {
    let mut observed = booted(&layered());
    observed.deployments.insert(0, Deployment { staged: true, ..deployment("staged", &[]) });
    assert_eq!(removal_staged().settled(&observed), removal_staged());
}

#[test]
fn after_the_reboot_only_the_rollback_still_holds_ours() {
    let observed = with_rollback(&[], &layered());
    let ledger = removal_staged().settled(&observed);
    assert!(ledger.owned.is_empty());
    assert_eq!(ledger.settled(&observed), ledger);
    // An admin layers the very same file: theirs, although we once had it.
    let admins = deployment("admins", &[local(LIBQB, "one")]);
    assert!(!ledger.owns(&local(LIBQB, "one"), &admins));
    // The rollback is booted: ours again, and removed again.
    let mut rolled_back = Case::wants(&[]).on(booted(&layered()));
    rolled_back.ledger = ledger.clone();
    assert_eq!(uninstalls(&rolled_back.change()).len(), 3);
    // The rollback is gone: nothing is left to remember.
    let mut alone = observed;
    alone.deployments.pop();
    assert!(ledger.settled(&alone).retired.is_empty());
}

#[test]
fn a_wish_is_met_only_by_exactly_what_was_decided() {
    let case = Case::wants(&["usbguard"]);
    let ledger = case.change().basis.ledger;
    let generation = case.desired.generation();
    let there = deployment("d", &layered());
    assert!(ledger.is_met(generation, &there));
    assert!(!ledger.is_met(wish(&[]).generation(), &there), "another wish");
    assert!(!ledger.is_met(generation, &deployment("d", &layered()[1..])), "a package is gone");
    let moved = Deployment { base_checksum: "c".to_owned(), ..there.clone() };
    assert!(!ledger.is_met(generation, &moved), "the base has moved");
    let foreign = deployment("d", &[&layered()[..], &[local("htop-3.0-1.x86_64", "x")]].concat());
    assert!(ledger.is_met(generation, &foreign), "what is not ours does not matter");
}
