//! `list`: what the payload offers, on this architecture and on others.

use std::collections::{BTreeMap, BTreeSet};

use extensions_manifest::map::Kind;
use extensions_manifest::{ExtensionName, MapOrigin, Sha256Digest};
use schemars::JsonSchema;
use serde::Serialize;

use super::context::Context;
use super::render::{Answer, Screen, list as joined};
use super::stop::Stop;
use crate::host::architecture;
use crate::payload::Payload;
use crate::plan::API_VERSION;

/// What a payload offers.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Offer {
    /// Always `extensions.agent/v1`.
    pub api_version: &'static str,
    /// Always `Offer`.
    pub kind: &'static str,
    /// Which image, with its digest.
    pub payload: String,
    /// The digest it is pinned by.
    pub digest: Sha256Digest,
    /// The OS version it was built for.
    pub version: Option<String>,
    /// Where its extension map came from.
    pub map: MapOrigin,
    /// How many packages it holds.
    pub packages: usize,
    /// The architecture that was asked for.
    pub arch: String,
    /// Its extensions.
    pub extensions: BTreeMap<ExtensionName, OfferedExtension>,
}

/// One extension of a payload.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OfferedExtension {
    /// The packages that its map names.
    pub packages: Vec<String>,
    /// What it is for.
    pub kind: Kind,
    /// The architectures it exists for; empty means all.
    pub architectures: BTreeSet<String>,
    /// Whether a MachineConfig may ask for it on this architecture.
    pub available: bool,
}

/// What the payload of the MachineConfigs, or of the settings, offers.
///
/// # Errors
/// When there is no payload or it cannot be had.
pub(super) async fn list(context: &Context) -> Result<Offer, Stop> {
    // Only their word on the payload counts here, so a missing directory is as good as an empty one.
    let fetching = context.fetching()?;
    let arch = architecture()?;
    let desired = match (context.wish(), &context.settings().payload.image) {
        (Err(_), Some(_)) => None,
        (Err(error), None) => return Err(error.into()),
        (Ok(_), _) => Some(context.offered(&fetching.loader, &arch).await?.desired),
    };
    let reference = context.reference(desired.as_ref())?;
    let payload = context.load(&fetching.loader, &reference, &arch).await?;
    Ok(offer(&payload, arch))
}

fn offer(payload: &Payload, arch: String) -> Offer {
    let extensions = payload.map.extensions.iter().map(|(name, extension)| {
        let here = extension.architectures.is_empty() || extension.architectures.contains(&arch);
        let offered = OfferedExtension {
            packages: extension.packages.iter().map(|package| package.to_string()).collect(),
            kind: extension.kind,
            architectures: extension.architectures.clone(),
            available: here && extension.kind == Kind::OsExtension,
        };
        (name.clone(), offered)
    });
    Offer {
        api_version: API_VERSION,
        kind: "Offer",
        payload: payload.pinned.to_string(),
        digest: payload.pinned.digest(),
        version: payload.labels.version.clone(),
        map: payload.map.origin,
        packages: payload.packages.len(),
        extensions: extensions.collect(),
        arch,
    }
}

impl Answer for Offer {
    fn text(&self, screen: Screen) -> String {
        let rows = self.extensions.iter().map(|(name, extension)| {
            let here = match (extension.available, extension.kind) {
                (true, _) => "yes".to_owned(),
                (false, Kind::Development) if name.as_str() == "kernel-rt" => {
                    "by `kernelType: realtime`".to_owned()
                }
                (false, Kind::Development) => "no: for developers".to_owned(),
                (false, Kind::OsExtension) => format!("no: only {}", joined(&extension.architectures)),
            };
            [name.to_string(), here, joined(&extension.packages)]
        });
        let origin = match self.map {
            MapOrigin::Payload => "named by the payload itself",
            MapOrigin::Directories => "named by the payload's directories",
            MapOrigin::BuiltIn => "named by the agent's own table: the payload has no map",
        };
        let version = self.version.as_deref().unwrap_or("unknown");
        format!(
            "Payload:  {}\nVersion:  {version}, {} packages, {}\n\n{}",
            self.payload,
            self.packages,
            origin,
            screen.table(["EXTENSION", "AVAILABLE", "PACKAGES"], rows)
        )
    }
}
