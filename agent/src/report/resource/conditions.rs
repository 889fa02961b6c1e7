//! The short answers of a node. Pure.

use jiff::Timestamp;

use super::bound::cut;
use super::told::Told;
use super::types::{MESSAGE, NodeCondition, NodeConditionKind, NodeExtensionsStatus};
use crate::apply::Problem;
use crate::error::{Class, Reason};
use crate::owner::Owner;
use crate::report::{ConditionKind, Truth};

/// An answer before its time is known.
struct Answer {
    kind: NodeConditionKind,
    status: Truth,
    reason: String,
    message: String,
}

impl Answer {
    fn new(kind: NodeConditionKind, status: Truth, reason: &str, message: &str) -> Self {
        Self { kind, status, reason: reason.to_owned(), message: message.to_owned() }
    }
}

/// All answers, `Ready` first. One that stays what it was keeps its time.
pub(super) fn conditions(
    told: &Told,
    previous: Option<&NodeExtensionsStatus>,
    now: Timestamp,
) -> Vec<NodeCondition> {
    let before = |kind| previous.and_then(|previous| previous.condition(kind));
    let of_pass = told.status.conditions.iter().map(|condition| {
        let kind = match condition.kind {
            ConditionKind::Ready => NodeConditionKind::Ready,
            ConditionKind::Staged => NodeConditionKind::Staged,
        };
        Answer::new(kind, condition.status, &condition.reason, &condition.message)
    });
    let verified = payload_verified(told, before(NodeConditionKind::PayloadVerified));
    of_pass
        .chain([reboot_pending(told), degraded(told), verified])
        .map(|answer| NodeCondition {
            kind: answer.kind,
            status: answer.status,
            reason: answer.reason,
            message: cut(&answer.message, MESSAGE),
            last_transition_time: before(answer.kind)
                .filter(|before| before.status == answer.status)
                .map_or(now, |before| before.last_transition_time),
            observed_generation: None,
        })
        .collect()
}

/// Where the roll-out says what the reboot waits for, that is the reason.
fn reboot_pending(told: &Told) -> Answer {
    let kind = NodeConditionKind::RebootPending;
    let answer = |status, reason: &str, message: &str| Answer::new(kind, status, reason, message);
    if !told.status.reboot_pending {
        return answer(Truth::False, "NothingStaged", "no deployment of the agent waits for a reboot");
    }
    let Some(rollout) = &told.rollout else {
        return answer(Truth::True, "AwaitingAdmin", "reboot the node to finish");
    };
    if let Some(problem) = &rollout.problem {
        return answer(Truth::True, problem.reason.code(), &problem.message);
    }
    answer(Truth::True, rollout.step.as_str(), &rollout.message)
}

/// A node that only waits for something else to end is not degraded; its other answers say what it waits for.
fn degraded(told: &Told) -> Answer {
    let kind = NodeConditionKind::Degraded;
    let stuck = |problem: &&Problem| match problem.class {
        Class::Refuse | Class::Retry | Class::Bug => true,
        Class::Wait => false,
    };
    let of_rollout = told.rollout.as_ref().and_then(|rollout| rollout.problem.as_ref());
    match told.status.problem().filter(stuck).or(of_rollout.filter(stuck)) {
        Some(problem) => {
            let cure = problem.cure.as_ref().map(|cure| format!("; to cure it: {cure}")).unwrap_or_default();
            let message = format!("{}{cure}", problem.message);
            Answer::new(kind, Truth::True, problem.reason.code(), &message)
        }
        None => {
            Answer::new(kind, Truth::False, "AsExpected", "nothing is wrong that somebody would have to mend")
        }
    }
}

/// Nothing is layered before every byte of it was compared with the digest that pins the payload. Signatures are not
/// checked; the message does not say so. A pass that did not get as far says nothing new.
fn payload_verified(told: &Told, before: Option<&NodeCondition>) -> Answer {
    let kind = NodeConditionKind::PayloadVerified;
    let answer = |status, reason: &str, message: &str| Answer::new(kind, status, reason, message);
    if let Some(owner) = told.owner {
        return answer(Truth::Unknown, "NotOwned", observed(owner));
    }
    let layered = told.status.extensions.values().any(|extension| extension.staged || extension.booted);
    let digest = told.status.payload.as_ref().and_then(|payload| payload.digest);
    match (told.status.problem(), digest) {
        (Some(problem), _) if UNFIT.contains(&problem.reason) => {
            answer(Truth::False, problem.reason.code(), &problem.message)
        }
        (Some(problem), _) if NOT_HAD.contains(&problem.reason) => {
            answer(Truth::Unknown, problem.reason.code(), &problem.message)
        }
        (Some(_), _) => match before {
            Some(before) => answer(before.status, &before.reason, &before.message),
            None => answer(Truth::Unknown, "NotLookedAt", "the last pass did not get as far as the payload"),
        },
        (None, Some(digest)) if layered => {
            answer(Truth::True, "DigestMatches", &format!("what is layered was compared with {digest}"))
        }
        (None, _) => answer(Truth::Unknown, "NothingLayered", "nothing of a pinned payload is layered"),
    }
}

/// Reasons that say that the payload is not what it should be.
const UNFIT: &[Reason] = &[
    Reason::InconsistentPayload,
    Reason::CorruptPackage,
    Reason::DigestMismatch,
    Reason::InvalidImage,
    Reason::InvalidRelease,
    Reason::PayloadNotInRelease,
    Reason::ReleaseSkew,
];

/// Reasons that say that the payload could not be had.
const NOT_HAD: &[Reason] = &[Reason::NoPayload, Reason::InvalidReference, Reason::PayloadUnavailable];

const fn observed(owner: Owner) -> &'static str {
    match owner {
        Owner::MachineConfigDaemon => "the machine-config-daemon takes packages from the payload itself",
        Owner::ImageMode => "the operator builds extensions into the image of the node",
        Owner::Bootc => "the host is updated by bootc",
        Owner::Settings => "by its settings the agent only observes",
    }
}
