//! Tells the controller that output was cut off, by a number on what holds the node.
//!
//! Decides: what the number means. Must not: fail the command that met it. Input: a ready build, and how often it happened.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::{Desk, Holders, Stop};
use crate::objects::{Key, reading};

/// How often the number is written anew when others write it too.
const RACES: usize = 5;

impl Desk<'_> {
    /// Notes how often the output of commands in a node was cut off and found to be.
    ///
    /// # Errors
    /// When there is no such build or node, or the cluster refuses or is away. Nobody's output depends on it.
    pub async fn note_cut_off(&self, build: &str, node: &str, times: u64) -> Result<(), Stop> {
        let record = self.find(build).await?;
        let at = record.body.request.nodes.iter().position(|one| one.name.as_str() == node);
        let holder = at.and_then(|at| record.holders().get(at).cloned());
        let holder = holder.ok_or_else(|| Stop::NoNode { build: build.to_owned(), node: node.to_owned() })?;
        let holders = Holders::of(self.cluster(&record)?);
        for _ in 0..RACES {
            let Some(found) = holders.get(&holder).await? else { return Ok(()) };
            let count = cut_off(&found.meta).saturating_add(times);
            if holders.annotate(&found, Key::CutOff, Some(count.to_string())).await? {
                return Ok(());
            }
        }
        Ok(()) // so many write it that one less says the same
    }
}

/// How often that was, as the holder says.
fn cut_off(holder: &ObjectMeta) -> u64 {
    let said = reading(holder.annotations.as_ref(), Key::CutOff);
    said.and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// How often it was since, but at most `most`: the number is for graphs, and a wrong one shall not fill them.
pub(crate) fn cut_off_since(before: Option<&ObjectMeta>, now: &ObjectMeta, most: u64) -> u64 {
    before.map_or(0, |before| cut_off(now).saturating_sub(cut_off(before))).min(most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_46_what_was_cut_off_is_counted_once_and_within_bounds() {
        let holder = |text: &str| ObjectMeta {
            annotations: Some([(Key::CutOff.text(), text.to_owned())].into()),
            ..ObjectMeta::default()
        };
        let none = ObjectMeta::default();
        for (before, now, wanted) in [
            (Some(&none), &holder("2"), 2),
            (Some(&holder("2")), &holder("2"), 0),
            (Some(&holder("2")), &holder("5"), 3),
            (Some(&holder("5")), &holder("nonsense"), 0),
            (Some(&none), &holder("18446744073709551615"), 100),
            (None, &holder("7"), 0), // it was there before this controller was
        ] {
            assert_eq!(cut_off_since(before, now, 100), wanted, "{now:?}");
        }
    }
}
