//! Who may come in over the network: the build's own, and nobody else.
//!
//! Decides: the ingress of a namespace. Must not: restrict what a job reaches; that is the cluster's affair. Input: a
//! place.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::Place;
use super::owner::{build_selector, metadata, node_selector};

/// Denies what comes in, unless it comes from the same buildset, or from the same request where there is none. Who that is
/// stands on namespaces; in a shared one it stands on pods.
pub(super) fn policy(place: &Place<'_>) -> NetworkPolicy {
    let neighbours = LabelSelector { match_labels: Some(build_selector(place)), ..LabelSelector::default() };
    let (whose, from) = if place.is_shared() {
        let peer = NetworkPolicyPeer { pod_selector: Some(neighbours), ..NetworkPolicyPeer::default() };
        (LabelSelector { match_labels: Some(node_selector(place)), ..LabelSelector::default() }, peer)
    } else {
        let peer = NetworkPolicyPeer { namespace_selector: Some(neighbours), ..NetworkPolicyPeer::default() };
        (LabelSelector::default(), peer)
    };
    NetworkPolicy {
        metadata: metadata(place, place.only(), Some(place.namespace)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(whose),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(vec![from]),
                ..NetworkPolicyIngressRule::default()
            }]),
            ..NetworkPolicySpec::default()
        }),
    }
}
