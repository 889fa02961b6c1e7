//! Who may come in over the network: the build's own, and nobody else.
//!
//! Decides: the ingress of a namespace. Must not: restrict what a job reaches; that is the cluster's affair. Input: a
//! place.

use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

use super::Place;
use super::owner::{build_selector, metadata};

/// Denies what comes in, unless it comes from a namespace of the same buildset, or of the same request without one.
pub(super) fn policy(place: &Place<'_>) -> NetworkPolicy {
    let neighbours = LabelSelector { match_labels: Some(build_selector(place)), ..LabelSelector::default() };
    NetworkPolicy {
        metadata: metadata(place, "build-resources", Some(place.namespace)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(LabelSelector::default()),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![NetworkPolicyIngressRule {
                from: Some(vec![NetworkPolicyPeer {
                    namespace_selector: Some(neighbours),
                    ..NetworkPolicyPeer::default()
                }]),
                ..NetworkPolicyIngressRule::default()
            }]),
            ..NetworkPolicySpec::default()
        }),
    }
}
