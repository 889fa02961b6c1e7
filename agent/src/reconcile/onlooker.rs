//! A pass on a host whose extensions somebody else owns: it looks at everything and changes nothing, neither the host nor
//! the state of the agent.

use std::collections::BTreeSet;

use extensions_manifest::Base;

use super::gather::{Found, decide, gather, wanted};
use super::notes::{Notes, Part};
use super::offer::offered;
use super::parts::Parts;
use crate::apply::{PassOutcome, PayloadSource, Problem, layered_by_name};
use crate::desired::{Desired, Latest};
use crate::error::chain;
use crate::host::{Host, Observed};
use crate::owner::Owner;

/// Looks, and says what it saw. A payload that cannot be had is no problem of an onlooker: it only knows less.
pub(super) async fn watch_on<H: Host, S: PayloadSource>(
    parts: &Parts<'_, H, S>,
    owner: Owner,
    wish: &Latest,
    notes: &mut Notes<'_>,
) -> Result<PassOutcome, Problem> {
    notes.owner = Some(owner);
    match parts.state.ledger() {
        Ok(ledger) => notes.ledger = ledger,
        Err(error) => tracing::warn!(error = %chain(&error), "what is ours on the host is not known"),
    }
    let observed = parts.observe(notes).await;
    let desired = wanted(wish, notes);
    let observed = match observed {
        // There may be no rpm-ostree on such a host at all.
        Err(_) if owner == Owner::Bootc => return desired.map(|_| PassOutcome::Observed { owner }),
        observed => observed?,
    };
    let found = match &desired {
        Ok(desired) => offer(parts, desired, &observed, notes).await.unwrap_or_else(|problem| {
            tracing::info!(
                reason = problem.reason.code(),
                "the payload is not looked at: {}",
                problem.message
            );
            Found::nothing(parts.rules.skew)
        }),
        Err(_) => Found::nothing(parts.rules.skew),
    };
    let base = match &found.payload {
        Some(_) => found.base.clone(),
        None => base(parts, &observed, notes).await,
    };
    let map = found.payload.as_ref().map(|payload| &payload.map);
    notes.by_name = layered_by_name(map, notes.desired.as_ref(), &observed, &base);
    desired?;
    if let Some(desired) = notes.desired.clone()
        && found.payload.is_some()
    {
        // What the agent would do, if it were to.
        let ledger = notes.ledger.clone();
        decide(parts, &found.inputs(&desired, &observed, &ledger), notes);
    }
    Ok(PassOutcome::Observed { owner })
}

/// What the wish means here: which payload, and what it offers on this base.
async fn offer<H: Host, S: PayloadSource>(
    parts: &Parts<'_, H, S>,
    desired: &Desired,
    observed: &Observed,
    notes: &mut Notes<'_>,
) -> Result<Found, Problem> {
    let offered = offered(parts, desired, &observed.arch).await.map_err(|error| Problem::of(&error))?;
    notes.desired = Some(offered.desired.clone());
    gather(parts, &offered, observed, notes).await
}

/// What the next boot has, for the versions of what was layered by name; nothing where nothing was.
async fn base<H: Host, S>(parts: &Parts<'_, H, S>, observed: &Observed, notes: &mut Notes<'_>) -> Base {
    let next = observed.pending_or_booted().filter(|next| !next.requested_packages.is_empty());
    let Some(next) = next else { return Base::default() };
    let start = notes.start();
    let base = parts.host.base(next, &BTreeSet::new()).await;
    notes.took(Part::Observe, start);
    base.unwrap_or_else(|error| {
        tracing::warn!(error = %chain(&error), "versions of what is layered are not known");
        Base::default()
    })
}
