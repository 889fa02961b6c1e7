//! The document of a plan, and why a package is in it.

use super::super::{Decision, PlanDocument, document, explain};
use super::*;
use crate::error::Reason;

fn describe(case: &Case) -> PlanDocument {
    document(&case.inputs(), &case.plan())
}

#[test]
fn a_document_survives_text_and_equal_inputs_give_equal_bytes() {
    let cases = [
        Case::wants(&["usbguard", "two-node-ha"]),
        Case::wants(&[]),
        Case::wants(&["nope"]),
        Case::wants(&[]).on(booted(&[local(USBGUARD, "one")])).having_layered(&["usbguard"], release()),
    ];
    let expected = [Decision::Change, Decision::Nothing, Decision::Refuse, Decision::Change];
    for (case, decision) in cases.iter().zip(expected) {
        let text = describe(case).to_json().unwrap();
        assert_eq!(text, describe(case).to_json().unwrap());
        let back: PlanDocument = serde_json::from_str(&text).unwrap();
        assert_eq!(back, describe(case));
        assert_eq!(back.decision, decision);
    }
}

#[test]
fn a_document_says_what_why_and_how_much() {
    let document = describe(&Case::wants(&["usbguard"]));
    assert_eq!((document.api_version.as_str(), document.kind.as_str()), ("extensions.agent/v1", "Plan"));
    assert_eq!((document.bytes, document.installed_bytes, document.reboot_needed), (3_000, 9_000, true));
    let libqb = document.install.iter().find(|line| line.nevra == nevra(LIBQB)).unwrap();
    assert_eq!(libqb.extensions, names(&["usbguard"]));
    assert_eq!(libqb.head, head(LIBQB, "one"));
    assert!(
        document
            .proof
            .iter()
            .any(|line| line.package == nevra(USBGUARD) && line.requirement == "libqb >= 2.0")
    );
}

#[test]
fn a_refusal_is_in_the_document_with_its_reason() {
    let document = describe(&Case::wants(&["nope"]));
    let reasons: Vec<Reason> = document.refusals.iter().map(|objection| objection.reason).collect();
    assert_eq!(reasons, [Reason::UnknownExtension]);
    assert!(document.install.is_empty() && !document.reboot_needed);
}

#[test]
fn a_package_is_explained_from_the_machine_config_down() {
    let case = Case::wants(&["usbguard"]);
    let lines = explain(&case.inputs(), &case.plan(), &nevra(LIBQB)).unwrap();
    assert_eq!(lines[0], "MachineConfig `99-usbguard` asks for `usbguard`");
    assert!(lines.iter().any(|line| line.contains("libqb >= 2.0")), "{lines:?}");
    assert_eq!(explain(&case.inputs(), &case.plan(), &nevra("bash-5.1-1.x86_64")), None);
}

#[test]
fn the_schema_names_every_field_that_is_written() {
    let schema = serde_json::to_value(PlanDocument::schema()).unwrap();
    let written = serde_json::to_value(describe(&Case::wants(&["usbguard"]))).unwrap();
    for key in written.as_object().unwrap().keys() {
        assert!(schema["properties"][key].is_object(), "{key}");
    }
}
