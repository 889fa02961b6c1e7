//! Wanted minus layered, refusals first.

use super::*;
use crate::error::{Failure, Reason};

#[test]
fn an_unknown_extension_is_refused_with_who_asked_and_what_is_offered() {
    let refusal = Case::wants(&["usbgard"]).refusal();
    assert_eq!(refusal.reason(), Reason::UnknownExtension);
    let objection = refusal.objections().next().unwrap();
    assert_eq!(objection.requested_by, BTreeSet::from(["99-usbgard".to_owned()]));
    assert!(objection.message.contains("`usbgard`") && objection.message.contains("`usbguard`"), "{refusal}");
    assert!(objection.cure.as_ref().is_some_and(|cure| cure.contains("usbgard")));
}

#[test]
fn a_requirement_nobody_provides_is_named_with_who_wants_it() {
    let payload = payload("x", &[(USBGUARD, &["libqb >= 2.0"])], &[("usbguard", &["usbguard"])]);
    let refusal = Case::wants(&["usbguard"]).from(payload).refusal();
    assert_eq!(refusal.reason(), Reason::UnmetRequirement);
    for part in ["libqb >= 2.0", USBGUARD, "`usbguard`"] {
        assert!(refusal.to_string().contains(part), "{part}: {refusal}");
    }
}

#[test]
fn several_obstacles_are_all_listed_in_a_fixed_order() {
    let payload = payload("x", &[(USBGUARD, &["libqb"])], &[("usbguard", &["usbguard"])]);
    let refusal = Case::wants(&["usbguard", "nope", "absent"]).from(payload).refusal();
    let reasons: Vec<Reason> = refusal.objections().map(|objection| objection.reason).collect();
    assert_eq!(reasons, [Reason::UnknownExtension, Reason::UnknownExtension, Reason::UnmetRequirement]);
    assert!(refusal.to_string().find("`absent`") < refusal.to_string().find("`nope`"), "{refusal}");
}

#[test]
fn the_same_name_and_version_with_other_content_is_not_replaced_when_it_is_not_ours() {
    let refusal = Case::wants(&["usbguard"]).on(booted(&[local(LIBQB, "an admin's")])).refusal();
    assert_eq!(refusal.reason(), Reason::LayeredContentDiffers);
    assert!(refusal.to_string().contains(LIBQB));
}

#[test]
fn another_version_that_is_not_ours_is_refused_with_both_names_and_a_cure() {
    let refusal = Case::wants(&["usbguard"]).on(booted(&[local("libqb-1.9-1.x86_64", "x")])).refusal();
    assert_eq!(refusal.reason(), Reason::VersionConflict);
    assert!(refusal.to_string().contains(LIBQB) && refusal.to_string().contains("libqb-1.9-1.x86_64"));
    assert!(Failure::cure(&refusal).unwrap().contains("rpm-ostree uninstall libqb-1.9-1.x86_64"));
}

#[test]
fn a_package_that_an_admin_took_from_a_repository_is_refused() {
    let mut observed = booted(&[]);
    observed.deployments[0].requested_packages.insert("usbguard".to_owned());
    let refusal = Case::wants(&["usbguard"]).on(observed).refusal();
    assert_eq!(refusal.reason(), Reason::VersionConflict);
    assert!(Failure::cure(&refusal).unwrap().contains("rpm-ostree uninstall usbguard"));
}

#[test]
fn a_layered_package_of_unknown_content_is_not_touched() {
    let unread = LocalPackage { nevra: nevra(LIBQB), head: None };
    assert_eq!(Case::wants(&["usbguard"]).on(booted(&[unread])).refusal().reason(), Reason::BaseUnreadable);
}

#[test]
fn without_a_payload_a_wish_is_refused_and_an_empty_wish_is_not() {
    let mut case = Case::wants(&["usbguard"]);
    case.payload = None;
    assert_eq!(case.refusal().reason(), Reason::NoPayload);
    let mut case = Case::wants(&[]);
    case.payload = None;
    assert!(matches!(case.plan(), Plan::Nothing(_)));
}

#[test]
fn a_host_without_a_booted_deployment_is_refused() {
    let mut case = Case::wants(&["usbguard"]);
    case.observed.deployments.clear();
    assert_eq!(case.refusal().reason(), Reason::NotAnOstreeHost);
}

#[test]
fn the_next_boot_of_another_stateroot_is_not_layered_on() {
    let mut observed = staged(&[]);
    observed.deployments[0].osname = "other".to_owned();
    assert_eq!(Case::wants(&["usbguard"]).on(observed).refusal().reason(), Reason::ForeignDeployment);
}

#[test]
fn an_extension_comes_with_its_whole_closure_in_one_change() {
    let change = Case::wants(&["usbguard"]).change();
    assert_eq!(installs(&change), [LIBQB, PROTOBUF, USBGUARD]);
    assert!(change.uninstall.is_empty());
    assert_eq!(change.expected.packages, [LIBQB, PROTOBUF, USBGUARD].map(|text| local(text, "one")).into());
}

#[test]
fn what_is_there_already_needs_no_change() {
    let observed = booted(&[LIBQB, PROTOBUF, USBGUARD].map(|text| local(text, "one")));
    let case = Case::wants(&["usbguard"]).on(observed).having_layered(&["usbguard"], release());
    assert!(matches!(case.plan(), Plan::Nothing(_)));
}

#[test]
fn a_package_of_an_admin_that_is_the_very_file_counts_and_stays_theirs() {
    let admins = local(LIBQB, "one");
    let case = Case::wants(&["usbguard"]).on(booted(std::slice::from_ref(&admins)));
    let change = case.change();
    assert_eq!(installs(&change), [PROTOBUF, USBGUARD]);
    assert_eq!(change.basis.keep, BTreeMap::from([(nevra(LIBQB), false)]));
    assert!(!change.basis.ledger.owns(&admins, &change.start));

    let layered = booted(&[admins.clone(), local(PROTOBUF, "one"), local(USBGUARD, "one")]);
    let mut removal = Case::wants(&[]).on(layered);
    removal.ledger = change.basis.ledger;
    let removal = removal.change();
    assert_eq!(uninstalls(&removal), [PROTOBUF, USBGUARD]);
    assert_eq!(removal.expected.packages, BTreeSet::from([admins]));
}

#[test]
fn a_foreign_package_survives_install_replace_and_removal() {
    let foreign = local("htop-3.0-1.x86_64", "an admin's");
    let ours = [LIBQB, PROTOBUF, USBGUARD].map(|text| local(text, "one"));
    let with_ours = booted(&[&ours[..], std::slice::from_ref(&foreign)].concat());
    let install = Case::wants(&["usbguard"]).on(booted(std::slice::from_ref(&foreign)));
    let replace = Case::wants(&["usbguard"])
        .from(next_release())
        .on(with_ours.clone())
        .having_layered(&["usbguard"], release());
    let remove = Case::wants(&[]).on(with_ours).having_layered(&["usbguard"], release());
    for case in [install, replace, remove] {
        let change = case.change();
        assert!(change.expected.packages.contains(&foreign), "{change:?}");
        assert!(!uninstalls(&change).contains(&foreign.nevra.to_string()));
    }
}

#[test]
fn a_shared_dependency_is_kept_while_another_extension_needs_it() {
    let all = [LIBQB, PACEMAKER, PROTOBUF, USBGUARD].map(|text| local(text, "one"));
    let case = Case::wants(&["two-node-ha"])
        .on(booted(&all))
        .having_layered(&["usbguard", "two-node-ha"], release());
    let change = case.change();
    assert_eq!(uninstalls(&change), [PROTOBUF, USBGUARD]);
    assert_eq!(change.basis.keep.keys().cloned().collect::<Vec<_>>(), [nevra(LIBQB), nevra(PACEMAKER)]);
    let libqb = change.basis.ledger.owned.iter().find(|owned| owned.nevra == nevra(LIBQB)).unwrap();
    assert_eq!((libqb.extensions.clone(), libqb.leaving), (names(&["two-node-ha"]), false));
}

#[test]
fn newer_packages_replace_all_of_ours_in_one_change() {
    let case = Case::wants(&["usbguard"])
        .from(next_release())
        .on(booted(&[LIBQB, PROTOBUF, USBGUARD].map(|text| local(text, "one"))))
        .having_layered(&["usbguard"], release());
    let change = case.change();
    // protobuf has the same name and version but is another build: it goes and comes in the same call.
    assert_eq!(installs(&change), [LIBQB_NEWER, PROTOBUF, USBGUARD_NEWER]);
    assert_eq!(uninstalls(&change), [LIBQB, PROTOBUF, USBGUARD]);
    assert_eq!(change.install[&nevra(PROTOBUF)].replaces, Some(nevra(PROTOBUF)));
    assert_eq!(change.expected.packages.len(), 3);
}

#[test]
fn a_call_accumulates_on_a_staged_deployment_and_is_planned_on_it() {
    let foreign = local("htop-3.0-1.x86_64", "an admin's");
    let mut observed = staged(std::slice::from_ref(&foreign));
    observed.deployments[0].base_checksum = "the next base".to_owned();
    let change = Case::wants(&["usbguard"]).on(observed).change();
    assert_eq!(change.start.id, "staged");
    assert_eq!(change.expected.base_checksum, "the next base");
    assert!(change.expected.packages.contains(&foreign));
}

#[test]
fn after_a_lost_staging_the_booted_state_decides_and_nothing_absent_is_uninstalled() {
    // The ledger knows of packages that were staged and lost; the booted deployment is pristine.
    let lost = Case::wants(&["usbguard"]).having_layered(&["usbguard"], release());
    assert_eq!(installs(&lost.change()).len(), 3);
    let unwanted = Case::wants(&[]).having_layered(&["usbguard"], release());
    assert!(matches!(unwanted.plan(), Plan::Nothing(_)));
}

#[test]
fn equal_inputs_in_another_order_give_an_equal_plan() {
    let mut shuffled = release();
    shuffled.packages = Arc::new(shuffled.packages.iter().rev().cloned().collect());
    let (one, other) =
        (Case::wants(&["usbguard"]).change(), Case::wants(&["usbguard"]).from(shuffled).change());
    assert_eq!(installs(&one), installs(&other));
    assert_eq!(one.expected, other.expected);
}

type Tamper<'a> = &'a dyn Fn(&mut Change);

#[test]
fn a_change_that_was_tampered_with_does_not_pass_the_checks() {
    let foreign = local("htop-3.0-1.x86_64", "an admin's");
    let ours = [LIBQB, PROTOBUF, USBGUARD].map(|text| local(text, "one"));
    let case = Case::wants(&["usbguard"])
        .from(next_release())
        .on(booted(&[&ours[..], std::slice::from_ref(&foreign)].concat()))
        .having_layered(&["usbguard"], release());
    let sound = case.change();
    let stray = super::super::Uninstall {
        nevra: foreign.nevra.clone(),
        head: foreign.head.unwrap(),
        replaced_by: None,
    };
    let tamper: [(&str, Tamper<'_>); 6] = [
        ("installed and kept packages are the closure", &|change| drop(change.install.pop_first())),
        ("nothing is installed twice", &|change| {
            change.uninstall.retain(|gone| gone.nevra != nevra(PROTOBUF))
        }),
        ("nothing foreign is uninstalled", &|change| change.uninstall.push(stray.clone())),
        ("nothing foreign is lost", &|change| {
            change.expected.packages.remove(&foreign);
        }),
        ("the start is the deployment that a call starts from", &|change| change.start.id.push('x')),
        ("the expectation is the start with the change made", &|change| {
            change.expected.base_checksum = "another".to_owned();
        }),
    ];
    for (invariant, tamper) in tamper {
        let mut change = sound.clone();
        tamper(&mut change);
        assert_eq!(check(Box::new(change), &case.inputs()).unwrap_err().invariant, invariant);
    }
    let of_another = Case {
        payload: Some(release()),
        desired: case.desired.clone(),
        observed: case.observed.clone(),
        base: small_base(),
        ledger: case.ledger.clone(),
        skew: case.skew,
    };
    let flaw = check(Box::new(sound), &of_another.inputs()).unwrap_err();
    assert_eq!(flaw.invariant, "every install is a verified package of this payload");
}

#[test]
fn a_payload_of_another_build_is_refused_by_default_and_said_where_it_is_allowed() {
    let mut payload = release();
    payload.labels.machine_os = Some("39.2.0".to_owned());
    let mut observed = booted(&[]);
    observed.deployments[0].version = Some("39.1.0".to_owned());
    let mut case = Case::wants(&["usbguard"]).on(observed).from(payload);
    let refusal = case.refusal();
    let said: Vec<_> = refusal.objections().map(|objection| (objection.reason, &objection.message)).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert_eq!(said[0].0, Reason::ReleaseSkew);
    assert!(said[0].1.contains("`39.2.0`") && said[0].1.contains("`39.1.0`"), "{said:?}");
    assert!(super::super::document(&case.inputs(), &case.plan()).warnings.is_empty());

    case.skew = crate::settings::Skew::Allow;
    case.change();
    let warnings = super::super::document(&case.inputs(), &case.plan()).warnings;
    assert_eq!(warnings.iter().map(|one| one.reason).collect::<Vec<_>>(), [Reason::ReleaseSkew]);

    case.desired.extensions.clear();
    assert!(
        super::super::document(&case.inputs(), &case.plan()).warnings.is_empty(),
        "nothing is taken from it"
    );
}

#[test]
fn what_is_missing_is_said_beside_the_skew() {
    let mut payload = release();
    payload.labels.machine_os = Some("39.2.0".to_owned());
    let mut observed = booted(&[]);
    observed.deployments[0].version = Some("39.1.0".to_owned());
    let case = Case::wants(&["nonsense"]).on(observed).from(payload);
    let reasons: Vec<Reason> = case.refusal().objections().map(|objection| objection.reason).collect();
    assert_eq!(reasons, [Reason::UnknownExtension, Reason::ReleaseSkew]);
}
