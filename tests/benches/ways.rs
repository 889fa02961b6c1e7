//! The ways: ours, and what can be had today with skopeo and podman.

use std::fs;
use std::path::Path;

use extensions_agent::error::chain;
use extensions_agent::payload::{Loader, Reference, Store, Transport};

/// A way from a registry to RPM files on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// The agent's loader, digests of every package checked.
    Ours,
    /// `skopeo copy` to a directory, then every layer unpacked.
    Skopeo,
    /// What the machine-config-daemon does: `podman pull`, `create`, `cp` of the whole tree.
    Podman,
}

impl Way {
    pub(crate) const ALL: [Way; 3] = [Way::Ours, Way::Skopeo, Way::Podman];

    pub(crate) fn title(self) -> &'static str {
        match self {
            Way::Ours => "extensions-agent",
            Way::Skopeo => "skopeo copy + tar",
            Way::Podman => "podman pull + cp",
        }
    }

    /// The command; `layers` are the digests from the lowest to the topmost.
    pub(crate) fn command(self, reference: &str, layers: &[String], place: &Path) -> Vec<String> {
        let place = place.display();
        let script = match self {
            Way::Ours => {
                let own = std::env::current_exe().unwrap().display().to_string();
                return vec![own, "load".into(), reference.into(), format!("{place}/store")];
            }
            Way::Skopeo => {
                let unpack: String = layers
                    .iter()
                    .map(|layer| {
                        format!("tar -xzf {place}/image/{} -C {place}/tree\n", layer.replace("sha256:", ""))
                    })
                    .collect();
                format!(
                    "skopeo copy --quiet docker://{reference} dir:{place}/image\nmkdir {place}/tree\n{unpack}"
                )
            }
            Way::Podman => {
                let podman = podman(&place.to_string());
                format!(
                    "{podman} pull -q {reference}\nmkdir {place}/tree\n\
                     box=$({podman} create --net=none {reference} x)\n\
                     {podman} cp $box:/ {place}/tree\n{podman} rm -f $box\n"
                )
            }
        };
        vec!["sh".into(), "-ec".into(), script]
    }
}

fn podman(place: &str) -> String {
    format!("podman --root {place}/podman --runroot {place}/podman-run --cgroup-manager cgroupfs")
}

/// How many packages came out.
pub(crate) fn packages(way: Way, place: &Path) -> usize {
    match way {
        Way::Ours => fs::read_dir(place.join("store/rpm/sha256")).into_iter().flatten().count(),
        Way::Skopeo | Way::Podman => {
            let shelves = ["usr/share/rpm-ostree/extensions", "extensions"];
            let entries =
                shelves.iter().flat_map(|shelf| fs::read_dir(place.join("tree").join(shelf))).flatten();
            entries
                .flatten()
                .filter(|entry| entry.path().extension().is_some_and(|kind| kind == "rpm"))
                .count()
        }
    }
}

/// Takes everything away again.
pub(crate) fn clear(way: Way, place: &Path, scratch: &Path) {
    if way == Way::Podman {
        // The storage may be mounted; podman knows where.
        let command = format!("{} system reset --force || true", podman(&place.display().to_string()));
        let _ = crate::measure::run(vec!["sh".into(), "-c".into(), command], scratch);
    }
    fs::remove_dir_all(place).unwrap();
}

/// Our way, as a process of its own.
pub(crate) fn load(reference: &str, store: &Path) {
    let reference: Reference = reference.parse().unwrap();
    let loader = Loader::new(Store::open(store, 8 << 30).unwrap(), Transport::default());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let loaded = runtime.block_on(loader.load(&reference, "x86_64", &|_| {}));
    let (payload, _) = loaded.unwrap_or_else(|error| panic!("{}", chain(&error)));
    println!("{}", payload.packages.len());
}
