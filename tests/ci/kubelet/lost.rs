//! A pod that goes from under a running command ends the command's caller, with the reason.

use proof::process::Finished;
use proof::wait;

use crate::bed::arg;
use crate::kubelet::exec::ready;

#[test]
fn row_08_a_pod_that_goes_ends_the_exec_with_75_and_show_tells_why() {
    let Some(bed) = ready() else { return };
    let result = bed.path("result");
    let words =
        ["exec", "b", "machine", "--result", arg(&result), "--", "sh", "-c", "echo begun; sleep 3600"];
    let running = bed.start(&words);
    let begun = || bed.run(&["logs", "b", "machine"]).stdout;
    wait::until("the command to run", || {
        let said = begun();
        if said.contains("begun") { Ok(()) } else { Err(said) }
    });
    let namespace = bed.namespace("b", 0);
    let status =
        r#"{"status": {"phase": "Failed", "reason": "Evicted", "message": "the node is low on disk"}}"#;
    let patch = ["patch", "pod", "machine", "-n", &namespace, "--subresource=status", "-p", status];
    bed.cluster.kubectl(&patch).expect_success();
    let ended = Finished::of(running);
    assert_eq!(ended.code(), Some(75), "{ended:#?}");
    assert!(ended.stderr.contains("Evicted"), "{ended:#?}");
    let shown = bed.run(&["show", "b"]).expect_success().stdout;
    assert!(shown.contains("node `machine` is lost: Evicted"), "{shown}");
    bed.run(&["release", "b", "--wait"]).expect_success();
}
