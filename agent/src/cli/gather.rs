//! Everything that a decision depends on, from the host or from files, without changing either.

use std::collections::BTreeSet;
use std::path::Path;

use extensions_manifest::Base;
use serde::{Deserialize, Serialize};

use super::context::{Context, Fetching, read_document};
use super::inputs::InputError;
use super::render::{Answer, Screen};
use super::stop::Stop;
use crate::apply::{State, Step};
use crate::desired::Desired;
use crate::host::{Host, HostDocument, Observed};
use crate::payload::{Labels, Payload};
use crate::plan::{Ledger, PlanInputs, SkewInputs, wants_anything};
use crate::settings::Skew;

/// The host, its base and what is ours on it: `observe` writes it, `plan --observed` reads it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct ObservedDocument {
    /// The host and its base.
    #[serde(flatten)]
    pub host: HostDocument,
    /// What the agent layered on it; nothing when left out.
    #[serde(default)]
    pub ledger: Ledger,
}

/// The inputs of a plan, owned.
pub(super) struct Gathered {
    offer: Offer,
    document: ObservedDocument,
    policy: Skew,
}

/// What is wanted, and what it is taken from.
struct Offer {
    desired: Desired,
    payload: Option<Payload>,
    os_image: Option<Labels>,
    // A temporary store lives as long as the payload that was read into it.
    _fetching: Option<Fetching>,
}

impl Gathered {
    /// Asks the host, or reads the document at `observed` instead.
    ///
    /// # Errors
    /// When wish, payload or host cannot be had.
    pub(super) async fn new(context: &Context, observed: Option<&Path>) -> Result<Self, Stop> {
        // What is wrong with the wish is said before anybody is asked.
        context.wish()?;
        match observed {
            Some(path) => Self::from_document(context, path).await,
            None => Self::from_host(context).await,
        }
    }

    /// As a plan takes them.
    pub(super) fn inputs(&self) -> PlanInputs<'_> {
        PlanInputs {
            desired: &self.offer.desired,
            payload: self.offer.payload.as_ref(),
            observed: &self.document.host.observed,
            base: &self.document.host.base,
            ledger: &self.document.ledger,
            skew: SkewInputs { policy: self.policy, os_image: self.offer.os_image.as_ref() },
        }
    }

    async fn from_document(context: &Context, path: &Path) -> Result<Self, Stop> {
        let document: ObservedDocument =
            read_document(path).map_err(|source| InputError::Observed { path: path.to_owned(), source })?;
        let offer = Offer::new(context, &document.host.observed.arch).await?;
        Ok(Self { offer, document, policy: context.settings().payload.skew })
    }

    async fn from_host(context: &Context) -> Result<Self, Stop> {
        let host = context.host().await?;
        context.progress.step(Step::Observing);
        let observed = host.observe().await?;
        let offer = Offer::new(context, &observed.arch).await?;
        let paths = offer.payload.as_ref().map(Payload::required_paths).unwrap_or_default();
        context.progress.step(Step::ReadingBase);
        let base = base(&host, &observed, &paths).await?;
        let ledger = State::new(&context.settings().state.directory).ledger()?;
        let document = ObservedDocument { host: HostDocument { observed, base }, ledger };
        Ok(Self { offer, document, policy: context.settings().payload.skew })
    }
}

/// The base that a call would start from; empty on a host without deployments, which the plan refuses.
async fn base(host: &impl Host, observed: &Observed, paths: &BTreeSet<String>) -> Result<Base, Stop> {
    match observed.pending_or_booted() {
        Some(start) => Ok(host.base(start, paths).await?),
        None => Ok(Base::default()),
    }
}

impl Offer {
    /// The wish and, where anything is wanted, the payload that it means.
    async fn new(context: &Context, arch: &str) -> Result<Self, Stop> {
        if !wants_anything(&context.wish()?) {
            let desired = context.desired()?;
            return Ok(Self { desired, payload: None, os_image: None, _fetching: None });
        }
        let fetching = context.fetching()?;
        let offered = context.offered(&fetching.loader, arch).await?;
        let reference = context.reference(Some(&offered.desired))?;
        let payload = context.load(&fetching.loader, &reference, arch).await?;
        offered.admit(&payload)?;
        let os_image = offered.os_labels(&fetching.loader, arch).await;
        Ok(Self { desired: offered.desired, payload: Some(payload), os_image, _fetching: Some(fetching) })
    }
}

/// What `observe` writes: the host, its base with the files that the named payload's packages require, and what is ours.
///
/// # Errors
/// When the host, or a payload that is named, cannot be had.
pub(super) async fn observe(context: &Context) -> Result<ObservedDocument, Stop> {
    let host = context.host().await?;
    let observed = host.observe().await?;
    let fetching = context.fetching()?;
    let desired = match context.wish() {
        Ok(_) => Some(context.offered(&fetching.loader, &observed.arch).await?.desired),
        Err(_) => None,
    };
    let paths = match context.reference(desired.as_ref()) {
        Ok(reference) => context.load(&fetching.loader, &reference, &observed.arch).await?.required_paths(),
        // Without a payload nobody's requirements are known; what is left is still the host.
        Err(_) => BTreeSet::new(),
    };
    let base = base(&host, &observed, &paths).await?;
    let ledger = State::new(&context.settings().state.directory).ledger()?;
    Ok(ObservedDocument { host: HostDocument { observed, base }, ledger })
}

impl Answer for ObservedDocument {
    /// The text is JSON: the document is for `plan --observed`, whoever looks at it on the way.
    fn text(&self, _screen: Screen) -> String {
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}
