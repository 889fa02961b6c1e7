//! SSH into a pod through the API server: the host is pinned, and nobody else gets in.

use std::path::Path;
use std::process::{Command, Stdio};

use proof::cluster::MachineImage;

use crate::bed::arg;
use crate::kubelet::bed::NodeBed;

/// Runs a command on the node; returns its exit code and what it printed.
fn ssh(out: &Path, command: &str) -> (Option<i32>, String) {
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(out.join("ssh_config")).args(["-o", "BatchMode=yes", "machine", command]);
    let output = ssh.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8_lossy(&said).into_owned())
}

#[test]
fn row_27_ssh_reaches_a_pod_whose_host_key_is_pinned() {
    let plain = "image: 'localhost/machine:1'";
    let label = "image: 'localhost/sshd:1', access: ssh, env: [{name: FLAVOUR, value: 'of the label'}]";
    let Some(bed) = NodeBed::with(plain, label) else { return };
    bed.import(&MachineImage::machine("localhost/sshd:1").program("/usr/sbin/sshd"));
    let (out, other) = (bed.path("out"), bed.path("other"));
    for (build, out) in [("one", &out), ("two", &other)] {
        let args = ["request", "--build", build, "--label", "machine", "--wait", "ready", "--out", arg(out)];
        bed.run(&args).expect_success();
    }
    assert_eq!(ssh(&out, "true"), (Some(0), String::new()));
    assert_eq!(ssh(&out, "exit 7").0, Some(7));
    assert_eq!(
        ssh(&out, "cat /etc/hostname; echo $FLAVOUR"),
        (Some(0), "machine\nof the label\n".to_owned())
    );
    assert!(std::fs::read_to_string(out.join("ssh_config")).unwrap().contains("StrictHostKeyChecking yes\n"));

    // A host with another key is not believed.
    let known = std::fs::read_to_string(out.join("known_hosts")).unwrap();
    std::fs::copy(other.join("known_hosts"), out.join("known_hosts")).unwrap();
    let (code, said) = ssh(&out, "true");
    assert!(code == Some(255) && said.contains("Host key verification failed"), "{said}");
    std::fs::write(out.join("known_hosts"), known).unwrap();

    // The key of another build does not open it.
    let key = std::fs::read_to_string(out.join("ssh_key_machine")).unwrap();
    std::fs::write(out.join("ssh_key_machine"), std::fs::read(other.join("ssh_key_machine")).unwrap())
        .unwrap();
    let (code, said) = ssh(&out, "true");
    assert!(code == Some(255) && said.contains("Permission denied"), "{said}");
    std::fs::write(out.join("ssh_key_machine"), key).unwrap();

    // Put down again, the keys are the same; gone with the node, there is no way in.
    bed.run(&["inventory", "one", "--out", arg(&out)]).expect_success();
    assert_eq!(ssh(&out, "true").0, Some(0));
    for build in ["one", "two"] {
        bed.run(&["release", build, "--wait"]).expect_success();
    }
    assert_eq!(ssh(&out, "true").0, Some(255));
}
