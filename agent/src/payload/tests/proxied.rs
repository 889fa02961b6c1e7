//! The same through a real registry and the real skopeo.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use extensions_manifest::Sha256Digest;
use serde_json::json;
use tempfile::TempDir;

use super::craft::{CONTAINER, ROOM, image, layer, load, names, write_index};
use super::*;

/// A registry on loopback, gone with the test.
struct RegistryServer {
    directory: TempDir,
    port: u16,
    child: Child,
}

impl RegistryServer {
    fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        // The port of a listener that is gone again: the registry cannot be given a socket.
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "version: 0.1\nlog: {{level: info}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\n\
             http: {{addr: '127.0.0.1:{port}'}}\n",
            directory.path().join("registry").display()
        );
        std::fs::write(directory.path().join("config.yml"), config).unwrap();
        let location = format!("[[registry]]\nlocation = \"127.0.0.1:{port}\"\ninsecure = true\n");
        std::fs::write(directory.path().join("registries.conf"), location).unwrap();
        let mut child = Command::new("docker-registry")
            .arg("serve")
            .arg(directory.path().join("config.yml"))
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("docker-registry is installed");
        let mut said = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            assert_ne!(said.read_line(&mut line).unwrap(), 0, "the registry ended at once");
        }
        // Whatever it says later must not fill the pipe.
        std::thread::spawn(move || std::io::copy(&mut said, &mut std::io::sink()));
        Self { directory, port, child }
    }

    fn repository(&self) -> String {
        format!("127.0.0.1:{}/payloads/extensions", self.port)
    }

    /// Pushes the layout and returns its digest in the registry.
    fn push(&self, layout: &std::path::Path, extra: &[&str]) -> Sha256Digest {
        let digest = self.directory.path().join("digest");
        let pushed = Command::new("skopeo")
            .args(["copy", "--quiet", "--dest-tls-verify=false", "--digestfile"])
            .arg(&digest)
            .args(extra)
            .arg(format!("oci:{}", layout.display()))
            .arg(format!("docker://{}:latest", self.repository()))
            .output()
            .expect("skopeo is installed");
        assert!(pushed.status.success(), "{}", String::from_utf8_lossy(&pushed.stderr));
        std::fs::read_to_string(digest).unwrap().trim().parse().unwrap()
    }

    fn blob_path(&self, digest: Sha256Digest) -> PathBuf {
        let hex = digest.hex();
        let shelf = "registry/docker/registry/v2/blobs/sha256";
        self.directory.path().join(shelf).join(&hex[..2]).join(hex).join("data")
    }

    fn loader(&self) -> Loader {
        let store = Store::open(&self.directory.path().join("store"), ROOM).unwrap();
        let registries = Some(self.directory.path().join("registries.conf"));
        Loader::new(store, Transport { authfile: None, registries })
    }
}

impl Drop for RegistryServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn layout() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let top = layer().rpm(CONTAINER, "usbguard").metadata(CONTAINER, &["usbguard"]);
    image(vec![layer().file("etc/base", &[1; 50_000]), top]).write(directory.path());
    directory
}

#[test]
fn an_image_is_fetched_once_and_a_tag_costs_one_look() {
    let mut server = RegistryServer::start();
    let digest = server.push(layout().path(), &[]);
    let loader = server.loader();
    let by_tag = format!("{}:latest", server.repository());
    let by_digest = format!("{}@{digest}", server.repository());
    let (payload, stats) = load(&loader, &by_tag).unwrap();
    assert_eq!((names(&payload), payload.pinned.digest()), (vec!["usbguard".to_owned()], digest));
    assert_eq!(payload.pinned.to_string(), by_digest);
    assert_eq!(stats.requests, 4, "tag, manifest, config, and the top one of two layers");
    let (_, stats) = load(&loader, &by_tag).unwrap();
    assert_eq!((stats.requests, stats.cached, stats.bytes_written), (1, true, 0));
    server.child.kill().unwrap();
    server.child.wait().unwrap();
    let (_, stats) = load(&loader, &by_digest).unwrap();
    assert_eq!(stats, FetchStats { cached: true, ..FetchStats::default() });
    let error = load(&loader, &by_tag).unwrap_err();
    assert_eq!((error.reason(), error.class()), (Reason::PayloadUnavailable, crate::error::Class::Retry));
}

#[test]
fn a_manifest_of_dockers_kind_is_held_against_its_own_bytes() {
    let server = RegistryServer::start();
    let digest = server.push(layout().path(), &["--format", "v2s2"]);
    let (payload, _) = load(&server.loader(), &format!("{}@{digest}", server.repository())).unwrap();
    assert_eq!((names(&payload), payload.pinned.digest()), (vec!["usbguard".to_owned()], digest));
}

#[test]
fn an_index_is_pinned_by_its_own_digest_and_cached_by_it() {
    let server = RegistryServer::start();
    let directory = tempfile::tempdir().unwrap();
    let ours = image(vec![layer().rpm(CONTAINER, "usbguard")]).write(directory.path());
    let mut other = image(vec![layer().rpm(CONTAINER, "libqb")]);
    other.config["architecture"] = json!("arm64");
    let theirs = other.write(directory.path());
    let entry = |digest: Sha256Digest, arch: &str| {
        let size = std::fs::metadata(directory.path().join("blobs/sha256").join(digest.hex())).unwrap().len();
        json!({"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": size,
            "platform": {"architecture": arch, "os": "linux"}})
    };
    let index = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [entry(ours, "amd64"), entry(theirs, "arm64")]});
    let bytes = index.to_string();
    let digest = super::craft::blob(directory.path(), bytes.as_bytes());
    let media_type = "application/vnd.oci.image.index.v1+json";
    write_index(directory.path(), &[json!({"mediaType": media_type, "digest": digest, "size": bytes.len()})]);
    let pushed = server.push(directory.path(), &["--all"]);
    let loader = server.loader();
    let reference = format!("{}@{pushed}", server.repository());
    let (payload, _) = load(&loader, &reference).unwrap();
    assert_eq!((names(&payload), payload.pinned.digest()), (vec!["usbguard".to_owned()], pushed));
    assert!(load(&loader, &reference).unwrap().1.cached);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let elsewhere = server.loader();
    let (payload, _) =
        runtime.block_on(elsewhere.load(&reference.parse().unwrap(), "aarch64", &|_| {})).unwrap();
    assert_eq!(names(&payload), ["libqb"], "another architecture than this host's");
    let error = runtime.block_on(elsewhere.load(&reference.parse().unwrap(), "s390x", &|_| {})).unwrap_err();
    assert_eq!(error.reason(), Reason::WrongArchitecture);
}

#[test]
fn other_bytes_than_the_digest_names_are_refused() {
    let flip = |path: PathBuf| {
        let mut bytes = std::fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x20;
        std::fs::write(path, bytes).unwrap();
    };
    for victim in ["layer", "manifest"] {
        let server = RegistryServer::start();
        let digest = server.push(layout().path(), &[]);
        let manifest: serde_json::Value =
            serde_json::from_slice(&std::fs::read(server.blob_path(digest)).unwrap()).unwrap();
        match victim {
            "layer" => {
                let layer = manifest["layers"][1]["digest"].as_str().unwrap().parse().unwrap();
                flip(server.blob_path(layer));
            }
            _ => flip(server.blob_path(digest)),
        }
        let error = load(&server.loader(), &format!("{}@{digest}", server.repository())).unwrap_err();
        assert_eq!(error.reason(), Reason::DigestMismatch, "{victim}: {}", chain(&error));
    }
}

#[test]
fn a_missing_image_and_a_bad_auth_file_are_worth_another_try_and_tell_no_secret() {
    let server = RegistryServer::start();
    server.push(layout().path(), &[]);
    let error = load(&server.loader(), &format!("{}:gone", server.repository())).unwrap_err();
    assert_eq!(error.reason(), Reason::PayloadUnavailable, "{}", chain(&error));

    let authfile = server.directory.path().join("auth.json");
    std::fs::write(&authfile, r#"{"auths": {"127.0.0.1": {"auth": "aHVudGVyMg=="#).unwrap();
    let store = Store::open(&server.directory.path().join("other"), ROOM).unwrap();
    let registries = Some(server.directory.path().join("registries.conf"));
    let transport = Transport { authfile: Some(authfile), registries };
    let error = load(&Loader::new(store, transport), &format!("{}:latest", server.repository())).unwrap_err();
    assert!(!chain(&error).contains("aHVudGVyMg"), "{}", chain(&error));
}

#[test]
fn a_registry_that_says_nothing_is_given_up_and_no_child_is_left() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let directory = tempfile::tempdir().unwrap();
    let registries = directory.path().join("registries.conf");
    let location = format!("[[registry]]\nlocation = \"127.0.0.1:{port}\"\ninsecure = true\n");
    std::fs::write(&registries, location).unwrap();
    let store = Store::open(&directory.path().join("store"), ROOM).unwrap();
    let transport = Transport { authfile: None, registries: Some(registries.clone()) };
    let loader = Loader::new(store, transport).with_silence_limit(Duration::from_secs(1));
    // The runtime of `load` ends only when the worker that talks to the child has ended, and so the child itself.
    let error = load(&loader, &format!("127.0.0.1:{port}/a/b:latest")).unwrap_err();
    assert!(matches!(error, PayloadError::Silent { .. }), "{}", chain(&error));
    assert_eq!(error.reason(), Reason::PayloadUnavailable);
    let ours = registries.display().to_string();
    let alive = std::fs::read_dir("/proc").unwrap().flatten().filter(|process| {
        let arguments = std::fs::read(process.path().join("cmdline")).unwrap_or_default();
        arguments.split(|byte| *byte == 0).any(|argument| argument == ours.as_bytes())
    });
    assert_eq!(alive.count(), 0);
    drop(listener);
}
