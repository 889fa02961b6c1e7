//! Whole MachineConfigs, each fetched once: a rendered one never changes, another one only with its version.

use std::collections::BTreeMap;

use kube::Client;

use super::super::machine_config::{self, FILE_BYTES, Fault, MachineConfig};
use super::super::object::{Meta, OBJECT_BYTES};
use super::super::{DesiredError, pools};
use super::picture::Wanted;
use super::request::{Kind, get};
use crate::cluster::ClusterError;

/// Most MachineConfigs that are remembered beside those that are wanted now: a list may go back and forth.
const SPARE: usize = 16;
/// Largest MachineConfig that is read, in bytes.
const BYTES: usize = if OBJECT_BYTES < FILE_BYTES { OBJECT_BYTES } else { FILE_BYTES };

/// What was fetched.
#[derive(Default)]
pub(super) struct Cache(BTreeMap<String, (Meta, MachineConfig)>);

impl Cache {
    /// The MachineConfigs that `wanted` names.
    ///
    /// # Errors
    /// When one cannot be had, or is not the one that was named.
    pub(super) async fn all(
        &mut self,
        client: &Client,
        wanted: &Wanted,
    ) -> Result<Vec<MachineConfig>, DesiredError> {
        let names = names(wanted);
        if self.0.len() > names.len() + SPARE {
            self.0.retain(|name, _| names.iter().any(|(wanted, _)| wanted == name));
        }
        let mut found = Vec::new();
        for (name, head) in names {
            let known = self.0.get(&name).filter(|(meta, _)| is_current(meta, head.as_ref()).is_ok());
            if let Some((_, config)) = known {
                found.push(config.clone());
                continue;
            }
            let (meta, config) = fetch(client, &name).await?;
            is_current(&meta, head.as_ref())?;
            found.push(config.clone());
            self.0.insert(name, (meta, config));
        }
        Ok(found)
    }
}

/// Each name with the uid and version that it was selected with.
fn names(wanted: &Wanted) -> Vec<(String, Option<(String, u64)>)> {
    match wanted {
        Wanted::Unknown | Wanted::Paused(_) => Vec::new(),
        Wanted::Rendered(name) => vec![(name.clone(), None)],
        Wanted::Selected(heads) => {
            heads.iter().map(|(name, uid, version)| (name.clone(), Some((uid.clone(), *version)))).collect()
        }
    }
}

/// Another server may have answered than the one that named it.
fn is_current(meta: &Meta, head: Option<&(String, u64)>) -> Result<(), DesiredError> {
    match head {
        Some((uid, version)) if meta.version < *version || meta.uid != *uid => Err(DesiredError::Stale {
            what: format!("machineconfigs/{}", meta.name),
            found: meta.version,
            seen: *version,
        }),
        Some(_) | None => Ok(()),
    }
}

async fn fetch(client: &Client, name: &str) -> Result<(Meta, MachineConfig), DesiredError> {
    let bytes = match get(client, Kind::Configs, name, BYTES).await {
        Err(DesiredError::Cluster(ClusterError::Refused { code: 404, .. })) => {
            return Err(DesiredError::NoMachineConfig { name: name.to_owned() });
        }
        answer => answer?,
    };
    tracing::debug!(name, bytes = bytes.len(), "fetched a MachineConfig");
    read(name, &bytes)
}

/// The one MachineConfig in `bytes`, which has to be the one that was asked for.
fn read(name: &str, bytes: &[u8]) -> Result<(Meta, MachineConfig), DesiredError> {
    let object = || format!("machineconfigs/{name}");
    let unusable = |problem: String| DesiredError::Object { object: object(), problem };
    let meta = pools::parse_head(bytes).map_err(unusable)?;
    let found = machine_config::parse(bytes).map_err(|fault| match fault {
        Fault::Document { problem, .. } => unusable(problem),
        Fault::ExtensionName { machine_config, source } => {
            DesiredError::ExtensionNameInCluster { machine_config, source }
        }
        Fault::Limit { what, limit } => DesiredError::ObjectLimit { object: object(), what, limit },
    })?;
    match <[MachineConfig; 1]>::try_from(found) {
        Ok([config]) if config.name == name => Ok((meta, config)),
        Ok(_) | Err(_) => Err(unusable("the API server answered with another object".to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Failure, Reason};

    fn document(name: &str, spec: &str) -> String {
        format!(
            r#"{{"apiVersion":"machineconfiguration.openshift.io/v1","kind":"MachineConfig",
                "metadata":{{"name":"{name}","uid":"u","resourceVersion":"5"}},"spec":{spec}}}"#
        )
    }

    #[test]
    fn an_answer_is_the_object_that_was_asked_for_or_none() {
        let (meta, config) = read("a", document("a", r#"{"extensions":["usbguard"]}"#).as_bytes()).unwrap();
        assert_eq!((meta.version, config.extensions.len()), (5, 1));
        let cases = [
            (document("b", "{}"), Reason::InvalidMachineConfig),
            ("{}".to_owned(), Reason::InvalidMachineConfig),
            (document("a", r#"{"extensions":["--opt"]}"#), Reason::InvalidExtensionName),
            (document("a", r#"{"kernelType":"x"}"#), Reason::InvalidMachineConfig),
        ];
        for (text, reason) in cases {
            let error = read("a", text.as_bytes()).unwrap_err();
            assert_eq!(error.reason(), reason, "{error}");
            assert!(!error.is_outage() && error.cure().unwrap().contains("kubectl edit machineconfig"));
        }
    }

    #[test]
    fn an_answer_of_a_server_that_lags_behind_is_not_taken() {
        let meta = Meta { name: "a".to_owned(), uid: "u".to_owned(), version: 5, ..Meta::default() };
        let cases = [("u", 4, true), ("u", 5, true), ("u", 6, false), ("v", 5, false)];
        for (uid, version, taken) in cases {
            assert_eq!(is_current(&meta, Some(&(uid.to_owned(), version))).is_ok(), taken, "{uid} {version}");
        }
        assert!(is_current(&meta, None).is_ok());
    }
}
