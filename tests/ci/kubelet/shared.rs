//! Pods that run in a shared namespace, served by an account that has no right outside it.

use std::process::Command;

use proof::process::Finished;
use proof::sandbox::binary;

use crate::bed::arg;
use crate::kubelet::bed::NodeBed;

/// A command with nothing of this machine's own settings.
fn clean(program: &str, bed: &NodeBed) -> Command {
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").current_dir(bed.dir.path());
    command.env("GIT_CONFIG_NOSYSTEM", "1").env("GIT_CONFIG_GLOBAL", "/dev/null");
    command
}

#[test]
fn row_37_commands_run_and_git_pushes_with_no_right_outside_the_shared_namespace() {
    let Some(bed) = NodeBed::shared() else { return };
    let tool = bed.least();
    let out = bed.path("out");
    let request =
        ["request", "--build", "b", "--label", "machine=one", "--wait", "ready", "--out", arg(&out)];
    bed.run_as(&tool, &request).expect_success();
    let shown = bed.json(&["show", "b"]);
    let pod = shown["nodes"][0]["pod"].as_str().unwrap().to_owned();
    let job = |args: &[&str]| {
        let args = [&["exec", &pod, "--"], args].concat();
        bed.cluster.kubectl_as(&out.join("kubeconfig"), &args).expect_success().stdout
    };
    assert_eq!(job(&["cat", "/etc/hostname"]), "one\n", "the pod is called otherwise");
    let git = |args: &[&str]| {
        let mut command = clean("git", &bed);
        let ssh = format!(
            "{} -f {} git-ssh",
            binary("build-resources").display(),
            bed.path("config.yaml").display()
        );
        command.env("GIT_SSH_COMMAND", ssh).env("KUBECONFIG", &tool);
        command.args(["-c", "user.name=n", "-c", "user.email=e@example.org"]).args(args);
        Finished::run(command).expect_success().stdout
    };
    git(&["init", "-q", "local"]);
    git(&["-C", "local", "commit", "-q", "--allow-empty", "-m", "x"]);
    git(&["-C", "local", "push", "-q", "ssh://one@b/src/repo", "HEAD:refs/heads/x"]);
    let there = job(&["git", "-C", "/workspace/src/repo", "rev-parse", "refs/heads/x"]);
    assert_eq!(there, git(&["-C", "local", "rev-parse", "HEAD"]));
    bed.run_as(&tool, &["release", "b", "--wait"]).expect_success();
    let pods = bed.cluster.get_json(&["pods", "-n", &bed.hub]);
    assert!(pods["items"].as_array().unwrap().is_empty(), "{pods:#}");
}
