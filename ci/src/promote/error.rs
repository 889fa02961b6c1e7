//! Why an image was not promoted, or is not handed to whoever depends on it.
//!
//! Decides: the reason and the cure of each. Must not: print. Input: none.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::provenance::Change;
use super::verdict::Refusal;
use crate::artifact::ArtifactError;
use crate::drive::Stop;
use crate::error::{Failure, Reason, shown};

/// Why not.
#[derive(Debug, thiserror::Error)]
pub enum PromoteError {
    /// One of the registries, or what lies in it.
    #[error(transparent)]
    Artifact(#[from] ArtifactError),
    /// The build or the cluster.
    #[error(transparent)]
    Stop(#[from] Stop),
    /// The credentials or the authority.
    #[error("what opens the intermediate registry, `{}`: {why}", path.display())]
    Opens {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A manifest of repositories.
    #[error("the manifest `{}`: {why}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// The build has no registry.
    #[error("no node of the build `{}` has a registry that is ready", shown(.0))]
    NoRegistry(String),
    /// Nobody said what it was built for.
    #[error("the build `{}` was requested for no change", shown(.0))]
    NoChange(String),
    /// Who depends on these changes may not go on.
    #[error("in `{place}`: {}", listed(refused))]
    Refused {
        /// The repository of the intermediate registry.
        place: String,
        /// The changes, and why.
        refused: Vec<(Change, Refusal)>,
    },
}

fn listed(refused: &[(Change, Refusal)]) -> String {
    let one = |(change, why): &(Change, Refusal)| format!("the change `{change}` {why}");
    refused.iter().map(one).collect::<Vec<_>>().join("; ")
}

impl Failure for PromoteError {
    fn reason(&self) -> Reason {
        match self {
            PromoteError::Artifact(error) => error.reason(),
            PromoteError::Stop(error) => error.reason(),
            PromoteError::Opens { .. } => Reason::Config,
            PromoteError::Manifest { .. } | PromoteError::NoRegistry(_) | PromoteError::NoChange(_) => {
                Reason::Usage
            }
            PromoteError::Refused { .. } => Reason::Dependency,
        }
    }

    fn cure(&self) -> Option<String> {
        match self {
            PromoteError::Artifact(error) => error.cure(),
            PromoteError::Stop(error) => error.cure(),
            PromoteError::Opens { .. } => Some(
                "credentials are a file as `docker login` or `podman login` writes it, the authority is PEM"
                    .to_owned(),
            ),
            PromoteError::Manifest { .. } => Some("`sync --manifest` writes one".to_owned()),
            PromoteError::NoRegistry(_) => {
                Some("request a label with `registry`, and push the image there first".to_owned())
            }
            PromoteError::NoChange(_) => Some("say it with `--change`".to_owned()),
            PromoteError::Refused { refused, .. } => {
                let cures: BTreeSet<&str> = refused.iter().map(|(_, why)| why.cure()).collect();
                Some(cures.into_iter().collect::<Vec<_>>().join("; "))
            }
        }
    }
}
