//! Which container of a node receives repositories, and where in it.
//!
//! Decides: that, from the pod as it runs; the configuration may have changed since it was made. Must not: ask a cluster.
//! Input: a pod, and the container that a caller named.

use k8s_openapi::api::core::v1::{Container, Pod};

use super::plan::Cache;
use crate::config::Name;

/// Where a job works; repositories lie in `src` below it.
const WORKSPACE: &str = "/workspace";
/// The volume that containers share, and the side-car that receives what it holds.
const SHARED: &str = "workspace";

/// A container and a directory in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// The container.
    pub container: String,
    /// The directory that repositories lie in, in `src` below it.
    pub workspace: String,
    /// How a cache in the image is used.
    pub cache: Cache,
}

impl Receiver {
    /// The named container; else the side-car, where there is one; else `machine`. A cache of one image is not there for
    /// containers of another: where several share the repositories it is copied.
    pub fn of(pod: &Pod, named: Option<&Name>, machine: &str) -> Self {
        let spec = pod.spec.as_ref();
        let beside = spec.iter().flat_map(|spec| spec.init_containers.iter().flatten());
        let beside: Vec<&Container> =
            beside.filter(|one| one.restart_policy.as_deref() == Some("Always")).collect();
        let side_car = beside.iter().find(|one| one.name == SHARED).map(|one| one.name.as_str());
        let container = named.map(Name::as_str).or(side_car).unwrap_or(machine);
        let running = spec.iter().flat_map(|spec| &spec.containers).chain(beside);
        let mounts: Vec<(&str, &str)> = running
            .flat_map(|one| one.volume_mounts.iter().flatten().map(|mount| (one.name.as_str(), mount)))
            .filter(|(_, mount)| mount.name == SHARED)
            .map(|(name, mount)| (name, mount.mount_path.trim_end_matches('/')))
            .collect();
        let workspace =
            mounts.iter().find(|(name, _)| *name == container).map_or(WORKSPACE, |(_, path)| path);
        Receiver {
            container: container.to_owned(),
            workspace: workspace.to_owned(),
            cache: if mounts.len() > 1 { Cache::Copy } else { Cache::Borrow },
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn container(name: &str, path: Option<&str>, policy: Option<&str>) -> Value {
        let mounts: Vec<Value> =
            path.iter().map(|path| json!({"name": "workspace", "mountPath": path})).collect();
        json!({"name": name, "volumeMounts": mounts, "restartPolicy": policy})
    }

    #[test]
    fn row_03_the_side_car_receives_where_there_is_one() {
        let second: Name = "second".parse().unwrap();
        let plain = json!([container("node", None, None)]);
        let alone = json!([container("node", Some("/w/"), None)]);
        let both = json!([container("node", Some("/w"), None), container("second", Some("/v"), None)]);
        let side_car = json!([container("workspace", Some("/w"), Some("Always"))]);
        let once = json!([container("workspace", Some("/w"), None)]);
        let none = json!([]);
        for (containers, beside, named, wanted) in [
            (&plain, &none, None, ("node", "/workspace", Cache::Borrow)),
            (&alone, &none, None, ("node", "/w", Cache::Borrow)),
            (&alone, &once, None, ("node", "/w", Cache::Borrow)),
            (&both, &side_car, None, ("workspace", "/w", Cache::Copy)),
            (&both, &side_car, Some(&second), ("second", "/v", Cache::Copy)),
            (&plain, &none, Some(&second), ("second", "/workspace", Cache::Borrow)),
        ] {
            let spec = json!({"spec": {"containers": containers, "initContainers": beside}});
            let pod: Pod = serde_json::from_value(spec).unwrap();
            let found = Receiver::of(&pod, named, "node");
            assert_eq!((found.container.as_str(), found.workspace.as_str(), found.cache), wanted);
        }
    }
}
