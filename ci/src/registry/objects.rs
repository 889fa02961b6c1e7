//! The objects of a registry, as values.
//!
//! Decides: every field of each. Must not: talk to a cluster. Input: a place; later an address, and an access that was read.

use std::collections::BTreeMap;
use std::net::IpAddr;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{
    Capabilities, Container, ContainerPort, EmptyDirVolumeSource, KeyToPath, LocalObjectReference, Pod,
    PodSecurityContext, PodSpec, Probe, ResourceRequirements, SeccompProfile, Secret, SecretVolumeSource,
    SecurityContext, Service, ServiceAccount, TCPSocketAction, Volume, VolumeMount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::credential::{FILES, SERVED, STORAGE, Wanted, fresh};
use super::{Access, PORT, RegistryError};
use crate::config::{REQUESTED, RegistryServer, SHARE};
use crate::objects::{PULL_SECRET, Place, Served, metadata};

/// The server.
const SERVER: Served = Served { name: SERVICE, protocol: "https", port: PORT };
/// The name of the Service.
const SERVICE: &str = "registry";
/// The name of the Secret.
pub(crate) const SECRET: &str = "registry";
/// The name of the pod. With a dot, so that no node of a job can have it.
pub(crate) const POD: &str = "registry.build-resources";
/// As whom the server runs: nobody that an image knows.
const USER: i64 = 65_532;

/// The registry of one node, as far as it is known before it has an address.
#[derive(Debug, Clone)]
pub struct Registry {
    /// The way to the server. Made first: its address stands in the certificate.
    pub(crate) service: Service,
    /// The server.
    pub(crate) pod: Pod,
    /// The account that pods have which name none.
    pub(crate) account: ServiceAccount,
    /// Lets the nodes of the cluster in, where they pull from it.
    pub(crate) nodes: Option<NetworkPolicy>,
    secret: ObjectMeta,
    pull: ObjectMeta,
    from: Timestamp,
    until: Timestamp,
}

impl Registry {
    /// The registry of this place, where its label wants one.
    pub(crate) fn of(place: &Place<'_>) -> Option<Self> {
        let server = RegistryServer::of(place.provider, place.label.registry.as_ref())?;
        let max_age = SignedDuration::from_secs(i64::try_from(place.max_age).unwrap_or(i64::MAX / 2));
        Some(Registry {
            service: SERVER.service(place),
            pod: pod(place, &server),
            account: ServiceAccount {
                metadata: ObjectMeta {
                    name: Some("default".to_owned()),
                    namespace: Some(place.namespace.to_owned()),
                    ..ObjectMeta::default()
                },
                image_pull_secrets: Some(vec![LocalObjectReference { name: PULL_SECRET.to_owned() }]),
                ..ServiceAccount::default()
            },
            nodes: place.provider.kubelet_pull.then(|| SERVER.open(place, "registry-for-nodes")),
            secret: metadata(place, SECRET, Some(place.namespace)),
            pull: metadata(place, PULL_SECRET, Some(place.namespace)),
            from: place.until.checked_sub(max_age).unwrap_or(Timestamp::MIN),
            until: place.until,
        })
    }

    /// Its namespace.
    pub(crate) fn namespace(&self) -> &str {
        self.service.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// A new credential for a server at this address. Never the same twice.
    ///
    /// # Errors
    /// When the certificate cannot be made.
    pub(crate) fn secret(&self, address: IpAddr) -> Result<Secret, RegistryError> {
        let host = format!("{SERVICE}.{}.svc", self.namespace());
        let wanted = Wanted { host, address, from: self.from, until: self.until };
        Ok(Secret {
            metadata: self.secret.clone(),
            immutable: Some(true),
            string_data: Some(fresh(&wanted)?),
            ..Secret::default()
        })
    }

    /// The credential, as the kubelet and container tools take it.
    pub(crate) fn pull(&self, access: &Access) -> Secret {
        let config = access.docker_config().to_string();
        Secret {
            metadata: self.pull.clone(),
            type_: Some("kubernetes.io/dockerconfigjson".to_owned()),
            string_data: Some(BTreeMap::from([(".dockerconfigjson".to_owned(), config)])),
            ..Secret::default()
        }
    }
}

fn pod(place: &Place<'_>, server: &RegistryServer<'_>) -> Pod {
    let mut meta = metadata(place, POD, Some(place.namespace));
    meta.labels.get_or_insert_default().extend(SERVER.mark());
    let limit = Quantity(format!("{}M", server.storage.get()));
    let volume = |name: &str| Volume { name: name.to_owned(), ..Volume::default() };
    let served = SERVED.iter().map(|key| KeyToPath {
        key: (*key).to_owned(),
        path: (*key).to_owned(),
        ..KeyToPath::default()
    });
    let files = Volume {
        secret: Some(SecretVolumeSource {
            secret_name: Some(SECRET.to_owned()),
            default_mode: Some(0o440),
            items: Some(served.collect()),
            ..SecretVolumeSource::default()
        }),
        ..volume("files")
    };
    let storage = Volume {
        empty_dir: Some(EmptyDirVolumeSource { size_limit: Some(limit), ..EmptyDirVolumeSource::default() }),
        ..volume("storage")
    };
    let spec = PodSpec {
        containers: vec![container(server)],
        volumes: Some(vec![files, storage]),
        // A server that starts again finds its storage: that is the pod's.
        restart_policy: Some("Always".to_owned()),
        active_deadline_seconds: Some(i64::try_from(place.max_age).unwrap_or(i64::MAX)),
        automount_service_account_token: Some(false),
        enable_service_links: Some(false),
        hostname: Some(SERVICE.to_owned()),
        termination_grace_period_seconds: Some(2),
        security_context: Some(PodSecurityContext {
            run_as_non_root: Some(true),
            run_as_user: Some(USER),
            run_as_group: Some(USER),
            fs_group: Some(USER),
            seccomp_profile: Some(SeccompProfile {
                type_: "RuntimeDefault".to_owned(),
                ..SeccompProfile::default()
            }),
            ..PodSecurityContext::default()
        }),
        ..PodSpec::default()
    };
    Pod { metadata: meta, spec: Some(spec), ..Pod::default() }
}

fn container(server: &RegistryServer<'_>) -> Container {
    let mount = |name: &str, path: &str| VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        read_only: (name == "files").then_some(true),
        ..VolumeMount::default()
    };
    let amounts = |(cores, memory): (u64, u64)| {
        let list = [("cpu", format!("{cores}m")), ("memory", format!("{memory}Mi"))];
        Some(list.map(|(key, text)| (key.to_owned(), Quantity(text))).into())
    };
    Container {
        name: SERVICE.to_owned(),
        image: Some(server.image.as_str().to_owned()),
        image_pull_policy: Some("IfNotPresent".to_owned()),
        command: server.command.map(<[String]>::to_vec),
        args: Some(vec!["serve".to_owned(), format!("{FILES}/config.yml")]),
        ports: Some(vec![ContainerPort { container_port: PORT.into(), ..ContainerPort::default() }]),
        readiness_probe: Some(Probe {
            tcp_socket: Some(TCPSocketAction {
                port: IntOrString::Int(PORT.into()),
                ..TCPSocketAction::default()
            }),
            period_seconds: Some(1),
            ..Probe::default()
        }),
        resources: Some(ResourceRequirements {
            requests: amounts(REQUESTED),
            limits: amounts(SHARE),
            ..ResourceRequirements::default()
        }),
        security_context: Some(SecurityContext {
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(true),
            capabilities: Some(Capabilities {
                drop: Some(vec!["ALL".to_owned()]),
                ..Capabilities::default()
            }),
            ..SecurityContext::default()
        }),
        volume_mounts: Some(vec![mount("files", FILES), mount("storage", STORAGE)]),
        ..Container::default()
    }
}
