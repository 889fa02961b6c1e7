//! The way in for who has only `ssh`: a Service, and what it says where it listens.
//!
//! Decides: which address is told to a job. Must not: believe a name that could be more than a name. Input: a place; later
//! the Service and the pod as the API shows them.

use std::net::IpAddr;

use k8s_openapi::api::core::v1::{Pod, Service};
use k8s_openapi::api::networking::v1::NetworkPolicy;

use super::{PORT, SshError};
use crate::config::SshService;
use crate::objects::{Place, Served};

/// The server, by whose name the Service is called too.
pub(crate) const SERVER: Served = Served { name: "ssh", protocol: "ssh", port: PORT };
/// Longest name that the DNS has.
const NAME: usize = 253;

/// What leads to the pod from outside its namespace.
#[derive(Debug, Clone)]
pub struct Entrance {
    /// The Service.
    pub(crate) service: Service,
    /// What lets everybody get to its port.
    pub(crate) policy: NetworkPolicy,
}

impl Entrance {
    /// The entrance of this place, where its label wants one.
    pub(super) fn of(place: &Place<'_>) -> Option<Self> {
        let kind = place.label.ssh_service?;
        let mut service = SERVER.service(place);
        service.spec.get_or_insert_default().type_ = Some(kind.as_str().to_owned());
        Some(Entrance { service, policy: SERVER.open(place, "ssh-from-outside") })
    }
}

/// Where a server is reached without the API server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// An address of IP, or a name of the DNS.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Where the Service listens; none while it has no address, or the pod none.
///
/// # Errors
/// When it says an address that is none.
pub(crate) fn address(kind: SshService, service: &Service, pod: &Pod) -> Result<Option<Address>, SshError> {
    let port = || service.spec.as_ref()?.ports.as_ref()?.first()?.node_port;
    let balancer = || service.status.as_ref()?.load_balancer.as_ref()?.ingress.as_ref()?.first();
    let (host, port) = match kind {
        SshService::ClusterIp => {
            (service.spec.as_ref().and_then(|spec| spec.cluster_ip.clone()), Some(PORT.into()))
        }
        SshService::NodePort => (pod.status.as_ref().and_then(|status| status.host_ip.clone()), port()),
        SshService::LoadBalancer => {
            (balancer().and_then(|one| one.ip.clone().or_else(|| one.hostname.clone())), Some(PORT.into()))
        }
    };
    let Some((host, port)) = host.zip(port) else { return Ok(None) };
    match u16::try_from(port) {
        Ok(port) if is_host(&host) => Ok(Some(Address { host, port })),
        Ok(_) | Err(_) => Err(SshError::Address(host)),
    }
}

/// Whether it is an address or a name, and so nothing that `ssh_config` could take for more.
fn is_host(text: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    let begins = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
    text.parse::<IpAddr>().is_ok() || (begins && text.len() <= NAME && text.bytes().all(letter))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn service(ip: Option<&str>, balancer: Option<serde_json::Value>) -> Service {
        let ingress: Vec<_> = balancer.into_iter().collect();
        serde_json::from_value(json!({
            "spec": {"clusterIP": ip, "ports": [{"port": 22, "nodePort": 30022}]},
            "status": {"loadBalancer": {"ingress": ingress}},
        }))
        .unwrap()
    }

    fn pod(host: Option<&str>) -> Pod {
        serde_json::from_value(json!({"status": {"hostIP": host}})).unwrap()
    }

    #[test]
    fn row_27_each_service_is_reached_where_it_listens_and_nowhere_before() {
        let all = service(Some("10.96.0.7"), Some(json!({"hostname": "a-1.example"})));
        for (kind, host, port) in [
            (SshService::ClusterIp, "10.96.0.7", 22),
            (SshService::NodePort, "192.0.2.3", 30022),
            (SshService::LoadBalancer, "a-1.example", 22),
        ] {
            let found = address(kind, &all, &pod(Some("192.0.2.3"))).unwrap();
            assert_eq!(found, Some(Address { host: host.to_owned(), port }));
            assert!(address(kind, &service(None, None), &pod(None)).unwrap().is_none(), "{kind:?}");
        }
    }

    #[test]
    fn row_27_an_address_that_would_be_more_than_one_is_refused() {
        for host in ["-oProxyCommand=x", "a\nProxyCommand x", "a b", "", &"a".repeat(300)] {
            let service = service(None, Some(json!({"hostname": host})));
            let found = address(SshService::LoadBalancer, &service, &pod(None));
            assert!(matches!(&found, Err(SshError::Address(said)) if said == host), "{host:?} {found:?}");
        }
        let six = service(None, Some(json!({"ip": "2001:db8::7"})));
        assert!(address(SshService::LoadBalancer, &six, &pod(None)).unwrap().is_some());
    }
}
