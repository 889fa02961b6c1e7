//! When nodes went away and came back, in the order in which it happened.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What a supervisor saw, or did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The agent runs for the first time.
    Joined,
    /// A reboot was asked for: the node is away from here on.
    Down,
    /// The node was lost: nothing of it runs.
    Died,
    /// It booted, and the agent runs again.
    Up,
}

/// One line of the record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// When.
    pub at: Instant,
    /// Which node.
    pub node: String,
    /// What.
    pub event: Event,
}

/// The record that all supervisors of a test share.
#[derive(Debug, Clone, Default)]
pub struct Transitions(Arc<Mutex<Vec<Transition>>>);

impl Transitions {
    /// Writes a line.
    pub fn record(&self, node: &str, event: Event) {
        // The time is taken under the lock, so that the order of lines is the order of times.
        let mut lines = self.0.lock().unwrap();
        lines.push(Transition { at: Instant::now(), node: node.to_owned(), event });
    }

    /// Everything so far.
    pub fn all(&self) -> Vec<Transition> {
        self.0.lock().unwrap().clone()
    }

    /// How often this happened to that node.
    pub fn count(&self, node: &str, event: Event) -> usize {
        self.all().iter().filter(|line| line.node == node && line.event == event).count()
    }

    /// The nodes that are away now.
    pub fn away(&self) -> BTreeSet<String> {
        self.all().iter().fold(BTreeSet::new(), step)
    }

    /// The most nodes that were away at the same time.
    pub fn most_away(&self) -> usize {
        let mut most = 0;
        self.all().iter().fold(BTreeSet::new(), |away, line| {
            let away = step(away, line);
            most = most.max(away.len());
            away
        });
        most
    }
}

fn step(mut away: BTreeSet<String>, line: &Transition) -> BTreeSet<String> {
    match line.event {
        Event::Down | Event::Died => away.insert(line.node.clone()),
        Event::Up | Event::Joined => away.remove(&line.node),
    };
    away
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(lines: &[(&str, Event)]) -> Transitions {
        let record = Transitions::default();
        lines.iter().for_each(|(node, event)| record.record(node, *event));
        record
    }

    #[test]
    fn one_after_the_other_is_one_at_a_time() {
        use Event::{Down, Joined, Up};
        let record = record(&[("a", Joined), ("b", Joined), ("a", Down), ("a", Up), ("b", Down), ("b", Up)]);
        assert_eq!((record.most_away(), record.away()), (1, BTreeSet::new()));
        assert_eq!(record.count("a", Down), 1);
    }

    #[test]
    fn two_at_once_are_noticed() {
        use Event::{Died, Down, Up};
        let record = record(&[("a", Down), ("b", Died), ("a", Up)]);
        assert_eq!((record.most_away(), record.away()), (2, BTreeSet::from(["b".to_owned()])));
    }
}
