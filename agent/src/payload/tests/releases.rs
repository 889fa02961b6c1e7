//! Release images: which layer says what the release names, and what is refused.

use serde_json::{Value, json};
use tar::EntryType;

use super::craft::{Bench, CONTAINER, ImageCraft, LayerCraft, bench, image, layer};
use super::*;

const LIST: &str = "release-manifests/image-references";
const DIGEST: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn references(version: &str) -> String {
    let name = format!("registry.test/release@{DIGEST}");
    json!({"kind": "ImageStream", "metadata": {"name": version},
        "spec": {"tags": [{"name": "rhel-coreos-extensions", "from": {"kind": "DockerImage", "name": name}}]}})
    .to_string()
}

fn list(version: &str) -> LayerCraft {
    layer()
        .entry(EntryType::Directory, "release-manifests", "", b"")
        .file(LIST, references(version).as_bytes())
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

fn read(bench: &Bench, image: &ImageCraft) -> Result<Release, ReleaseError> {
    image.write(&bench.layout());
    again(bench)
}

/// The image that lies in the layout already.
fn again(bench: &Bench) -> Result<Release, ReleaseError> {
    let reference = format!("oci:{}", bench.layout().display()).parse().unwrap();
    runtime().block_on(bench.loader.release(&reference, "x86_64"))
}

fn file_of(bench: &Bench, bytes: &[u8]) -> std::path::PathBuf {
    bench.layout().join("blobs/sha256").join(extensions_manifest::Sha256Digest::of(bytes).hex())
}

fn version(layers: Vec<LayerCraft>) -> Result<String, Reason> {
    let release = read(&bench(), &image(layers));
    release.map(|release| release.version.unwrap()).map_err(|error| error.reason())
}

#[test]
fn the_topmost_layer_that_has_the_list_says_what_the_release_names() {
    let other = || layer().file("etc/x", b"x");
    for (what, layers, expected) in [
        ("one layer", vec![list("1")], Ok("1")),
        ("the newest wins", vec![list("1"), list("2")], Ok("2")),
        ("below another", vec![list("1"), other()], Ok("1")),
        (
            "whited out below",
            vec![list("1"), list("2").file("release-manifests/.wh.image-references", b"")],
            Ok("2"),
        ),
        (
            "whited out",
            vec![list("1"), layer().file("release-manifests/.wh.image-references", b"")],
            Err(Reason::InvalidRelease),
        ),
        (
            "opaque",
            vec![list("1"), layer().file("release-manifests/.wh..wh..opq", b"")],
            Err(Reason::InvalidRelease),
        ),
        (
            "directory gone",
            vec![list("1"), layer().file(".wh.release-manifests", b"")],
            Err(Reason::InvalidRelease),
        ),
        ("all gone", vec![list("1"), layer().file(".wh..wh..opq", b"")], Err(Reason::InvalidRelease)),
        (
            "a link instead",
            vec![list("1"), layer().entry(EntryType::Symlink, "release-manifests", "/etc", b"")],
            Err(Reason::InvalidRelease),
        ),
        ("nothing", vec![other()], Err(Reason::InvalidRelease)),
        ("no JSON", vec![layer().file(LIST, b"tags: []")], Err(Reason::InvalidRelease)),
        ("no text", vec![layer().file(LIST, &[0xff, 0xfe])], Err(Reason::InvalidRelease)),
        ("twice", vec![list("1").file(LIST, references("2").as_bytes())], Err(Reason::InvalidImage)),
        (
            "a link",
            vec![layer().entry(EntryType::Symlink, LIST, "/etc/passwd", b"")],
            Err(Reason::InvalidImage),
        ),
        ("out of the tree", vec![list("1").file("../x", b"")], Err(Reason::InvalidImage)),
        ("too large", vec![layer().file(LIST, &vec![b' '; (4 << 20) + 1])], Err(Reason::LimitExceeded)),
    ] {
        assert_eq!(version(layers), expected.map(str::to_owned), "{what}");
    }
}

#[test]
fn lower_layers_are_not_even_opened() {
    let mut image = image(vec![layer().file("usr/big", &[7; 1000]), list("1")]);
    image.layers[0].bytes.clear();
    assert_eq!(read(&bench(), &image).unwrap().version.as_deref(), Some("1"));
    let (bench, mut altered) = (bench(), image.layers[1].bytes.clone());
    image.write(&bench.layout());
    altered[30] ^= 1;
    std::fs::write(file_of(&bench, &image.layers[1].bytes), altered).unwrap();
    assert_eq!(again(&bench).unwrap_err().reason(), Reason::DigestMismatch);
}

#[test]
fn a_release_that_was_read_once_is_read_without_its_layers() {
    let bench = bench();
    let image = image(vec![list("1")]);
    read(&bench, &image).unwrap();
    std::fs::remove_file(file_of(&bench, &image.layers[0].bytes)).unwrap();
    assert_eq!(again(&bench).unwrap().version.as_deref(), Some("1"));
    // A note that was altered counts as not there.
    let notes = std::fs::read_dir(bench.directory.path().join("store/note")).unwrap();
    for note in notes {
        std::fs::write(note.unwrap().path(), "0000\n{}").unwrap();
    }
    assert_eq!(again(&bench).unwrap_err().reason(), Reason::PayloadUnavailable);
}

#[test]
fn only_a_few_notes_are_kept() {
    let bench = bench();
    for number in 0..40 {
        read(&bench, &image(vec![list(&number.to_string())])).unwrap();
    }
    assert_eq!(std::fs::read_dir(bench.directory.path().join("store/note")).unwrap().count(), 32);
}

#[test]
fn an_unpacked_release_is_read_from_its_directory() {
    let bench = bench();
    let tree = bench.layout();
    let reference: Reference = format!("dir:{}", tree.display()).parse().unwrap();
    let release = || runtime().block_on(bench.loader.release(&reference, "x86_64"));
    assert_eq!(release().unwrap_err().reason(), Reason::PayloadUnavailable);
    std::fs::write(tree.join("image-references"), references("flat")).unwrap();
    assert_eq!(release().unwrap().version.as_deref(), Some("flat"));
    std::fs::create_dir(tree.join("release-manifests")).unwrap();
    std::fs::write(tree.join(LIST), references("tree")).unwrap();
    assert_eq!(release().unwrap().version.as_deref(), Some("tree"));
}

#[test]
fn labels_are_read_without_a_layer_and_kept() {
    let bench = bench();
    let mut image = image(vec![layer().rpm(CONTAINER, "usbguard")]);
    image.config["config"]["Labels"] = json!({"io.openshift.build.versions": "machine-os=418.94.1-0",
        "com.coreos.ostree-commit": "abc", "containers.bootc": "1", "io.openshift.os.streamclass": "rhel-9"});
    image.layers[0].bytes.clear();
    image.write(&bench.layout());
    let reference: Reference = format!("oci:{}", bench.layout().display()).parse().unwrap();
    let labels = || runtime().block_on(bench.loader.labels(&reference, "x86_64"));
    let expected = Labels {
        version: Some("418.94.1-0".to_owned()),
        machine_os: Some("418.94.1-0".to_owned()),
        commit: Some("abc".to_owned()),
        stream: Some("rhel-9".to_owned()),
        bootable: true,
    };
    assert_eq!(labels().unwrap(), expected);
    assert_eq!(labels().unwrap(), expected);
    let error = runtime().block_on(bench.loader.labels(&reference, "s390x")).unwrap_err();
    assert_eq!(error.reason(), Reason::WrongArchitecture);
}

#[test]
fn a_release_for_each_architecture_is_chosen_from_the_index() {
    let bench = bench();
    let layout = bench.layout();
    let mut entries: Vec<Value> = Vec::new();
    for arch in ["amd64", "arm64"] {
        let mut image = image(vec![list(arch)]);
        image.config["architecture"] = json!(arch);
        let digest = image.write(&layout);
        let size = std::fs::metadata(layout.join("blobs/sha256").join(digest.hex())).unwrap().len();
        entries.push(
            json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size,
            "platform": {"architecture": arch, "os": "linux"}}),
        );
    }
    super::craft::write_index(&layout, &entries);
    let reference: Reference = format!("oci:{}", layout.display()).parse().unwrap();
    let version = |arch: &str| {
        runtime().block_on(bench.loader.release(&reference, arch)).map(|release| release.version.unwrap())
    };
    assert_eq!(version("x86_64").unwrap(), "amd64");
    assert_eq!(version("aarch64").unwrap(), "arm64");
    let error = version("s390x").unwrap_err();
    assert_eq!(error.reason(), Reason::WrongArchitecture);
    let said = chain(&error);
    assert!(said.contains("amd64") && said.contains("arm64") && said.contains("s390x"), "{said}");
}
