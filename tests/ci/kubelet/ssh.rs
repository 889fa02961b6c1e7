//! SSH into a pod, through the API server or by a Service: the host is pinned, and nobody else gets in.

use std::path::Path;
use std::process::{Command, Stdio};

use proof::ansible::Ansible;
use proof::cluster::MachineImage;
use proof::process::Finished;
use proof::wait;
use serde_json::json;

use crate::bed::arg;
use crate::kubelet::bed::NodeBed;

/// Runs a command on the node `machine`; returns its exit code and what it printed.
fn ssh(out: &Path, command: &str) -> (Option<i32>, String) {
    ssh_to(out, "machine", command)
}

fn ssh_to(out: &Path, node: &str, command: &str) -> (Option<i32>, String) {
    let mut ssh = Command::new("ssh");
    ssh.arg("-F").arg(out.join("ssh_config")).args(["-o", "BatchMode=yes", node, command]);
    ssh.env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    let ended = Finished::run(ssh);
    (ended.code(), ended.stdout + &ended.stderr)
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

/// The test is the cluster's load balancer: it says an address, which the cluster's own proxy then serves.
#[test]
fn row_27_a_service_of_each_kind_leads_to_its_pod_and_goes_with_it() {
    let kinds = ["node-port", "cluster-ip", "load-balancer"];
    let says = kinds.map(|kind| {
        format!("type: pod, image: 'localhost/sshd:1', image-pull: Never, access: ssh, ssh-service: {kind}")
    });
    let labels: Vec<(&str, &str)> = kinds.into_iter().zip(says.iter().map(String::as_str)).collect();
    let Some(bed) = NodeBed::labelled("", &labels) else { return };
    bed.import(&MachineImage::machine("localhost/sshd:1").program("/usr/sbin/sshd"));
    let out = bed.path("out");
    let labels =
        ["--label", "node-port=port", "--label", "cluster-ip=own", "--label", "load-balancer=balanced"];
    let rest = ["--wait", "ready", "--out", arg(&out)];
    let child = bed.start(&[&["request", "--build", "b"][..], &labels, &rest].concat());

    let balanced = wait::until("the Service that is balanced", || {
        let shown = bed.run(&["--output", "json", "show", "b"]);
        let namespace = shown.status.success().then(|| shown.json()["nodes"][2]["namespace"].clone());
        let namespace = namespace.and_then(|text| text.as_str().map(str::to_owned)).ok_or("no record")?;
        let found = bed.cluster.kubectl(&["get", "service", "ssh", "-n", &namespace]);
        if found.status.success() { Ok(namespace) } else { Err(found.stderr) }
    });
    let address = bed.cluster.address().ip().to_string(); // one that leads there, and where no other sshd listens
    let status = json!({"status": {"loadBalancer": {"ingress": [{"ip": address}]}}}).to_string();
    let patch = ["patch", "service", "ssh", "-n", &balanced, "--subresource=status", "-p", &status];
    bed.cluster.kubectl(&patch).expect_success();
    Finished::of(child).expect_success();

    let written = std::fs::read_to_string(out.join("ssh_config")).unwrap();
    assert!(
        !written.contains("ProxyCommand") && written.contains(&format!("HostName {address}\n  Port 22\n"))
    );
    for node in ["port", "own", "balanced"] {
        assert_eq!(ssh_to(&out, node, "cat /etc/hostname"), (Some(0), format!("{node}\n")), "{written}");
    }
    // Each name is another than its pod's, which is how Ansible would be led to nobody.
    let said = Ansible::new().all(&out.join("inventory.yaml"), "command", "cat /etc/hostname");
    assert_eq!(said, ["balanced", "own", "port"].map(|node| (node.to_owned(), node.to_owned())));
    let inventory = std::fs::read_to_string(out.join("inventory.json")).unwrap();
    let inventory: serde_json::Value = serde_json::from_str(&inventory).unwrap();
    let resources = &inventory["all"]["vars"]["zuul"]["resources"];
    assert_eq!(resources["balanced"]["ssh"]["host"], address);
    assert!(resources["port"]["ssh"]["port"].as_u64().unwrap() >= 30_000, "{resources:#}");

    bed.run(&["release", "b", "--wait"]).expect_success();
    let left = bed.cluster.kubectl(&["get", "service", "ssh", "-n", &balanced]);
    assert!(left.stderr.contains("NotFound"), "{left:#?}");
}
