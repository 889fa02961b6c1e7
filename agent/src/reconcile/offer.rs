//! Which payload a wish means, where others than the MachineConfigs have a say in it.
//!
//! In this order: the extensions image that a MachineConfig names; the one of the release; the OS image that a
//! MachineConfig names, if it is one of those that held both; the setting. Where a release is set, it must name the
//! payload, whoever chose it.

use super::Parts;
use crate::apply::PayloadSource;
use crate::desired::Desired;
use crate::error::{Failure, Reason, chain};
use crate::payload::{Identifier, Labels, Payload, PayloadError, Reference, Release, ReleaseError};
use crate::plan;
use crate::settings::{PayloadSettings, Skew};

/// Who decided a payload that no MachineConfig names.
const BY_RELEASE: &str = "release";
/// The same, for an image that holds the operating system and its extensions.
const BY_OS_IMAGE: &str = "osImageURL";

/// What the settings say of payloads.
#[derive(Debug, Clone, Copy, Default)]
pub struct PayloadRules<'a> {
    /// The payload to use when nobody else names one.
    pub default: Option<&'a str>,
    /// The release that has to name it.
    pub release: Option<&'a str>,
    /// What is done about a payload that was built for another base.
    pub skew: Skew,
}

impl<'a> PayloadRules<'a> {
    /// The rules of these settings.
    pub fn of(settings: &'a PayloadSettings) -> Self {
        Self { default: settings.image.as_deref(), release: settings.release.as_deref(), skew: settings.skew }
    }
}

/// Why it cannot be said which payload is meant.
#[derive(Debug, thiserror::Error)]
pub enum OfferError {
    /// A reference, or an image that is asked for its labels.
    #[error(transparent)]
    Payload(#[from] PayloadError),
    /// The release.
    #[error(transparent)]
    Release(#[from] ReleaseError),
}

impl Failure for OfferError {
    fn reason(&self) -> Reason {
        match self {
            Self::Payload(error) => error.reason(),
            Self::Release(error) => error.reason(),
        }
    }

    fn cure(&self) -> Option<String> {
        match self {
            Self::Payload(error) => error.cure(),
            Self::Release(error) => error.cure(),
        }
    }
}

/// A wish whose payload is named, as far as anybody names one.
#[derive(Debug, Clone)]
pub struct Offered {
    /// The wish.
    pub desired: Desired,
    /// The release that has to name its payload.
    release: Option<Release>,
}

impl Offered {
    /// Says which payload `desired` means on a host of this architecture.
    ///
    /// # Errors
    /// When a release or an OS image that has a say cannot be had, or the release does not name the payload.
    pub async fn new<S: PayloadSource>(
        source: &S,
        rules: PayloadRules<'_>,
        mut desired: Desired,
        arch: &str,
    ) -> Result<Self, OfferError> {
        let release = match rules.release {
            Some(text) => Some(source.release(&text.parse()?, arch).await?),
            None => None,
        };
        let os_image = desired.os_image.as_deref();
        let chosen = match (&desired.payload, &release) {
            (Some(_), _) => None,
            (None, Some(release)) => Some((choose(source, release, os_image, arch).await?, BY_RELEASE)),
            (None, None) => older(source, os_image, arch).await?.map(|image| (image, BY_OS_IMAGE)),
        };
        if let Some((image, who)) = chosen {
            (desired.payload, desired.payload_from) = (Some(image), Some(who.to_owned()));
        }
        let offered = Self { release, ..Self::unasked(rules, desired) };
        if let Some((text, release)) = offered.desired.payload.as_deref().zip(offered.release.as_ref()) {
            admit_early(release, text)?;
        }
        Ok(offered)
    }

    /// The same where nothing is wanted: nobody is asked.
    pub fn unasked(rules: PayloadRules<'_>, mut desired: Desired) -> Self {
        if desired.payload.is_none() {
            desired.payload = rules.default.map(str::to_owned);
        }
        Self { desired, release: None }
    }

    /// Refuses a payload that was loaded and that the release does not name.
    ///
    /// # Errors
    /// See [`Release::admit`].
    pub fn admit(&self, payload: &Payload) -> Result<(), ReleaseError> {
        let release = self.release.as_ref();
        release.map_or(Ok(()), |release| release.admit(&payload.pinned.to_string(), payload.pinned.digest()))
    }

    /// The labels of the OS image that the MachineConfigs name. They only help to see a mistake, so an image that cannot
    /// be had is no reason to do nothing.
    pub async fn os_labels<S: PayloadSource>(&self, source: &S, arch: &str) -> Option<Labels> {
        let reference: Reference = self.desired.os_image.as_deref()?.parse().ok()?;
        match source.labels(&reference, arch).await {
            Ok(labels) => Some(labels),
            Err(error) => {
                tracing::warn!(image = %reference, error = %chain(&error), "the labels of the OS image are not known");
                None
            }
        }
    }
}

/// Refuses before it is fetched what is pinned to a digest that the release does not name. Everything else is held
/// against the release when its digest is known.
fn admit_early(release: &Release, payload: &str) -> Result<(), ReleaseError> {
    match payload.parse() {
        Ok(Reference::Registry { identifier: Identifier::Digest(digest), .. }) => {
            release.admit(payload, digest)
        }
        Ok(Reference::Registry { .. } | Reference::OciLayout { .. } | Reference::Directory { .. })
        | Err(_) => Ok(()),
    }
}

/// The release's own payload. Only where that takes the stream of the OS image, its labels are read.
async fn choose<S: PayloadSource>(
    source: &S,
    release: &Release,
    os_image: Option<&str>,
    arch: &str,
) -> Result<String, OfferError> {
    let os_image: Option<Reference> = os_image.and_then(|text| text.parse().ok());
    let labels = match (release.choose(os_image.as_ref(), None), &os_image) {
        (Ok(chosen), _) => return Ok(chosen.to_string()),
        (Err(ReleaseError::Ambiguous { .. }), Some(image)) => source.labels(image, arch).await?,
        (Err(error), _) => return Err(error.into()),
    };
    Ok(release.choose(os_image.as_ref(), Some(&labels))?.to_string())
}

/// The OS image, where it is one that holds extensions too.
async fn older<S: PayloadSource>(
    source: &S,
    os_image: Option<&str>,
    arch: &str,
) -> Result<Option<String>, OfferError> {
    let Some((text, Ok(reference))) = os_image.map(|text| (text, text.parse::<Reference>())) else {
        return Ok(None);
    };
    let labels = source.labels(&reference, arch).await?;
    Ok(labels.is_machine_os_content().then(|| text.to_owned()))
}

/// The rules of a pass, applied to its wish.
pub(super) async fn offered<H, S: PayloadSource>(
    parts: &Parts<'_, H, S>,
    desired: &Desired,
    arch: &str,
) -> Result<Offered, OfferError> {
    if plan::wants_anything(desired) {
        Offered::new(parts.source, parts.rules, desired.clone(), arch).await
    } else {
        Ok(Offered::unasked(parts.rules, desired.clone()))
    }
}
