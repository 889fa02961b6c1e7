//! The namespace of one node.
//!
//! Decides: which Pod Security level it enforces. Must not: hold anything itself. Input: a place.

use k8s_openapi::api::core::v1::Namespace;

use super::Place;
use super::owner::metadata;

/// The namespace. `privileged` only where the label needs it, which the provider had to allow.
pub(super) fn namespace(place: &Place<'_>) -> Namespace {
    let mut meta = metadata(place, place.holder, None);
    let level = if place.label.needs_privilege().is_some() { "privileged" } else { "baseline" };
    let labels = meta.labels.get_or_insert_default();
    labels.insert("pod-security.kubernetes.io/enforce".to_owned(), level.to_owned());
    Namespace { metadata: meta, ..Namespace::default() }
}
