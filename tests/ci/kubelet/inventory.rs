//! Real Ansible reads the inventory that is handed over, and reaches every host in it.

use proof::ansible::Ansible;

use crate::bed::arg;
use crate::kubelet::bed::NodeBed;

/// A second container, which knows its name.
const SECOND: &str = "spec: {containers: [{name: second, image: 'localhost/machine:1', imagePullPolicy: Never, \
    command: [sleep, infinity], env: [{name: WHO, value: second}]}]}";

#[test]
fn row_25_ansible_reaches_every_pod_and_container_of_the_inventory() {
    let image = "image: 'localhost/bash:1'";
    let Some(bed) = NodeBed::with(image, &format!("{image}, {SECOND}")) else { return };
    let out = bed.path("out");
    let labels = ["--label", "machine=one", "--label", "bash=two", "--label", "space"];
    let rest = ["--wait", "ready", "--out", arg(&out)];
    bed.run(&[&["request", "--build", "b"][..], &labels, &rest].concat()).expect_success();
    let ansible = Ansible::new();
    for name in ["inventory.yaml", "inventory.json"] {
        let listed = ansible.run("ansible-inventory", &out.join(name), &["--list"]).expect_success().json();
        assert_eq!(listed["_meta"]["hostvars"].as_object().unwrap().len(), 3, "{listed:#}");
        let space = &listed["_meta"]["hostvars"]["one"]["zuul"]["resources"]["space"];
        assert_eq!(space["namespace"], bed.namespace("b", 2));
    }
    let answer = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    let own = |name: &str| answer(name, name);
    let inventory = out.join("inventory.yaml");
    for module in ["raw", "command"] {
        let said = ansible.all(&inventory, module, "cat /etc/hostname");
        let second = answer("two-second", "two"); // the containers of a pod share its host name
        assert_eq!(said, [own("one"), own("two"), second], "{module}");
    }
    let said = ansible.all(&inventory, "raw", "echo \"<$WHO>\"");
    assert_eq!(said, [answer("one", "<>"), answer("two", "<>"), answer("two-second", "<second>")]);
    // A module with arguments travels as a file and runs in the pod's own Python.
    std::fs::write(out.join("local.txt"), "from the job").unwrap();
    let copy = format!("src={} dest=/tmp/copied.txt", out.join("local.txt").display());
    ansible.run("ansible", &inventory, &["one", "-m", "copy", "-a", &copy]).expect_success();
    let said = ansible.all(&inventory, "raw", "cat /tmp/copied.txt 2>/dev/null || echo nothing");
    let nothing = |name: &str| answer(name, "nothing");
    assert_eq!(said, [answer("one", "from the job"), nothing("two"), nothing("two-second")]);
    bed.run(&["release", "b"]).expect_success();
}
