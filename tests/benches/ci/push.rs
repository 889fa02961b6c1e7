//! Repositories into a pod.

use std::fs;
use std::path::PathBuf;

use super::lab::Lab;
use super::{Way, script, side_by_side};

/// MiB of the large repository, which does not compress.
const LARGE: usize = 64;
/// How many small ones.
const SMALL: usize = 20;

pub(crate) fn compare(lab: &Lab, rounds: usize) {
    let namespace = lab.pod("push");
    let ssh = serve_ssh(lab, &namespace);
    let large = repository(lab, "large", LARGE);
    let there = There { namespace: &namespace, ssh: &ssh };
    one(lab, rounds, there, &format!("One repository of {LARGE} MiB"), &[large]);
    let small: Vec<PathBuf> =
        (0..SMALL).map(|number| repository(lab, &format!("small-{number}"), 0)).collect();
    one(lab, rounds, there, &format!("{SMALL} small repositories"), &small);
}

/// The pod: its namespace, and the command that reaches it.
#[derive(Clone, Copy)]
struct There<'a> {
    namespace: &'a str,
    ssh: &'a str,
}

fn one(lab: &Lab, rounds: usize, there: There<'_>, title: &str, from: &[PathBuf]) {
    let There { namespace, ssh } = there;
    let kubectl = lab.kubectl(&["exec", "-i", "-n", namespace, "machine", "--"]).join(" ");
    let names = || from.iter().map(|path| path.file_name().unwrap().to_str().unwrap());
    // What a shell does for each repository: an empty one, a push, a checkout.
    let each = |remote: &str, push: &str| {
        let mut text = String::new();
        for (path, name) in from.iter().zip(names()) {
            text += &format!(
                "{remote} 'rm -rf /tmp/src/{name} && git init -q /tmp/src/{name}'
                 git -C {} push -q {} HEAD:refs/heads/work
                 {remote} 'git -C /tmp/src/{name} checkout -q work'\n",
                path.display(),
                push.replace("NAME", name),
            );
        }
        text
    };
    let remote = format!("{kubectl} sh -c");
    let over_ssh = each(ssh, "ssh://build-resources/tmp/src/NAME");
    let over_exec = each(&remote, &format!("\"ext::{kubectl} %S /tmp/src/NAME\""));
    let sources: Vec<String> = from.iter().map(|path| path.display().to_string()).collect();
    let ways = [
        Way::new("build-resources sync", |_| {
            let sources: Vec<&str> = sources.iter().map(String::as_str).collect();
            lab.ours(&[&["sync", "push", "machine"], sources.as_slice()].concat())
        }),
        Way::new("git push over ssh", |_| {
            script(&format!("export GIT_SSH_COMMAND='{}'\n{over_ssh}", ssh_only(ssh)))
        }),
        Way::new("git push over kubectl", |_| script(&format!("export GIT_ALLOW_PROTOCOL=ext\n{over_exec}"))),
    ];
    side_by_side(lab, title, rounds, &ways, |_, _| {
        let clear = lab.ours(&[
            "exec",
            "--attached",
            "push",
            "machine",
            "--",
            "rm",
            "-rf",
            "/workspace/src",
            "/tmp/src",
        ]);
        lab.run(&clear);
    });
}

/// The program without the host, as git wants it.
fn ssh_only(ssh: &str) -> String {
    ssh.trim_end_matches(" build-resources").to_owned()
}

/// A repository of one commit.
fn repository(lab: &Lab, name: &str, mib: usize) -> PathBuf {
    let place = lab.path(name);
    lab.run(&script(&format!(
        "git init -q {0}
         head -c {1} /dev/urandom >{0}/blob
         git -C {0} add blob
         git -C {0} -c user.name=bench -c user.email=bench@example.com commit -q -m one
         git -C {0} gc -q",
        place.display(),
        (mib << 20).max(1000),
    )));
    place
}

/// Starts sshd in the pod, and gives the command that reaches it: `ssh … build-resources`.
fn serve_ssh(lab: &Lab, namespace: &str) -> String {
    let key = lab.path("key");
    lab.run(&script(&format!("ssh-keygen -q -t ed25519 -N '' -f {}", key.display())));
    let public = fs::read_to_string(key.with_extension("pub")).unwrap();
    let start = format!(
        "mkdir -p ~/.ssh /run/sshd && chmod 700 ~/.ssh && echo '{}' >~/.ssh/authorized_keys
         ssh-keygen -q -t ed25519 -N '' -f /tmp/host-key
         /usr/sbin/sshd -f /dev/null -h /tmp/host-key -o PermitRootLogin=yes -o StrictModes=no",
        public.trim()
    );
    lab.run(&lab.kubectl(&["exec", "-n", namespace, "machine", "--", "sh", "-ec", &start]));
    let pod = lab.cluster().get_json(&["pod", "machine", "-n", namespace]);
    let address = pod["status"]["podIP"].as_str().unwrap();
    let config = format!(
        "Host build-resources\n HostName {address}\n User root\n IdentityFile {}\n \
         StrictHostKeyChecking no\n UserKnownHostsFile /dev/null\n LogLevel ERROR\n",
        key.display()
    );
    let path = lab.path("ssh_config");
    fs::write(&path, config).unwrap();
    format!("ssh -F {} build-resources", path.display())
}
