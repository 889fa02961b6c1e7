//! What becomes of a request that a provider cannot serve: the next pool, the next provider, the next alternative.
//!
//! Decides: which failures are the provider's. Must not: give up what another could still serve. Input: a record and why it
//! failed. The place that failed is noted before anything else is tried, so no successor tries it again.

use std::collections::BTreeSet;

use super::place::options;
use super::{Desk, Stop};
use crate::cluster::ClusterError;
use crate::state::{Record, Spot};

/// How often a place is tried again whose cluster did not answer, before another is.
const AGAIN: u32 = 2;

/// Whether another provider may do better: the nodes did not become usable, or the cluster does not answer.
pub(super) const fn elsewhere(stop: &Stop) -> bool {
    let broken = matches!(stop, Stop::Cluster(ClusterError::Refused { code, .. }) if *code >= 500);
    broken || matches!(stop, Stop::Launch { .. } | Stop::Cluster(ClusterError::Away { .. }))
}

impl Desk<'_> {
    /// The record, free to go elsewhere; or once more where it is, when only an answer was lost. What it had is asked to go.
    ///
    /// # Errors
    /// Why it failed, where there is nothing else to try.
    pub(super) async fn move_on(&self, id: &str, stop: Stop, lost: &mut u32) -> Result<Record, Stop> {
        let Some(found) = self.store.read(id).await? else { return Err(stop) };
        let driven = found.holder.as_ref().is_some_and(|holder| *holder != self.me);
        let Some(spot) = found.body.spot.clone().filter(|_| !driven) else { return Err(stop) };
        let choices = found.body.request.choices();
        let choice = choices.iter().position(|nodes| *nodes == found.body.request.nodes).unwrap_or(0);
        let mut record = found.clone();
        record.give_up(choice, stop.to_string());
        let chosen = self.chosen_by_others(&record).await?;
        if options(self.config, &record.body, chosen.as_ref()).is_none() {
            return Err(stop);
        }
        if *lost < AGAIN && !matches!(stop, Stop::Launch { .. }) {
            self.pause(*lost, || stop).await?;
            *lost += 1;
            return self.write(found).await;
        }
        *lost = 0;
        let record = self.write(record).await?;
        self.unsettle(&record).await?;
        // A cluster that is away may still hold something: there the reservation stays until the request ends.
        if let Ok(left) = self.sweep_at(&spot, &record).await
            && left.is_empty()
        {
            self.unreserve(&spot, &record).await?;
        }
        Ok(record)
    }

    /// Gives back what is reserved where a request failed, once nothing of it is there any more.
    pub(super) async fn leave_tried(&self, record: &Record) -> Result<(), Stop> {
        let tried: BTreeSet<&Spot> = record.body.tried.iter().map(|tried| &tried.spot).collect();
        for spot in tried.into_iter().filter(|spot| record.body.spot.as_ref() != Some(spot)) {
            if let Ok(left) = self.sweep_at(spot, record).await
                && left.is_empty()
            {
                self.unreserve(spot, record).await?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{parse, tests::GOOD};
    use crate::request::{Wish, node};
    use crate::state::Tried;
    use crate::state::tests::record;

    #[test]
    fn row_39_what_failed_is_not_tried_again_and_the_next_alternative_comes_last() {
        let second = GOOD.split("providers:\n").nth(1).unwrap().replace("name: east", "name: west");
        let config = parse(format!("{GOOD}{second}").as_bytes()).unwrap();
        let mut record = record("b"); // a builder and a space
        let alternatives = vec![record.body.request.nodes.clone(), vec![node("space").unwrap()]];
        let wish = Wish { alternatives, ..Wish::default() };
        record.body.request = record.body.request.clone().wishing(wish).unwrap();
        let mut seen = Vec::new();
        while let Some(next) = options(&config, &record.body, None) {
            let (provider, pool) = next.pools[0];
            seen.push((next.choice, provider.name.to_string(), next.pools.len()));
            let spot = Spot { provider: provider.name.clone(), pool: pool.name.clone() };
            record.body.tried.push(Tried { spot, choice: next.choice, why: String::new() });
        }
        let text = |choice, provider: &str, left| (choice, provider.to_owned(), left);
        assert_eq!(seen, [text(0, "east", 2), text(0, "west", 1), text(1, "east", 2), text(1, "west", 1)]);
    }

    #[test]
    fn row_39_only_what_the_provider_could_not_do_is_tried_elsewhere() {
        let refused = |code| {
            Stop::Cluster(ClusterError::Refused {
                operation: String::new(),
                code,
                reason: String::new(),
                message: String::new(),
            })
        };
        let away = ClusterError::Away { operation: String::new(), problem: String::new() };
        assert!(elsewhere(&refused(503)) && elsewhere(&Stop::Cluster(away)));
        assert!(!elsewhere(&refused(403)) && !elsewhere(&Stop::Busy(String::new())));
    }
}
