//! What is kept, and what becomes of it.

use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use super::craft::{Bench, CONTAINER, MAP, ROOM, bench, image, layer, load, loader, names};
use super::*;

fn package_path(bench: &Bench, payload: &Payload) -> PathBuf {
    let digest = payload.packages[0].get().file;
    bench.directory.path().join("store/rpm/sha256").join(digest.hex())
}

fn record_path(bench: &Bench, payload: &Payload) -> PathBuf {
    bench.directory.path().join("store/payload").join(format!("{}.json", payload.pinned.digest().hex()))
}

fn loaded() -> (Bench, Payload) {
    let bench = bench();
    let needs = rpm("usbguard")
        .requires("(a if b)", 0, "")
        .requires("libqb", crate::rpm::craft::EQUAL, "1.0")
        .build();
    let layer = layer()
        .file(&format!("{CONTAINER}/usbguard.rpm"), &needs)
        .file(&format!("{CONTAINER}/extensions.json"), MAP.as_bytes());
    let (payload, stats) = bench.load(&image(vec![layer])).unwrap();
    assert!(!stats.cached && stats.bytes_written > 0);
    (bench, payload)
}

fn again(bench: &Bench) -> (Payload, FetchStats) {
    bench.load_reference(&format!("oci:{}", bench.layout().display())).unwrap()
}

#[test]
fn the_same_digest_is_never_fetched_twice() {
    let (bench, first) = loaded();
    let (second, stats) = again(&bench);
    assert_eq!(stats, FetchStats { cached: true, ..FetchStats::default() });
    assert_eq!(second.packages, first.packages);
    assert_eq!((second.map, second.labels, second.layout), (first.map, first.labels, first.layout));
    // Nor by another process that opens the same store.
    let other = loader(bench.directory.path(), ROOM);
    let (_, stats) = load(&other, &format!("oci:{}", bench.layout().display())).unwrap();
    assert!(stats.cached);
}

#[test]
fn an_opened_package_is_exactly_the_verified_bytes_read_only_and_rewound() {
    let (bench, payload) = loaded();
    let mut file = std::fs::File::from(bench.loader.open_package(&payload.packages[0]).unwrap());
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes).unwrap();
    assert_eq!(extensions_manifest::Sha256Digest::of(&bytes), payload.packages[0].get().file);
    assert!(std::io::Write::write(&mut file, b"x").is_err());
}

#[test]
fn an_altered_or_missing_file_is_dropped_and_fetched_again() {
    type Harm = fn(&PathBuf);
    let harms: [(&str, Harm); 4] = [
        ("altered", |path| {
            let mut bytes = std::fs::read(path).unwrap();
            bytes[300] ^= 1;
            std::fs::write(path, bytes).unwrap();
        }),
        ("of another size", |path| std::fs::write(path, b"short").unwrap()),
        ("gone", |path| std::fs::remove_file(path).unwrap()),
        ("a link", |path| {
            let aside = path.with_extension("aside");
            std::fs::rename(path, &aside).unwrap();
            symlink(&aside, path).unwrap();
        }),
    ];
    for (problem, harm) in harms {
        let (bench, payload) = loaded();
        harm(&package_path(&bench, &payload));
        let error = bench.loader.open_package(&payload.packages[0]).unwrap_err();
        assert_eq!(error.reason(), Reason::StateUnusable);
        assert!(error.to_string().contains(problem), "{error}");
        let (payload, stats) = again(&bench);
        assert!(!stats.cached, "{problem}");
        assert!(bench.loader.open_package(&payload.packages[0]).is_ok(), "{problem}");
    }
}

#[test]
fn a_record_that_cannot_be_trusted_counts_as_not_there() {
    type Harm = fn(&str) -> String;
    let harms: [(&str, Harm); 5] = [
        ("altered", |text| text.replace("usbguard", "usbguarD")),
        ("cut", |text| text[..text.len() / 2].to_owned()),
        ("empty", |_| String::new()),
        ("without checksum", |text| text.lines().nth(1).unwrap().to_owned()),
        ("of another schema", |text| {
            let body = text.lines().nth(1).unwrap().replace("\"schema\":2", "\"schema\":1");
            format!("{}\n{body}", extensions_manifest::Sha256Digest::of(body.as_bytes()).hex())
        }),
    ];
    for (what, harm) in harms {
        let (bench, payload) = loaded();
        let path = record_path(&bench, &payload);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, harm(&text)).unwrap();
        let (second, stats) = again(&bench);
        assert!(!stats.cached, "{what}");
        assert_eq!(second.packages, payload.packages, "{what}");
        assert!(again(&bench).1.cached, "{what}");
    }
}

#[test]
fn what_a_crash_left_is_cleared_but_not_what_another_process_writes() {
    let (bench, _) = loaded();
    let left = bench.directory.path().join("store/tmp/left");
    std::fs::write(&left, b"half a package").unwrap();
    let _second = loader(bench.directory.path(), ROOM);
    assert!(left.exists(), "the first store is still open");
    let Bench { directory, loader: first } = bench;
    drop((first, _second));
    let _third = loader(directory.path(), ROOM);
    assert!(!left.exists());
}

#[test]
fn older_payloads_make_way_and_the_current_one_stays() {
    let directory = tempfile::tempdir().unwrap();
    let size = rpm("usbguard").payload(vec![1; 100_000]).build().len() as u64;
    let store = loader(directory.path(), size * 2 + 1000);
    let mut payloads = Vec::new();
    for round in 1..=4u8 {
        let package = rpm("usbguard").payload(vec![round; 100_000]).build();
        let layout = directory.path().join(format!("image{round}"));
        std::fs::create_dir_all(&layout).unwrap();
        image(vec![layer().file(&format!("{CONTAINER}/a.rpm"), &package)]).write(&layout);
        payloads.push(load(&store, &format!("oci:{}", layout.display())).unwrap().0);
        // The order of records is that of their times; make sure that it has moved on.
        let now = std::time::SystemTime::now() - std::time::Duration::from_secs(100 - u64::from(round));
        let record = directory.path().join("store/payload");
        let path = record.join(format!("{}.json", payloads.last().unwrap().pinned.digest().hex()));
        std::fs::File::options().write(true).open(path).unwrap().set_modified(now).unwrap();
    }
    let held: Vec<bool> =
        payloads.iter().map(|payload| store.open_package(&payload.packages[0]).is_ok()).collect();
    assert_eq!(held, [false, false, true, true]);
}

#[test]
fn a_directory_of_packages_is_a_payload_too() {
    let bench = bench();
    for (place, layout) in [
        ("plain", Layout::Directory),
        ("tree/usr/share/rpm-ostree/extensions", Layout::ExtensionsContainer),
        ("flat/extensions", Layout::MachineOsContent),
    ] {
        let rpms = bench.directory.path().join(place);
        std::fs::create_dir_all(&rpms).unwrap();
        std::fs::write(rpms.join("usbguard.rpm"), rpm("usbguard").build()).unwrap();
        std::fs::write(rpms.join("extensions.json"), MAP).unwrap();
        std::fs::write(rpms.join("README"), "not ours").unwrap();
        let top = bench.directory.path().join(place.split('/').next().unwrap());
        let reference = format!("dir:{}", top.display());
        let (payload, _) = bench.load_reference(&reference).unwrap();
        assert_eq!((payload.layout, names(&payload)), (layout, vec!["usbguard".to_owned()]));
        assert!(bench.load_reference(&reference).unwrap().1.cached);
        std::fs::write(rpms.join("libqb.rpm"), rpm("libqb").build()).unwrap();
        let (changed, stats) = bench.load_reference(&reference).unwrap();
        assert!(!stats.cached && changed.pinned.digest() != payload.pinned.digest());
        let mut broken = rpm("libqb").build();
        broken[400] ^= 1;
        std::fs::write(rpms.join("libqb.rpm"), broken).unwrap();
        assert_eq!(bench.load_reference(&reference).unwrap_err().reason(), Reason::CorruptPackage);
    }
    let error = bench.load_reference("dir:/nonexistent").unwrap_err();
    assert_eq!(error.reason(), Reason::PayloadUnavailable);
    let empty = bench.directory.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let error = bench.load_reference(&format!("dir:{}", empty.display())).unwrap_err();
    assert_eq!(error.reason(), Reason::InvalidImage);
}
