//! The hosts themselves, before anything is proved on them: they join, reboot when that is asked for, and can be lost.

use proof::cluster::Cluster;
use proof::fleet::{Event, FleetNode, Transitions};
use proof::sandbox::Wish;
use proof::wait::until_true;

/// A node whose agent is told to reboot nothing by itself.
fn join(name: &str, record: &Transitions) -> FleetNode {
    FleetNode::join(Cluster::shared(), name, "hosts", record, |agent| {
        agent.set("rollout", "strategy", "none")
    })
}

#[test]
fn a_reboot_that_is_asked_for_happens_and_the_agent_runs_again() {
    let record = Transitions::default();
    let node = join("hosts-0", &record);
    let labels = Cluster::shared().get_json(&["node", "hosts-0"])["metadata"]["labels"].clone();
    assert_eq!(labels["node-role.kubernetes.io/hosts"], "");
    node.host().faults().initiate_reboot();
    until_true("the node to be back", || record.count("hosts-0", Event::Up) == 1);
    let events: Vec<Event> = record.all().iter().map(|line| line.event).collect();
    assert_eq!(events, [Event::Joined, Event::Down, Event::Up]);
    assert!(node.is_running() && !node.host().faults().reboot_requested());
}

#[test]
fn a_node_that_hangs_or_dies_is_away_until_it_is_revived() {
    let record = Transitions::default();
    let node = join("hosts-1", &record);
    node.hang_in_reboot(true);
    node.host().faults().initiate_reboot();
    until_true("the node to go down", || !record.away().is_empty() && !node.is_running());
    node.revive();
    assert_eq!(record.away().len(), 0);
    node.die();
    assert_eq!(record.away().into_iter().collect::<Vec<_>>(), ["hosts-1"]);
    node.revive();
    assert!(node.is_running());
    assert_eq!(record.count("hosts-1", Event::Up), 2);
}

#[test]
fn documents_for_another_role_are_told_apart() {
    let document = Wish::extensions(["usbguard"]).role("hosts").document("50-hosts");
    assert!(document.contains("machineconfiguration.openshift.io/role: hosts\n"), "{document}");
    assert!(proof::fleet::pool("hosts", "25%").contains("maxUnavailable: 25%"));
}
