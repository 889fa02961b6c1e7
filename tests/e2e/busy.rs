//! Other clients of rpm-ostree: waited for, and never mistaken for us.

use proof::packages::{Release, Rpm, admin_tool};
use proof::rpmostreed::faults::Step;
use proof::sandbox::Hand;
use proof::wait;

use crate::node::{booted, host_and_payload, nevras, wish};

#[test]
fn another_clients_transaction_is_waited_for_and_then_ours_goes_through() {
    let (host, payload) = host_and_payload();
    wish(&host, &["usbguard"], &payload.reference());
    let (faults, hand) = (host.faults(), Hand::at(&host.bus_address()));
    faults.hang_at(Step::Checkout);
    let other = hand.start(&[&admin_tool().build()], &[]);
    wait::until_true("the other transaction to hang", || faults.is_hanging_at(Step::Checkout));

    let agent = host.agent().start(["apply"]);
    wait::until_true("the agent to say that it waits", || agent.said().contains("another transaction"));
    faults.release(Step::Checkout);
    assert_eq!(other.finish(), (true, String::new()));
    agent.finish().expect_success();
    host.reboot();
    let mut expected = nevras(Release::First, "usbguard");
    expected.insert(admin_tool().nevra());
    assert_eq!(booted(&host), expected, "both clients got what they asked for");
}

/// The daemon compares file handles by index: one file like another, the same keys, would join the two calls.
#[test]
fn an_equal_looking_call_of_another_client_is_not_mistaken_for_ours() {
    let (host, payload) = host_and_payload();
    let like_ours: Vec<_> = (0..nevras(Release::First, "sysstat").len())
        .map(|number| Rpm::new(&format!("other-{number}")).file(&format!("/usr/share/other/{number}"), "\n"))
        .collect();
    let files: Vec<_> = like_ours.iter().map(Rpm::build).collect();
    let files: Vec<_> = files.iter().map(std::path::PathBuf::as_path).collect();
    wish(&host, &["sysstat"], &payload.reference());
    let (faults, hand) = (host.faults(), Hand::at(&host.bus_address()));
    faults.hang_at(Step::Checkout);
    let other = hand.start(&files, &[]);
    wait::until_true("the other transaction to hang", || faults.is_hanging_at(Step::Checkout));

    // The trap is there: a third client with equal parameters is joined to the other's transaction.
    let joined = Hand::at(&host.bus_address());
    let joined = joined.start(&files, &[]);
    assert!(!joined.started(), "the stand-in joins equal calls");

    let agent = host.agent().start(["apply"]);
    wait::until_true("the agent to say that it waits", || agent.said().contains("another transaction"));
    faults.release(Step::Checkout);
    assert_eq!(other.finish(), (true, String::new()));
    assert_eq!(joined.finish(), (true, String::new()), "success that belongs to somebody else");
    agent.finish().expect_success();
    host.reboot();
    let mut expected = nevras(Release::First, "sysstat");
    expected.extend(like_ours.iter().map(Rpm::nevra));
    assert_eq!(booted(&host), expected, "ours was layered too");
}
