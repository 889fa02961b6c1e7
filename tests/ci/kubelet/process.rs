//! What a job leaves behind in a machine does not pile up.

use proof::wait;

use crate::bed::arg;
use crate::kubelet::bed::NodeBed;

/// 500 processes of which nobody waits for one.
const ORPHANS: &str = "i=0; while [ $i -lt 500 ]; do (sleep 0.1 &); i=$((i+1)); done";

/// Runs a command in a node of the build, with the credentials of the build.
fn job(bed: &NodeBed, node: &str, text: &str) -> String {
    let kubeconfig = bed.path("out").join("kubeconfig");
    let args = ["--context", node, "exec", "machine", "--", "sh", "-c", text];
    bed.cluster.kubectl_as(&kubeconfig, &args).expect_success().stdout
}

/// How many processes the container has; the ones that count are among them.
fn processes(bed: &NodeBed, node: &str) -> u32 {
    job(bed, node, "ls /proc | grep -c '^[0-9]'").trim().parse().unwrap()
}

/// How many of them are over but were not waited for.
fn zombies(bed: &NodeBed, node: &str) -> u32 {
    job(bed, node, "cat /proc/[0-9]*/stat 2>/dev/null | grep -c ') Z ' || :").trim().parse().unwrap()
}

#[test]
fn row_02_five_hundred_orphans_are_taken_in_by_dash_and_by_bash() {
    let Some(bed) = NodeBed::new() else { return };
    let out = bed.path("out");
    bed.run(&["request", "--build", "b", "--label", "machine", "--label", "bash", "--out", arg(&out)])
        .expect_success();
    for (node, shell) in [("machine", "dash"), ("bash", "bash")] {
        assert_eq!(job(&bed, node, "readlink /proc/1/exe | sed 's,.*/,,'").trim(), shell, "process 1");
        job(&bed, node, ORPHANS);
        wait::until("the orphans to be taken in", || match processes(&bed, node) {
            few if few < 20 => Ok(()),
            many => Err(format!("{many} processes in {node}")),
        });
        assert_eq!(zombies(&bed, node), 0);
    }
    bed.run(&["release", "b"]).expect_success();
}

#[test]
fn row_02_sleep_infinity_in_a_shell_that_is_bash_takes_nobody_in() {
    let sleeps = "spec: {containers: [{name: node, command: [sh, -c, sleep infinity]}]}";
    let image = "image: 'localhost/bash:1'";
    let Some(bed) = NodeBed::with(image, &format!("{image}, {sleeps}")) else { return };
    let out = bed.path("out");
    bed.run(&["request", "--build", "b", "--label", "bash", "--out", arg(&out)]).expect_success();
    job(&bed, "bash", ORPHANS);
    // What was true of ours never comes true here: when all are over, all are still there.
    wait::until("the orphans to end", || match zombies(&bed, "bash") {
        500.. => Ok(()),
        few => Err(format!("{few} have ended")),
    });
    assert!(processes(&bed, "bash") > 500);
    bed.run(&["release", "b"]).expect_success();
}
