//! `image-references` of a release image → which payloads the release names. Pure.
//!
//! A release is the signed list of everything that belongs together. Where one is set, it decides: a payload that it does
//! not name is refused, whoever asks for it.

use std::collections::BTreeMap;

use extensions_manifest::{Sha256Digest, excerpt};
use serde::Deserialize;

use super::error::PayloadError;
use super::{Identifier, Labels, Pinned, Reference};
use crate::error::{Failure, Reason};

/// Where the list lies in a release image.
pub(super) const PATH: [&str; 2] = ["release-manifests", "image-references"];
/// Largest list; real ones are below 200 KiB.
pub(super) const REFERENCES_BYTES: u64 = 4 << 20;
/// Most images of one release; real ones have about 200.
const TAGS: usize = 4096;

/// A stream of the operating system: the tag of its extensions image, and that of the image which hosts boot.
struct Stream {
    extensions: &'static str,
    os: &'static str,
    /// Whether its OS is the one that carries no number: what a release had before it had two.
    plain: bool,
}

const STREAMS: [Stream; 4] = [
    Stream { extensions: "rhel-coreos-extensions", os: "rhel-coreos", plain: true },
    Stream { extensions: "rhel-coreos-10-extensions", os: "rhel-coreos-10", plain: false },
    Stream { extensions: "stream-coreos-extensions", os: "stream-coreos", plain: true },
    Stream { extensions: "stream-coreos-10-extensions", os: "stream-coreos-10", plain: false },
];
/// Operating system and extensions in one, up to 4.12.
const MACHINE_OS_CONTENT: &str = "machine-os-content";

/// Why a release gives no payload.
#[derive(Debug, thiserror::Error)]
pub enum ReleaseError {
    /// It cannot be fetched.
    #[error("reading the release image `{release}`")]
    Fetch {
        /// Which release.
        release: String,
        /// Why.
        #[source]
        source: Box<PayloadError>,
    },
    /// It is no release image.
    #[error("the release image `{release}`: {problem}")]
    Unreadable {
        /// Which release.
        release: String,
        /// What is wrong with it.
        problem: String,
    },
    /// It names other payloads than the one that is asked for.
    #[error("the release {release} does not name the payload `{payload}`; it names {named}")]
    NotNamed {
        /// Which release.
        release: String,
        /// What was asked for.
        payload: String,
        /// What the release names.
        named: String,
    },
    /// It names more than one payload, and nothing says which is meant.
    #[error("the release {release} names {named}, and nothing says for which operating system this node is")]
    Ambiguous {
        /// Which release.
        release: String,
        /// What the release names.
        named: String,
    },
}

impl Failure for ReleaseError {
    fn reason(&self) -> Reason {
        match self {
            Self::Fetch { source, .. } => source.reason(),
            Self::Unreadable { .. } => Reason::InvalidRelease,
            Self::NotNamed { .. } => Reason::PayloadNotInRelease,
            Self::Ambiguous { .. } => Reason::NoPayload,
        }
    }

    fn cure(&self) -> Option<String> {
        match self {
            Self::Fetch { source, .. } => source.cure(),
            Self::Unreadable { .. } | Self::NotNamed { .. } => self.reason().cure().map(str::to_owned),
            Self::Ambiguous { .. } => Some(
                "set `osImageURL` of a MachineConfig to the release's image of that operating system, or \
                 `baseOSExtensionsContainerImage` to one of the extensions images"
                    .to_owned(),
            ),
        }
    }
}

/// What a release names, as far as it concerns extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Which image.
    pub pinned: Pinned,
    /// Its version, where it says one.
    pub version: Option<String>,
    images: BTreeMap<&'static str, Named>,
}

/// One image of a release.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Named {
    reference: Reference,
    digest: Sha256Digest,
}

#[derive(Deserialize)]
struct ImageStream {
    kind: String,
    #[serde(default)]
    metadata: Metadata,
    spec: Spec,
}

#[derive(Default, Deserialize)]
struct Metadata {
    name: Option<String>,
}

#[derive(Deserialize)]
struct Spec {
    tags: Vec<Tag>,
}

#[derive(Deserialize)]
struct Tag {
    name: String,
    from: Option<From>,
}

#[derive(Deserialize)]
struct From {
    name: String,
}

impl Release {
    /// Reads the list that a release image carries.
    pub(crate) fn parse(bytes: &[u8], pinned: Pinned) -> Result<Self, ReleaseError> {
        let refused = |problem: String| ReleaseError::Unreadable { release: pinned.to_string(), problem };
        let stream: ImageStream = serde_json::from_slice(bytes)
            .map_err(|error| refused(format!("its `image-references` cannot be read: {}", place(&error))))?;
        if stream.kind != "ImageStream" {
            return Err(refused(format!("its `image-references` are a `{}`", excerpt(&stream.kind))));
        }
        let tags = stream.spec.tags;
        if tags.len() > TAGS {
            return Err(refused(format!("it names {} images, the limit is {TAGS}", tags.len())));
        }
        let mut images = BTreeMap::new();
        for tag in tags {
            let Some(name) = known(&tag.name) else { continue };
            let named = tag.from.map(|from| from.name).unwrap_or_default();
            let pullspec = named.parse::<Reference>().ok().and_then(|reference| {
                let digest = digest(&reference)?;
                Some(Named { reference, digest })
            });
            let pullspec =
                pullspec.ok_or_else(|| refused(format!("its `{name}` is not an image by digest")))?;
            if images.insert(name, pullspec).is_some() {
                return Err(refused(format!("it names `{name}` twice")));
            }
        }
        let version = stream.metadata.name.map(|name| excerpt(&name));
        Ok(Self { pinned, version, images })
    }

    /// Refuses a payload of another digest than those that the release names.
    ///
    /// # Errors
    /// When the release does not name it.
    pub fn admit(&self, payload: &str, digest: Sha256Digest) -> Result<(), ReleaseError> {
        if self.payloads().any(|(_, named)| named.digest == digest) {
            return Ok(());
        }
        Err(ReleaseError::NotNamed {
            release: self.to_string(),
            payload: excerpt(payload),
            named: self.named(),
        })
    }

    /// The release's own payload, where there is no doubt which one this node needs: that of the operating system which
    /// the MachineConfigs name, by digest or by the stream of its labels, or the only one.
    ///
    /// # Errors
    /// When there are two and nothing says which, or none.
    pub fn choose(
        &self,
        os_image: Option<&Reference>,
        labels: Option<&Labels>,
    ) -> Result<&Reference, ReleaseError> {
        let mut named = self.payloads();
        match (named.next(), named.next()) {
            (None, _) => Err(ReleaseError::Unreadable {
                release: self.to_string(),
                problem: "it names no extensions image".to_owned(),
            }),
            (Some((_, only)), None) => Ok(&only.reference),
            (Some(_), Some(_)) => self
                .of_stream(os_image, labels)
                .ok_or_else(|| ReleaseError::Ambiguous { release: self.to_string(), named: self.named() }),
        }
    }

    fn of_stream(&self, os_image: Option<&Reference>, labels: Option<&Labels>) -> Option<&Reference> {
        let os_digest = os_image.and_then(digest);
        let by_digest = STREAMS.iter().find(|stream| {
            os_digest.is_some() && self.images.get(stream.os).map(|named| named.digest) == os_digest
        });
        let class = labels.and_then(|labels| labels.stream.as_deref());
        let by_class = || {
            let ten = class.map(|class| class.ends_with("-10"))?;
            STREAMS.iter().find(|one| one.plain != ten && self.images.contains_key(one.extensions))
        };
        let chosen = by_digest.or_else(by_class)?;
        self.images.get(chosen.extensions).map(|named| &named.reference)
    }

    /// The payloads: images of today's kind, else that of the older one.
    fn payloads(&self) -> impl Iterator<Item = (&'static str, &Named)> {
        let today = STREAMS.iter().map(|stream| stream.extensions);
        let all = today.chain([MACHINE_OS_CONTENT]);
        let mut found: Vec<_> =
            all.filter_map(|tag| self.images.get(tag).map(|named| (tag, named))).collect();
        // A release that has both keeps the older one for hosts that do not read it any more.
        if found.len() > 1 {
            found.retain(|(tag, _)| *tag != MACHINE_OS_CONTENT);
        }
        found.into_iter()
    }

    fn named(&self) -> String {
        let shown: Vec<String> =
            self.payloads().map(|(tag, named)| format!("`{tag}` = `{}`", named.reference)).collect();
        if shown.is_empty() { "no extensions image".to_owned() } else { shown.join(", ") }
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.version {
            Some(version) => write!(out, "{version} (`{}`)", self.pinned),
            None => write!(out, "`{}`", self.pinned),
        }
    }
}

/// The tag, where it is one of those that count.
fn known(name: &str) -> Option<&'static str> {
    let tags = STREAMS.iter().flat_map(|stream| [stream.extensions, stream.os]);
    tags.chain([MACHINE_OS_CONTENT]).find(|tag| *tag == name)
}

fn digest(reference: &Reference) -> Option<Sha256Digest> {
    match reference {
        Reference::Registry { identifier: Identifier::Digest(digest), .. } => Some(*digest),
        Reference::Registry { .. } | Reference::OciLayout { .. } | Reference::Directory { .. } => None,
    }
}

/// Where a document is wrong, without the text itself.
fn place(error: &serde_json::Error) -> String {
    format!("line {} column {}", error.line(), error.column())
}

#[cfg(test)]
mod tests;
