//! Real Ansible reads the inventory that is handed over, and reaches every host in it.

use proof::ansible::Ansible;

use crate::bed::arg;
use crate::kubelet::bed::NodeBed;

#[test]
fn row_25_ansible_reaches_every_pod_of_the_inventory() {
    let Some(bed) = NodeBed::new() else { return };
    let out = bed.path("out");
    let labels = ["--label", "machine=one", "--label", "machine=two", "--label", "space"];
    let rest = ["--wait", "ready", "--out", arg(&out)];
    bed.run(&[&["request", "--build", "b"][..], &labels, &rest].concat()).expect_success();
    let ansible = Ansible::new();
    for name in ["inventory.yaml", "inventory.json"] {
        let listed = ansible.run("ansible-inventory", &out.join(name), &["--list"]).expect_success().json();
        assert_eq!(listed["_meta"]["hostvars"].as_object().unwrap().len(), 2, "{listed:#}");
        let space = &listed["_meta"]["hostvars"]["one"]["zuul"]["resources"]["space"];
        assert_eq!(space["namespace"], bed.namespace("b", 2));
    }
    let own = |name: &str| (name.to_owned(), name.to_owned());
    let inventory = out.join("inventory.yaml");
    for module in ["raw", "command"] {
        let said = ansible.all(&inventory, module, "cat /etc/hostname");
        assert_eq!(said, [own("one"), own("two")], "{module}");
    }
    // A module with arguments travels as a file and runs in the pod's own Python.
    std::fs::write(out.join("local.txt"), "from the job").unwrap();
    let copy = format!("src={} dest=/tmp/copied.txt", out.join("local.txt").display());
    ansible.run("ansible", &inventory, &["one", "-m", "copy", "-a", &copy]).expect_success();
    let said = ansible.all(&inventory, "raw", "cat /tmp/copied.txt 2>/dev/null || echo nothing");
    let answer = |name: &str, text: &str| (name.to_owned(), text.to_owned());
    assert_eq!(said, [answer("one", "from the job"), answer("two", "nothing")]);
    bed.run(&["release", "b"]).expect_success();
}
