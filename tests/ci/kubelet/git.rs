//! Repositories to a node and back: git itself over exec, and many at once.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use proof::process::Finished;
use proof::relay::Relay;
use proof::sandbox::binary;
use serde_json::Value;

use crate::bed::arg;
use crate::kubelet::bed::{NodeBed, SIDE_CAR};
use crate::size;

/// A build with one pod, and the kubeconfig that its job was handed.
struct Node {
    bed: NodeBed,
    kubeconfig: PathBuf,
}

impl Node {
    fn new() -> Option<Self> {
        Node::with("max-servers: 1000", "max-servers: 1000")
    }

    fn with(from: &str, to: &str) -> Option<Self> {
        let bed = NodeBed::with(from, to)?;
        let out = bed.path("out");
        let args = ["request", "--build", "b", "--label", "machine", "--wait", "ready", "--out", arg(&out)];
        bed.run(&args).expect_success();
        Some(Node { kubeconfig: out.join("kubeconfig"), bed })
    }

    /// Runs a command in the pod, with the job's own rights and a program that is not ours.
    fn job(&self, args: &[&str]) -> Finished {
        self.bed.cluster.kubectl_as(&self.kubeconfig, &[&["exec", "machine", "--"], args].concat())
    }

    /// Runs a script in the pod.
    fn script(&self, text: &str) -> String {
        self.job(&["sh", "-c", text]).expect_success().stdout.trim_end().to_owned()
    }

    /// A git of this machine that knows both of our ways to a node.
    fn git(&self, at: &Path) -> Command {
        let (config, kubeconfig) = (self.bed.path("config.yaml"), self.bed.cluster.admin_kubeconfig());
        let link = self.bed.path("git-remote-build-resources");
        if !link.exists() {
            std::os::unix::fs::symlink(binary("build-resources"), &link).unwrap();
        }
        let path = format!("{}:/usr/bin:/bin", self.bed.dir.path().display());
        let ssh = format!("{} -f {} git-ssh", binary("build-resources").display(), config.display());
        let mut command = local_git(at);
        command.env("PATH", path).env("GIT_SSH_COMMAND", ssh);
        command.env("BUILD_RESOURCES_CONFIG", config).env("KUBECONFIG", kubeconfig);
        command
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.bed.run(&["release", "b"]); // a test that failed has said why already
    }
}

fn local_git(at: &Path) -> Command {
    let mut command = Command::new("git");
    command.env_clear().env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null").current_dir(at);
    command.args(["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "init.defaultBranch=main"]);
    command
}

fn ran(command: &mut Command) -> Finished {
    Finished::of(command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
}

fn said(at: &Path, args: &[&str]) -> String {
    ran(local_git(at).args(args)).expect_success().stdout.trim_end().to_owned()
}

/// A repository with one commit on `main`.
fn repository(at: &Path, text: &str) {
    fs::create_dir_all(at).unwrap();
    said(at, &["init", "-q"]);
    commit(at, text);
}

fn commit(at: &Path, text: &str) {
    fs::write(at.join("file"), text).unwrap();
    said(at, &["add", "."]);
    said(at, &["commit", "-q", "-m", "x"]);
}

/// Writes noise, and returns its digest.
fn noise(path: &Path, mebibytes: u64) -> String {
    let mut from = fs::File::open("/dev/urandom").unwrap().take(mebibytes << 20);
    std::io::copy(&mut from, &mut fs::File::create(path).unwrap()).unwrap();
    digest(path)
}

fn digest(path: &Path) -> String {
    let said = ran(Command::new("sha256sum").arg(path)).expect_success().stdout;
    said.split(' ').next().unwrap().to_owned()
}

#[test]
fn row_12_a_large_file_survives_a_push_over_exec_and_the_way_back() {
    let Some(node) = Node::new() else { return };
    let local = node.bed.path("local");
    repository(&local, "small");
    let sum = noise(&local.join("noise"), size::PUSHED.now());
    said(&local, &["add", "."]);
    said(&local, &["commit", "-q", "-m", "noise"]);
    let push = ["push", "ssh://machine@b/src/repo", "HEAD:refs/heads/x"];
    ran(node.git(&local).args(push)).expect_success();
    let repo = "git -C /workspace/src/repo -c core.bigFileThreshold=1m";
    node.script(&format!("{repo} fsck --full --strict"));
    assert_eq!(node.script(&format!("{repo} rev-parse refs/heads/x")), said(&local, &["rev-parse", "HEAD"]));
    assert_eq!(node.script(&format!("{repo} cat-file blob x:noise | sha256sum")), format!("{sum}  -"));
    let clone = ["clone", "-q", "--branch", "x", "build-resources://b/machine/src/repo", "back"];
    ran(node.git(node.bed.dir.path()).args(clone)).expect_success();
    assert_eq!(digest(&node.bed.path("back/noise")), sum);
    // The other way round: pushed by the remote helper, cloned by the ssh program.
    commit(&local, "more");
    let push = ["push", "-q", "build-resources://b/machine.node/src/repo", "HEAD:refs/heads/x"];
    ran(node.git(&local).args(push)).expect_success();
    let fetch = ["fetch", "-q", "machine@b:src/repo", "x"];
    ran(node.git(&node.bed.path("back")).args(fetch)).expect_success();
    assert_eq!(
        said(&node.bed.path("back"), &["rev-parse", "FETCH_HEAD"]),
        said(&local, &["rev-parse", "HEAD"])
    );
}

#[test]
fn row_12_git_hears_why_a_push_is_refused() {
    let Some(node) = Node::new() else { return };
    let local = node.bed.path("local");
    repository(&local, "small");
    for (url, word) in [
        ("ssh://machine@b/../etc/x", "is refused"),
        ("build-resources://b/machine/../etc/x", "is refused"),
        ("ssh://machine@nobody/src/x", "there is no build `nobody`"),
        ("build-resources://b/other/src/x", "no node `other`"),
        ("build-resources://b/machine.none/src/x", "none"),
    ] {
        let push = ran(node.git(&local).args(["push", url, "HEAD:refs/heads/x"]));
        assert!(push.code() != Some(0) && push.stderr.contains(word), "{url}: {push:#?}");
    }
    assert_eq!(node.script("ls /etc/x /workspace/src 2>/dev/null | wc -l"), "0", "nothing was made");
}

/// A kubeconfig whose way to the API server is counted.
fn counted(node: &Node) -> (Relay, PathBuf) {
    let cluster = node.bed.cluster;
    let relay = Relay::to(cluster.address());
    let text = fs::read_to_string(cluster.admin_kubeconfig()).unwrap();
    let (from, to) = (cluster.address().to_string(), relay.address().to_string());
    assert!(text.contains(&from), "{from}");
    let path = node.bed.path("counted");
    fs::write(&path, text.replace(&from, &to)).unwrap();
    (relay, path)
}

#[test]
fn row_13_forty_repositories_arrive_as_they_will_be_merged() {
    let Some(node) = Node::new() else { return };
    let names: Vec<String> = (0..40).map(|number| format!("r{number}")).collect();
    for name in &names {
        repository(&node.bed.path(name), name);
    }
    // One of them stands at a commit that no branch holds, as a change does before it is merged.
    let first = node.bed.path("r0");
    said(&first, &["checkout", "-q", "--detach"]);
    commit(&first, "speculative");
    let manifest = node.bed.path("m.json");
    let sources: Vec<String> = names.iter().map(|name| node.bed.path(name).display().to_string()).collect();
    let head = ["--output", "json", "sync", "b", "machine", "--manifest", arg(&manifest)];
    let args: Vec<&str> = head.into_iter().chain(sources.iter().map(String::as_str)).collect();
    let sync = || Finished::of(node.bed.start(&args)).expect_success().json();
    assert_eq!(sync()["pushed"], 40);
    let entries: Vec<Value> = serde_json::from_slice(&fs::read(&manifest).unwrap()).unwrap();
    let trees: Vec<&str> = entries.iter().map(|entry| entry["tree"].as_str().unwrap()).collect();
    let local: Vec<String> =
        names.iter().map(|name| said(&node.bed.path(name), &["rev-parse", "HEAD^{tree}"])).collect();
    assert_eq!(trees, local);
    let there = "for number in $(seq 0 39); do git -C /workspace/src/r$number rev-parse 'HEAD^{tree}'; done";
    assert_eq!(node.script(there), local.join("\n"));
    assert_eq!(node.script("cat /workspace/src/r0/file /workspace/src/r7/file"), "speculativer7");
    assert_eq!(entries[0]["branch"], "speculative");

    let (relay, kubeconfig) = counted(&node);
    let again = Finished::of(node.bed.start_as(&kubeconfig, &args)).expect_success().json();
    let bytes = relay.bytes_received() + relay.bytes_served();
    assert_eq!((&again["pushed"], &again["repositories"]), (&Value::from(0), &Value::from(entries)));
    assert!(bytes > 1000 && bytes < 64 << 10, "{bytes} bytes to and from the API server, of these {again:#}");

    // The files belong to somebody else than who takes the push.
    node.script("chown -R 1234:1234 /workspace/src");
    commit(&node.bed.path("r1"), "next");
    assert_eq!(sync()["pushed"], 1);
    assert_eq!(node.script("cat /workspace/src/r1/file; stat -c %u /workspace/src/r1/.git"), "next1234");
}

#[test]
fn row_03_a_sync_goes_into_the_side_car_and_every_container_has_it() {
    let image = "image: 'localhost/machine:1'";
    let Some(node) = Node::with(image, &format!("{image}, {SIDE_CAR}")) else { return };
    let local = node.bed.path("repo");
    repository(&local, "shared");
    let sync = ["--output", "json", "sync", "b", "machine", arg(&local)];
    let done = Finished::of(node.bed.start(&sync)).expect_success().json();
    assert_eq!(done["repositories"][0]["path"], "/workspace/src/repo");
    for container in ["second", "node", "workspace"] {
        let args = [
            "exec",
            "machine",
            "-c",
            container,
            "--",
            "git",
            "-C",
            "/workspace/src/repo",
            "rev-parse",
            "HEAD",
        ];
        let there = node.bed.cluster.kubectl_as(&node.kubeconfig, &args).expect_success().stdout;
        assert_eq!(there.trim(), said(&local, &["rev-parse", "HEAD"]), "{container}");
    }
    // A push without a container goes to the same place; git in the side-car takes it.
    commit(&local, "next");
    ran(node.git(&local).args(["push", "-q", "ssh://machine@b/src/repo", "HEAD:main"])).expect_success();
    let args = ["exec", "machine", "-c", "second", "--", "cat", "/workspace/src/repo/file"];
    assert_eq!(node.bed.cluster.kubectl_as(&node.kubeconfig, &args).expect_success().stdout, "next");
}
