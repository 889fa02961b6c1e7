//! An image that outlives its buildset: copied by digest to an intermediate registry, for changes that depend on its own.
//!
//! ```text
//!  registry of a build ──► all parts known ──► blobs ──► manifests ──► provenance, under the tag of the change
//!     through the API        within bounds        by digest, proven             last: a death leaves no tag
//!
//!  a change that depends on it ──► tag ──► provenance ──► the same digest, or a refusal that names the change
//! ```
//!
//! Decides: what is copied, and who may go on with it. Must not: hand on an image of a build that failed, or by anything but
//! its digest. Input: a build, and a repository of a registry that is not ours. Every step can be done again; of two
//! promotions of one change the later counts.

mod credentials;
mod error;
mod parts;
mod provenance;
mod verdict;

use std::path::Path;

pub use error::PromoteError;
pub use provenance::{Change, Image, Outcome, Provenance, TYPE, Tree, trees};
pub use verdict::{Refusal, judge};

use crate::artifact::{ArtifactError, Digest, Remote, Repository, send_empty};
use crate::drive::Desk;
use crate::error::shown;
use crate::state::Record;
use parts::{Open, Parts};

/// The repositories that a file of `sync --manifest` names.
///
/// # Errors
/// When it cannot be read, or is none.
pub fn read_trees(path: &Path) -> Result<Vec<Tree>, PromoteError> {
    let read = credentials::file(path).and_then(|text| trees(&text));
    read.map_err(|why| PromoteError::Manifest { path: path.to_owned(), why })
}

/// A repository of an intermediate registry.
pub struct Place {
    remote: Remote,
    repository: Repository,
}

/// An image in the registry of a build.
#[derive(Debug, Clone)]
pub struct Source {
    /// The node whose registry it is; none for the first that has one.
    pub node: Option<String>,
    /// The repository there.
    pub name: String,
    /// The image.
    pub digest: Digest,
    /// Most bytes of all its blobs.
    pub most: u64,
}

fn missing(error: &ArtifactError) -> bool {
    matches!(error, ArtifactError::Refused { code: 404, .. })
}

impl Place {
    /// Opens a repository. Nothing is sent yet.
    ///
    /// # Errors
    /// When the credentials or the authority cannot be used.
    pub async fn open(
        repository: Repository,
        credentials: Option<&Path>,
        authority: Option<&Path>,
    ) -> Result<Self, PromoteError> {
        let opens = credentials::read(&repository, credentials, authority)?;
        let remote = Remote::new(&repository.registry, &repository.registry, &opens).await?;
        Ok(Place { remote, repository })
    }

    /// The pullspec of what lies here.
    pub fn pullspec(&self, digest: &Digest) -> String {
        format!("{}@{digest}", self.repository)
    }

    /// Copies an image here: all of it is known before anything is sent, and its own manifest comes last. It has no tag yet.
    ///
    /// # Errors
    /// When it is not there, too large, or not what it says, or a registry refuses or is away.
    pub async fn copy(&self, from: &Remote, source: &Source) -> Result<Image, PromoteError> {
        let mut parts = Parts::within(source.most);
        let mut open = vec![Open::image(&source.digest)];
        while let Some(one) = open.pop() {
            let stored = from.manifest(&source.name, &one.digest.to_string()).await?;
            open.extend(parts.add(&one, stored)?);
        }
        let here = &self.repository.name;
        for (digest, size) in &parts.blobs {
            if self.remote.has(here, digest).await? {
                continue;
            }
            let blob = from.blob(&source.name, digest).await?;
            self.remote.send(here, (digest, *size), blob).await?;
        }
        for (digest, stored) in parts.manifests() {
            self.remote.store(here, &digest.to_string(), stored).await?;
        }
        let image = parts.image().ok_or_else(|| ArtifactError::Document {
            what: "an image".to_owned(),
            why: "it has no manifest".to_owned(),
        })?;
        Ok(Image {
            digest: source.digest.clone(),
            media_type: image.media_type.clone(),
            size: u64::try_from(image.bytes.len()).unwrap_or(u64::MAX),
        })
    }

    /// Writes down what is known of a change: from now on it is found. Its image must be here.
    ///
    /// # Errors
    /// When the image is not here, or the registry refuses or is away.
    pub async fn record(&self, provenance: &Provenance) -> Result<(), PromoteError> {
        let here = &self.repository.name;
        let document = provenance.document()?;
        send_empty(&self.remote, here).await?;
        if let Outcome::Built(image) = &provenance.outcome {
            let stored = self.remote.manifest(here, &image.digest.to_string()).await?;
            self.remote.store(here, &provenance.change.image_tag(), &stored).await?;
        }
        Ok(self.remote.store(here, &provenance.change.tag(), &document).await?)
    }

    /// What is known of a change.
    async fn known(&self, change: &Change, wanted: Option<&[Tree]>) -> Result<Known, PromoteError> {
        let here = &self.repository.name;
        let stored = match self.remote.manifest(here, &change.tag()).await {
            Err(error) if missing(&error) => return Ok(Err(Refusal::Missing)),
            Err(ArtifactError::Document { why, .. }) => return Ok(Err(Refusal::Unreadable(why))),
            other => other?,
        };
        let found = match Provenance::read(change, &stored) {
            Ok(found) => found,
            Err(why) => return Ok(Err(Refusal::Unreadable(shown(&why)))),
        };
        let image = match judge(&found, wanted) {
            Ok(image) => image.clone(),
            Err(refusal) => return Ok(Err(refusal)),
        };
        match self.remote.manifest(here, &image.digest.to_string()).await {
            Err(error) if missing(&error) => Ok(Err(Refusal::Gone(image.digest))),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(Ok((found, image))),
        }
    }

    /// The images of changes, for whoever depends on all of them. With trees they are wanted from these.
    ///
    /// # Errors
    /// Names every change that has none, with the reason; or the registry refuses or is away.
    pub async fn find(
        &self,
        changes: &[Change],
        wanted: Option<&[Tree]>,
    ) -> Result<Vec<(Provenance, Image)>, PromoteError> {
        let (mut found, mut refused) = (Vec::new(), Vec::new());
        for change in changes {
            match self.known(change, wanted).await? {
                Ok(one) => found.push(one),
                Err(why) => refused.push((change.clone(), why)),
            }
        }
        if refused.is_empty() {
            return Ok(found);
        }
        Err(PromoteError::Refused { place: self.repository.to_string(), refused })
    }
}

/// A change and its image, or why there is none.
type Known = Result<(Provenance, Image), Refusal>;

impl Desk<'_> {
    /// Copies an image from the registry of a build, with that build's own credentials.
    ///
    /// # Errors
    /// When the build has no registry that is ready, and as [`Place::copy`].
    pub async fn promote(
        &self,
        record: &Record,
        source: &Source,
        there: &Place,
    ) -> Result<Image, PromoteError> {
        let build = &record.body.request.build;
        let node = match &source.node {
            Some(node) => Some(node.clone()),
            None => self.with_registry(build).await?,
        };
        let node = node.ok_or_else(|| PromoteError::NoRegistry(build.clone()))?;
        let inside = self.inside(build, &node).await?;
        there.copy(&inside.remote, source).await
    }
}
