//! Where an image comes from: which change, on top of which others, from which trees. Written beside it, as an OCI artifact
//! whose subject is the image, under a tag that is computed from the change.
//!
//! Decides: the names and the document. Must not: judge it. Input: what a job knows of its state; documents of a registry,
//! untrusted until they are read.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::str::FromStr;

use oci_spec::OciSpecError;
use oci_spec::image::{ImageManifest, ImageManifestBuilder, MediaType};
use serde::{Deserialize, Serialize};

use crate::artifact::{ArtifactError, Digest, MANIFESTS, Stored, describe, document, empty};
use crate::error::shown;
use crate::git::{Id, Repository};

/// What such a document is.
pub const TYPE: &str = "application/vnd.build-resources.provenance.v1";
/// Longest text, in bytes.
const TEXT: usize = 200;
/// Most changes ahead of one.
const AHEAD: usize = 500;
/// Most repositories of one state.
const REPOSITORIES: usize = 1000;

/// The annotations.
const CHANGE: &str = "build-resources/change";
const CHANGES_AHEAD: &str = "build-resources/changes-ahead";
const BUILD: &str = "build-resources/build";
const BUILDSET: &str = "build-resources/buildset";
const STATE: &str = "build-resources/state";
const TREES: &str = "build-resources/repositories";

/// How a change is called: one line, with its patch set, such as `1234,5`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Change(String);

impl Change {
    /// The tag of what is known of it. A change may be called what no tag can be.
    pub fn tag(&self) -> String {
        format!("change-{}", Digest::of(self.0.as_bytes()).hex())
    }

    /// The tag of its image: a registry may delete what has none.
    pub(super) fn image_tag(&self) -> String {
        format!("image-{}", Digest::of(self.0.as_bytes()).hex())
    }
}

impl FromStr for Change {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if is_text(text) {
            return Ok(Change(text.to_owned()));
        }
        Err(format!("a change is called by one line of 1 to {TEXT} bytes"))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&shown(&self.0))
    }
}

fn is_text(text: &str) -> bool {
    (1..=TEXT).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// One repository of the state that was built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tree {
    /// The repository.
    pub name: Repository,
    /// The commit that was checked out. Another preparation of the same state may have another.
    pub commit: Id,
    /// Its tree, which is the same for the same files.
    pub tree: Id,
}

/// An image, as a document names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Of its manifest.
    pub digest: Digest,
    /// The type of its manifest.
    pub media_type: String,
    /// The size of its manifest in bytes.
    pub size: u64,
}

/// How the build ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With an image.
    Built(Image),
    /// Without.
    Failed,
}

/// What is known of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provenance {
    /// Which.
    pub change: Change,
    /// The changes ahead of it that were in the state too, the first to merge first.
    pub ahead: Vec<Change>,
    /// The build.
    pub build: String,
    /// Its buildset.
    pub buildset: Option<String>,
    /// How it ended.
    pub outcome: Outcome,
    /// The repositories of the state, by name.
    pub trees: Vec<Tree>,
}

/// The repositories that `sync --manifest` wrote, by name.
///
/// # Errors
/// In words, when it is no such file.
pub fn trees(text: &[u8]) -> Result<Vec<Tree>, String> {
    #[derive(Deserialize)]
    struct Line {
        name: String,
        commit: String,
        tree: String,
    }
    let lines: Vec<Line> = serde_json::from_slice(text).map_err(|error| shown(&error.to_string()))?;
    if lines.len() > REPOSITORIES {
        return Err(format!("more than {REPOSITORIES} repositories"));
    }
    let mut all = BTreeMap::new();
    for line in lines {
        let (name, commit, tree) = (line.name.parse()?, line.commit.parse()?, line.tree.parse()?);
        let one = Tree { name, commit, tree };
        if let Some(twice) = all.insert(one.name.clone(), one) {
            return Err(format!("the repository `{}` stands there twice", twice.name));
        }
    }
    Ok(all.into_values().collect())
}

impl Provenance {
    /// Whether it can be written, and read again.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn check(&self) -> Result<(), String> {
        let texts = std::iter::once(&self.build).chain(&self.buildset);
        if !texts.into_iter().all(|text| is_text(text)) {
            return Err(format!("a build and a buildset are called by one line of 1 to {TEXT} bytes"));
        }
        if self.ahead.len() > AHEAD || self.trees.len() > REPOSITORIES {
            return Err(format!("more than {AHEAD} changes or {REPOSITORIES} repositories"));
        }
        Ok(())
    }

    /// The document.
    ///
    /// # Errors
    /// When it could not be read again.
    pub(super) fn document(&self) -> Result<Stored, ArtifactError> {
        self.check()
            .map_err(|why| ArtifactError::Document { what: format!("change {}", self.change), why })?;
        let text = |value: serde_json::Result<String>| value.map_err(|error| error.to_string());
        let made = text(serde_json::to_string(&self.ahead))
            .and_then(|ahead| Ok((ahead, text(serde_json::to_string(&self.trees))?)))
            .and_then(|(ahead, trees)| self.manifest(ahead, trees).map_err(|error| error.to_string()));
        document(made)
    }

    fn manifest(&self, ahead: String, trees: String) -> Result<ImageManifest, OciSpecError> {
        let state = if self.outcome == Outcome::Failed { "failed" } else { "built" };
        let mut notes = HashMap::from([
            (CHANGE.to_owned(), self.change.0.clone()),
            (CHANGES_AHEAD.to_owned(), ahead),
            (BUILD.to_owned(), self.build.clone()),
            (STATE.to_owned(), state.to_owned()),
            (TREES.to_owned(), trees),
        ]);
        notes.extend(self.buildset.clone().map(|set| (BUILDSET.to_owned(), set)));
        let mut manifest = ImageManifestBuilder::default()
            .schema_version(2_u32)
            .media_type(MediaType::ImageManifest)
            .artifact_type(MediaType::Other(TYPE.to_owned()))
            .config(empty()?)
            .layers(vec![empty()?])
            .annotations(notes)
            .build()?;
        if let Outcome::Built(image) = &self.outcome {
            let kind = MediaType::from(image.media_type.as_str());
            manifest.set_subject(Some(describe(&kind, image.size, &image.digest)?));
        }
        Ok(manifest)
    }

    /// What a document says of a change.
    ///
    /// # Errors
    /// In words, when it is none of ours, or of another change.
    pub(super) fn read(change: &Change, stored: &Stored) -> Result<Self, String> {
        let manifest: ImageManifest =
            serde_json::from_slice(&stored.bytes).map_err(|error| shown(&error.to_string()))?;
        if manifest.artifact_type().as_ref().is_none_or(|kind| kind.to_string() != TYPE) {
            return Err(format!("it is no `{TYPE}`"));
        }
        let note = |key: &str| manifest.annotations().as_ref()?.get(key).cloned();
        let need = |key: &'static str| note(key).ok_or(format!("it has no `{key}`"));
        if need(CHANGE)? != change.0 {
            return Err("it is of another change".to_owned());
        }
        let ahead: Vec<String> =
            serde_json::from_str(&need(CHANGES_AHEAD)?).map_err(|error| shown(&error.to_string()))?;
        let outcome = match (need(STATE)?.as_str(), manifest.subject()) {
            ("built", Some(subject)) => Outcome::Built(Image {
                digest: subject.digest().to_string().parse().map_err(str::to_owned)?,
                media_type: subject.media_type().to_string(),
                size: subject.size(),
            }),
            ("failed", None) => Outcome::Failed,
            _ => return Err("it does not say whether there is an image".to_owned()),
        };
        if matches!(&outcome, Outcome::Built(image) if !MANIFESTS.contains(&image.media_type.as_str())) {
            return Err("its subject is no image".to_owned());
        }
        let found = Provenance {
            change: change.clone(),
            ahead: ahead.iter().map(|text| text.parse()).collect::<Result<_, _>>()?,
            build: need(BUILD)?,
            buildset: note(BUILDSET),
            outcome,
            trees: trees(need(TREES)?.as_bytes())?,
        };
        found.check()?;
        Ok(found)
    }
}

#[cfg(test)]
pub(super) mod tests;
