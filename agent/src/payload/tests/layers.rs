//! What layers mean together: how far is read, and who wins.

use serde_json::json;
use tar::EntryType;

use super::craft::{
    Blob, CONTAINER, MAP, Pack, bench, blob, image, image_of, layer, names, pack, write_index,
};
use super::*;

#[test]
fn every_compression_yields_the_same_packages() {
    for how in [Pack::Plain, Pack::Gzip, Pack::Zstd] {
        let archive = layer().rpm(CONTAINER, "usbguard").rpm(CONTAINER, "libqb").bytes();
        let (payload, stats) = bench().load(&image_of(vec![Blob::of(&archive, how)])).unwrap();
        assert_eq!(names(&payload), ["libqb", "usbguard"]);
        assert_eq!(payload.layout, Layout::ExtensionsContainer);
        assert_eq!(payload.labels.version.as_deref(), Some("414.92"));
        let sizes: u64 = payload.packages.iter().map(|package| package.get().size).sum();
        assert_eq!((stats.bytes_written, stats.cached), (sizes, false));
    }
}

#[test]
fn frames_and_members_are_read_to_the_last() {
    let archive = layer().rpm(CONTAINER, "usbguard").bytes();
    let (front, back) = archive.split_at(archive.len() / 2);
    let skippable = [&[0x50, 0x2a, 0x4d, 0x18, 4, 0, 0, 0][..], b"toc!"].concat();
    let frames = [&skippable, &pack(front, Pack::Zstd), &skippable, &pack(back, Pack::Zstd), &skippable];
    let members = [pack(front, Pack::Gzip), pack(back, Pack::Gzip)];
    for (how, bytes) in [(Pack::Zstd, frames.map(Vec::as_slice).concat()), (Pack::Gzip, members.concat())] {
        let mut blob = Blob::of(&archive, how);
        blob.bytes = bytes;
        assert_eq!(names(&bench().load(&image_of(vec![blob])).unwrap().0), ["usbguard"]);
    }
}

#[test]
fn reading_stops_when_lower_layers_can_change_nothing() {
    let base = || layer().file("usr/lib/big", &[7; 100_000]);
    let packages = || layer().rpm(CONTAINER, "usbguard").rpm(CONTAINER, "libqb");
    let listed = || packages().metadata(CONTAINER, &["usbguard", "libqb"]);
    for (what, layers, read) in [
        ("all in the top layer", vec![base(), base(), listed()], 1),
        ("below a small one", vec![base(), listed(), layer().file("etc/x", b"")], 2),
        (
            "metadata above packages",
            vec![base(), packages(), layer().metadata(CONTAINER, &["usbguard", "libqb"])],
            2,
        ),
        ("no metadata", vec![base(), packages()], 2),
        (
            "a listed package is missing",
            vec![base(), packages().metadata(CONTAINER, &["usbguard", "gone"])],
            2,
        ),
        ("no map", vec![base(), packages().metadata(CONTAINER, &["usbguard"]).file(".wh.usr", b"")], 2),
        ("a path in the metadata", vec![base(), packages().metadata(CONTAINER, &["../x", "usbguard"])], 2),
    ] {
        let read = if what == "no map" { 1 } else { read };
        let (payload, stats) = bench().load(&image(layers)).unwrap();
        assert_eq!(stats.requests, read, "{what}");
        assert_eq!(names(&payload), ["libqb", "usbguard"], "{what}");
    }
}

#[test]
fn an_upper_layer_wins_and_hides() {
    let newer = rpm("usbguard").version("2.0").build();
    let path = |name: &str| format!("{CONTAINER}/{name}");
    let lower = || layer().rpm(CONTAINER, "usbguard").rpm(CONTAINER, "libqb");
    let over = |name: &str| layer().file(&path(name), b"").rpm(CONTAINER, "protobuf");
    for (what, upper, expected) in [
        ("same path", layer().file(&path("usbguard.rpm"), &newer), vec!["libqb-1.0", "usbguard-2.0"]),
        ("whiteout of a file", over(".wh.usbguard.rpm"), vec!["libqb-1.0", "protobuf-1.0"]),
        ("opaque directory", over(".wh..wh..opq"), vec!["protobuf-1.0"]),
        (
            "whiteout of a parent",
            layer().rpm(CONTAINER, "protobuf").file("usr/share/.wh.rpm-ostree", b""),
            vec!["protobuf-1.0"],
        ),
        (
            "link in place of a parent",
            layer().rpm(CONTAINER, "protobuf").entry(EntryType::Symlink, "usr/share/rpm-ostree", "/etc", b""),
            vec!["protobuf-1.0"],
        ),
        (
            "link in place of a file",
            layer().rpm(CONTAINER, "protobuf").entry(
                EntryType::Symlink,
                &path("usbguard.rpm"),
                "/etc/x",
                b"",
            ),
            vec!["libqb-1.0", "protobuf-1.0"],
        ),
        (
            "device in place of a file",
            layer().rpm(CONTAINER, "protobuf").entry(EntryType::Char, &path("libqb.rpm"), "", b""),
            vec!["protobuf-1.0", "usbguard-1.0"],
        ),
        (
            "whiteout elsewhere",
            layer().rpm(CONTAINER, "protobuf").file("etc/.wh.x", b""),
            vec!["libqb-1.0", "protobuf-1.0", "usbguard-1.0"],
        ),
    ] {
        let (payload, _) = bench().load(&image(vec![lower(), upper])).unwrap();
        let shown: Vec<String> = payload
            .packages
            .iter()
            .map(|package| &package.get().facts.nevra)
            .map(|nevra| format!("{}-{}", nevra.name(), nevra.evr().version()))
            .collect();
        assert_eq!(shown, expected, "{what}");
    }
}

#[test]
fn a_whiteout_does_not_hide_its_own_layer() {
    let layer = layer().rpm(CONTAINER, "usbguard").file(&format!("{CONTAINER}/.wh..wh..opq"), b"");
    assert_eq!(names(&bench().load(&image(vec![layer])).unwrap().0), ["usbguard"]);
}

#[test]
fn a_hard_link_inside_the_archive_is_the_same_package() {
    let target = format!("{CONTAINER}/usbguard.rpm");
    let layer = layer().rpm(CONTAINER, "usbguard").entry(
        EntryType::Link,
        &format!("{CONTAINER}/again.rpm"),
        &target,
        b"",
    );
    assert_eq!(names(&bench().load(&image(vec![layer])).unwrap().0), ["usbguard"]);
}

#[test]
fn an_attribute_size_wins_over_the_header() {
    let package = rpm("usbguard").build();
    let size = package.len().to_string();
    // The header says zero; only the attribute has the size.
    let mut archive = tar::Builder::new(Vec::new());
    archive.append_pax_extensions([("size", size.as_bytes())]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_path(format!("{CONTAINER}/usbguard.rpm")).unwrap();
    header.set_size(0);
    header.set_cksum();
    archive.append(&header, &package[..]).unwrap();
    let image = image_of(vec![Blob::of(&archive.into_inner().unwrap(), Pack::Gzip)]);
    assert_eq!(names(&bench().load(&image).unwrap().0), ["usbguard"]);
}

#[test]
fn the_flat_layout_is_read_and_its_map_is_the_authority() {
    let layer = layer().rpm("extensions", "usbguard").file("extensions/extensions.json", MAP.as_bytes());
    let (payload, _) = bench().load(&image(vec![layer])).unwrap();
    assert_eq!(payload.layout, Layout::MachineOsContent);
    assert_eq!(payload.map.origin, extensions_manifest::MapOrigin::Payload);
    let bare = bench().load(&image(vec![super::craft::layer().rpm("extensions", "usbguard")])).unwrap().0;
    assert_eq!(bare.map.origin, extensions_manifest::MapOrigin::BuiltIn);
}

#[test]
fn of_all_files_only_those_that_somebody_requires_are_kept() {
    let needs = rpm("usbguard").requires("/usr/bin/libqb", 0, "").requires("/bin/sh", 0, "").build();
    let has = rpm("libqb").file("/usr/share/doc/libqb/README").build();
    let layer = layer().file(&format!("{CONTAINER}/a.rpm"), &needs).file(&format!("{CONTAINER}/b.rpm"), &has);
    let (payload, _) = bench().load(&image(vec![layer])).unwrap();
    let files: Vec<_> = payload.packages.iter().map(|package| package.get().facts.files.clone()).collect();
    assert_eq!(files, [vec!["/usr/bin/libqb".to_owned()], vec![]]);
    assert_eq!(payload.required_paths().into_iter().collect::<Vec<_>>(), ["/bin/sh", "/usr/bin/libqb"]);
}

#[test]
fn an_index_is_resolved_by_architecture_and_a_layout_by_name() {
    let bench = bench();
    let layout = bench.layout();
    let ours = image(vec![layer().rpm(CONTAINER, "usbguard")]).write(&layout);
    let mut other = image(vec![layer().rpm(CONTAINER, "libqb")]);
    other.config["architecture"] = json!("arm64");
    let theirs = other.write(&layout);
    let entry = |digest: extensions_manifest::Sha256Digest, arch: &str| {
        let size = std::fs::metadata(layout.join("blobs/sha256").join(digest.hex())).unwrap().len();
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size,
            "platform": {"architecture": arch, "os": "linux"}, "annotations": {"org.opencontainers.image.ref.name": arch}})
    };
    let both = [entry(ours, "amd64"), entry(theirs, "arm64")];
    let reference = format!("oci:{}", layout.display());
    write_index(&layout, &both);
    let (payload, _) = bench.load_reference(&reference).unwrap();
    assert_eq!((payload.pinned.digest(), names(&payload)), (ours, vec!["usbguard".to_owned()]));
    let error = bench.load_reference(&format!("{reference}:arm64")).unwrap_err();
    assert_eq!(error.reason(), Reason::WrongArchitecture);
    let error = bench.load_reference(&format!("{reference}:none")).unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidImage);

    let nested = json!({"schemaVersion": 2, "manifests": both}).to_string();
    let digest = blob(&layout, nested.as_bytes());
    let media_type = "application/vnd.oci.image.index.v1+json";
    write_index(&layout, &[json!({"mediaType": media_type, "digest": digest, "size": nested.len()})]);
    assert_eq!(bench.load_reference(&reference).unwrap().0.pinned.digest(), ours);

    let twins =
        json!({"schemaVersion": 2, "manifests": [entry(ours, "amd64"), entry(theirs, "amd64")]}).to_string();
    let digest = blob(&layout, twins.as_bytes());
    write_index(&layout, &[json!({"mediaType": media_type, "digest": digest, "size": twins.len()})]);
    assert_eq!(bench.load_reference(&reference).unwrap_err().reason(), Reason::InvalidImage);
}

#[test]
fn progress_counts_layers_from_the_newest() {
    let bench = bench();
    image(vec![layer().rpm(CONTAINER, "libqb"), layer().rpm(CONTAINER, "usbguard")]).write(&bench.layout());
    let told = std::sync::Mutex::new(Vec::new());
    let tell = |progress: FetchProgress| told.lock().unwrap().push(progress);
    let reference: Reference = format!("oci:{}", bench.layout().display()).parse().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(bench.loader.load(&reference, "x86_64", &tell)).unwrap();
    let told = told.into_inner().unwrap();
    let ends: Vec<_> = told.iter().filter(|p| p.bytes == p.total).map(|p| (p.layer, p.layers)).collect();
    assert_eq!((ends.first(), ends.last()), (Some(&(1, 2)), Some(&(2, 2))), "{told:?}");
}
