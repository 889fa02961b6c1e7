//! Which state of the cluster was acted upon: nothing older is acted upon again. Pure.
//!
//! An API server that was restarted, or one of several that lags behind, may show the past: a list without the newest
//! MachineConfig looks like a wish to remove. Versions grow with every change in the cluster, so they tell: that of a list
//! what is missing from it, and that of each object also where the server has gone on counting from an old backup.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::DesiredError;
use super::picture::Picture;
use super::request::Kind;

/// Most Nodes of the past that are remembered.
const FORMER: usize = 16;

/// What was acted upon.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seen {
    /// The uid of the Node.
    node: Option<String>,
    /// Those that it had before; the newest last.
    former: Vec<String>,
    /// The state of each kind.
    versions: BTreeMap<Kind, u64>,
    /// The state of each object, by uid.
    #[serde(default)]
    objects: BTreeMap<String, u64>,
}

impl Seen {
    /// Whether `picture` may be acted upon.
    ///
    /// # Errors
    /// When it is older than what was acted upon before.
    pub(super) fn admits(&self, picture: &Picture, node: &str) -> Result<(), DesiredError> {
        match picture.uid() {
            Some(uid) if self.former.iter().any(|former| former == uid) => {
                return Err(DesiredError::FormerNode { node: node.to_owned() });
            }
            // The Node was made anew, or the cluster was: its versions are another count.
            Some(uid) if self.node.as_deref().is_some_and(|known| known != uid) => return Ok(()),
            Some(_) | None => {}
        }
        for (kind, seen) in &self.versions {
            let found = picture.version(*kind).filter(|found| *found != 0);
            if let Some(found) = found.filter(|found| found < seen) {
                return Err(DesiredError::Stale { what: kind.word().to_owned(), found, seen: *seen });
            }
        }
        for (uid, found) in picture.states().filter(|(_, found)| *found != 0) {
            if let Some(seen) = self.objects.get(uid).filter(|seen| found < **seen) {
                return Err(DesiredError::Stale { what: format!("the object {uid}"), found, seen: *seen });
            }
        }
        Ok(())
    }

    /// What is acted upon from now on.
    pub(super) fn learn(&mut self, picture: &Picture) {
        let anew = picture.uid().filter(|uid| self.node.as_deref() != Some(*uid));
        if let Some(former) = anew.and_then(|uid| self.node.replace(uid.to_owned())) {
            self.former.push(former);
            let many = self.former.len().saturating_sub(FORMER);
            self.former.drain(..many);
            self.versions.clear();
        }
        for kind in [Kind::Nodes, Kind::Pools, Kind::Configs] {
            if let Some(version) = picture.version(kind) {
                self.versions.insert(kind, version);
            }
        }
        // Those that are gone are not remembered, so this is bounded as the picture is.
        self.objects = picture.states().map(|(uid, version)| (uid.to_owned(), version)).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::super::picture::{Item, News, What};
    use super::*;
    use crate::error::{Failure, Reason};

    fn picture(uid: &str, version: u64) -> Picture {
        let text = format!(r#"{{"metadata":{{"name":"n","uid":"{uid}"}}}}"#);
        let mut picture = Picture::default();
        let what = What::Listed(vec![Item::of(Kind::Nodes, text.as_bytes())], version);
        picture.hear(News { kind: Kind::Nodes, what });
        picture
    }

    fn stale(seen: &Seen, picture: &Picture) -> bool {
        match seen.admits(picture, "n") {
            Ok(()) => false,
            Err(error) => {
                assert_eq!(error.reason(), Reason::StaleClusterData);
                true
            }
        }
    }

    #[test]
    fn nothing_older_is_acted_upon_again() {
        let mut seen = Seen::default();
        assert!(!stale(&seen, &picture("a", 5)), "nothing was seen yet");
        seen.learn(&picture("a", 7));
        for (version, is) in [(6, true), (7, false), (8, false), (0, false)] {
            assert_eq!(stale(&seen, &picture("a", version)), is, "{version}");
        }
    }

    #[test]
    fn an_old_object_in_a_list_that_counts_on_is_stale() {
        let node = |version: u64, list: u64| {
            let text = format!(r#"{{"metadata":{{"name":"n","uid":"a","resourceVersion":"{version}"}}}}"#);
            let mut picture = Picture::default();
            let what = What::Listed(vec![Item::of(Kind::Nodes, text.as_bytes())], list);
            picture.hear(News { kind: Kind::Nodes, what });
            picture
        };
        let mut seen = Seen::default();
        seen.learn(&node(7, 8));
        assert!(stale(&seen, &node(6, 100)), "restored from a backup, and far ahead since");
        assert!(!stale(&seen, &node(7, 100)) && !stale(&seen, &node(9, 100)));
    }

    #[test]
    fn an_older_list_without_the_node_is_stale_too() {
        let mut seen = Seen::default();
        seen.learn(&picture("a", 7));
        let mut empty = Picture::default();
        empty.hear(News { kind: Kind::Nodes, what: What::Listed(Vec::new(), 6) });
        assert!(stale(&seen, &empty));
    }

    #[test]
    fn a_node_made_anew_starts_from_scratch_and_its_former_self_does_not_come_back() {
        let mut seen = Seen::default();
        seen.learn(&picture("a", 7));
        assert!(!stale(&seen, &picture("b", 3)), "another cluster may count from the beginning");
        seen.learn(&picture("b", 3));
        assert!(stale(&seen, &picture("a", 9)));
        assert!(stale(&seen, &picture("b", 2)) && !stale(&seen, &picture("b", 4)));
    }

    #[test]
    fn the_past_is_bounded() {
        let mut seen = Seen::default();
        for number in 0..100 {
            seen.learn(&picture(&format!("u{number}"), 1));
        }
        assert_eq!((seen.former.len(), seen.former.last().unwrap().as_str()), (FORMER, "u98"));
    }
}
