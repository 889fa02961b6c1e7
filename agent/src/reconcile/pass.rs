//! One pass, from the wish to the report. It may be run at any time and ends in the same place.

use super::gather::{decide, gather, wanted};
use super::hold;
use super::notes::{Notes, Part};
use super::offer::offered;
use super::onlooker::watch_on;
use super::parts::Parts;
use super::recover::recover;
use crate::apply::{
    Applied, ApplyError, HostLock, PassOutcome, PassReport, PayloadSource, Problem, Tools, apply,
};
use crate::desired::{Desired, Latest};
use crate::error::chain;
use crate::host::{Deployment, Host, HostError, Observed};
use crate::payload::{Identifier, Reference};
use crate::plan::{self, Change, Ledger, Plan};

/// How often a pass decides anew because somebody else's transaction came in between, or ours was lost.
const ATTEMPTS: u32 = 4;

/// Runs one pass: what `apply` does once and the loop does again and again.
pub async fn once<H: Host, S: PayloadSource>(
    parts: &Parts<'_, H, S>,
    lock: &HostLock,
    wish: &Latest,
) -> PassReport {
    let mut notes = Notes::new(parts.clock);
    notes.source_problem = (parts.source_problem)();
    if let Some(owner) = (parts.owner)() {
        let outcome = watch_on(parts, owner, wish, &mut notes).await;
        return notes.report(outcome);
    }
    let outcome = match wanted(wish, &mut notes) {
        Ok(desired) => converge(parts, lock, &desired, &mut notes).await,
        Err(problem) => {
            look_around(parts, &mut notes).await;
            Err(problem)
        }
    };
    notes.report(outcome)
}

/// Says what a pass would do. Changes nothing, on the host or in the state, and needs no lock.
pub async fn preview<H: Host, S: PayloadSource>(parts: &Parts<'_, H, S>, wish: &Latest) -> PassReport {
    let mut notes = Notes::new(parts.clock);
    let outcome = match wanted(wish, &mut notes) {
        Ok(desired) => look_ahead(parts, &desired, &mut notes).await,
        Err(problem) => {
            look_around(parts, &mut notes).await;
            Err(problem)
        }
    };
    notes.report(outcome)
}

async fn converge<H: Host, S: PayloadSource>(
    parts: &Parts<'_, H, S>,
    lock: &HostLock,
    desired: &Desired,
    notes: &mut Notes<'_>,
) -> Result<PassOutcome, Problem> {
    parts.state.quarantine(lock).map_err(|error| Problem::of(&error))?;
    let mut attempt = 1;
    let mut named = None;
    loop {
        let observed = recover(parts, lock, notes).await?;
        let offered = match named.take() {
            Some(offered) => offered,
            None => offered(parts, desired, &observed.arch).await.map_err(|error| Problem::of(&error))?,
        };
        let offered = &*named.insert(offered);
        let desired = &offered.desired;
        notes.desired = Some(desired.clone());
        if let Some(outcome) = standing(desired, &observed, &notes.ledger) {
            forget_the_aim(parts, lock, desired, notes)?;
            return Ok(outcome);
        }
        if let Some(running) = observed.transaction.as_ref().filter(|_| attempt < ATTEMPTS) {
            // What it leaves is what counts: a decision now would be made on a host in motion, and its call refused.
            attempt += 1;
            parts.wait_idle(running.title.clone(), notes).await?;
            continue;
        }
        if !parts.insist {
            hold::rolled_back(desired, &observed, &notes.ledger).map_err(|held| Problem::of(&held))?;
        }
        let found = gather(parts, offered, &observed, notes).await?;
        let ledger = notes.ledger.clone();
        let inputs = found.inputs(desired, &observed, &ledger);
        let plan = decide(parts, &inputs, notes);
        let change = match plan {
            Plan::Refuse(refusal) => return Err(Problem::of(&refusal)),
            Plan::Nothing(basis) => return nothing_to_do(parts, lock, basis.ledger, notes),
            Plan::Change(change) => admitted(parts, change, &ledger)?,
        };
        let checked = plan::check(change, &inputs).map_err(|flaw| Problem::of(&flaw))?;
        match carry_out(parts, lock, checked, notes).await {
            Ok(applied) => return Ok(PassOutcome::Staged { deployment: applied.deployment }),
            Err(error) if attempt < ATTEMPTS && may_decide_again(&error) => attempt += 1,
            Err(error) => return Err(Problem::of(&error)),
        }
        // Never replayed: the host has changed under us, so everything is looked at again.
        parts.wait_idle(None, notes).await?;
    }
}

/// The change, unless it was made in vain too often. A person who insists starts the count anew, and what a reboot took
/// away because its finalization was locked is not counted.
fn admitted<H, S>(
    parts: &Parts<'_, H, S>,
    mut change: Box<Change>,
    before: &Ledger,
) -> Result<Box<Change>, Problem> {
    let locked_in = before.staging.as_ref().and_then(|last| last.locked_in.as_deref());
    if let Some(staging) = &mut change.basis.ledger.staging {
        if locked_in.is_some_and(|last| parts.locked_in.is_some_and(|now| now != last)) {
            staging.times = staging.times.saturating_sub(1).max(1);
        }
        staging.locked_in = parts.locked_in.map(str::to_owned);
    }
    if parts.insist {
        change.basis.ledger.staging.iter_mut().for_each(|staging| staging.times = 1);
    }
    hold::staging_lost(change.basis.ledger.staging.as_ref()).map_err(|held| Problem::of(&held))?;
    Ok(change)
}

/// Looks at the host although nothing can be decided: a document that cannot be read makes nothing else unknown.
async fn look_around<H: Host, S: PayloadSource>(parts: &Parts<'_, H, S>, notes: &mut Notes<'_>) {
    match parts.state.ledger() {
        Ok(ledger) => notes.ledger = ledger,
        Err(error) => tracing::warn!(error = %chain(&error), "what is ours on the host is not known"),
    }
    if let Err(problem) = parts.observe(notes).await {
        tracing::warn!(error = problem.message, "the host could not be asked either");
    }
}

async fn look_ahead<H: Host, S: PayloadSource>(
    parts: &Parts<'_, H, S>,
    desired: &Desired,
    notes: &mut Notes<'_>,
) -> Result<PassOutcome, Problem> {
    let observed = parts.observe(notes).await?;
    let ledger = parts.state.ledger().map_err(|error| Problem::of(&error))?;
    let intent = parts.state.intent().map_err(|error| Problem::of(&error))?;
    notes.ledger = match intent {
        Some(intent) if intent.fulfilled_by(&observed).is_some() => intent.ledger,
        Some(_) | None => ledger,
    };
    let offered = offered(parts, desired, &observed.arch).await.map_err(|error| Problem::of(&error))?;
    let desired = &offered.desired;
    notes.desired = Some(desired.clone());
    let found = gather(parts, &offered, &observed, notes).await?;
    let ledger = notes.ledger.clone();
    let inputs = found.inputs(desired, &observed, &ledger);
    match decide(parts, &inputs, notes) {
        Plan::Refuse(refusal) => Err(Problem::of(&refusal)),
        Plan::Nothing(_) => Ok(PassOutcome::Planned),
        Plan::Change(change) => {
            plan::check(change, &inputs).map(|_| PassOutcome::Planned).map_err(|flaw| Problem::of(&flaw))
        }
    }
}

/// How the pass ends when nothing has to be resolved: nothing is wanted and nothing ours is in the next boot, or the
/// same wish was resolved before and the next boot has what came of it. Nothing is fetched for this.
fn standing(desired: &Desired, observed: &Observed, ledger: &Ledger) -> Option<PassOutcome> {
    let (next, booted) = observed.pending_or_booted().zip(observed.booted())?;
    let wanted = plan::wants_anything(desired);
    let (there, runs) = if wanted {
        let generation = desired.generation();
        (ledger.is_met(generation, next), ledger.is_had(generation, booted))
    } else {
        let free =
            |deployment: &Deployment| !ledger.has_any_on(deployment) && ledger.in_doubt(deployment).is_none();
        (free(next), free(booted))
    };
    if !there || !is_fixed(desired) {
        return None;
    }
    Some(match (runs, wanted) {
        (true, true) => PassOutcome::Booted { deployment: booted.id.clone() },
        (true, false) => PassOutcome::NothingWanted,
        (false, _) => PassOutcome::AwaitingReboot { deployment: next.id.clone() },
    })
}

/// Where nothing is wanted there is no aim, also when what it had was never ours to remove.
fn forget_the_aim<H, S>(
    parts: &Parts<'_, H, S>,
    lock: &HostLock,
    desired: &Desired,
    notes: &mut Notes<'_>,
) -> Result<(), Problem> {
    if plan::wants_anything(desired) || notes.ledger.aim.is_none() {
        return Ok(());
    }
    notes.ledger.aim = None;
    parts.state.keep_ledger(lock, &notes.ledger).map_err(|error| Problem::of(&error))
}

/// Whether the same text always means the same payload. A tag or a directory has to be looked at again.
fn is_fixed(desired: &Desired) -> bool {
    let reference = desired.payload.as_deref().map(str::parse::<Reference>);
    match reference {
        Some(Ok(Reference::Registry { identifier: Identifier::Digest(_), .. })) => true,
        Some(Ok(Reference::Registry { .. } | Reference::OciLayout { .. } | Reference::Directory { .. }))
        | Some(Err(_))
        | None => !plan::wants_anything(desired),
    }
}

/// The host has what is wanted; the ledger learns of it, so that the next pass fetches nothing.
fn nothing_to_do<H, S>(
    parts: &Parts<'_, H, S>,
    lock: &HostLock,
    ledger: Ledger,
    notes: &mut Notes<'_>,
) -> Result<PassOutcome, Problem> {
    let Some((observed, desired)) = notes.observed.as_ref().zip(notes.desired.as_ref()) else {
        return Ok(PassOutcome::NothingWanted);
    };
    let ledger = ledger.settled(observed);
    if ledger != notes.ledger {
        parts.state.keep_ledger(lock, &ledger).map_err(|error| Problem::of(&error))?;
    }
    let booted = observed.booted().map(|booted| booted.id.clone()).unwrap_or_default();
    let next = observed.pending_or_booted().map(|next| next.id.clone()).unwrap_or_default();
    let runs = observed.booted().is_some_and(|booted| ledger.is_had(desired.generation(), booted));
    notes.ledger = ledger;
    Ok(if runs {
        PassOutcome::Booted { deployment: booted }
    } else {
        PassOutcome::AwaitingReboot { deployment: next }
    })
}

async fn carry_out<H: Host, S: PayloadSource>(
    parts: &Parts<'_, H, S>,
    lock: &HostLock,
    checked: plan::CheckedPlan,
    notes: &mut Notes<'_>,
) -> Result<Applied, ApplyError> {
    let start = notes.start();
    let tools = Tools {
        host: parts.host,
        source: parts.source,
        state: parts.state,
        lock,
        calls: &notes.calls,
        lock_finalization: parts.locked_in.is_some(),
        limit: parts.transaction_limit,
        watcher: parts.watcher,
    };
    let applied = apply(checked, &tools, (parts.nonce)()).await;
    notes.took(Part::Apply, start);
    let applied = applied?;
    notes.observed = Some(applied.observed.clone());
    notes.ledger = parts.state.ledger()?;
    Ok(applied)
}

/// Whether the world has moved in a way that a new look may answer; everything else is left to the pace of the loop.
fn may_decide_again(error: &ApplyError) -> bool {
    match error {
        ApplyError::NotOurs | ApplyError::Lost | ApplyError::Host(HostError::Busy { .. }) => true,
        ApplyError::State { .. }
        | ApplyError::NewerFormat { .. }
        | ApplyError::Encode { .. }
        | ApplyError::AnotherInstance { .. }
        | ApplyError::Package { .. }
        | ApplyError::Host(_)
        | ApplyError::Failed { .. }
        | ApplyError::Cancelled { .. }
        | ApplyError::NotConfirmed { .. } => false,
    }
}
