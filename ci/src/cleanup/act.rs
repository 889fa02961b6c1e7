//! Does what was decided about the namespaces of one provider: several at a time, but never more than it can take.
//!
//! Decides: how many deletions are under way at once. Must not: act on another version than the one that was looked at.
//! Input: namespaces with their fates.

use futures_util::StreamExt;
use futures_util::stream;

use super::{Fate, Report, WINDOW};
use crate::cluster::{Cluster, Layout};
use crate::config::Name;
use crate::drive::{Desk, Found, Holders, Stop};
use crate::serve::{News, tell};

/// Most requests to one provider at a time.
const WIDTH: usize = 8;

/// Which of them are done now: everything but the deletions that would make more than [`WINDOW`] namespaces go at once.
/// Returns how many were put off.
fn admitted<T>(fates: Vec<(T, Fate)>, window: usize) -> (Vec<(T, Fate)>, usize) {
    let going = fates.iter().filter(|(_, fate)| *fate == Fate::Going).count();
    let mut room = window.saturating_sub(going);
    let before = fates.len();
    let now: Vec<_> = fates
        .into_iter()
        .filter(|(_, fate)| {
            let fits = *fate != Fate::Delete || room > 0;
            room = room.saturating_sub(usize::from(*fate == Fate::Delete));
            fits
        })
        .collect();
    let queued = before - now.len();
    (now, queued)
}

impl Desk<'_> {
    /// Does all of it, or says that the provider went away meanwhile: then the rest is left to a later pass, which is what a
    /// server that has too much to do asks for.
    pub(super) async fn carry_out(
        &self,
        provider: &Name,
        fates: Vec<(&Found, Fate)>,
        dry: bool,
        report: &mut Report,
    ) {
        let Some(cluster) = self.clusters.providers.get(provider) else { return };
        let (now, queued) = admitted(fates, WINDOW);
        report.queued += queued;
        if dry {
            now.iter().for_each(|(found, fate)| report.take(found, *fate));
            return;
        }
        let mut done = stream::iter(now)
            .map(|(found, fate)| async move { (found, fate, self.do_one(cluster, found, fate).await) })
            .buffer_unordered(WIDTH);
        while let Some((found, fate, result)) = done.next().await {
            match result {
                Ok(()) => report.take(found, fate),
                Err(error) => {
                    report.away(provider, &error);
                    return; // what is dropped half-way is looked at again
                }
            }
        }
    }

    /// Does what was decided, on exactly the version that it was decided for.
    async fn do_one(&self, cluster: &Cluster, found: &Found, fate: Fate) -> Result<(), Stop> {
        let holders = Holders::of(cluster);
        match fate {
            Fate::Going | Fate::Keep | Fate::Await => Ok(()),
            Fate::Spare => holders.mark(found, None).await,
            Fate::Condemn => {
                let now = (self.clock)();
                holders.mark(found, Some(now.as_second().to_string())).await?;
                let note = "nobody wants this namespace any more; it is deleted unless that changes";
                match &cluster.layout {
                    Layout::Namespaces | Layout::Projects { .. } => {
                        tell(&cluster.client, found.name(), News::Unwanted, note, now).await
                    }
                    Layout::Shared(_) => {} // others live there too
                }
                Ok(())
            }
            // One that changed in between is looked at again by the next pass.
            Fate::Delete => holders.delete(found).await.map(drop),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_24_no_more_go_at_a_time_than_the_window_holds() {
        let fates = |going: usize, delete: usize| {
            let all =
                std::iter::repeat_n(Fate::Going, going).chain(std::iter::repeat_n(Fate::Delete, delete));
            all.chain([Fate::Condemn, Fate::Spare]).map(|fate| ((), fate)).collect::<Vec<_>>()
        };
        for (going, delete, now) in [(0, 5, 5), (0, 50, 10), (7, 50, 3), (10, 5, 0), (30, 5, 0)] {
            let (admitted, queued) = admitted(fates(going, delete), 10);
            let deletions = admitted.iter().filter(|(_, fate)| *fate == Fate::Delete).count();
            assert_eq!((deletions, queued), (now, delete - now), "{going} go, {delete} may");
            assert_eq!(admitted.len(), going + now + 2, "marks are no deletions");
        }
    }
}
