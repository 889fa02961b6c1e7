//! Credentials for the image, where the node can use them.
//!
//! Decides: what is copied, and how the copy is called. Must not: read a Secret, or copy one of another type. Input: a place,
//! and a Secret that was read.

use k8s_openapi::api::core::v1::Secret;

use super::Place;
use super::owner::metadata;

/// The only type that is copied: a label shall not be a way to read any Secret of the cluster.
const TYPE: &str = "kubernetes.io/dockerconfigjson";

/// A copy that is wanted.
#[derive(Debug, Clone)]
pub struct Copy {
    /// The namespace of the original.
    pub from: String,
    /// The copy, still empty; it is called like the original.
    pub empty: Secret,
}

/// The copies that a node needs. In a shared namespace the originals lie already.
pub(super) fn copies(place: &Place<'_>) -> Vec<Copy> {
    let copy = |secret: &crate::config::PullSecret| Copy {
        from: secret.namespace.to_string(),
        empty: Secret {
            metadata: metadata(place, secret.name.as_str(), Some(place.namespace)),
            type_: Some(TYPE.to_owned()),
            ..Secret::default()
        },
    };
    place.label.image_pull_secrets.iter().filter(|_| !place.is_shared()).map(copy).collect()
}

impl Copy {
    /// The name of both.
    pub fn name(&self) -> &str {
        self.empty.metadata.name.as_deref().unwrap_or_default()
    }

    /// The copy of an original; none when that is no credential of a registry.
    pub fn of(&self, original: Secret) -> Option<Secret> {
        let fit = original.type_.as_deref() == Some(TYPE);
        fit.then(|| Secret { data: original.data, ..self.empty.clone() })
    }
}
