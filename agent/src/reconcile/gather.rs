//! What a decision is made from, gathered: the wish, the payload that it means, the base; and the decision itself.

use extensions_manifest::Base;

use super::notes::{Notes, Part};
use super::offer::Offered;
use super::parts::Parts;
use crate::apply::{PayloadSource, Problem, Step};
use crate::desired::{Desired, Latest};
use crate::host::{Host, Observed};
use crate::payload::{Labels, Payload, Reference};
use crate::plan::{self, Ledger, Plan, PlanInputs, SkewInputs};
use crate::settings::Skew;

/// The wish, as it is noted until it is known which payload it means.
pub(super) fn wanted(wish: &Latest, notes: &mut Notes<'_>) -> Result<Desired, Problem> {
    let desired = wish.clone().map_err(|error| Problem::of(&*error))?;
    notes.desired = Some(desired.clone());
    Ok(desired)
}

/// What was gathered for a decision.
pub(super) struct Found {
    pub(super) payload: Option<Payload>,
    pub(super) base: Base,
    os_image: Option<Labels>,
    policy: Skew,
}

impl Found {
    /// Nothing was gathered.
    pub(super) fn nothing(policy: Skew) -> Self {
        Self { payload: None, base: Base::default(), os_image: None, policy }
    }

    pub(super) fn inputs<'a>(
        &'a self,
        desired: &'a Desired,
        observed: &'a Observed,
        ledger: &'a Ledger,
    ) -> PlanInputs<'a> {
        let skew = SkewInputs { policy: self.policy, os_image: self.os_image.as_ref() };
        PlanInputs { desired, payload: self.payload.as_ref(), observed, base: &self.base, ledger, skew }
    }
}

/// Loads the payload and reads the base that the call would start from; neither where nothing is wanted.
pub(super) async fn gather<H: Host, S: PayloadSource>(
    parts: &Parts<'_, H, S>,
    offered: &Offered,
    observed: &Observed,
    notes: &mut Notes<'_>,
) -> Result<Found, Problem> {
    let desired = &offered.desired;
    let nothing = Found::nothing(parts.rules.skew);
    let Some(text) = desired.payload.as_deref().filter(|_| plan::wants_anything(desired)) else {
        return Ok(nothing);
    };
    let reference: Reference = text.parse().map_err(|error| Problem::of(&error))?;
    let start = notes.start();
    let progress = |progress| (parts.watcher)(Step::Fetching(progress));
    let loaded = parts.source.load(&reference, &observed.arch, &progress).await;
    notes.took(Part::Payload, start);
    let (payload, stats) = loaded.map_err(|error| Problem::of(&error))?;
    notes.loaded(&payload, &observed.arch, stats);
    offered.admit(&payload).map_err(|error| Problem::of(&error))?;
    let os_image = offered.os_labels(parts.source, &observed.arch).await;
    let Some(next) = observed.pending_or_booted() else {
        return Ok(Found { payload: Some(payload), ..nothing });
    };
    (parts.watcher)(Step::ReadingBase);
    let start = notes.start();
    let base = parts.host.base(next, &payload.required_paths()).await;
    notes.took(Part::Observe, start);
    let base = base.map_err(|error| Problem::of(&error))?;
    Ok(Found { payload: Some(payload), base, os_image, policy: parts.rules.skew })
}

/// Decides, and notes the document of it.
pub(super) fn decide<H, S>(parts: &Parts<'_, H, S>, inputs: &PlanInputs<'_>, notes: &mut Notes<'_>) -> Plan {
    let start = notes.start();
    let plan = plan::plan(inputs);
    let document = plan::document(inputs, &plan);
    notes.took(Part::Plan, start);
    (parts.watcher)(Step::Planned(Box::new(document.clone())));
    notes.plan = Some(document);
    plan
}
