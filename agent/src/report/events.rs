//! Which Events a change is worth: one for each thing that happened, with a name that is the same however often it is
//! told. Pure.
//!
//! Decides: what happened between two statuses. Must not: write it. Input: the status that the cluster has, and the one
//! that follows it.

use extensions_manifest::Sha256Digest;

use super::Truth;
use super::resource::{NodeConditionKind, NodeExtension, NodeExtensionsStatus, cut};
use crate::owner::Owner;
use crate::rollout::RolloutStep;

/// Longest name of an object.
const NAME: usize = 253;
/// Digits of the digest in a name.
const DIGITS: usize = 20;
/// Longest note of an Event; the API server counts bytes.
const NOTE_BYTES: usize = 1024;

/// Something that happened to the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFact {
    /// The name of the Event: the same for the same change, another for every other.
    pub name: String,
    /// Whether somebody should look at it.
    pub warning: bool,
    /// What it is, in one word: a reason of the agent, a step of the roll-out, or one of those below.
    pub reason: String,
    /// In words.
    pub note: String,
}

/// Whose Events they are.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The name of the Node.
    pub node: &'a str,
    /// The uid of the `NodeExtensions`: another object tells another story.
    pub uid: &'a str,
}

/// What happened between `previous` and `next`. A node that is seen for the first time has not just booted what it runs;
/// only what waits or is wrong is told of it.
pub fn events(
    subject: Subject<'_>,
    previous: Option<&NodeExtensionsStatus>,
    next: &NodeExtensionsStatus,
) -> Vec<EventFact> {
    let told = [
        owner(previous, next),
        degraded(previous, next),
        staged(previous, next),
        rollout(previous, next),
        previous.and_then(|previous| booted(previous, next)),
        previous.and_then(|previous| removed(previous, next)),
    ];
    let revision = previous.map_or(0, |previous| previous.revision);
    told.into_iter()
        .flatten()
        .map(|(warning, reason, note)| EventFact {
            name: name(subject, revision, &reason),
            warning,
            reason,
            note: short(&note),
        })
        .collect()
}

type Fact = (bool, String, String);

fn answer(status: Option<&NodeExtensionsStatus>, kind: NodeConditionKind) -> Option<(Truth, &str, &str)> {
    let found = status?.condition(kind)?;
    Some((found.status, &found.reason, &found.message))
}

/// `Refused` and failed passes, by their own reason; and that it is over.
fn degraded(previous: Option<&NodeExtensionsStatus>, next: &NodeExtensionsStatus) -> Option<Fact> {
    let before = answer(previous, NodeConditionKind::Degraded);
    let was = before.filter(|(status, ..)| *status == Truth::True).map(|(_, reason, _)| reason);
    match answer(Some(next), NodeConditionKind::Degraded)? {
        (Truth::True, reason, message) if was != Some(reason) => {
            Some((true, reason.to_owned(), message.to_owned()))
        }
        (Truth::False, ..) => was.map(|was| (false, "Recovered".to_owned(), format!("no longer {was}"))),
        (Truth::True | Truth::Unknown, ..) => None,
    }
}

fn staged(previous: Option<&NodeExtensionsStatus>, next: &NodeExtensionsStatus) -> Option<Fact> {
    let before =
        previous.filter(|previous| previous.reboot_pending).and_then(|previous| previous.next.as_ref());
    let deployment = next.next.as_ref().filter(|deployment| Some(*deployment) != before)?;
    let note = format!("{} in {deployment}: the next boot brings it", next.summary.staged);
    next.reboot_pending.then(|| (false, "Staged".to_owned(), note))
}

/// Each step on the way to the reboot, and what holds it up.
fn rollout(previous: Option<&NodeExtensionsStatus>, next: &NodeExtensionsStatus) -> Option<Fact> {
    let rollout = next.rollout.as_ref()?;
    let waits = |status: Option<&NodeExtensionsStatus>| {
        let (truth, reason, _) = answer(status, NodeConditionKind::RebootPending)?;
        (truth == Truth::True).then(|| reason.to_owned())
    };
    let before = previous.and_then(|previous| previous.rollout.as_ref()).map(|rollout| rollout.step);
    let pending = waits(Some(next));
    if before == Some(rollout.step) && waits(previous) == pending {
        return None;
    }
    let word = rollout.step.as_str();
    match pending.filter(|reason| reason != word) {
        Some(held) => {
            let (_, _, message) = answer(Some(next), NodeConditionKind::RebootPending)?;
            Some((true, held, format!("{word}: {message}")))
        }
        None => match rollout.step {
            RolloutStep::Idle => None,
            RolloutStep::AwaitingAdmin
            | RolloutStep::AwaitingWindow
            | RolloutStep::AwaitingSlot
            | RolloutStep::Draining
            | RolloutStep::Rebooting
            | RolloutStep::Confirming => Some((false, word.to_owned(), rollout.message.clone())),
        },
    }
}

fn booted(previous: &NodeExtensionsStatus, next: &NodeExtensionsStatus) -> Option<Fact> {
    let ready = |status| answer(Some(status), NodeConditionKind::Ready).map(|(status, ..)| status);
    let arrived = ready(previous) != Some(Truth::True) && ready(next) == Some(Truth::True);
    let other = previous.booted != next.booted || previous.summary.booted != next.summary.booted;
    let note = format!("runs {}", next.summary.booted);
    (arrived && other).then(|| (false, "Booted".to_owned(), note))
}

fn removed(previous: &NodeExtensionsStatus, next: &NodeExtensionsStatus) -> Option<Fact> {
    let runs = |status: &NodeExtensionsStatus, name: &str| {
        status.extensions.iter().any(|extension| extension.name == name && extension.booted)
    };
    let wanted =
        |name: &str| next.extensions.iter().any(|found: &NodeExtension| found.name == name && found.desired);
    // A list that was shortened does not say what is gone, and neither does a host that could not be asked.
    if next.shortened || next.booted.is_none() {
        return None;
    }
    let gone: Vec<&str> = previous
        .extensions
        .iter()
        .map(|extension| extension.name.as_str())
        .filter(|name| runs(previous, name) && !runs(next, name) && !wanted(name))
        .collect();
    (!gone.is_empty()).then(|| (false, "Removed".to_owned(), format!("no longer runs {}", gone.join(","))))
}

fn owner(previous: Option<&NodeExtensionsStatus>, next: &NodeExtensionsStatus) -> Option<Fact> {
    let before = previous.and_then(|previous| previous.owner);
    let note = |owner| match owner {
        Owner::MachineConfigDaemon => "the machine-config-daemon owns the extensions of this node",
        Owner::ImageMode => "the operator builds extensions into the image of this node",
        Owner::Bootc => "this host is updated by bootc",
        Owner::Settings => "the settings of the agent say so",
    };
    match (before, next.owner) {
        (_, Some(owner)) if before != Some(owner) => {
            Some((false, "Observing".to_owned(), format!("nothing is changed: {}", note(owner))))
        }
        (Some(_), None) => Some((false, "Owning".to_owned(), "the agent owns the extensions".to_owned())),
        (Some(_) | None, Some(_) | None) => None,
    }
}

/// `node.digest`. The revision that the change started from tells it from the same change at another time.
fn name(subject: Subject<'_>, revision: i64, reason: &str) -> String {
    let Subject { node, uid } = subject;
    let digest = Sha256Digest::of(format!("{uid}\n{revision}\n{reason}").as_bytes()).to_string();
    let digits: String = digest.trim_start_matches("sha256:").chars().take(DIGITS).collect();
    let front: String = node.chars().take(NAME - DIGITS - 1).collect();
    format!("{}.{digits}", front.trim_end_matches(['.', '-']))
}

fn short(note: &str) -> String {
    let mut note = cut(note, NOTE_BYTES);
    while note.len() > NOTE_BYTES {
        note.pop();
    }
    note
}

#[cfg(test)]
mod tests {
    use super::super::resource::tests::{at, at_step, booted, problem, refused, staged, told};
    use super::super::resource::{Told, build};
    use super::*;
    use crate::apply::PassOutcome;
    use crate::error::Reason;

    const NODE: Subject<'static> = Subject { node: "node-a", uid: "1" };

    fn reasons(previous: Option<&NodeExtensionsStatus>, next: &NodeExtensionsStatus) -> Vec<String> {
        let fact = |event: EventFact| format!("{}{}", if event.warning { "!" } else { "" }, event.reason);
        events(NODE, previous, next).into_iter().map(fact).collect()
    }

    /// What is told along a way, one line a step.
    fn along(way: &[Told]) -> Vec<String> {
        let mut previous = None;
        let mut lines = Vec::new();
        for told in way {
            let next = build(told, previous.as_ref(), at(1));
            lines.push(reasons(previous.as_ref(), &next).join(" "));
            previous = Some(next);
        }
        lines
    }

    fn stepping(step: RolloutStep, held: Option<Reason>) -> Told {
        Told { rollout: Some(at_step(step, held.map(problem))), ..staged() }
    }

    #[test]
    fn a_rollout_is_told_step_by_step_and_once_each() {
        let nothing = || told(PassOutcome::Planned, (true, false, false));
        let way = [
            nothing(),
            stepping(RolloutStep::AwaitingSlot, None),
            stepping(RolloutStep::AwaitingSlot, None),
            stepping(RolloutStep::Draining, None),
            stepping(RolloutStep::Draining, Some(Reason::DrainBlocked)),
            stepping(RolloutStep::Draining, Some(Reason::DrainBlocked)),
            stepping(RolloutStep::Rebooting, None),
            Told { rollout: Some(at_step(RolloutStep::Confirming, None)), ..booted() },
            Told { rollout: Some(at_step(RolloutStep::Idle, None)), ..booted() },
        ];
        let expected = [
            "",
            "Staged AwaitingSlot",
            "",
            "Draining",
            "!DrainBlocked",
            "",
            "Rebooting",
            "Confirming Booted",
            "",
        ];
        assert_eq!(along(&way), expected);
    }

    #[test]
    fn a_refusal_is_told_once_and_so_is_its_end() {
        let way = [
            booted(),
            refused(Reason::UnknownExtension),
            refused(Reason::UnknownExtension),
            refused(Reason::UnmetRequirement),
            refused(Reason::TransactionInProgress),
        ];
        assert_eq!(along(&way), ["", "!UnknownExtension", "", "!UnmetRequirement", "Recovered"]);
    }

    #[test]
    fn what_is_gone_is_told_and_a_host_that_cannot_be_asked_is_no_removal() {
        let gone = told(PassOutcome::Booted { deployment: "x".to_owned() }, (false, false, false));
        assert_eq!(along(&[booted(), gone]), ["", "Removed"]);
        let mut blind = booted();
        blind.status.booted = None;
        blind.status.extensions.clear();
        assert_eq!(along(&[booted(), blind]), ["", ""]);
    }

    #[test]
    fn a_node_that_is_first_seen_tells_what_waits_or_is_wrong_only() {
        assert_eq!(along(&[booted()]), [""]);
        assert_eq!(along(&[staged()]), ["Staged"]);
        assert_eq!(along(&[refused(Reason::NoPayload)]), ["!NoPayload"]);
        assert_eq!(along(&[Told { owner: Some(Owner::Bootc), ..booted() }]), ["Observing"]);
    }

    #[test]
    fn the_same_change_has_the_same_name_and_the_same_change_later_another() {
        let name = |subject, previous: &NodeExtensionsStatus, next| {
            events(subject, Some(previous), next).into_iter().map(|event| event.name).collect::<Vec<_>>()
        };
        let first = build(&booted(), None, at(1));
        let bad = build(&refused(Reason::NoPayload), Some(&first), at(2));
        let later = build(&refused(Reason::NoPayload), Some(&first), at(9));
        assert_eq!(name(NODE, &first, &bad), name(NODE, &first, &later), "a restart, at another time");
        let good = build(&booted(), Some(&bad), at(3));
        let again = build(&refused(Reason::NoPayload), Some(&good), at(4));
        assert_ne!(name(NODE, &first, &bad), name(NODE, &good, &again));
        assert_ne!(name(NODE, &first, &bad), name(Subject { uid: "2", ..NODE }, &first, &bad));
    }

    #[test]
    fn names_and_notes_fit() {
        let node = format!("{}.example", "n".repeat(245));
        let mut told = refused(Reason::NoPayload);
        if let PassOutcome::NotDone { problem } = &mut told.status.last_pass.outcome {
            problem.message = "é".repeat(5_000);
        }
        let next = build(&told, None, at(1));
        let events = events(Subject { node: &node, uid: "1" }, None, &next);
        assert!(events.iter().all(|event| event.name.len() <= NAME && event.note.len() <= NOTE_BYTES));
        assert!(!events.is_empty());
    }
}
