//! Which reboot slot of a pool may be taken. Pure.
//!
//! Decides: from the leases of a pool, and from how long each was seen unchanged, which one this node may write. Must not:
//! write. Every slot is one Lease, written by compare-and-swap, so two nodes that decide the same at once get one slot.
//!
//! Whether a holder is still alive is judged by our own clock: a Lease whose content we saw unchanged for as long as it says
//! itself is free. The times in it are never compared with ours, so the clocks of nodes need not agree.

use std::collections::BTreeMap;
use std::time::Duration;

/// One Lease of the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseView {
    /// Its name.
    pub name: String,
    /// Which slot of the pool it is.
    pub slot: u64,
    /// The node that holds it.
    pub holder: Option<String>,
    /// For how long, after its last renewal.
    pub duration: Duration,
    /// Changes with each write.
    pub version: String,
}

/// Since when each Lease is unchanged, by our own monotonic clock. It lives as long as the process: after a restart every
/// holder is given its whole time again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sightings(BTreeMap<String, (String, Duration)>);

impl Sightings {
    /// Notes what was seen at `now`; what was not seen is forgotten.
    pub fn note(&mut self, leases: &[LeaseView], now: Duration) {
        let seen = |lease: &LeaseView| {
            let before = self.0.get(&lease.name).filter(|(version, _)| *version == lease.version);
            let since = before.map_or(now, |(_, since)| *since);
            (lease.name.clone(), (lease.version.clone(), since))
        };
        self.0 = leases.iter().map(seen).collect();
    }

    /// Whether nobody holds `lease` any more: it was given back, or its holder gave no sign for as long as it says.
    fn is_free(&self, lease: &LeaseView, now: Duration) -> bool {
        let silent = self.0.get(&lease.name).is_some_and(|(version, since)| {
            *version == lease.version && now.saturating_sub(*since) >= lease.duration
        });
        lease.holder.is_none() || silent
    }
}

/// What this node may do about a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// It holds this one already.
    Mine(LeaseView),
    /// It may take this one over, if it is still as it was seen.
    Take(LeaseView),
    /// It may make this one, if nobody else does first.
    Create(u64),
    /// Others hold as many as there may be.
    Full {
        /// They.
        holders: Vec<String>,
    },
}

/// Which slot `me` may take when `allowed` nodes of the pool may be away at once.
///
/// Only slots below a cut are taken, and the cut is where what lies below it and what is held above it come to `allowed`
/// together. Normally that is `allowed` itself; after the bound was lowered it is less, for as long as a slot above is
/// held. So the bound holds however many nodes decide at the same moment.
pub fn choose(leases: &[LeaseView], seen: &Sightings, now: Duration, me: &str, allowed: u64) -> Choice {
    if let Some(mine) = leases.iter().find(|lease| lease.holder.as_deref() == Some(me)) {
        return Choice::Mine(mine.clone());
    }
    let held = |lease: &&LeaseView| !seen.is_free(lease, now);
    let held_from = |cut: u64| leases.iter().filter(held).filter(|lease| lease.slot >= cut).count();
    let within =
        |cut: &u64| cut.saturating_add(u64::try_from(held_from(*cut)).unwrap_or(u64::MAX)) <= allowed;
    let open = (0..=allowed).rev().find(within).unwrap_or(0);
    for slot in 0..open {
        match leases.iter().find(|lease| lease.slot == slot) {
            None => return Choice::Create(slot),
            Some(lease) if seen.is_free(lease, now) => return Choice::Take(lease.clone()),
            Some(_) => {}
        }
    }
    Choice::Full { holders: leases.iter().filter(held).filter_map(|lease| lease.holder.clone()).collect() }
}

/// How many nodes may be away at once: `text` is a number or a percentage of `machines`, rounded down, at least one;
/// `otherwise` where it says nothing that can be read.
pub fn allowed(text: Option<&str>, machines: Option<u64>, otherwise: u64) -> u64 {
    let read = |text: &str| match text.trim().strip_suffix('%') {
        Some(percent) => {
            let percent = percent.parse::<u64>().ok().filter(|percent| *percent <= 100)?;
            Some(machines?.saturating_mul(percent) / 100)
        }
        None => text.trim().parse::<u64>().ok(),
    };
    text.and_then(read).unwrap_or(otherwise).clamp(1, 1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(900);

    fn lease(slot: u64, holder: Option<&str>, version: &str) -> LeaseView {
        LeaseView {
            name: format!("reboot-worker-{slot}"),
            slot,
            holder: holder.map(str::to_owned),
            duration: LIMIT,
            version: version.to_owned(),
        }
    }

    fn choose_fresh(leases: &[LeaseView], allowed: u64) -> Choice {
        let mut seen = Sightings::default();
        seen.note(leases, Duration::ZERO);
        choose(leases, &seen, Duration::ZERO, "me", allowed)
    }

    #[test]
    fn the_first_free_slot_within_the_bound_is_chosen() {
        let full =
            |holders: &[&str]| Choice::Full { holders: holders.iter().map(|&name| name.into()).collect() };
        let (free, a, b) = (lease(0, None, "1"), lease(0, Some("a"), "1"), lease(2, Some("b"), "1"));
        let table: Vec<(Vec<LeaseView>, u64, Choice)> = vec![
            (vec![], 1, Choice::Create(0)),
            (vec![free.clone()], 1, Choice::Take(free.clone())),
            (vec![a.clone()], 1, full(&["a"])),
            (vec![a.clone()], 2, Choice::Create(1)),
            (vec![lease(0, Some("me"), "1")], 1, Choice::Mine(lease(0, Some("me"), "1"))),
            // One that is mine stays mine when the bound is lowered.
            (vec![a.clone(), lease(1, Some("me"), "1")], 1, Choice::Mine(lease(1, Some("me"), "1"))),
            // The bound was lowered: what is held beyond it counts, whichever slots are free.
            (vec![b.clone()], 1, full(&["b"])),
            (vec![free.clone(), b.clone()], 2, Choice::Take(free)),
            (vec![a, b.clone()], 2, full(&["a", "b"])),
            (vec![lease(1, Some("a"), "1"), b], 2, full(&["a", "b"])),
        ];
        for (leases, allowed, choice) in table {
            assert_eq!(choose_fresh(&leases, allowed), choice, "{leases:?}, {allowed}");
        }
    }

    #[test]
    fn a_lowered_bound_holds_though_two_nodes_decide_at_once() {
        // Slot 2 is held from when three were allowed. Of two now, one is left: both nodes must want the same Lease.
        let leases = [lease(2, Some("a"), "1")];
        for me in ["b", "c"] {
            assert_eq!(choose(&leases, &Sightings::default(), Duration::ZERO, me, 2), Choice::Create(0));
        }
        let leases = [lease(0, Some("b"), "1"), lease(2, Some("a"), "1")];
        assert!(matches!(choose_fresh(&leases, 2), Choice::Full { .. }));
    }

    #[test]
    fn a_silent_holder_loses_its_slot_and_one_that_renews_never_does() {
        let mut seen = Sightings::default();
        let old = [lease(0, Some("dead"), "7")];
        seen.note(&old, Duration::from_secs(5));
        let later = Duration::from_secs(5) + LIMIT;
        seen.note(&old, later - Duration::from_secs(1));
        assert!(matches!(choose(&old, &seen, later - Duration::from_secs(1), "me", 1), Choice::Full { .. }));
        assert_eq!(choose(&old, &seen, later, "me", 1), Choice::Take(old[0].clone()));
        // A renewal starts the time anew.
        let renewed = [lease(0, Some("alive"), "8")];
        seen.note(&renewed, later);
        assert!(matches!(choose(&renewed, &seen, later, "me", 1), Choice::Full { .. }));
        // One that was never seen before is not free, however old it says it is.
        assert!(matches!(choose(&renewed, &Sightings::default(), later, "me", 1), Choice::Full { .. }));
    }

    #[test]
    fn the_bound_is_a_number_or_a_percentage_and_at_least_one() {
        for (text, machines, expected) in [
            (Some("1"), None, 1),
            (Some("3"), Some(2), 3),
            (Some("0"), None, 1),
            (Some("25%"), Some(10), 2),
            (Some("25%"), Some(3), 1),
            (Some("100%"), Some(7), 7),
            (Some("101%"), Some(7), 5),
            (Some("25%"), None, 5),
            (Some("many"), Some(9), 5),
            (Some("-1"), Some(9), 5),
            (None, Some(9), 5),
        ] {
            assert_eq!(allowed(text, machines, 5), expected, "{text:?} of {machines:?}");
        }
    }
}
