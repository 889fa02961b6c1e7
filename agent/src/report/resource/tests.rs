//! What the cluster sees of a node: whole values, times, bounds.

use jiff::Timestamp;

use super::bound;
use super::types::{EXTENSIONS, MESSAGE, NodeConditionKind};
use super::{NodeExtensionsStatus, Told, build, same};
use crate::apply::{PassOutcome, PassReport, Problem, Timings};
use crate::desired::{Desired, KernelType, NodeView, PoolView};
use crate::error::{Class, Reason};
use crate::host::Observed;
use crate::report::{Stage, Status, Truth};
use crate::rollout::{RolloutStatus, RolloutStep};
use crate::sample::{deployment, state};

pub(crate) fn at(minute: u8) -> Timestamp {
    format!("2026-11-21T12:{minute:02}:00Z").parse().unwrap()
}

pub(crate) fn problem(reason: Reason) -> Problem {
    let message = format!("about {}", reason.code());
    Problem { reason, class: reason.class(), message, cure: reason.cure().map(str::to_owned) }
}

/// What is told after a pass that ended so, with usbguard (desired, staged, booted).
pub(crate) fn told(outcome: PassOutcome, (desired, staged, booted): (bool, bool, bool)) -> Told {
    let wish = Desired {
        rendered: None,
        os_image: None,
        extensions: Default::default(),
        kernel_type: KernelType::Default,
        kernel_type_from: None,
        payload: Some(format!("registry.example/extensions@sha256:{}", "a".repeat(64))),
        payload_from: Some("80-x".to_owned()),
    };
    let reboot_pending = matches!(outcome, PassOutcome::Staged { .. } | PassOutcome::AwaitingReboot { .. });
    let mut deployments = vec![deployment("fedora-coreos-0123456789abcdef0123.0", true, &[])];
    if reboot_pending {
        deployments.insert(0, deployment("fedora-coreos-fedcba98765432100123.0", false, &[]));
    }
    let status = Status::of(&PassReport {
        at: at(0),
        outcome,
        calls: 0,
        extensions: [("usbguard".parse().unwrap(), state(desired, staged, booted))].into(),
        reboot_pending,
        desired: Some(wish),
        payload: None,
        plan: None,
        observed: Some(Observed { deployments, transaction: None, arch: "x86_64".to_owned() }),
        timings: Timings::default(),
        owner: None,
        source_problem: None,
    });
    Told { status, config: Some("rendered-worker-1".to_owned()), node: None, rollout: None, owner: None }
}

pub(crate) fn booted() -> Told {
    told(PassOutcome::Booted { deployment: "x".to_owned() }, (true, true, true))
}

pub(crate) fn staged() -> Told {
    told(PassOutcome::Staged { deployment: "x".to_owned() }, (true, true, false))
}

pub(crate) fn refused(reason: Reason) -> Told {
    told(PassOutcome::NotDone { problem: problem(reason) }, (true, false, false))
}

pub(crate) fn at_step(step: RolloutStep, problem: Option<Problem>) -> RolloutStatus {
    RolloutStatus {
        strategy: "cluster".to_owned(),
        step,
        pool: Some("worker".to_owned()),
        since: at(3),
        message: "waits for node-b".to_owned(),
        problem,
    }
}

fn answers(status: &NodeExtensionsStatus) -> Vec<(NodeConditionKind, Truth, &str)> {
    status.conditions.iter().map(|found| (found.kind, found.status, found.reason.as_str())).collect()
}

#[test]
fn a_booted_node_is_ready_and_says_what_from() {
    use NodeConditionKind::*;
    let status = build(&booted(), None, at(1));
    let expected = [
        (Ready, Truth::True, "Booted"),
        (Staged, Truth::True, "Booted"),
        (RebootPending, Truth::False, "NothingStaged"),
        (Degraded, Truth::False, "AsExpected"),
        (PayloadVerified, Truth::True, "DigestMatches"),
    ];
    assert_eq!(answers(&status), expected);
    assert_eq!(status.observed_config.as_deref(), Some("rendered-worker-1"));
    assert_eq!(status.booted.as_deref(), Some("fedora-coreos-0123456789ab.0"));
    assert_eq!((status.arch.as_deref(), status.base_version.as_deref()), (Some("x86_64"), Some("39")));
    assert_eq!((status.summary.desired.as_str(), status.summary.booted.as_str()), ("usbguard", "usbguard"));
    let usbguard = &status.extensions[0];
    assert_eq!(
        (usbguard.stage, &usbguard.packages[..]),
        (Stage::Active, &["usbguard-1.0-1.x86_64".to_owned()][..])
    );
}

#[test]
fn a_reboot_that_waits_says_what_for() {
    let cases = [
        (None, "AwaitingAdmin"),
        (Some(at_step(RolloutStep::AwaitingSlot, None)), "AwaitingSlot"),
        (Some(at_step(RolloutStep::Draining, Some(problem(Reason::DrainBlocked)))), "DrainBlocked"),
    ];
    for (rollout, reason) in cases {
        let status = build(&Told { rollout, ..staged() }, None, at(1));
        let pending = status.condition(NodeConditionKind::RebootPending).unwrap();
        assert_eq!((pending.status, pending.reason.as_str()), (Truth::True, reason));
        assert_eq!(status.condition(NodeConditionKind::Degraded).unwrap().status, Truth::False, "{reason}");
    }
}

#[test]
fn a_node_is_degraded_when_somebody_has_to_mend_something_and_not_while_it_waits() {
    for reason in Reason::ALL {
        let status = build(&refused(*reason), None, at(1));
        let degraded = status.condition(NodeConditionKind::Degraded).unwrap();
        let expected = if reason.class() == Class::Wait { Truth::False } else { Truth::True };
        assert_eq!(degraded.status, expected, "{reason:?}");
        assert_eq!(status.extensions[0].reason.as_deref(), Some(reason.code()));
    }
}

#[test]
fn a_payload_is_doubted_for_what_is_wrong_with_it_and_for_nothing_else() {
    let verified = |told: &Told, previous: Option<&NodeExtensionsStatus>| {
        let status = build(told, previous, at(2));
        status.condition(NodeConditionKind::PayloadVerified).unwrap().status
    };
    let before = build(&booted(), None, at(1));
    assert_eq!(verified(&refused(Reason::DigestMismatch), Some(&before)), Truth::False);
    assert_eq!(verified(&refused(Reason::PayloadUnavailable), Some(&before)), Truth::Unknown);
    assert_eq!(verified(&refused(Reason::TransactionInProgress), Some(&before)), Truth::True);
    assert_eq!(verified(&refused(Reason::TransactionInProgress), None), Truth::Unknown);
}

#[test]
fn the_time_of_an_answer_moves_only_with_the_answer() {
    let first = build(&booted(), None, at(1));
    let again = build(&booted(), Some(&first), at(2));
    assert_eq!(again, NodeExtensionsStatus { revision: 2, ..first });
    let other = build(&staged(), Some(&again), at(3));
    let times: Vec<Timestamp> = other.conditions.iter().map(|found| found.last_transition_time).collect();
    assert_eq!(times, [at(3), at(1), at(3), at(1), at(1)], "Ready and RebootPending changed");
    assert!(!same(&again, &other));
}

#[test]
fn what_was_seen_of_an_image_holds_until_another_is_named() {
    let version = |status: &NodeExtensionsStatus| status.payload.as_ref().unwrap().version.clone();
    let mut looked = staged();
    looked.status.payload.as_mut().unwrap().version = Some("418.94".to_owned());
    let looked = build(&looked, None, at(1));
    assert_eq!(version(&build(&booted(), Some(&looked), at(2))).as_deref(), Some("418.94"));
    let mut other = booted();
    other.status.payload.as_mut().unwrap().reference = "dir:/other".to_owned();
    assert_eq!(version(&build(&other, Some(&looked), at(2))), None);
}

#[test]
fn times_alone_are_no_news() {
    let told = |minute| {
        let rollout = RolloutStatus { since: at(minute), ..at_step(RolloutStep::AwaitingSlot, None) };
        build(&Told { rollout: Some(rollout), ..staged() }, None, at(minute))
    };
    assert!(same(&told(1), &told(2)) && told(1) != told(2));
    let counted = NodeExtensionsStatus { revision: 7, ..told(1) }.for_generation(Some(1));
    assert!(same(&counted, &told(1)), "nor is how often it changed");
}

#[test]
fn the_pool_is_that_of_the_node_and_a_wish_without_a_rendered_config_is_named_by_its_digest() {
    let pool = PoolView { name: "infra".to_owned(), ..PoolView::default() };
    let node = Some(NodeView { pool: Some(pool), ..NodeView::default() });
    let rollout = Some(at_step(RolloutStep::Idle, None));
    let status = build(&Told { node, rollout, config: None, ..booted() }, None, at(1));
    assert_eq!(status.pool.as_deref(), Some("infra"));
    assert!(status.observed_config.unwrap().starts_with("sha256:"));
}

#[test]
fn the_object_stays_small_whatever_is_told() {
    let mut told = refused(Reason::UnmetRequirement);
    let (_, mut extension) = told.status.extensions.pop_first().unwrap();
    for problem in &mut extension.problems {
        problem.message = "\u{1b}[2Jé\n".repeat(4_000);
        problem.cure = Some("é".repeat(4_000));
    }
    extension.packages = (0..300)
        .map(|number| format!("package-{number}{}-1.0-1.x86_64", "x".repeat(150)).parse().unwrap())
        .collect();
    for number in 0..300 {
        told.status.extensions.insert(format!("e{number}").parse().unwrap(), extension.clone());
    }
    let status = build(&told, None, at(1));
    assert!(status.shortened && status.extensions.len() == EXTENSIONS);
    assert!(serde_json::to_vec(&status).unwrap().len() <= bound::BYTES);
    let texts = status.conditions.iter().map(|condition| &condition.message);
    assert!(texts.clone().all(|text| text.chars().count() <= MESSAGE));
    assert!(!serde_json::to_string(&status).unwrap().contains("\\u001b"));
    assert!(status.extensions.iter().all(|extension| extension.message.is_some()), "the reason is kept");
}

#[test]
fn a_status_is_read_back_as_it_was_written() {
    for told in [booted(), staged(), refused(Reason::UnknownExtension)] {
        let rollout = Some(at_step(RolloutStep::AwaitingSlot, None));
        let status = build(&Told { rollout, ..told }, None, at(1));
        let text = serde_json::to_string(&status).unwrap();
        assert_eq!(serde_json::from_str::<NodeExtensionsStatus>(&text).unwrap(), status);
    }
}
