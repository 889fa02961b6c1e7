//! What is written on the Node object itself: that the agent owns its extensions and, where an operator waits for it, the
//! operator's own words. Pure.
//!
//! Decides: which annotations the Node should have, and which of them differ. Must not: write them, and in observe mode
//! not touch a word of the operator. Input: what was told after a pass, and what the Node has.

use std::collections::BTreeMap;

use super::Truth;
use super::resource::{NodeConditionKind, NodeExtensionsStatus, Told, cut};
use crate::cluster::{GROUP, MANAGER};
use crate::settings::Mode;

/// The prefix of the operator's annotations.
const OPERATOR: &str = "machineconfiguration.openshift.io";
/// Longest reason that the operator writes.
const REASON: usize = 2000;

/// Annotations; none for one that is to go.
pub type Annotations = BTreeMap<String, Option<String>>;

/// Says that the agent owns the extensions of the node.
pub fn owner_key() -> String {
    format!("{GROUP}/owner")
}

/// The annotations that this agent may write, to be looked at when the Node is read.
pub fn keys() -> [String; 4] {
    [owner_key(), operator("state"), operator("reason"), operator("currentConfig")]
}

/// What has to change on a Node that has `present`: nothing more, so that a Node that is as it should be is not written.
pub fn changes(
    told: &Told,
    status: &NodeExtensionsStatus,
    mode: Mode,
    present: &BTreeMap<String, String>,
) -> Annotations {
    let mut wanted = wanted(told, status, mode);
    wanted.retain(|key, value| present.get(key) != value.as_ref());
    wanted
}

fn wanted(told: &Told, status: &NodeExtensionsStatus, mode: Mode) -> Annotations {
    let owns = told.owner.is_none() && mode != Mode::Observe;
    let mut wanted = Annotations::from([(owner_key(), owns.then(|| MANAGER.to_owned()))]);
    let desired = told.node.as_ref().and_then(|node| node.desired_config.as_ref());
    // Only where the settings say that nobody else answers to the operator.
    if let (Some(desired), true, Mode::Own) = (desired, owns, mode) {
        let (state, reason) = standing(told, status, desired);
        wanted.insert(operator("state"), Some(state.to_owned()));
        wanted.insert(operator("reason"), Some(reason));
        if state == DONE {
            wanted.insert(operator("currentConfig"), Some(desired.clone()));
        }
    }
    wanted
}

const DONE: &str = "Done";

/// `Done` only when the running system was compared with this very config, after its boot.
fn standing(told: &Told, status: &NodeExtensionsStatus, desired: &str) -> (&'static str, String) {
    let is = |kind| status.condition(kind).filter(|condition| condition.status == Truth::True);
    if let Some(degraded) = is(NodeConditionKind::Degraded) {
        return ("Degraded", cut(&degraded.message, REASON));
    }
    let of_this_config = told.config.as_deref() == Some(desired);
    let ready = is(NodeConditionKind::Ready).is_some() && !status.reboot_pending;
    if of_this_config && ready { (DONE, String::new()) } else { ("Working", String::new()) }
}

fn operator(word: &str) -> String {
    format!("{OPERATOR}/{word}")
}

#[cfg(test)]
mod tests {
    use super::super::resource::build;
    use super::super::resource::tests::{at, booted, refused, staged};
    use super::*;
    use crate::desired::NodeView;
    use crate::error::Reason;
    use crate::owner::Owner;

    fn annotated(told: Told) -> Told {
        let node = NodeView { desired_config: Some("rendered-worker-1".to_owned()), ..NodeView::default() };
        Told { node: Some(node), ..told }
    }

    fn said(told: &Told, mode: Mode) -> Vec<String> {
        let status = build(told, None, at(1));
        let line = |(key, value): (String, Option<String>)| {
            format!("{}={}", key.rsplit('/').next().unwrap(), value.unwrap_or("(none)".to_owned()))
        };
        changes(told, &status, mode, &BTreeMap::from([(owner_key(), "x".to_owned())]))
            .into_iter()
            .map(line)
            .collect()
    }

    #[test]
    fn the_operator_is_told_done_only_when_this_config_was_found_booted() {
        let own = |told| said(&annotated(told), Mode::Own);
        let done = ["owner=extensions-agent", "currentConfig=rendered-worker-1", "reason=", "state=Done"];
        let working = ["owner=extensions-agent", "reason=", "state=Working"];
        assert_eq!(own(booted()), done);
        assert_eq!(own(staged()), working);
        assert_eq!(own(Told { config: Some("rendered-worker-0".to_owned()), ..booted() }), working);
        assert_eq!(own(Told { config: None, ..booted() }), working);
        let degraded = own(refused(Reason::InvalidImage));
        assert!(degraded[1].starts_with("reason=about InvalidImage") && degraded[2] == "state=Degraded");
    }

    #[test]
    fn a_reason_is_cut_as_the_operator_cuts_it() {
        let told = annotated(refused(Reason::InvalidImage));
        let mut status = build(&told, None, at(1));
        for condition in &mut status.conditions {
            condition.message = "é".repeat(3_000);
        }
        let changes = changes(&told, &status, Mode::Own, &BTreeMap::new());
        let reason = changes[&operator("reason")].as_ref().unwrap();
        assert_eq!(reason.chars().count(), REASON);
    }

    #[test]
    fn whoever_only_observes_writes_no_word_of_the_operator_and_takes_its_own_back() {
        for owner in [Owner::MachineConfigDaemon, Owner::ImageMode, Owner::Bootc, Owner::Settings] {
            let told = annotated(Told { owner: Some(owner), ..booted() });
            for mode in [Mode::Auto, Mode::Own, Mode::Observe] {
                assert_eq!(said(&told, mode), ["owner=(none)"], "{owner:?} {mode:?}");
            }
        }
        assert_eq!(said(&annotated(booted()), Mode::Observe), ["owner=(none)"]);
        assert_eq!(said(&annotated(booted()), Mode::Auto), ["owner=extensions-agent"]);
    }

    #[test]
    fn a_node_that_has_it_all_is_not_written() {
        let told = annotated(booted());
        let status = build(&told, None, at(1));
        let all = wanted(&told, &status, Mode::Own);
        let present = all.into_iter().filter_map(|(key, value)| Some((key, value?))).collect();
        assert_eq!(changes(&told, &status, Mode::Own, &present), Annotations::new());
    }
}
