//! Takes up requests whose driver died over them, so that they end ready or gone.
//!
//! Decides: which ones. Must not: take one from a driver that is alive. Input: records and the time.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream;

use crate::cleanup::Scope;
use crate::drive::{Desk, Stop};
use crate::error::chain;
use crate::state::Phase;

/// Most requests that are driven at a time.
const WIDTH: usize = 8;

/// What came of the requests that were taken up, by build; none where it is ready.
pub(super) type Adopted = BTreeMap<String, Option<String>>;

/// Takes up all of this part.
pub(super) async fn adopt(desk: &Desk<'_>, scope: &Scope) -> Result<Adopted, Stop> {
    let now = (desk.clock)();
    let longest = desk.config.leases.duration.get();
    let records = desk.store.list().await?.records;
    let orphans = records.into_iter().filter(|one| desk.covered(scope, one) && one.is_orphaned(now, longest));
    let driven = stream::iter(orphans).map(|record| async move {
        let build = record.body.request.build.clone();
        // A provider that is away fails here for itself; the others do not wait for it.
        let failed = desk.request(record.body.request.clone(), record.body.wait).await.err();
        if failed.is_some() {
            give_up(desk, &record.id).await;
        }
        (build, failed.map(|stop| chain(&stop)))
    });
    Ok(driven.buffer_unordered(WIDTH).collect().await)
}

/// Leaves a request that could not be made ready to the cleaner. Best effort: otherwise its time runs out.
async fn give_up(desk: &Desk<'_>, id: &str) {
    let Ok(Some(mut record)) = desk.store.read(id).await else { return };
    let ours = record.holder.as_ref().is_none_or(|holder| *holder == desk.me);
    if ours && record.body.phase == Phase::Making {
        record.body.phase = Phase::Releasing;
        record.holder = None;
        let _ = desk.store.write(&record).await;
    }
}
