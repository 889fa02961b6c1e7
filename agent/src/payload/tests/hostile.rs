//! Refusals: each case is a sound image but for one thing.

use serde_json::json;
use tar::EntryType;

use super::craft::{Blob, CONTAINER, ImageCraft, LayerCraft, Pack, bench, image, image_of, layer, pack};
use super::*;

/// The image is refused for that reason, the error says `word`, and nothing is left in the store.
fn assert_refused(what: &str, image: &ImageCraft, reason: Reason, word: &str) {
    let bench = bench();
    let error = bench.load(image).expect_err(what);
    assert_eq!(error.reason(), reason, "{what}: {}", chain(&error));
    assert!(chain(&error).contains(word), "{what}: {}", chain(&error));
    for part in ["rpm/sha256", "payload", "tmp"] {
        let left = std::fs::read_dir(bench.directory.path().join("store").join(part)).unwrap().count();
        assert_eq!(left, 0, "{what} leaves something in `{part}`");
    }
}

fn sound() -> LayerCraft {
    layer().rpm(CONTAINER, "usbguard")
}

#[test]
fn an_entry_that_tools_read_differently_makes_the_layer_unfit() {
    let name = format!("{CONTAINER}/usbguard.rpm");
    let package = rpm("usbguard").build();
    let hardlink = |link: &str| sound().entry(EntryType::Link, &format!("{CONTAINER}/b.rpm"), link, b"");
    let cases: Vec<(&str, LayerCraft, &str)> = vec![
        ("`..` in a name", sound().file("usr/share/../share/rpm-ostree/extensions/b.rpm", &package), "`..`"),
        ("absolute `..`", sound().file("/../extensions/b.rpm", &package), "`..`"),
        ("the same name twice", sound().file(&name, &package), "there twice"),
        ("newline in a name", sound().file(&format!("{CONTAINER}/b\n.rpm"), &package), "control characters"),
        (
            "escape in a name",
            sound().file(&format!("{CONTAINER}/\x1b[2J.rpm"), &package),
            "control characters",
        ),
        (
            "top of the tree as a link",
            sound().entry(EntryType::Symlink, "./", "/etc", b""),
            "not a directory",
        ),
        ("hard link out of the archive", hardlink("etc/shadow"), "not before it"),
        ("hard link to what comes later", hardlink(&format!("{CONTAINER}/c.rpm")), "not before it"),
        ("hard link with `..`", hardlink("../../etc/shadow"), "not before it"),
        ("sparse file of GNU's", sound().entry(EntryType::GNUSparse, "x", "", b""), "sparse"),
        (
            "sparse file by attributes",
            sound().attributes(&[("GNU.sparse.major", b"1")]).file("etc/x", b"x"),
            "sparse file",
        ),
        (
            "global attributes",
            sound().entry(EntryType::XGlobalHeader, "g", "", b"12 path=abc\n"),
            "global attributes",
        ),
        (
            "malformed attributes",
            sound().entry(EntryType::XHeader, "x", "", b"nonsense\n").file("a", b""),
            "malformed",
        ),
        (
            "attributes with nothing behind",
            sound().entry(EntryType::XHeader, "x", "", b"8 a=bcd\n"),
            "cannot be read",
        ),
    ];
    for (what, layer, word) in cases {
        assert_refused(what, &image(vec![layer]), Reason::InvalidImage, word);
    }
}

#[test]
fn an_archive_without_its_proper_end_is_refused() {
    let whole = sound().bytes();
    let unended = &whole[..whole.len() - 1024];
    let mut trailing = whole.clone();
    trailing.extend_from_slice(&whole);
    let mut broken = whole.clone();
    broken[150] ^= 1;
    let mut cut = sound().file("etc/big", &[7; 4000]).bytes();
    cut.truncate(whole.len() + 1000);
    for (what, archive, word) in [
        ("no end", unended, "has no end"),
        ("a second archive behind the first", &trailing, "behind the end"),
        ("wrong checksum of an entry", &broken, "cannot be read"),
        ("cut inside a file", &cut, "cannot be read"),
    ] {
        let image = image_of(vec![Blob::of(archive, Pack::Gzip)]);
        assert_refused(what, &image, Reason::InvalidImage, word);
    }
}

#[test]
fn names_and_attributes_without_measure_are_refused_before_they_fill_the_memory() {
    let huge = vec![b'a'; 3 << 20];
    for (what, kind) in [("long name", EntryType::GNULongName), ("attributes", EntryType::XHeader)] {
        let layer = sound().entry(kind, "x", "", &huge).file("a", b"");
        assert_refused(what, &image(vec![layer]), Reason::LimitExceeded, "names and attributes");
    }
}

#[test]
fn a_bomb_is_stopped_by_its_ratio() {
    let zeros = layer().file("zeros", &vec![0; 80 << 20]).rpm(CONTAINER, "usbguard").bytes();
    for how in [Pack::Gzip, Pack::Zstd] {
        let image = image_of(vec![Blob::of(&zeros, how)]);
        assert_refused("80 MiB of zeros", &image, Reason::LimitExceeded, "ratio");
    }
}

#[test]
fn bytes_of_another_format_than_the_media_type_are_refused() {
    let archive = sound().bytes();
    for (said, is) in [(Pack::Gzip, Pack::Zstd), (Pack::Zstd, Pack::Plain), (Pack::Plain, Pack::Gzip)] {
        let mut blob = Blob::of(&archive, said);
        blob.bytes = pack(&archive, is);
        assert_refused("media type", &image_of(vec![blob]), Reason::InvalidImage, "media type says");
    }
    let mut foreign = Blob::of(&archive, Pack::Gzip);
    foreign.media_type = "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip".into();
    assert_refused("foreign layer", &image_of(vec![foreign]), Reason::InvalidImage, "media type");
}

#[test]
fn compressed_bytes_that_are_not_all_used_are_refused() {
    let archive = sound().bytes();
    for how in [Pack::Gzip, Pack::Zstd] {
        let mut blob = Blob::of(&archive, how);
        blob.bytes.extend_from_slice(b"and something else entirely");
        assert_refused("trailing bytes", &image_of(vec![blob]), Reason::InvalidImage, "cannot be read");
    }
    let mut wide = zstd::Encoder::new(Vec::new(), 3).unwrap();
    wide.window_log(27).unwrap();
    wide.long_distance_matching(true).unwrap();
    // Incompressible, so that the window and not the ratio is what is wrong.
    let mut state = 1u32;
    let noise = (0..40 << 20).map(|_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    });
    let archive = layer().file("noise", &noise.collect::<Vec<u8>>()).rpm(CONTAINER, "usbguard").bytes();
    std::io::Write::write_all(&mut wide, &archive).unwrap();
    let mut blob = Blob::of(b"", Pack::Zstd);
    (blob.bytes, blob.diff_id) =
        (wide.finish().unwrap(), extensions_manifest::Sha256Digest::of(&archive).to_string());
    assert_refused("wide window", &image_of(vec![blob]), Reason::InvalidImage, "cannot be read");
}

#[test]
fn a_layer_that_is_not_what_manifest_and_config_say_is_refused() {
    let archive = sound().bytes();
    let mut other = Blob::of(&archive, Pack::Gzip);
    other.diff_id = extensions_manifest::Sha256Digest::of(b"another").to_string();
    assert_refused("diff id", &image_of(vec![other]), Reason::DigestMismatch, "the archive in layer");

    let blob = Blob::of(&archive, Pack::Gzip);
    let size = blob.bytes.len();
    for (what, claimed) in [("shorter", size - 1), ("longer", size + 1)] {
        let mut image = image_of(vec![blob.clone()]);
        image.manifest["layers"][0]["size"] = json!(claimed);
        assert_refused(what, &image, Reason::DigestMismatch, "not the");
    }
}

#[test]
fn a_flipped_byte_anywhere_in_a_blob_is_a_digest_mismatch_and_nothing_else() {
    for how in [Pack::Plain, Pack::Gzip, Pack::Zstd] {
        let image = image_of(vec![Blob::of(&sound().bytes(), how)]);
        let size = image.layers[0].bytes.len();
        for at in [20, size / 3, size / 2, size - 5] {
            let bench = bench();
            image.write(&bench.layout());
            let digest = extensions_manifest::Sha256Digest::of(&image.layers[0].bytes);
            let path = bench.layout().join("blobs/sha256").join(digest.hex());
            let mut bytes = std::fs::read(&path).unwrap();
            bytes[at] ^= 0x10;
            std::fs::write(&path, bytes).unwrap();
            let error = bench.load_reference(&format!("oci:{}", bench.layout().display())).unwrap_err();
            assert_eq!(error.reason(), Reason::DigestMismatch, "byte {at} of {size}: {}", chain(&error));
        }
    }
}

#[test]
fn a_manifest_that_is_malformed_or_beyond_a_bound_is_refused() {
    let base = || image(vec![sound()]);
    let mut cases: Vec<(&str, ImageCraft, Reason)> = Vec::new();
    let mut case = |what, reason, change: &dyn Fn(&mut ImageCraft)| {
        let mut image = base();
        change(&mut image);
        cases.push((what, image, reason));
    };
    case("schema 1", Reason::InvalidImage, &|i| i.manifest["schemaVersion"] = json!(1));
    case("manifest and index at once", Reason::InvalidImage, &|i| i.manifest["manifests"] = json!([]));
    case("says index, is manifest", Reason::InvalidImage, &|i| {
        i.manifest["mediaType"] = json!("application/vnd.oci.image.index.v1+json");
    });
    case("negative size", Reason::InvalidImage, &|i| i.manifest["layers"][0]["size"] = json!(-1));
    case("size beyond 64 bits", Reason::InvalidImage, &|i| i.manifest["layers"][0]["size"] = json!(1e30));
    case("path as digest", Reason::InvalidImage, &|i| {
        i.manifest["layers"][0]["digest"] = json!("sha256:../../../etc/passwd");
    });
    case("too many layers", Reason::LimitExceeded, &|i| {
        i.manifest["layers"] = vec![i.manifest["layers"][0].clone(); 129].into();
    });
    case("more than 8 GiB", Reason::LimitExceeded, &|i| i.manifest["layers"][0]["size"] = json!(9_u64 << 30));
    case("more layers than diff ids", Reason::InvalidImage, &|i| {
        i.manifest["layers"] = vec![i.manifest["layers"][0].clone(); 2].into();
    });
    case("large config", Reason::LimitExceeded, &|i| i.config["comment"] = json!("a".repeat(5 << 20)));
    case("large manifest", Reason::LimitExceeded, &|i| i.manifest["comment"] = json!("a".repeat(5 << 20)));
    case("other architecture", Reason::WrongArchitecture, &|i| i.config["architecture"] = json!("arm64"));
    case("other system", Reason::WrongArchitecture, &|i| i.config["os"] = json!("windows"));
    for (what, image, reason) in cases {
        assert_refused(what, &image, reason, "");
    }
}

#[test]
fn a_payload_that_contradicts_itself_is_refused() {
    let one = rpm("usbguard").build();
    let other = rpm("usbguard").payload(b"something else".to_vec()).build();
    let path = |name: &str| format!("{CONTAINER}/{name}");
    let two = layer().file(&path("a.rpm"), &one).file(&path("b.rpm"), &other);
    assert_refused(
        "two files, one NEVRA",
        &image(vec![two]),
        Reason::InconsistentPayload,
        "usbguard-1.0-1.el9",
    );

    let nothing = layer().file("etc/os-release", b"NAME=x");
    assert_refused("no packages", &image(vec![nothing]), Reason::InvalidImage, "no RPMs");

    let deeper = layer().file("extensions/usbguard/a.rpm", &one);
    assert_refused("layout of 4.6", &image(vec![deeper]), Reason::InvalidImage, "4.6 and 4.7");

    let map = sound().file(&path("extensions.json"), b"{");
    assert_refused("map", &image(vec![map]), Reason::InconsistentPayload, "extension map");
}

#[test]
fn a_package_altered_inside_a_sound_image_is_refused_by_name() {
    for at in [-1, 500] {
        let mut package = rpm("usbguard").build();
        let place = if at < 0 { package.len() - 1 } else { at as usize };
        package[place] ^= 1;
        let layer = layer().rpm(CONTAINER, "libqb").file(&format!("{CONTAINER}/usbguard.rpm"), &package);
        assert_refused("package", &image(vec![layer]), Reason::CorruptPackage, "`usbguard.rpm`");
    }
}

#[test]
fn more_packages_than_the_store_may_hold_are_refused() {
    let bench = bench();
    let small = super::craft::loader(&bench.directory.path().join("small"), 600);
    image(vec![sound()]).write(&bench.layout());
    let error = super::craft::load(&small, &format!("oci:{}", bench.layout().display())).unwrap_err();
    assert_eq!(error.reason(), Reason::LimitExceeded, "{error}");
    assert!(error.cure().is_some_and(|cure| cure.contains("`store.max-bytes`")), "{:?}", error.cure());
}

#[test]
fn what_does_not_fit_on_the_disk_is_refused_before_the_fetch_with_the_numbers() {
    let mut image = image(vec![sound()]);
    // More than any disk here has, and still below the bound of an image: the claim alone must do.
    image.manifest["layers"][0]["size"] = json!(7_u64 << 30);
    let bench = bench();
    image.write(&bench.layout());
    let free = nix::sys::statvfs::statvfs(bench.directory.path()).unwrap();
    if free.blocks_available() * free.fragment_size() > 7 << 30 {
        let store = Store::open(&bench.directory.path().join("store"), u64::MAX).unwrap();
        let error = store.preflight(1 << 60).unwrap_err();
        assert_eq!(error.reason(), Reason::NotEnoughSpace);
        assert!(error.to_string().contains("iB free"), "{error}");
        return;
    }
    let error = bench.load_reference(&format!("oci:{}", bench.layout().display())).unwrap_err();
    assert_eq!(error.reason(), Reason::NotEnoughSpace, "{error}");
}
