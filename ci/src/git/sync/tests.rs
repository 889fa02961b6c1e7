//! Whole syncs against a far side that is a process of this machine, with real git on both sides.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tempfile::TempDir;

use super::super::far::tests::here;
use super::super::plan::source;
use super::*;

/// Runs git, and returns what it says.
fn git(at: &Path, arguments: &[&str]) -> String {
    let out = Command::new("git")
        .arg("-C")
        .arg(at)
        .args(["-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "init.defaultBranch=main"])
        .args(arguments)
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .output()
        .unwrap();
    assert!(out.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap().trim_end().to_owned()
}

struct Bench {
    dir: TempDir,
    git: Git,
}

impl Bench {
    fn new() -> Self {
        Bench { dir: tempfile::tempdir().unwrap(), git: Git { path: std::env::var_os("PATH") } }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A repository with one commit.
    fn repository(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::create_dir_all(&path).unwrap();
        git(&path, &["init", "-q"]);
        self.commit(&path, name);
        path
    }

    fn commit(&self, path: &Path, text: &str) {
        std::fs::write(path.join("file"), text).unwrap();
        git(path, &["add", "file"]);
        git(path, &["commit", "-q", "-m", text]);
    }

    fn manner(&self) -> Manner {
        Manner {
            root: self.path("there/src").display().to_string(),
            caches: self.path("caches").display().to_string(),
            cache: Cache::Borrow,
            clean: false,
            deadline: Instant::now() + Duration::from_secs(120),
        }
    }

    async fn gathered(&self, sources: &[&str], all: bool) -> Result<(Vec<Wanted>, Vec<String>), GitError> {
        let below = |text: &&str| match text.split_once('=') {
            Some((name, path)) => source(&format!("{name}={}", self.path(path).display())).unwrap(),
            None => source(&self.path(text).display().to_string()).unwrap(),
        };
        gather(&self.git, &sources.iter().map(below).collect::<Vec<_>>(), all).await
    }

    async fn sync(&self, sources: &[&str]) -> Synced {
        let (wanted, _) = self.gathered(sources, false).await.unwrap();
        sync(&self.git, &here(), &wanted, &self.manner()).await.unwrap()
    }

    fn there(&self, name: &str) -> PathBuf {
        self.path("there/src").join(name)
    }
}

#[tokio::test]
async fn row_13_every_tree_arrives_and_a_second_run_sends_next_to_nothing() {
    let bench = Bench::new();
    let names: Vec<String> = (0..8).map(|number| format!("r{number}")).collect();
    for name in &names {
        bench.repository(name);
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let first = bench.sync(&names).await;
    assert_eq!((first.pushed, first.entries.len()), (8, 8));
    for (name, entry) in names.iter().zip(&first.entries) {
        assert_eq!(entry.tree.as_str(), git(&bench.path(name), &["rev-parse", "HEAD^{tree}"]));
        assert_eq!(git(&bench.there(name), &["rev-parse", "--abbrev-ref", "HEAD"]), "main");
        assert_eq!(std::fs::read_to_string(bench.there(name).join("file")).unwrap(), **name);
        git(&bench.there(name), &["fsck", "--strict"]);
    }
    let second = bench.sync(&names).await;
    assert_eq!((second.pushed, &second.entries), (0, &first.entries));
    assert!(second.sent + second.received < 64 << 10, "{second:?}");
    bench.commit(&bench.path("r3"), "new");
    std::fs::write(bench.there("r3").join("file"), "touched").unwrap();
    std::fs::write(bench.there("r3").join("made"), "by the job").unwrap();
    let third = bench.sync(&names).await;
    assert_eq!(
        (third.pushed, third.entries[3].commit.as_str()),
        (1, git(&bench.path("r3"), &["rev-parse", "HEAD"]).as_str())
    );
    assert_eq!(std::fs::read_to_string(bench.there("r3").join("file")).unwrap(), "new");
    assert!(bench.there("r3").join("made").exists(), "what is in no commit stays");
}

#[tokio::test]
async fn row_13_a_commit_that_no_branch_holds_arrives() {
    let bench = Bench::new();
    let path = bench.repository("r");
    git(&path, &["checkout", "-q", "--detach"]);
    bench.commit(&path, "merged ahead");
    let head = git(&path, &["rev-parse", "HEAD"]);
    assert_eq!(git(&path, &["branch", "--contains", &head, "--format=%(refname)", "--list", "main"]), "");
    let done = bench.sync(&["r"]).await;
    assert_eq!(
        (done.entries[0].commit.as_str(), done.entries[0].branch.as_str()),
        (head.as_str(), "speculative")
    );
    let named = bench.sync(&["r#main"]).await;
    assert_eq!((named.entries[0].branch.as_str(), named.pushed), ("main", 1));
    assert_eq!(git(&bench.there("r"), &["rev-parse", "speculative"]), head, "the job's other branches stay");
}

#[tokio::test]
async fn row_13_bare_shallow_and_dirty_sources_are_used_and_said() {
    let bench = Bench::new();
    let path = bench.repository("full");
    bench.commit(&path, "second");
    git(&bench.path(""), &["clone", "-q", "--bare", "full", "bare.git"]);
    let url = format!("file://{}", path.display());
    git(&bench.path(""), &["clone", "-q", "--depth=1", &url, "short"]);
    std::fs::write(path.join("file"), "not committed").unwrap();
    let sources = ["bare.git", "short", "full"];
    let (wanted, said) = bench.gathered(&sources, false).await.unwrap();
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("`short` is shallow") && said[1].contains("`full` has changes"), "{said:?}");
    let done = sync(&bench.git, &here(), &wanted, &bench.manner()).await.unwrap();
    let commits: Vec<&str> = done.entries.iter().map(|entry| entry.commit.as_str()).collect();
    assert_eq!(commits, [git(&path, &["rev-parse", "HEAD"]).as_str(); 3]);
    assert_eq!(done.entries[0].name.as_str(), "bare");
    assert_eq!(git(&bench.there("short"), &["rev-list", "--count", "HEAD"]), "1");
    assert_eq!(std::fs::read_to_string(bench.there("full").join("file")).unwrap(), "second");
}

#[tokio::test]
async fn row_13_branches_and_tags_come_along_when_asked_for() {
    let bench = Bench::new();
    let path = bench.repository("r");
    git(&path, &["branch", "stable/1"]);
    git(&path, &["tag", "-a", "-m", "x", "1.0"]);
    let (wanted, _) = bench.gathered(&["r"], true).await.unwrap();
    let done = sync(&bench.git, &here(), &wanted, &bench.manner()).await.unwrap();
    assert_eq!(done.pushed, 1);
    for name in ["stable/1", "1.0"] {
        assert_eq!(git(&bench.there("r"), &["rev-parse", name]), git(&path, &["rev-parse", name]));
    }
}

#[tokio::test]
async fn row_13_a_cache_in_the_image_is_used() {
    let bench = Bench::new();
    let path = bench.repository("big");
    let noise: Vec<u8> =
        (0..300_000_u32).map(|number| (number.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    std::fs::write(path.join("noise"), noise).unwrap();
    git(&path, &["add", "noise"]);
    git(&path, &["commit", "-q", "-m", "noise"]);
    std::fs::create_dir(bench.path("caches")).unwrap();
    git(&bench.path("caches"), &["clone", "-q", "--bare", &path.display().to_string(), "big.git"]);
    git(&bench.path("caches"), &["clone", "-q", &path.display().to_string(), "copied"]);
    bench.commit(&path, "speculative");
    let borrowed = bench.sync(&["big"]).await;
    assert!(borrowed.sent < 50_000, "the noise is not sent: {borrowed:?}");
    let (wanted, _) = bench.gathered(&["copied=big"], false).await.unwrap_or_else(|error| panic!("{error}"));
    let copy = Manner { cache: Cache::Copy, ..bench.manner() };
    let copied = sync(&bench.git, &here(), &wanted, &copy).await.unwrap();
    assert!(copied.sent < 50_000, "{copied:?}");
    std::fs::remove_dir_all(bench.path("caches")).unwrap();
    git(&bench.there("copied"), &["fsck"]);
}

#[tokio::test]
async fn row_13_what_cannot_be_sent_is_refused_before_anything_is_asked() {
    let bench = Bench::new();
    std::fs::create_dir_all(bench.path("plain")).unwrap();
    std::fs::create_dir_all(bench.repository("outer").join("inner")).unwrap();
    git(&bench.path("plain"), &["init", "-q", "unborn"]);
    for (source, word) in [
        ("plain", "not a git repository"),
        ("outer/inner", "not a git repository"),
        ("plain/unborn", "no commit"),
        ("outer#nowhere", "no commit"),
        ("missing", "No such file"),
    ] {
        let error = bench.gathered(&[source], false).await.unwrap_err();
        assert!(error.to_string().contains(word) && error.reason() == Reason::Usage, "{source}: {error}");
    }
    let twice = bench.gathered(&["outer", "outer"], false).await.unwrap_err();
    assert!(twice.to_string().contains("outer, outer"), "{twice}");
}

#[tokio::test]
async fn row_13_a_broken_connection_is_tried_again_and_a_refusal_is_not() {
    let bench = Bench::new();
    bench.repository("r");
    let (wanted, _) = bench.gathered(&["r"], false).await.unwrap();
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let flaky: Far = Arc::new(move |command, pipes| {
        let call = seen.fetch_add(1, Ordering::SeqCst);
        if call % 2 == 1 {
            return here()(command, pipes);
        }
        Box::pin(async { Err(GitError::Lost { operation: "exec".to_owned(), problem: "cut".to_owned() }) })
    });
    let done = sync(&bench.git, &flaky, &wanted, &bench.manner()).await.unwrap();
    assert_eq!((done.pushed, calls.load(Ordering::SeqCst)), (1, 6));
    let none: Far = Arc::new(|_, _| Box::pin(async { Ok(script::NO_GIT) }));
    assert!(matches!(sync(&bench.git, &none, &wanted, &bench.manner()).await, Err(GitError::Lacks("git"))));
    let liar: Far = Arc::new(|_, _| Box::pin(async { Ok(0) }));
    assert!(matches!(sync(&bench.git, &liar, &wanted, &bench.manner()).await, Err(GitError::Far { .. })));
}

#[tokio::test]
async fn row_12_a_push_makes_the_repository_and_a_second_one_loses_no_changes() {
    let bench = Bench::new();
    let path = bench.repository("r");
    let push = async || {
        let (wanted, _) = bench.gathered(&["r"], false).await.unwrap();
        let mut child = bench.git.push(&wanted[0]).unwrap();
        let (input, output) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
        let errors = Box::new(Capture::of(MESSAGES));
        let pipes = Pipes { input: Box::new(input), output: Box::new(output), errors };
        let command = script::receive(&bench.there("r").display().to_string(), script::Current::Update);
        let (code, status) = tokio::join!(here()(command, pipes), child.wait());
        (code.unwrap(), status.unwrap().success())
    };
    let file = bench.there("r").join("file");
    assert_eq!(push().await, (0, true));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "r", "the branch is checked out");
    git(&bench.there("r"), &["fsck"]);
    std::fs::write(&file, "worked on").unwrap();
    bench.commit(&path, "next");
    assert_eq!(push().await, (0, false));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "worked on");
}
