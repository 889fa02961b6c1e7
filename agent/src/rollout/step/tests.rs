//! Every position, every turn of events: tables, and whole stories told with the decisions alone.

use super::*;
use crate::apply::Problem;
use crate::rollout::RolloutError;
use crate::rollout::memory::Slot;

fn at(minute: i64) -> Timestamp {
    Timestamp::from_second(1_795_600_000 + minute * 60).unwrap()
}

fn waits() -> Aim {
    Aim::Waits { deployment: "new".to_owned(), ours: true }
}

fn facts(strategy: Strategy) -> Facts {
    Facts {
        strategy,
        aim: waits(),
        booted: Some("old".to_owned()),
        next: Some("new".to_owned()),
        paused: false,
        opens: None,
        drain_limit: Duration::from_secs(3600),
        reboot_limit: Duration::from_secs(900),
        now: at(0),
    }
}

fn slot(kind: SlotKind, granted: bool) -> Option<Slot> {
    Some(Slot { kind, pool: "worker".to_owned(), granted })
}

/// In the midst of a drain that began at minute 0.
fn draining() -> Memory {
    Memory {
        slot: slot(SlotKind::Lease, true),
        cordoned: true,
        draining_since: Some(at(0)),
        ..Memory::default()
    }
}

/// After the reboot was asked for at minute 0, with everything that a drain holds.
fn rebooting() -> Memory {
    let reboot = Reboot { into: "new".to_owned(), from: "old".to_owned(), at: at(0) };
    Memory { reboot: Some(reboot), ..draining() }
}

fn finalize() -> Action {
    Action::Finalize { deployment: "new".to_owned() }
}

fn drain() -> Action {
    Action::Drain { deployment: "new".to_owned() }
}

const STRATEGIES: [Strategy; 5] =
    [Strategy::None, Strategy::Immediate, Strategy::Window, Strategy::FleetLock, Strategy::Cluster];

#[test]
fn each_strategy_begins_in_its_own_way() {
    let expected = [
        Action::Rest(Rest::Admin),
        finalize(),
        finalize(),
        Action::AskSlot(SlotKind::FleetLock),
        Action::AskSlot(SlotKind::Lease),
    ];
    for (strategy, expected) in STRATEGIES.into_iter().zip(expected) {
        assert_eq!(next(&facts(strategy), &Memory::default()), expected, "{strategy:?}");
    }
    let closed = Facts { opens: Some(at(7)), ..facts(Strategy::Window) };
    assert_eq!(next(&closed, &Memory::default()), Action::Rest(Rest::Window { opens: at(7) }));
}

#[test]
fn without_a_reason_to_reboot_no_strategy_does_anything() {
    for strategy in STRATEGIES {
        for (aim, rest) in [
            (Aim::Settled, Rest::Idle),
            (Aim::Unknown, Rest::Idle),
            (Aim::Waits { deployment: "new".to_owned(), ours: false }, Rest::NotOurs),
        ] {
            let facts = Facts { aim, ..facts(strategy) };
            assert_eq!(next(&facts, &Memory::default()), Action::Rest(rest), "{facts:?}");
        }
    }
}

#[test]
fn in_a_cluster_the_slot_comes_before_the_cordon_and_the_drain_before_the_reboot() {
    let facts = facts(Strategy::Cluster);
    let asked = Memory { slot: slot(SlotKind::Lease, false), ..Memory::default() };
    assert_eq!(next(&facts, &asked), Action::AskSlot(SlotKind::Lease));
    let granted = Memory { slot: slot(SlotKind::Lease, true), ..Memory::default() };
    assert_eq!(next(&facts, &granted), Action::Cordon);
    assert_eq!(next(&facts, &draining()), drain());
}

#[test]
fn a_drain_that_takes_too_long_gives_everything_back_and_waits() {
    let facts = Facts { now: at(60), ..facts(Strategy::Cluster) };
    assert_eq!(next(&Facts { now: at(59), ..facts.clone() }, &draining()), drain());
    assert_eq!(next(&facts, &draining()), Action::GiveUp);
    assert_eq!(next(&Facts { aim: Aim::Unknown, ..facts.clone() }, &draining()), Action::GiveUp);
    let mut memory = Memory { not_before: Some(at(70)), draining_since: None, ..draining() };
    assert_eq!(next(&facts, &memory), Action::Uncordon);
    memory.cordoned = false;
    assert_eq!(next(&facts, &memory), Action::GiveBack);
    memory.slot = None;
    assert_eq!(next(&facts, &memory), Action::Rest(Rest::BackingOff { until: at(70) }));
    assert_eq!(next(&Facts { now: at(70), ..facts }, &memory), Action::AskSlot(SlotKind::Lease));
}

#[test]
fn a_slot_that_was_lost_lets_pods_come_again_before_another_is_asked_for() {
    let lost = Memory { slot: slot(SlotKind::Lease, false), ..draining() };
    assert_eq!(next(&facts(Strategy::Cluster), &lost), Action::Uncordon);
}

#[test]
fn a_paused_pool_asks_for_no_new_slot_and_finishes_what_it_began() {
    let paused = Facts { paused: true, ..facts(Strategy::Cluster) };
    assert_eq!(next(&paused, &Memory::default()), Action::Rest(Rest::Paused));
    let asked = Memory { slot: slot(SlotKind::Lease, false), ..Memory::default() };
    assert_eq!(next(&paused, &asked), Action::GiveBack);
    assert_eq!(next(&paused, &draining()), drain());
}

#[test]
fn when_nothing_waits_any_more_or_the_strategy_is_another_all_is_given_back_in_order() {
    let changed = [
        Facts { aim: Aim::Settled, ..facts(Strategy::Cluster) },
        Facts { aim: Aim::Waits { deployment: "new".to_owned(), ours: false }, ..facts(Strategy::Cluster) },
        facts(Strategy::None),
        facts(Strategy::Immediate),
        facts(Strategy::Window),
        facts(Strategy::FleetLock),
    ];
    for facts in changed {
        let mut memory = draining();
        assert_eq!(next(&facts, &memory), Action::Uncordon, "{facts:?}");
        memory.cordoned = false;
        assert_eq!(next(&facts, &memory), Action::GiveBack, "{facts:?}");
    }
}

#[test]
fn one_pass_that_failed_changes_nothing_that_is_held() {
    let facts = Facts { aim: Aim::Unknown, ..facts(Strategy::Cluster) };
    assert_eq!(next(&facts, &draining()), Action::Rest(Rest::Holding));
}

#[test]
fn what_is_booted_says_whether_the_reboot_came() {
    let host = |booted: Option<&str>, next: Option<&str>, aim: Aim, minute: i64| Facts {
        booted: booted.map(str::to_owned),
        next: next.map(str::to_owned),
        aim,
        now: at(minute),
        ..facts(Strategy::Cluster)
    };
    let (new, old, other) = (Some("new"), Some("old"), Some("other"));
    for (facts, expected) in [
        (host(old, new, waits(), 1), Action::Rest(Rest::Rebooting)),
        (host(old, new, Aim::Unknown, 1), Action::Rest(Rest::Rebooting)),
        (host(None, None, Aim::Unknown, 99), Action::Rest(Rest::Rebooting)),
        (host(old, new, waits(), 15), Action::AskAgain),
        (host(new, new, Aim::Settled, 1), Action::CameUp),
        (host(new, new, Aim::Unknown, 1), Action::Rest(Rest::Confirming)),
        (host(new, new, Aim::Unknown, 15), Action::CameUp),
        (host(old, old, waits(), 1), Action::CameUpOld),
        (host(old, other, waits(), 1), Action::CameUpOld),
        (host(other, other, Aim::Unknown, 1), Action::CameUp),
        // A clock that was set back makes nothing late.
        (host(old, new, waits(), -999), Action::Rest(Rest::Rebooting)),
    ] {
        assert_eq!(next(&facts, &rebooting()), expected, "{facts:?}");
    }
}

#[test]
fn after_a_reboot_that_came_up_in_the_old_deployment_nothing_stays_held() {
    let failed = RolloutError::CameUpOld { into: "new".to_owned(), from: "old".to_owned() };
    let mut memory = Memory {
        failed: Some(Problem::of(&failed)),
        not_before: Some(at(5)),
        draining_since: None,
        ..draining()
    };
    // The pass has staged it again in the meantime.
    let facts = Facts { next: Some("new.1".to_owned()), ..facts(Strategy::Cluster) };
    assert_eq!(next(&facts, &memory), Action::Uncordon);
    memory.cordoned = false;
    assert_eq!(next(&facts, &memory), Action::GiveBack);
    memory.slot = None;
    assert_eq!(next(&facts, &memory), Action::Rest(Rest::BackingOff { until: at(5) }));
}

/// From every position a few decisions lead to rest or to something that takes time; none goes round in a circle.
#[test]
fn no_position_goes_round_in_a_circle() {
    let memories =
        [Memory::default(), draining(), rebooting(), Memory { cordoned: true, ..Memory::default() }];
    let aims = [Aim::Unknown, Aim::Settled, waits()];
    for (memory, aim, strategy, minute) in memories.iter().flat_map(|memory| {
        aims.iter().flat_map(move |aim| {
            STRATEGIES
                .iter()
                .flat_map(move |strategy| [0, 30, 90].map(|minute| (memory, aim, strategy, minute)))
        })
    }) {
        let facts = Facts { aim: aim.clone(), now: at(minute), ..facts(*strategy) };
        let mut memory = memory.clone();
        let ended = (0..12).any(|_| {
            let action = next(&facts, &memory);
            !done(&mut memory, &action, at(minute))
        });
        assert!(ended, "{facts:?} {memory:?}");
    }
}

/// What an action that works leaves in the memory; false when the decision is to wait.
fn done(memory: &mut Memory, action: &Action, now: Timestamp) -> bool {
    match action {
        Action::Rest(_) | Action::Finalize { .. } | Action::Drain { .. } => return false,
        Action::AskSlot(kind) => memory.slot = slot(*kind, true),
        Action::Cordon => (memory.cordoned, memory.draining_since) = (true, Some(now)),
        Action::GiveUp => {
            memory.draining_since = None;
            memory.not_before = now.checked_add(jiff::SignedDuration::from_secs(60)).ok();
        }
        Action::AskAgain | Action::CameUp | Action::CameUpOld => {
            memory.reboot = None;
            memory.draining_since = None;
        }
        Action::Uncordon => (memory.cordoned, memory.draining_since) = (false, None),
        Action::GiveBack => memory.slot = None,
    }
    true
}
