//! The images are real: skopeo reads them from disk and from the registry, and finds fault with those that were hurt.

use std::process::Command;

use proof::command::run;
use proof::images::damage::{Flaw, damaged};
use proof::images::{Compression, Content, Image, Kind, Layer, Layout, Payload};
use proof::packages::Release;
use proof::registry::Registry;
use proof::wait::until_true;
use serde_json::Value;

fn inspect(layout: &Layout) -> Value {
    serde_json::from_str(&run(Command::new("skopeo").args(["inspect", &layout.reference()]))).unwrap()
}

fn listing(layout: &Layout, layer: usize) -> String {
    run(Command::new("tar").arg("--list").arg("--file").arg(layout.blob(&layout.layers()[layer])))
}

/// Whether skopeo copies the image without finding fault.
fn copies(layout: &Layout) -> bool {
    let place = tempfile::tempdir().unwrap();
    let target = format!("dir:{}", place.path().join("copy").display());
    Command::new("skopeo")
        .args(["copy", "--quiet", "--insecure-policy", &layout.reference(), &target])
        .output()
        .unwrap()
        .status
        .success()
}

#[test]
fn skopeo_reads_an_extensions_container_of_either_compression() {
    for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
        let layout = Payload::of(Release::First).compression(compression).build();
        let seen = inspect(&layout);
        assert_eq!(seen["Labels"]["io.openshift.os.extensions"], "true");
        assert_eq!(seen["Layers"].as_array().unwrap().len(), 3);
        assert!(copies(&layout), "{compression:?}");
    }
}

#[test]
fn an_extensions_container_has_its_packages_in_the_layer_below_the_top() {
    let layout = Payload::of(Release::First).build();
    let packages = listing(&layout, 1);
    for part in ["extensions.json", "repodata/repomd.xml", "usbguard-1.0.0-15.el9.x86_64.rpm"] {
        assert!(
            packages.contains(&format!("usr/share/rpm-ostree/extensions/{part}\n")),
            "{part} in {packages}"
        );
    }
    assert!(listing(&layout, 2).ends_with("usr/share/rpm-ostree/extensions.json\n"));
}

#[test]
fn the_older_layout_has_its_packages_beside_the_operating_system() {
    let layout = Payload::of(Release::First).kind(Kind::MachineOsContent).base_layers(4, 1024).build();
    assert_eq!(layout.layers().len(), 5);
    let top = listing(&layout, 4);
    for part in [
        "pkglist.txt",
        "srv/repo/config",
        "extensions/extensions.json",
        "extensions/libqb-2.0.8-1.el9.x86_64.rpm",
    ] {
        assert!(top.lines().any(|line| line == part), "{part} in {top}");
    }
}

#[test]
fn an_image_is_the_same_bytes_on_every_run() {
    // Unlike any other, because what is kept of it is taken away.
    let image = Payload::of(Release::First).image().label("run", &uuid::Uuid::new_v4().to_string());
    let before = image.build().digest();
    std::fs::remove_dir_all(image.build().dir()).unwrap();
    assert_eq!(image.build().digest(), before);
    std::fs::remove_dir_all(image.build().dir()).unwrap();
}

#[test]
fn an_index_offers_an_image_for_each_platform() {
    let payload = Payload::of(Release::First);
    let layout = Image::build_index(&[payload.clone().architecture("arm64").image(), payload.image()]);
    for architecture in ["amd64", "arm64"] {
        let seen = run(Command::new("skopeo").args([
            "--override-arch",
            architecture,
            "inspect",
            &layout.reference(),
        ]));
        assert_eq!(serde_json::from_str::<Value>(&seen).unwrap()["Architecture"], architecture);
    }
}

#[test]
fn skopeo_finds_fault_with_every_flaw() {
    let whole = Payload::of(Release::First).build();
    assert!(copies(&whole));
    let flaws = [
        Flaw::LayerByte(1),
        Flaw::LayerCut(1),
        Flaw::LayerMissing(0),
        Flaw::ConfigByte,
        Flaw::ManifestGarbage,
    ];
    for flaw in flaws {
        assert!(!copies(&damaged(&whole, flaw)), "{flaw:?} went unnoticed");
    }
}

#[test]
fn hostile_entries_stand_in_the_archive_as_they_were_asked_for() {
    let layer = Layer::new()
        .entry("../../escape", Content::Bytes(b"x".to_vec()))
        .entry("dev", Content::Device)
        .entry("link", Content::Symlink("/etc/passwd".to_owned()));
    let layout = Image::new("amd64").compression(Compression::None).layer(layer).build();
    assert_eq!(listing(&layout, 0), "../../escape\ndev\nlink\n");
}

#[test]
fn the_registry_gives_back_what_was_pushed_and_counts_it() {
    let registry = Registry::start();
    let layout = Payload::of(Release::First).build();
    let reference = registry.push(&layout, "release/extensions");
    let before = registry.relay().bytes_served();
    assert!(reference.ends_with(&layout.digest()), "{reference}");

    let pulled = tempfile::tempdir().unwrap();
    let target = format!("oci:{}", pulled.path().join("copy").display());
    run(registry.skopeo().args(["copy", "--quiet", &format!("docker://{reference}"), &target]));
    assert_eq!(Layout::at(pulled.path().join("copy")).layers(), layout.layers());
    let size: u64 = layout.layers().iter().map(|layer| layout.blob(layer).metadata().unwrap().len()).sum();
    let served = registry.relay().bytes_served() - before;
    assert!((size..size + 65_536).contains(&served), "{served} bytes served for {size}");
    let blob = format!("/v2/release/extensions/blobs/{}", layout.layers()[1]);
    until_true("the layer in the access log", || {
        registry
            .requests()
            .iter()
            .any(|request| request.method == "GET" && request.path == blob && request.status == 200)
    });
}

#[test]
fn a_registry_can_be_made_to_lie_to_lose_and_to_break_off() {
    let mut registry = Registry::start();
    let layout = Payload::of(Release::First).build();
    let reference = format!("docker://{}", registry.push(&layout, "release/extensions"));
    let copies = |registry: &Registry| {
        let place = tempfile::tempdir().unwrap();
        let target = format!("dir:{}", place.path().display());
        registry
            .skopeo()
            .args(["copy", "--quiet", "--retry-times=0", &reference, &target])
            .output()
            .unwrap()
            .status
            .success()
    };
    assert!(copies(&registry));
    registry.relay().cut_after(Some(10_000));
    assert!(!copies(&registry), "a cut connection went unnoticed");
    registry.relay().cut_after(None);
    assert!(copies(&registry));
    registry.corrupt(&layout.layers()[1]);
    assert!(!copies(&registry), "other bytes went unnoticed");
    registry.lose(&layout.layers()[1]);
    assert!(!copies(&registry), "a lost layer went unnoticed");
    registry.stop();
    assert!(!copies(&registry), "there is nobody to ask");
}
