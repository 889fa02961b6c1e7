//! What is handed over runs, and can be used at once.

use proof::process::Finished;

use crate::bed::arg;
use crate::kubelet::bed::NodeBed;
use crate::size;

#[test]
fn row_01_a_pod_label_is_a_machine_that_runs_commands() {
    let Some(bed) = NodeBed::new() else { return };
    let out = bed.path("out");
    let args = ["--label", "machine", "--label", "bash", "--out", arg(&out)];
    bed.run(&[&["request", "--build", "b", "--wait", "ready"][..], &args].concat()).expect_success();
    for (at, name) in ["machine", "bash"].into_iter().enumerate() {
        let pod = bed.cluster.get_json(&["pod", "machine", "-n", &bed.namespace("b", at)]);
        assert_eq!(pod["status"]["phase"], "Running", "{pod:#}");
        let conditions = pod["status"]["conditions"].as_array().unwrap();
        let ready = conditions.iter().find(|one| one["type"] == "Ready").unwrap();
        assert_eq!(ready["status"], "True", "{pod:#}");
        let job = |args: &[&str]| {
            let head = ["--context", name, "exec", "machine", "--"];
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

#[test]
fn row_04_requests_at_once_are_handed_over_with_pods_that_run() {
    let Some(bed) = NodeBed::new() else { return };
    let number = size::PODS.now();
    let requests: Vec<_> = (0..number)
        .map(|number| {
            let (build, out) = (format!("b{number}"), bed.path(&format!("out-{number}")));
            let args =
                ["request", "--build", &build, "--label", "machine", "--wait", "ready", "--out", arg(&out)];
            (bed.start(&args), out)
        })
        .collect();
    for (child, out) in requests {
        Finished::of(child).expect_success();
        let said =
            bed.cluster.kubectl_as(&out.join("kubeconfig"), &["exec", "machine", "--", "echo", "here"]);
        assert_eq!(said.expect_success().stdout, "here\n");
    }
    for number in 0..number {
        bed.run(&["release", &format!("b{number}")]).expect_success();
    }
}

#[test]
fn row_07_an_image_that_is_not_there_fails_fast_and_says_so() {
    for (from, to, reason, event) in [
        // No waiting cures it.
        (
            "localhost/machine:1', image-pull: Never",
            "localhost/none:1', image-pull: Never",
            "ErrImageNeverPull",
            "Failed",
        ),
        // A pull that fails has a time of its own.
        ("localhost/machine:1', image-pull: Never", "localhost/none:1'", "Image", "Failed"),
    ] {
        let Some(bed) = NodeBed::with(from, to) else { return };
        let config = std::fs::read_to_string(bed.path("config.yaml")).unwrap();
        let config = config.replace("launch-retries: 1", "launch-retries: 1\n    pull-timeout: 2");
        std::fs::write(bed.path("config.yaml"), config).unwrap();
        let asked = bed.run(&["request", "--build", "b", "--label", "machine", "--wait", "ready"]);
        assert_eq!(asked.code(), Some(4), "{asked:#?}");
        for word in ["localhost/none:1", reason, "; events: ", event] {
            assert!(asked.stderr.contains(word), "no `{word}` in {asked:#?}");
        }
        let shown = bed.json(&["show", "b"]);
        assert!(shown["failures"][0].as_str().unwrap().contains("; events: "), "{shown:#}");
        bed.run(&["release", "b"]).expect_success();
    }
}
