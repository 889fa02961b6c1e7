//! What one resource of a label takes: its requests and limits, and its share of a pool.
//!
//! Decides: which of label and pool says an amount. Must not: compare with what is in use. Input: a pool and a label.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::label::{Kind, Label};
use super::registry::{REQUESTED, SHARE};
use super::spec::total;
use super::{Amount, Cpu, Pool};

/// Requests and limits of a container: thousandths of cores, MiB, MB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Requested thousandths of cores.
    pub cpu: Option<u64>,
    /// Requested memory, in MiB.
    pub memory: Option<u64>,
    /// Requested storage, in MB.
    pub storage: Option<u64>,
    /// Most thousandths of cores.
    pub cpu_limit: Option<u64>,
    /// Most memory, in MiB.
    pub memory_limit: Option<u64>,
    /// Most storage, in MB.
    pub storage_limit: Option<u64>,
}

impl Limits {
    /// Nodepool's rule: a limit is the label's, else the pool's, else what is requested; a request is the label's, else
    /// the pool's.
    pub fn of(pool: &Pool, label: &Label) -> Self {
        let cpu = label.cpu.or(pool.default_label_cpu);
        let memory = label.memory.or(pool.default_label_memory);
        let storage = label.storage.or(pool.default_label_storage);
        Limits {
            cpu: cpu.map(Cpu::millicores),
            memory: memory.map(Amount::get),
            storage: storage.map(Amount::get),
            cpu_limit: label.cpu_limit.or(pool.default_label_cpu_limit).or(cpu).map(Cpu::millicores),
            memory_limit: label.memory_limit.or(pool.default_label_memory_limit).or(memory).map(Amount::get),
            storage_limit: label
                .storage_limit
                .or(pool.default_label_storage_limit)
                .or(storage)
                .map(Amount::get),
        }
    }

    /// The amount that is requested above its own limit.
    pub fn beyond_itself(&self) -> Option<&'static str> {
        let above =
            |wanted: Option<u64>, most: Option<u64>| matches!((wanted, most), (Some(a), Some(b)) if a > b);
        if above(self.cpu, self.cpu_limit) {
            Some("cpu")
        } else if above(self.memory, self.memory_limit) {
            Some("memory")
        } else if above(self.storage, self.storage_limit) {
            Some("storage")
        } else {
            None
        }
    }
}

/// Under which name of `max-resources` storage counts, in MB.
const STORAGE: &str = "ephemeral-storage";

/// A share of a pool.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Resources.
    pub servers: u64,
    /// Thousandths of cores.
    pub millicores: u64,
    /// Memory, in MiB.
    pub ram: u64,
    /// Anything else that the pool may have a limit for, by its name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub extra: BTreeMap<String, u64>,
}

impl Size {
    /// What one resource takes: a pod the requests of all its containers, a namespace its whole quota; a registry that comes
    /// with it likewise.
    pub fn of(pool: &Pool, label: &Label) -> Self {
        let extra = extra(pool, label);
        match label.kind {
            Kind::Pod => {
                let limits = Limits::of(pool, label);
                let (millicores, ram) = total(label, (limits.cpu.unwrap_or(0), limits.memory.unwrap_or(0)));
                with_registry(label, REQUESTED, Size { servers: 1, millicores, ram, extra })
            }
            Kind::Namespace | Kind::Project => {
                let quota = label.quota.as_ref();
                let cores = quota.and_then(|quota| quota.cores).map_or(0, Amount::get);
                let ram = quota.and_then(|quota| quota.ram).map_or(0, Amount::get);
                let size = Size { servers: 1, millicores: cores.saturating_mul(1000), ram, extra };
                with_registry(label, SHARE, size)
            }
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Size) -> Self {
        let mut extra = self.extra.clone();
        for (name, number) in &other.extra {
            let sum = extra.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*number);
        }
        Size {
            servers: self.servers.saturating_add(other.servers),
            millicores: self.millicores.saturating_add(other.millicores),
            ram: self.ram.saturating_add(other.ram),
            extra,
        }
    }

    /// The key of the pool that this is too large for.
    pub fn exceeds(&self, pool: &Pool) -> Option<&'static str> {
        let over = |wanted: u64, most: Option<u64>| most.is_some_and(|most| wanted > most);
        if over(self.servers, pool.max_servers.map(Amount::get)) {
            Some("max-servers")
        } else if over(self.millicores, pool.max_cores.map(|cores| cores.get().saturating_mul(1000))) {
            Some("max-cores")
        } else if over(self.ram, pool.max_ram.map(Amount::get)) {
            Some("max-ram")
        } else if pool.max_resources.iter().any(|(name, most)| self.extra.get(name).unwrap_or(&0) > most) {
            Some("max-resources")
        } else {
            None
        }
    }
}

fn with_registry(label: &Label, (millicores, ram): (u64, u64), alone: Size) -> Size {
    match label.registry {
        Some(_) => alone.plus(&Size { millicores, ram, ..Size::default() }),
        None => alone,
    }
}

/// What counts beside cores and memory: the label's own numbers, then the pool's for what the label does not name.
fn extra(pool: &Pool, label: &Label) -> BTreeMap<String, u64> {
    let named = |map: &BTreeMap<String, Amount>| {
        map.iter().map(|(name, number)| (name.clone(), number.get())).collect::<BTreeMap<_, _>>()
    };
    let mut extra = named(&pool.default_label_extra_resources);
    extra.extend(named(&label.extra_resources));
    if let (Some(name), Some(gpu)) = (&label.gpu_resource, label.gpu) {
        extra.insert(name.clone(), gpu.get());
    }
    if let Some(storage) = label.storage.or(pool.default_label_storage).filter(|_| label.kind == Kind::Pod) {
        extra.insert(STORAGE.to_owned(), storage.get());
    }
    extra
}
