//! Container images made of files of this machine, so that nothing is downloaded: one layer in an OCI archive.
//!
//! ```no_run
//! use proof::cluster::{Cluster, MachineImage};
//!
//! let image = MachineImage::machine("localhost/registry:1")
//!     .program("/usr/bin/docker-registry")
//!     .text("/etc/registry.yml", 0o644, "version: 0.1\n");
//! Cluster::full().import(&image);
//! ```

use std::fs::{self, File};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tar::Builder;

use super::rootfs::{Entry, Found, header};
use crate::cache;
use crate::command::run;

/// Changes whenever the way of making does.
const RECIPE: &str = "machine image 2";
const BUSYBOX: &str = "/usr/bin/busybox";
/// What a machine's users would do with neither a network nor a display.
const PYTHON_WITHOUT: &[&str] = &[
    "__pycache__",
    "test",
    "idlelib",
    "lib2to3",
    "pydoc_data",
    "ensurepip",
    "turtledemo",
    "tkinter",
    "distutils",
    "config-3.11-x86_64-linux-gnu",
];
/// What speaks to networks, and a second copy of git.
const GIT_WITHOUT: &[&str] = &[
    "git",
    "git-daemon",
    "git-http-backend",
    "git-http-fetch",
    "git-http-push",
    "git-imap-send",
    "git-remote-ftp",
    "git-remote-ftps",
    "git-remote-http",
    "git-remote-https",
    "git-shell",
    "mergetools",
    "scalar",
];
/// Process 1 of each pod's sandbox: it waits, and takes in orphans.
const PAUSE: &str = r"
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int number) { (void)number; _exit(0); }
static void reap(int number) { (void)number; while (waitpid(-1, 0, WNOHANG) > 0) ; }
int main(void) { signal(SIGINT, end); signal(SIGTERM, end); signal(SIGCHLD, reap); for (;;) pause(); }
";
const USERS: &str = "root:x:0:0:root:/root:/bin/sh\n\
    sshd:x:100:65534::/run/sshd:/usr/sbin/nologin\n\
    build:x:1000:1000::/tmp:/bin/sh\n\
    nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";

/// The description of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineImage {
    name: String,
    command: Vec<String>,
    wants: Vec<Want>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Want {
    /// A file of this machine with what it needs of libraries, at this place.
    File(PathBuf, PathBuf),
    /// A directory with all that is below it but these names.
    Tree(PathBuf, &'static [&'static str]),
    Text(PathBuf, u32, String),
    Directory(PathBuf, u32),
    Link(PathBuf, PathBuf),
    Compiled(PathBuf, &'static str),
    /// busybox under each name that nothing else has.
    Applets,
}

impl MachineImage {
    /// An image with directories and users, and no program. The name has a tag: `localhost/x:1`.
    pub fn empty(name: &str) -> Self {
        let mut image = MachineImage { name: name.to_owned(), command: Vec::new(), wants: Vec::new() };
        for merged in ["bin", "sbin", "lib", "lib64"] {
            image = image.link(&format!("/{merged}"), &format!("usr/{merged}"));
        }
        for place in
            ["dev", "etc", "home", "opt", "proc", "run", "run/sshd", "sys", "usr/bin", "usr/sbin", "var/lib"]
        {
            image = image.directory(&format!("/{place}"), 0o755);
        }
        image
            .directory("/tmp", 0o1777)
            .directory("/var/tmp", 0o1777)
            .directory("/root", 0o700)
            .text("/etc/passwd", 0o644, USERS)
            .text("/etc/group", 0o644, "root:x:0:\nbuild:x:1000:\nnogroup:x:65534:\n")
    }

    /// An image that behaves like a small machine: busybox's tools, dash as `sh`, bash, git, tar, Python.
    pub fn machine(name: &str) -> Self {
        let mut image = MachineImage::empty(name);
        image.wants.push(Want::Applets);
        image.wants.push(Want::Tree("/usr/lib/git-core".into(), GIT_WITHOUT));
        image.wants.push(Want::Tree("/usr/share/git-core/templates".into(), &["hooks"]));
        image.wants.push(Want::Tree(python_library(), PYTHON_WITHOUT));
        ["git-receive-pack", "git-upload-archive", "git-upload-pack"]
            .iter()
            .fold(image, |image, name| image.link(&format!("/usr/bin/{name}"), "git"))
            .link("/usr/lib/git-core/git", "/usr/bin/git")
            .program("/usr/bin/dash")
            .link("/usr/bin/sh", "dash")
            .program("/usr/bin/bash")
            .program("/usr/bin/git")
            .program("/usr/bin/tar")
            .program("/usr/bin/python3")
            .directory("/workspace", 0o755)
            .command(&["/bin/sh"])
    }

    /// A program of this machine, or any other file, at its own place, with the libraries that it needs.
    #[must_use]
    pub fn program(self, path: &str) -> Self {
        self.copy(path, path)
    }

    /// The same at another place.
    #[must_use]
    pub fn copy(mut self, from: impl Into<PathBuf>, to: &str) -> Self {
        self.wants.push(Want::File(from.into(), to.into()));
        self
    }

    /// A directory of this machine with everything below it but these names, at its own place.
    #[must_use]
    pub fn tree(mut self, path: &str, without: &'static [&'static str]) -> Self {
        self.wants.push(Want::Tree(path.into(), without));
        self
    }

    /// A file with this mode and text.
    #[must_use]
    pub fn text(mut self, path: &str, mode: u32, text: &str) -> Self {
        self.wants.push(Want::Text(path.into(), mode, text.to_owned()));
        self
    }

    /// An empty directory.
    #[must_use]
    pub fn directory(mut self, path: &str, mode: u32) -> Self {
        self.wants.push(Want::Directory(path.into(), mode));
        self
    }

    /// A symbolic link. The last of a name counts.
    #[must_use]
    pub fn link(mut self, path: &str, target: &str) -> Self {
        self.wants.push(Want::Link(path.into(), target.into()));
        self
    }

    /// What runs where a pod names no command.
    #[must_use]
    pub fn command(mut self, command: &[&str]) -> Self {
        self.command = command.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// The name, as pods give it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The archive, made unless it is there: named by what was asked for and by the age of those files.
    pub fn archive(&self) -> PathBuf {
        let mut parts = vec![RECIPE.to_owned(), format!("{self:?}")];
        for want in &self.wants {
            if let Want::File(from, _) | Want::Tree(from, _) = want {
                let meta = fs::metadata(from).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
                parts.push(format!("{} {} {}", meta.len(), meta.mtime(), meta.mode()));
            }
        }
        let key = cache::key(parts.iter().map(String::as_bytes));
        cache::entry("machine-image", &key, |place| self.make(place)).join("image.tar")
    }

    fn make(&self, place: &Path) {
        let mut found = Found::default();
        let mut applets = false;
        for want in &self.wants {
            match want {
                Want::File(from, to) => found.take(from, to),
                Want::Tree(from, without) => found.take_tree(from, without),
                Want::Text(path, mode, text) => {
                    found.put(path, Entry::Bytes(text.clone().into_bytes(), *mode));
                }
                Want::Directory(path, mode) => found.put(path, Entry::Directory(*mode)),
                Want::Link(path, target) => found.put(path, Entry::Link(target.clone())),
                Want::Compiled(path, source) => found.put(path, Entry::Bytes(compiled(source, place), 0o755)),
                Want::Applets => applets = true,
            }
        }
        if applets {
            found.take(Path::new(BUSYBOX), Path::new(BUSYBOX));
            // Its list names busybox itself, and a link to itself runs nothing.
            for name in run(Command::new(BUSYBOX).arg("--list")).lines() {
                let path = Path::new("/usr/bin").join(name);
                if !found.has(&path) && !found.has(&Path::new("/usr/sbin").join(name)) {
                    found.put(&path, Entry::Link("busybox".into()));
                }
            }
        }
        found.take_libraries();
        self.write(&found, place);
    }

    fn write(&self, found: &Found, place: &Path) {
        let layer = place.join("layer.tar");
        found.write(&layer);
        let layer_bytes = fs::read(&layer).unwrap();
        fs::remove_file(&layer).unwrap();
        let mut archive = Builder::new(File::create(place.join("image.tar")).unwrap());
        let mut blob = |media: &str, bytes: &[u8]| {
            let hex = hex::encode(Sha256::digest(bytes));
            append(&mut archive, &format!("blobs/sha256/{hex}"), bytes);
            json!({ "mediaType": format!("application/vnd.oci.image.{media}"), "digest": format!("sha256:{hex}"),
                "size": bytes.len() })
        };
        // Not packed: this machine's cores are scarcer than its memory.
        let layer = blob("layer.v1.tar", &layer_bytes);
        let config = json!({
            "architecture": if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" },
            "os": "linux",
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "Cmd": self.command,
                // Where jobs begin, and where `sync` puts repositories.
                "WorkingDir": if found.has(Path::new("/workspace")) { "/workspace" } else { "/" },
            },
            "rootfs": { "type": "layers", "diff_ids": [layer["digest"]] },
        });
        let config = blob("config.v1+json", config.to_string().as_bytes());
        let manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer],
            "mediaType": "application/vnd.oci.image.manifest.v1+json" });
        let mut top = blob("manifest.v1+json", manifest.to_string().as_bytes());
        top["annotations"] = json!({ "io.containerd.image.name": self.name,
            "org.opencontainers.image.ref.name": self.name.rsplit(':').next() });
        let index: Value = json!({ "schemaVersion": 2, "manifests": [top] });
        append(&mut archive, "index.json", index.to_string().as_bytes());
        append(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#);
        archive.finish().unwrap();
    }
}

/// The image of every pod's sandbox.
pub(super) fn pause() -> MachineImage {
    let mut image =
        MachineImage { name: "localhost/pause:1".to_owned(), command: Vec::new(), wants: Vec::new() };
    image.wants.push(Want::Compiled("/pause".into(), PAUSE));
    image.command(&["/pause"])
}

/// The image of most pods.
pub(super) fn machine() -> MachineImage {
    MachineImage::machine("localhost/machine:1")
}

/// The same with another shell.
pub(super) fn bash() -> MachineImage {
    MachineImage::machine("localhost/bash:1").link("/usr/bin/sh", "bash")
}

/// Where Debian's Python keeps its own modules: beside its binary's name.
fn python_library() -> PathBuf {
    let binary = fs::canonicalize("/usr/bin/python3").unwrap_or_else(|_| "/usr/bin/python3.11".into());
    Path::new("/usr/lib").join(binary.file_name().unwrap())
}

/// A static program out of C.
fn compiled(source: &str, place: &Path) -> Vec<u8> {
    let (text, program) = (place.join("source.c"), place.join("program"));
    fs::write(&text, source).unwrap();
    run(Command::new("cc").args(["-static", "-Os", "-s", "-o"]).arg(&program).arg(&text));
    let bytes = fs::read(&program).unwrap();
    fs::remove_file(text).unwrap();
    fs::remove_file(program).unwrap();
    bytes
}

fn append(archive: &mut Builder<File>, path: &str, bytes: &[u8]) {
    let mut header = header(&Entry::Bytes(Vec::new(), 0o644));
    header.set_size(bytes.len() as u64);
    archive.append_data(&mut header, path, bytes).unwrap();
}
