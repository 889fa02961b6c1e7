//! The directory that the containers of a pod share.

use crate::bed::arg;
use crate::kubelet::bed::{NodeBed, SIDE_CAR};

#[test]
fn row_03_what_the_side_car_receives_every_container_has_whoever_its_user_is() {
    let image = "image: 'localhost/machine:1'";
    let Some(bed) = NodeBed::with(image, &format!("{image}, {SIDE_CAR}")) else { return };
    let out = bed.path("out");
    bed.run(&["request", "--build", "b", "--label", "machine=n", "--out", arg(&out)]).expect_success();
    let job = |container: &str, text: &str| {
        let args = ["exec", "machine", "-c", container, "--", "sh", "-c", text];
        bed.cluster.kubectl_as(&out.join("kubeconfig"), &args).expect_success().stdout
    };
    let made = job(
        "workspace",
        "git init -q /workspace/src/repo && cd /workspace/src/repo && \
         git -c user.name=a -c user.email=a@b commit -q --allow-empty -m x && git rev-parse HEAD",
    );
    assert_eq!(made.trim().len(), 40, "{made}");
    for (container, user) in [("node", "0"), ("second", "4242")] {
        assert_eq!(job(container, "id -u").trim(), user);
        assert_eq!(job(container, "git -C /workspace/src/repo rev-parse HEAD"), made, "{container}");
    }
    job("second", "echo mine > /workspace/of-second"); // everybody may write there
    assert_eq!(job("node", "cat /workspace/of-second").trim(), "mine");
    let text = std::fs::read_to_string(out.join("inventory.json")).unwrap();
    let inventory: serde_json::Value = serde_json::from_str(&text).unwrap();
    let container = |host: &str| inventory["all"]["hosts"][host]["ansible_kubectl_container"].clone();
    assert_eq!((container("n"), container("n-second")), ("node".into(), "second".into()));
    bed.run(&["release", "b"]).expect_success();
}
