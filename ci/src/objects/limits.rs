//! How much may live in a namespace, enforced by the cluster and not by our arithmetic.
//!
//! Decides: the quota of a namespace and the defaults of its containers. Must not: reserve anything in a pool. Input: a
//! place.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    LimitRange, LimitRangeItem, LimitRangeSpec, ResourceQuota, ResourceQuotaSpec,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::Place;
use super::owner::metadata;
use crate::config::{Kind, SHARE};

/// Most pods of a namespace whose label names no quota.
const PODS: u64 = 20;

/// The quota: one pod for a machine, what the label says for a namespace.
pub(super) fn quota(place: &Place<'_>) -> ResourceQuota {
    let said = place.label.quota.as_ref();
    let pods = match place.label.kind {
        Kind::Pod => 1,
        Kind::Namespace | Kind::Project => said.map_or(PODS, |quota| quota.pods.get()),
    };
    // What serves the registry comes on top, so that the job has what its label says.
    let (pod, core, more_ram) =
        if place.label.registry.is_some() { (1, SHARE.0 / 1_000, SHARE.1) } else { (0, 0, 0) };
    let mut hard = BTreeMap::from([("pods".to_owned(), Quantity((pods + pod).to_string()))]);
    if let Some(cores) = said.and_then(|quota| quota.cores) {
        hard.insert("limits.cpu".to_owned(), Quantity((cores.get() + core).to_string()));
    }
    if let Some(ram) = said.and_then(|quota| quota.ram) {
        hard.insert("limits.memory".to_owned(), Quantity(format!("{}Mi", ram.get() + more_ram)));
    }
    ResourceQuota {
        metadata: metadata(place, place.only(), Some(place.namespace)),
        spec: Some(ResourceQuotaSpec { hard: Some(hard), ..ResourceQuotaSpec::default() }),
        ..ResourceQuota::default()
    }
}

/// Where the quota counts cores or memory, a container that names no limit would be refused; it gets an equal share.
pub(super) fn defaults(place: &Place<'_>) -> Option<LimitRange> {
    let said = place.label.quota.as_ref()?;
    let pods = said.pods.get();
    let mut limits = BTreeMap::new();
    if let Some(cores) = said.cores {
        let share = (cores.get().saturating_mul(1000) / pods).max(1);
        limits.insert("cpu".to_owned(), Quantity(format!("{share}m")));
    }
    if let Some(ram) = said.ram {
        limits.insert("memory".to_owned(), Quantity(format!("{}Mi", (ram.get() / pods).max(1))));
    }
    (!limits.is_empty()).then(|| LimitRange {
        metadata: metadata(place, place.only(), Some(place.namespace)),
        spec: Some(LimitRangeSpec {
            limits: vec![LimitRangeItem {
                type_: "Container".to_owned(),
                default: Some(limits.clone()),
                default_request: Some(limits),
                ..LimitRangeItem::default()
            }],
        }),
    })
}
