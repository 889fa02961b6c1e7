//! What is handed over runs, and can be used at once.

use crate::bed::arg;
use crate::kubelet::bed::NodeBed;

#[test]
fn row_01_a_pod_label_is_a_machine_that_runs_commands() {
    let Some(bed) = NodeBed::new() else { return };
    let out = bed.path("out");
    let args = ["--label", "machine", "--label", "bash", "--out", arg(&out)];
    bed.run(&[&["request", "--build", "b", "--wait", "ready"][..], &args].concat()).expect_success();
    for (at, name) in ["machine", "bash"].into_iter().enumerate() {
        let pod = bed.cluster.get_json(&["pod", name, "-n", &bed.namespace("b", at)]);
        assert_eq!(pod["status"]["phase"], "Running", "{pod:#}");
        let conditions = pod["status"]["conditions"].as_array().unwrap();
        let ready = conditions.iter().find(|one| one["type"] == "Ready").unwrap();
        assert_eq!(ready["status"], "True", "{pod:#}");
        let job = |args: &[&str]| {
            let head = ["--context", name, "exec", name, "--"];
            bed.cluster.kubectl_as(&out.join("kubeconfig"), &[&head, args].concat())
        };
        assert_eq!(job(&["cat", "/etc/hostname"]).expect_success().stdout.trim(), name);
        assert_eq!(job(&["sh", "-c", "exit 7"]).code(), Some(7));
        let shell = job(&["readlink", "/bin/sh"]).expect_success().stdout;
        assert_eq!(shell.trim(), if name == "bash" { "bash" } else { "dash" });
        let tools =
            "git init -q /tmp/r && tar -C /tmp -cf /tmp/r.tar r && python3 -c 'import ssl, json; print(1)'";
        assert_eq!(job(&["sh", "-c", tools]).expect_success().stdout, "1\n");
    }
    bed.run(&["release", "b", "--wait"]).expect_success();
    assert!(bed.namespaces().is_empty());
}
