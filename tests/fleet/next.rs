//! Before an upgrade: which nodes would be blocked on the next release, and why.

use proof::images::Payload;
use proof::packages::{Release, extensions};

use crate::stage::{Pool, shared};

#[test]
fn a_fleet_is_told_before_the_upgrade_which_nodes_would_be_blocked() {
    let pool = Pool::new(shared(), "next");
    let nodes = [pool.node(0, "none"), pool.node(1, "none")];
    pool.wish(&["usbguard", "sysstat"]);
    for node in &nodes {
        pool.until_all(node, "staged", &["usbguard", "sysstat"]);
    }
    let offered: Vec<_> =
        extensions(Release::Second).into_iter().filter(|one| one.name != "sysstat").collect();
    let [without, whole] = [Payload::with(Release::Second, &offered), Payload::of(Release::Second)]
        .map(|next| next.build().reference());
    let ask = |next: &str| {
        let admin = pool.cluster.admin_kubeconfig().to_str().unwrap();
        let args =
            ["fleet", "--kubeconfig", admin, "--pool", pool.name, "--payload", next, "--detailed-exitcode"];
        nodes[0].agent().run(args)
    };
    let blocked = ask(&without);
    assert_eq!(blocked.code(), Some(2), "{blocked:#?}");
    for word in ["sysstat", "UnknownExtension", nodes[0].name(), nodes[1].name()] {
        assert!(blocked.stdout.contains(word), "`{word}` is missing in:\n{}", blocked.stdout);
    }
    let fine = ask(&whole);
    assert_eq!(fine.code(), Some(0), "{fine:#?}");
}
