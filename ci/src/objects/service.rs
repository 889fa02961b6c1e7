//! What leads to a server in the namespace of a node: its Service, and the hole in what keeps others out.
//!
//! Decides: how a server is found and who gets to its port. Must not: know what is served. Input: a place.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPort, NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::Place;
use super::owner::{Key, metadata};

/// What serves in the namespace of a node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Served {
    /// The name of the Service, and what its pod says that it serves.
    pub(crate) name: &'static str,
    /// What is spoken there.
    pub(crate) protocol: &'static str,
    /// Its port.
    pub(crate) port: u16,
}

impl Served {
    /// The label of the pod that serves.
    pub(crate) fn mark(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(Key::Serves.text(), self.name.to_owned())])
    }

    /// The way to it, at an address of the cluster.
    pub(crate) fn service(&self, place: &Place<'_>) -> Service {
        Service {
            metadata: metadata(place, self.name, Some(place.namespace)),
            spec: Some(ServiceSpec {
                selector: Some(self.mark()),
                ports: Some(vec![ServicePort {
                    name: Some(self.protocol.to_owned()),
                    port: self.port.into(),
                    target_port: Some(IntOrString::Int(self.port.into())),
                    ..ServicePort::default()
                }]),
                ..ServiceSpec::default()
            }),
            ..Service::default()
        }
    }

    /// Lets everybody get to its port: who comes from outside the cluster, or is a kubelet, has an address that no selector
    /// knows. What is asked for there still needs a credential.
    pub(crate) fn open(&self, place: &Place<'_>, name: &str) -> NetworkPolicy {
        NetworkPolicy {
            metadata: metadata(place, name, Some(place.namespace)),
            spec: Some(NetworkPolicySpec {
                pod_selector: Some(LabelSelector {
                    match_labels: Some(self.mark()),
                    ..LabelSelector::default()
                }),
                policy_types: Some(vec!["Ingress".to_owned()]),
                ingress: Some(vec![NetworkPolicyIngressRule {
                    ports: Some(vec![NetworkPolicyPort {
                        port: Some(IntOrString::Int(self.port.into())),
                        ..NetworkPolicyPort::default()
                    }]),
                    ..NetworkPolicyIngressRule::default()
                }]),
                ..NetworkPolicySpec::default()
            }),
        }
    }
}
