//! What a job is told of what stands beside its nodes: the registry, and the way in by SSH.
//!
//! Decides: the names of variables. Must not: say a password. Input: a handover.

use std::path::Path;

use serde_json::{Map, Value, json};

use super::Handover;
use crate::drive::Granted;
use crate::ssh::Door;

/// How a registry is reached. `host` is its name in the cluster's DNS, `address` what needs no DNS; the certificate has both.
pub(super) fn registry(granted: &Granted, resource: &mut Map<String, Value>) {
    if let Some(access) = &granted.beside.registry {
        let said = json!({
            "host": access.host,
            "address": access.address,
            "port": access.port,
            "ca": access.authority,
        });
        resource.insert("registry".to_owned(), said);
    }
}

/// Where a node is reached by SSH, and which key it has, for who does not read `ssh_config`.
pub(super) fn entrance(granted: &Granted, resource: &mut Map<String, Value>) {
    if let Some((address, keys)) = granted.beside.address.as_ref().zip(granted.beside.keys.as_ref()) {
        let said = json!({"host": address.host, "port": address.port, "host-key": keys.host});
        resource.insert("ssh".to_owned(), said);
    }
}

/// The nodes that are reached by SSH.
pub(super) fn doors(handover: &Handover<'_>) -> Vec<Door> {
    let door = |one: &Granted| {
        let keys = one.beside.keys.clone()?;
        Some(Door { node: one.node.name.clone(), keys, address: one.beside.address.clone() })
    };
    handover.granted.iter().filter_map(door).collect()
}

/// Makes a host one that is reached by SSH, where its node is.
pub(super) fn over_ssh(granted: &Granted, kubeconfig: &Path, host: &mut Value) {
    if granted.beside.keys.is_none() {
        return;
    }
    let config = kubeconfig.with_file_name("ssh_config");
    if let Some(host) = host.as_object_mut() {
        host.retain(|key, _| !key.starts_with("ansible_kubectl_"));
        host.insert("ansible_connection".to_owned(), json!("ssh"));
        host.insert("ansible_user".to_owned(), json!("root"));
        // By this name `ssh_config` knows the address, the key and the way.
        host.insert("ansible_host".to_owned(), json!(granted.node.name));
        host.insert("ansible_ssh_common_args".to_owned(), json!(format!("-F '{}'", config.display())));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::with;
    use super::*;
    use crate::inventory::{inventory, secrets::secrets};
    use crate::registry::Access;
    use crate::ssh::{Address, Keys};

    fn access() -> Access {
        Access {
            host: "registry.x.svc".to_owned(),
            address: [10, 96, 0, 7].into(),
            port: 5000,
            authority: "PEM".to_owned(),
            user: "build".to_owned(),
            password: "the-password".to_owned(),
        }
    }

    #[test]
    fn row_34_a_registry_is_a_resource_and_its_password_a_secret() {
        with(|handover| {
            let mut granted = handover.granted.to_vec();
            granted[1].beside.registry = Some(access());
            let handover = Handover { granted: &granted, plugin: None, ..*handover };
            let said = inventory(&handover, Path::new("/out/kubeconfig"));
            let registry = &said["all"]["vars"]["zuul"]["resources"]["space"]["registry"];
            assert_eq!(
                *registry,
                json!({"host": "registry.x.svc", "address": "10.96.0.7", "port": 5000, "ca": "PEM"})
            );
            assert!(!said.to_string().contains("the-password"));
            let secrets = secrets(&handover).unwrap();
            assert_eq!(
                secrets["b"]["registry"]["space"],
                json!({"user": "build", "password": "the-password"})
            );
        });
    }

    #[test]
    fn row_27_a_resource_says_where_its_service_listens() {
        with(|handover| {
            let mut granted = handover.granted.to_vec();
            granted[0].beside.keys = Some(Keys { host: "k".to_owned(), private: "p".to_owned() });
            granted[0].beside.address = Some(Address { host: "192.0.2.7".to_owned(), port: 30022 });
            let handover = Handover { granted: &granted, plugin: None, ..*handover };
            let said = inventory(&handover, Path::new("/out/kubeconfig"));
            let ssh = &said["all"]["vars"]["zuul"]["resources"]["one"]["ssh"];
            assert_eq!(*ssh, json!({"host": "192.0.2.7", "port": 30022, "host-key": "k"}));
        });
    }

    #[test]
    fn row_27_a_host_that_is_reached_by_ssh_is_told_so() {
        with(|handover| {
            let mut granted = handover.granted.to_vec();
            granted[0].beside.keys = Some(Keys { host: "k".to_owned(), private: "p".to_owned() });
            let handover = Handover { granted: &granted, plugin: None, ..*handover };
            let said = inventory(&handover, Path::new("/out/kubeconfig"));
            let host = &said["all"]["hosts"]["one"];
            assert_eq!(host["ansible_connection"], "ssh");
            assert_eq!(host["ansible_host"], "one", "and not the pod's name: so `ssh_config` calls it");
            assert_eq!(host["ansible_ssh_common_args"], "-F '/out/ssh_config'");
            assert!(said["all"]["vars"]["zuul"]["resources"]["one"].get("ssh").is_none());
            assert!(host.get("ansible_kubectl_pod").is_none(), "{host}");
            assert_eq!(doors(&handover).len(), 1);
        });
    }
}
