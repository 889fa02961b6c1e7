//! The two images: an extensions container, and an operating system of many layers with the packages on top.

use std::fs;
use std::path::{Path, PathBuf};

use proof::images::{Image, Kind, Layer, Layout, Payload};
use proof::packages::{Release, Rpm, build_all};
use serde_json::{Value, json};

/// How large everything is.
pub(crate) struct Sizes {
    pub(crate) rpms: usize,
    pub(crate) rpm_bytes: u64,
    pub(crate) base_bytes: u64,
    pub(crate) os_layers: usize,
    pub(crate) os_bytes: u64,
}

/// One image to fetch.
pub(crate) struct Made {
    pub(crate) title: String,
    pub(crate) repository: &'static str,
    pub(crate) layout: Layout,
}

/// Makes both; what has been made before is taken from the cache.
pub(crate) fn make(sizes: &Sizes) -> Vec<Made> {
    let files = build_all(&rpms(sizes));
    let payload = |kind| {
        let mut payload =
            Payload::with(Release::First, &[]).kind(kind).base_layers(0, 0).map(Some(map(sizes)));
        for file in &files {
            payload = payload.package(file);
        }
        payload.image()
    };
    let container = with_base(payload(Kind::ExtensionsContainer), 1, sizes.base_bytes);
    let os = with_base(payload(Kind::MachineOsContent), sizes.os_layers.saturating_sub(1), sizes.os_bytes);
    let mib = |bytes: u64| bytes >> 20;
    let title = |name: &str, image: &Image, bytes: u64| {
        let layers = image.layers.len();
        let (count, rpms) = (sizes.rpms, mib(sizes.rpm_bytes));
        format!(
            "{name}: {layers} layers, {count} RPMs of {rpms} MiB on {} MiB of other files, gzip",
            mib(bytes)
        )
    };
    vec![
        Made {
            title: title("extensions image", &container, sizes.base_bytes),
            repository: "bench/extensions",
            layout: container.build(),
        },
        Made { title: title("OS image", &os, sizes.os_bytes), repository: "bench/os", layout: os.build() },
    ]
}

/// Sizes as in real payloads: a few large packages, many small ones, the same sum for the same arguments.
fn rpms(sizes: &Sizes) -> Vec<Rpm> {
    let weights: Vec<u64> = (1..=sizes.rpms as u64).map(|place| 1_000 / place + 10).collect();
    let total: u64 = weights.iter().sum();
    let rpm = |(place, weight): (usize, &u64)| {
        Rpm::new(&format!("bench-{place:03}")).filler(sizes.rpm_bytes * weight / total.max(1))
    };
    weights.iter().enumerate().map(rpm).collect()
}

fn map(sizes: &Sizes) -> Value {
    let names: Vec<String> = (0..sizes.rpms).map(|place| format!("bench-{place:03}")).collect();
    json!({"extensions": {"bench": {"packages": names}}})
}

/// Puts layers of this machine's own files below: they pack and unpack as the files of an operating system do.
fn with_base(mut image: Image, layers: usize, bytes: u64) -> Image {
    let mut below = vec![Layer::new(); layers.max(1)];
    for (place, file) in host_files(bytes).into_iter().enumerate() {
        let at = place % below.len();
        let path = format!("usr/base{}", file.display());
        below[at] = std::mem::take(&mut below[at]).copy(&path, file);
    }
    below.append(&mut image.layers);
    Image { layers: below, ..image }
}

/// Regular files below `/usr`, in the order of their names, until there are so many bytes.
fn host_files(bytes: u64) -> Vec<PathBuf> {
    let (mut files, mut left) = (Vec::new(), bytes);
    for top in ["/usr/lib", "/usr/bin", "/usr/share"] {
        collect(Path::new(top), &mut files, &mut left);
    }
    files
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>, left: &mut u64) {
    let mut entries: Vec<_> = fs::read_dir(directory).into_iter().flatten().flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Ok(meta) = entry.metadata() else { continue };
        // Very small files would make this a benchmark of names; the name must fit a plain archive header.
        let fits = meta.len() >= 2_048 && meta.len() <= *left && entry.path().as_os_str().len() < 90;
        if meta.is_dir() {
            collect(&entry.path(), files, left);
        } else if meta.is_file() && fits {
            *left -= meta.len();
            files.push(entry.path());
        }
        if *left < 2_048 {
            return;
        }
    }
}
