//! The wish of a real cluster: refused and corrected, repeated and re-ordered, flapping.

use std::time::Instant;

use proof::fleet::Event;

use crate::stage::{Pool, condition, extension, shared};

#[test]
fn an_unknown_extension_is_named_with_what_there_is_and_correcting_it_recovers_without_a_restart() {
    let pool = Pool::new(shared(), "unknown");
    let node = pool.node(0, "immediate");
    pool.wish(&["usbguard"]);
    pool.until_all(&node, "booted", &["usbguard"]);
    pool.until_condition(&node, "Ready", ("True", "Booted"));
    let calls = node.host().mutating_calls().len();

    pool.wish(&["usbguard", "nonsense"]);
    let refused = pool.until_condition(&node, "Degraded", ("True", "UnknownExtension"));
    let (_, _, message) = condition(&refused, "Degraded");
    for word in ["nonsense", "usbguard", "sysstat", "kerberos"] {
        assert!(message.contains(word), "`{word}` is missing in: {message}");
    }
    let (blocked, kept) = (extension(&refused, "nonsense"), extension(&refused, "usbguard"));
    assert_eq!((&blocked["stage"], &blocked["reason"]), (&"blocked".into(), &"UnknownExtension".into()));
    assert!(blocked["cure"].as_str().is_some_and(|cure| !cure.is_empty()), "{blocked}");
    assert_eq!(kept["booted"], true, "the previous extensions stay booted: {kept}");
    assert_eq!(node.host().mutating_calls().len(), calls, "nothing was called for it");
    let starts = node.log().matches("ready").count();

    pool.wish(&["usbguard", "sysstat"]);
    pool.until_all(&node, "booted", &["usbguard", "sysstat"]);
    pool.until_condition(&node, "Degraded", ("False", "AsExpected"));
    assert_eq!(pool.record.count(node.name(), Event::Up), 2, "one reboot for each list");
    assert_eq!(node.log().matches("ready").count(), starts + 1, "no start but that of the reboot");
}

#[test]
fn a_repeated_or_reordered_list_makes_no_call_at_all() {
    let pool = Pool::new(shared(), "order");
    let node = pool.node(0, "none");
    pool.wish(&["usbguard", "sysstat"]);
    pool.until_all(&node, "staged", &["usbguard", "sysstat"]);
    let calls = node.host().mutating_calls();
    pool.wish(&["sysstat", "usbguard", "usbguard"]);
    pool.wish(&["usbguard", "usbguard", "sysstat"]);
    // A change that does count, later: when it has been acted upon, those before it have been seen.
    pool.wish(&["sysstat"]);
    pool.until_all(&node, "staged", &["sysstat"]);
    let after = node.host().mutating_calls();
    assert_eq!(after.len(), calls.len() + 1, "one call, for the list that means something else: {after:#?}");
}

#[test]
fn a_hundred_flaps_make_at_most_one_transaction_for_each_dwell_and_the_last_value_wins() {
    const DWELL_SECONDS: u64 = 3;
    let pool = Pool::new(shared(), "flaps");
    let node = pool.node_with(0, |agent| agent.set("reconcile", "dwell", format!("{DWELL_SECONDS}s")));
    pool.wish(&["usbguard"]);
    pool.until_all(&node, "staged", &["usbguard"]);
    let before = node.host().mutating_calls().len();
    let start = Instant::now();
    for flap in 0..100 {
        pool.wish(if flap % 2 == 0 { &["usbguard", "kerberos"] } else { &["usbguard"] });
    }
    pool.wish(&["sysstat"]);
    pool.until_all(&node, "staged", &["sysstat"]);
    let calls = u64::try_from(node.host().mutating_calls().len() - before).unwrap();
    let dwells = start.elapsed().as_secs() / DWELL_SECONDS + 1;
    assert!((1..=dwells).contains(&calls), "{calls} transactions in {dwells} dwells");
    assert!(calls < 50, "{calls} transactions for a hundred flaps");
}
