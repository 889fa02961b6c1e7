//! A real registry on loopback (Debian's `docker-registry`), with a counting relay before it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::images::{Layout, damage};
use crate::process::{Finished, Running, bound};
use crate::relay::Relay;
use crate::scratch::{Scratch, environment};
use crate::wait;

/// A running registry with storage of its own.
#[derive(Debug)]
pub struct Registry {
    relay: Relay,
    server: Option<Running>,
    scratch: Scratch,
}

/// One line of the registry's access log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// `GET`, `HEAD`.
    pub method: String,
    /// `/v2/release/extensions/blobs/sha256:…`.
    pub path: String,
    /// The status of the answer.
    pub status: u16,
}

impl Registry {
    /// Starts an empty registry and returns when it listens.
    pub fn start() -> Self {
        let scratch = Scratch::new("registry-");
        for name in ["storage", "home", "run", "tmp"] {
            fs::create_dir_all(scratch.path().join(name)).unwrap();
        }
        let (server, address) = serve(scratch.path(), &plain(scratch.path()));
        let registry = Registry { relay: Relay::to(address), server: Some(server), scratch };
        registry.trust(&registry.scratch.path().join("home"));
        registry
    }

    /// `127.0.0.1:PORT`, as it stands in references.
    pub fn host(&self) -> String {
        self.relay.address().to_string()
    }

    /// Pushes a whole layout and gives the reference that pins it: `127.0.0.1:PORT/repository@sha256:…`.
    #[track_caller]
    pub fn push(&self, layout: &Layout, repository: &str) -> String {
        let repository = format!("{}/{repository}", self.host());
        let mut command = self.skopeo();
        command.args(["copy", "--quiet", "--all", "--preserve-digests", "--dest-tls-verify=false"]);
        command.arg(layout.reference()).arg(format!("docker://{repository}:latest"));
        command.stdin(Stdio::null());
        let pushed = Finished::run(command);
        assert!(pushed.status.success(), "pushing {layout:?}: {}", pushed.stderr);
        format!("{repository}@{}", layout.digest())
    }

    /// `skopeo` in an environment that knows and trusts this registry.
    pub fn skopeo(&self) -> Command {
        let mut command = bound("skopeo");
        environment(&mut command, self.scratch.path());
        command
    }

    /// Makes the containers tools that have `home` for their home use this registry, unencrypted, and accept its images.
    pub fn trust(&self, home: &Path) {
        let place = home.join(".config/containers");
        fs::create_dir_all(&place).unwrap();
        let registries = format!(
            "unqualified-search-registries = []\n[[registry]]\nlocation = \"{}\"\ninsecure = true\n",
            self.host()
        );
        fs::write(place.join("registries.conf"), registries).unwrap();
        fs::write(place.join("policy.json"), r#"{"default": [{"type": "insecureAcceptAnything"}]}"#).unwrap();
    }

    /// Connections, bytes and cuts: what clients did, counted before they could notice.
    pub fn relay(&self) -> &Relay {
        &self.relay
    }

    /// What was asked for so far, by the registry's own log. It may lag behind: for “nothing was fetched” see
    /// [`Registry::relay`].
    pub fn requests(&self) -> Vec<Request> {
        let log = fs::read_to_string(self.scratch.path().join("access.log")).unwrap();
        log.lines().filter_map(request).collect()
    }

    /// Serves other bytes for a blob or manifest than its digest says.
    #[track_caller]
    pub fn corrupt(&self, digest: &str) {
        damage::flip(&self.stored(digest));
    }

    /// Loses a blob.
    #[track_caller]
    pub fn lose(&self, digest: &str) {
        fs::remove_file(self.stored(digest)).unwrap();
    }

    /// Stops serving: clients are refused.
    pub fn stop(&mut self) {
        self.server = None;
    }

    fn stored(&self, digest: &str) -> PathBuf {
        stored(self.scratch.path(), digest)
    }
}

/// Where a server in `dir` keeps what has a digest.
pub fn stored(dir: &Path, digest: &str) -> PathBuf {
    let hex = digest.trim_start_matches("sha256:");
    dir.join("storage/docker/registry/v2/blobs/sha256").join(&hex[..2]).join(hex).join("data")
}

fn plain(dir: &Path) -> String {
    format!(
        "version: 0.1\nlog:\n  level: info\n  formatter: json\n  accesslog:\n    disabled: false\n\
         storage:\n  filesystem:\n    rootdirectory: {}\n  delete:\n    enabled: true\n\
         http:\n  addr: 127.0.0.1:0\n",
        dir.join("storage").display()
    )
}

/// Starts a server with this configuration, whose port is the kernel's choice; its log in `dir` says which.
#[track_caller]
pub fn serve(dir: &Path, config: &str) -> (Running, SocketAddr) {
    let config_file = dir.join("config.yml");
    fs::write(&config_file, config).unwrap();
    let log = dir.join("registry.log");
    let mut command = bound("docker-registry");
    environment(&mut command, dir);
    // Variables named REGISTRY_… would override the file; there are none.
    command.arg("serve").arg(&config_file).stdin(Stdio::null());
    command.stdout(fs::File::create(dir.join("access.log")).unwrap()).stderr(fs::File::create(&log).unwrap());
    let mut server = Running::start(command);
    let address = wait::until("docker-registry to listen", || {
        let said = fs::read_to_string(&log).unwrap();
        if let Some(status) = server.child().try_wait().unwrap() {
            panic!("docker-registry ended ({status}): {said}");
        }
        said.lines().find_map(listening).ok_or(said)
    });
    (server, address)
}

fn listening(line: &str) -> Option<SocketAddr> {
    let entry: serde_json::Value = serde_json::from_str(line).ok()?;
    entry["msg"].as_str()?.strip_prefix("listening on ")?.split(',').next()?.parse().ok() // with TLS it says so after a comma
}

/// Reads `127.0.0.1 - - [date] "GET /path HTTP/1.1" 200 2 "" "agent"`.
fn request(line: &str) -> Option<Request> {
    let mut quoted = line.split('"');
    let mut asked = quoted.nth(1)?.split(' ');
    let status = quoted.next()?.split_whitespace().next()?.parse().ok()?;
    Some(Request { method: asked.next()?.to_owned(), path: asked.next()?.to_owned(), status })
}
