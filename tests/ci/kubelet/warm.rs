//! A pod that runs before anybody asks is handed over as it is.

use crate::kubelet::bed::NodeBed;

#[test]
fn row_41_a_pod_that_runs_already_is_handed_over_and_runs_on() {
    let Some(bed) = NodeBed::with("[{name: machine}", "[{name: machine, min-ready: 1}") else { return };
    bed.run(&["serve", "--once"]).expect_success();
    let namespaces = bed.namespaces();
    let pod = || {
        let found = bed.cluster.get_json(&["pod", "machine", "-n", &namespaces[0]]);
        let container = &found["status"]["containerStatuses"][0];
        assert_eq!((&container["ready"], &container["restartCount"]), (&true.into(), &0.into()));
        let build = found["metadata"]["annotations"]["build-resources/build"].as_str().unwrap().to_owned();
        (found["metadata"]["uid"].clone(), container["containerID"].clone(), build)
    };
    let (uid, container, nobody) = pod();
    assert_eq!((namespaces.len(), nobody.as_str()), (1, "warm machine"));
    bed.run(&["request", "--build", "b", "--label", "machine"]).expect_success();
    assert_eq!(bed.namespace("b", 0), namespaces[0]);
    assert_eq!(pod(), (uid, container, "b".to_owned()), "the same process, for another");
    bed.run(&["exec", "b", "machine", "--", "true"]).expect_success();
    // One whose pod must be called otherwise is made anew.
    bed.run(&["request", "--build", "c", "--label", "machine=other"]).expect_success();
    assert_ne!(bed.namespace("c", 0), namespaces[0]);
    for build in ["b", "c"] {
        bed.run(&["release", build, "--wait"]).expect_success();
    }
}
