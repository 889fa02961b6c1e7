//! Stages, short answers, and the file.

use super::*;
use crate::apply::{ExtensionState, PassReport};
use crate::desired::{Desired, KernelType};
use crate::error::Class;
use crate::golden;
use crate::host::Observed;
use crate::plan::PlanDocument;
use crate::sample::{deployment, state};

fn desired() -> Desired {
    Desired {
        extensions: BTreeMap::new(),
        kernel_type: KernelType::Default,
        kernel_type_from: None,
        payload: Some("dir:/x".to_owned()),
        payload_from: Some("80-x".to_owned()),
        os_image: None,
        rendered: None,
    }
}

fn report(outcome: PassOutcome, extension: ExtensionState) -> PassReport {
    let deployments = vec![deployment("new", false, &[]), deployment("old", true, &[])];
    PassReport {
        at: "2026-11-21T12:00:00Z".parse().unwrap(),
        outcome,
        owner: None,
        source_problem: None,
        calls: 1,
        extensions: BTreeMap::from([("usbguard".parse().unwrap(), extension)]),
        reboot_pending: false,
        desired: Some(desired()),
        payload: None,
        plan: None,
        observed: Some(Observed { deployments, transaction: None, arch: "x86_64".to_owned() }),
        timings: Timings::default(),
    }
}

fn not_done() -> PassOutcome {
    let (reason, class) = (Reason::UnmetRequirement, Class::Refuse);
    let (message, cure) = ("libqb is not there".to_owned(), Some("another payload".to_owned()));
    PassOutcome::NotDone { problem: Problem { reason, class, message, cure } }
}

fn booted() -> PassOutcome {
    PassOutcome::Booted { deployment: "old".to_owned() }
}

fn only(status: &Status) -> &ExtensionStatus {
    status.extensions.values().next().unwrap()
}

#[test]
fn every_combination_of_facts_has_its_word() {
    let cases = [
        ((true, true, true), Stage::Active),
        ((true, true, false), Stage::AfterReboot),
        ((true, false, true), Stage::LostAtReboot),
        ((true, false, false), Stage::Pending),
        ((false, true, true), Stage::Leftover),
        ((false, true, false), Stage::Leftover),
        ((false, false, true), Stage::RemovedAtReboot),
        ((false, false, false), Stage::Gone),
    ];
    for ((desired, staged, is_booted), stage) in cases {
        let status = Status::of(&report(booted(), state(desired, staged, is_booted)));
        assert_eq!(only(&status).stage, stage, "{desired} {staged} {is_booted}");
        assert_eq!(only(&status).problems, []);
    }
}

#[test]
fn an_extension_that_cannot_be_had_says_why_and_what_would_cure_it() {
    let status = Status::of(&report(not_done(), state(true, false, false)));
    assert_eq!(only(&status).stage, Stage::Blocked);
    let expected = ExtensionProblem {
        reason: Reason::UnmetRequirement,
        message: "libqb is not there".to_owned(),
        cure: Some("another payload".to_owned()),
    };
    assert_eq!(only(&status).problems, [expected]);
    assert_eq!(status.problem().unwrap().reason, Reason::UnmetRequirement);
}

#[test]
fn an_extension_that_is_there_does_not_carry_the_problem_of_another() {
    let status = Status::of(&report(not_done(), state(true, true, true)));
    assert_eq!((only(&status).stage, only(&status).problems.len()), (Stage::Active, 0));
}

#[test]
fn the_short_answers_follow_the_outcome() {
    let told = |report: &PassReport| {
        let conditions = Status::of(report).conditions;
        let [ready, staged] = <[Condition; 2]>::try_from(conditions).unwrap();
        assert_eq!((ready.kind, staged.kind), (ConditionKind::Ready, ConditionKind::Staged));
        (ready.status, staged.status, ready.reason)
    };
    let case = |outcome| told(&report(outcome, state(true, true, true)));
    let awaiting = PassOutcome::AwaitingReboot { deployment: "new".to_owned() };
    assert_eq!(case(booted()), (Truth::True, Truth::True, "Booted".to_owned()));
    assert_eq!(case(PassOutcome::NothingWanted), (Truth::True, Truth::True, "NothingWanted".to_owned()));
    assert_eq!(case(awaiting), (Truth::False, Truth::True, "RebootPending".to_owned()));
    assert_eq!(case(not_done()), (Truth::False, Truth::False, "UnmetRequirement".to_owned()));
    let observed = || PassOutcome::Observed { owner: crate::owner::Owner::MachineConfigDaemon };
    assert_eq!(case(observed()), (Truth::True, Truth::True, "Observed".to_owned()));
    let lacking = report(observed(), state(true, true, false));
    assert_eq!(told(&lacking), (Truth::False, Truth::True, "Observed".to_owned()));
    let unseen = PassReport { observed: None, ..lacking };
    assert_eq!(told(&unseen), (Truth::Unknown, Truth::Unknown, "Observed".to_owned()));
    let blind = PassReport { observed: None, ..report(not_done(), state(true, false, false)) };
    assert_eq!(told(&blind), (Truth::Unknown, Truth::Unknown, "UnmetRequirement".to_owned()));
}

#[test]
fn an_onlooker_says_who_owns_the_host_and_what_would_change_it() {
    let outcome = PassOutcome::Observed { owner: crate::owner::Owner::MachineConfigDaemon };
    let message = &Status::of(&report(outcome, state(true, true, true))).conditions[0].message;
    assert!(message.starts_with("only observed, because the machine-config-daemon"), "{message}");
    assert!(message.contains("`host.mode = \"own\"`"), "{message}");
}

#[test]
fn a_status_is_read_back_as_it_was_written_and_by_anybody() {
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(Status::read(directory.path()).unwrap(), None);
    for outcome in [booted(), not_done(), PassOutcome::NothingWanted] {
        let status = Status::of(&report(outcome, state(true, true, false)));
        status.write(directory.path()).unwrap();
        assert_eq!(Status::read(directory.path()).unwrap(), Some(status));
    }
    let mode = fs::metadata(directory.path().join(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, MODE);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_broken_file_and_a_missing_directory_are_told() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join(FILE), "{").unwrap();
    assert_eq!(Status::read(directory.path()).unwrap_err().reason(), Reason::StateUnusable);
    let status = Status::of(&report(booted(), state(true, true, true)));
    assert!(status.write(&directory.path().join("missing")).unwrap_err().to_string().contains("missing"));
}

#[test]
fn the_schemas_are_checked_in() {
    for (name, schema) in [("status", Status::schema()), ("plan", PlanDocument::schema())] {
        let text = serde_json::to_string_pretty(&schema).unwrap() + "\n";
        golden::check(&format!("schema/{name}.json"), &text);
    }
}
