//! A node's identity tries what it must not do, and what it must be able to do: RBAC and the admission policies as attacked.
//!
//! Needs a cluster with `overlays/plain` or `overlays/cluster-rollout` installed, the Nodes [`OWN`] and [`OTHER`], and a
//! kubeconfig with a token that is bound to [`OWN`].

mod objects;
mod table;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use objects::{BEFORE, TURNS};
use proof::cluster::Cluster;
use proof::process::Finished;
use table::ATTEMPTS;

/// The node whose identity acts.
pub(crate) const OWN: &str = "node-a";
/// A node that is none of its business.
pub(crate) const OTHER: &str = "node-b";

/// Something that is tried, and what has to come of it.
struct Attempt {
    /// What is tried, as a sentence.
    what: &'static str,
    /// Arguments of kubectl.
    does: &'static [&'static str],
    /// Its standard input; empty where it reads none.
    with: &'static str,
    /// What has to come of it.
    ends: Ends,
}

/// What comes of an attempt.
#[derive(Clone, Copy)]
enum Ends {
    /// It is done.
    Done,
    /// RBAC has no such right.
    NoRight,
    /// A policy refuses it, with a message that has these words.
    Fenced(&'static str),
}

/// Tries everything and says what ended otherwise than it has to. Can be repeated on one cluster.
pub(crate) fn wrongs(admin: &Path, node: &Path) -> Vec<String> {
    prepare(admin);
    let tried =
        ATTEMPTS.iter().filter_map(|attempt| wrong(attempt, kubectl(node, attempt.does, attempt.with)));
    let unbound = unbound(admin, node);
    let bare = TURNS.iter().filter_map(|attempt| {
        let arguments = [&["--user", "unbound"], attempt.does].concat();
        wrong(attempt, kubectl(&unbound, &arguments, attempt.with))
    });
    tried.chain(bare).collect()
}

/// Puts back what a run before may have left, and makes what is attacked.
fn prepare(admin: &Path) {
    // What is not there yet cannot be deleted, and that is as well.
    let _ = kubectl(admin, &["delete", "leases", "-n", "extensions-agent", "--all", "--timeout=20s"], "");
    let _ = kubectl(admin, &["delete", "nodeextensions", "--all", "--timeout=20s"], "");
    let _ = kubectl(admin, &["delete", "events", "-n", "default", "--all", "--timeout=20s"], "");
    let made = kubectl(admin, &["apply", "--server-side", "--force-conflicts", "-f", "-"], BEFORE);
    assert!(made.done, "what is attacked could not be made: {}", made.said);
}

/// A kubeconfig beside the node's, whose user `unbound` is the same identity with a token of no node.
fn unbound(admin: &Path, node: &Path) -> PathBuf {
    let made = kubectl(admin, &["create", "token", "extensions-agent", "-n", "extensions-agent"], "");
    assert!(made.done, "no token: {}", made.said);
    let path = node.with_extension("unbound");
    std::fs::copy(node, &path).expect("the kubeconfig can be copied");
    let token = format!("--token={}", made.said.trim());
    let set = kubectl(&path, &["config", "set-credentials", "unbound", &token], "");
    assert!(set.done, "no user: {}", set.said);
    path
}

struct Answer {
    done: bool,
    said: String,
}

#[test]
fn a_nodes_identity_can_do_its_work_and_nothing_beyond() {
    // Its own cluster: the attacks begin with a clean one.
    let cluster = Cluster::start();
    cluster.install();
    for node in [OWN, OTHER] {
        cluster.add_node(node, &[]);
    }
    let kubeconfig = cluster.node_kubeconfig(OWN);
    // A policy is in force a moment after it was applied.
    proof::wait::until("every fence to stand", || {
        let wrong = wrongs(cluster.admin_kubeconfig(), &kubeconfig);
        if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
    });
}

fn kubectl(kubeconfig: &Path, arguments: &[&str], input: &str) -> Answer {
    let mut child = Command::new("kubectl")
        .arg("--kubeconfig")
        .arg(kubeconfig)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("kubectl starts");
    let mut pipe = child.stdin.take().expect("the input is a pipe");
    // An attempt that reads nothing may have ended already.
    let _ = pipe.write_all(input.as_bytes());
    drop(pipe);
    let ended = Finished::of(child);
    Answer { done: ended.status.success(), said: ended.stdout + &ended.stderr }
}

/// What is wrong with how an attempt ended. A refusal for another reason than the one that has to stop it is wrong too: it
/// would hide that the fence is not there.
fn wrong(attempt: &Attempt, answer: Answer) -> Option<String> {
    let Answer { done, said } = answer;
    let right = match attempt.ends {
        Ends::Done => done,
        Ends::NoRight => {
            !done
                && said.contains("system:serviceaccount:extensions-agent:extensions-agent\" cannot ")
                && !said.contains("ValidatingAdmissionPolicy")
        }
        Ends::Fenced(words) => !done && said.contains("ValidatingAdmissionPolicy") && said.contains(words),
    };
    let ended = if done { "was done" } else { "was refused" };
    (!right).then(|| format!("{}: {ended}: {}", attempt.what, said.trim()))
}
