//! The agent's own memory and its inputs go astray: ledger, store, tags, lists. It never guesses, and never claims more
//! than is so.

use std::fs;
use std::process::Command;

use proof::images::{Layout, Payload};
use proof::packages::{Extension, Release, Rpm, extensions};
use proof::sandbox::Wish;
use proof::wait;

use crate::node::{CONFIG, apply, assert_refused, booted, host_and_payload, nevras, staged, union, wish};

#[test]
fn a_ledger_of_a_newer_agent_is_not_read_and_not_put_aside() {
    let (host, payload) = host_and_payload();
    wish(&host, &["sysstat"], &payload.reference());
    let ledger = host.dir().join("state/ledger.json");
    let newer = r#"{"format":9,"content":{"of":"tomorrow"}}"#;
    fs::write(&ledger, newer).unwrap();
    assert_refused(&host, &host.agent().apply(), 52, "StateUnusable", &["format 9", "newer agent"]);
    assert_eq!(fs::read_to_string(&ledger).unwrap(), newer);
}

#[test]
fn a_state_that_cannot_be_written_stops_everything_before_the_call() {
    let (host, payload) = host_and_payload();
    wish(&host, &["sysstat"], &payload.reference());
    // A directory in the place of the file is an obstacle for every user, root too.
    fs::create_dir_all(host.dir().join("state/intent.new/obstacle")).unwrap();
    assert_refused(&host, &host.agent().apply(), 52, "StateUnusable", &["intent.json"]);
}

#[test]
fn a_damaged_or_lost_ledger_turns_ours_into_what_is_left_alone() {
    let (host, payload) = host_and_payload();
    apply(&host, &["usbguard"], &payload.reference());
    host.reboot();
    fs::write(host.dir().join("state/ledger.json"), "half of a led").unwrap();
    fs::write(host.dir().join("state/intent.json"), "half of an int").unwrap();
    host.agent().apply().expect_success();
    assert!(
        host.dir().join("state/ledger.damaged").exists() && host.dir().join("state/intent.damaged").exists()
    );
    apply(&host, &["usbguard", "sysstat"], &payload.reference());
    assert_eq!(staged(&host), Some(union(&["usbguard", "sysstat"])));
    fs::remove_dir_all(host.dir().join("state")).unwrap();
    apply(&host, &[], &payload.reference());
    assert_eq!((staged(&host), host.mutating_calls().len()), (Some(union(&["usbguard", "sysstat"])), 2));
}

#[test]
fn a_store_that_was_deleted_in_whole_or_in_part_is_filled_again() {
    let (host, payload) = host_and_payload();
    apply(&host, &["usbguard"], &payload.reference());
    fs::remove_dir_all(host.dir().join("store/rpm")).unwrap();
    apply(&host, &["usbguard", "sysstat"], &payload.reference());
    fs::remove_dir_all(host.dir().join("store")).unwrap();
    apply(&host, &["usbguard", "sysstat", "kerberos"], &payload.reference());
    assert_eq!(staged(&host), Some(union(&["usbguard", "sysstat", "kerberos"])));
}

#[test]
fn an_image_that_was_replaced_under_its_name_is_noticed_and_replaces_ours() {
    let (host, first) = host_and_payload();
    let place = host.dir().join("tmp/layout");
    let put = |layout: &Layout| {
        let _ = fs::remove_dir_all(&place);
        assert!(Command::new("cp").arg("-a").arg(layout.dir()).arg(&place).status().unwrap().success());
    };
    put(&first);
    let reference = Layout::at(place.clone()).reference();
    apply(&host, &["usbguard"], &reference);
    host.reboot();
    host.agent().apply().expect_success();
    assert_eq!(host.mutating_calls().len(), 1);
    put(&Payload::of(Release::Second).build());
    host.agent().apply().expect_success();
    assert_eq!((staged(&host), host.mutating_calls().len()), (Some(nevras(Release::Second, "usbguard")), 2));
}

#[test]
fn what_two_machine_configs_ask_for_stays_while_one_does() {
    let (host, payload) = host_and_payload();
    apply(&host, &["sysstat"], &payload.reference());
    host.wish("60-worker-too", &Wish::extensions(["sysstat"]).from(&payload.reference()));
    host.agent().apply().expect_success();
    host.remove_machine_config(CONFIG);
    let status = host.agent().apply().expect_success();
    assert!(status.stdout.contains("sysstat"), "{status:#?}");
    let status = host.agent().run(["status", "-o", "json"]).expect_success().json();
    assert_eq!(
        status["extensions"]["sysstat"]["requestedBy"],
        serde_json::json!(["60-worker-too"]),
        "{status:#}"
    );
    assert_eq!(host.mutating_calls().len(), 1);
}

#[test]
fn an_extension_that_the_next_release_drops_is_refused_by_name_and_stays_until_it_is_no_longer_wanted() {
    let (host, payload) = host_and_payload();
    apply(&host, &["usbguard"], &payload.reference());
    host.reboot();
    let fewer: Vec<Extension> =
        extensions(Release::Second).into_iter().filter(|one| one.name != "usbguard").collect();
    let without = Payload::with(Release::Second, &fewer).build();
    wish(&host, &["usbguard", "sysstat"], &without.reference());
    let done = host.agent().apply();
    assert_eq!(done.code(), Some(20), "{done:#?}");
    assert_eq!(host.mutating_calls().len(), 1, "half of a wish is another wish");
    assert_eq!(booted(&host), nevras(Release::First, "usbguard"));
    apply(&host, &["sysstat"], &without.reference());
    assert_eq!(staged(&host), Some(nevras(Release::Second, "sysstat")));
}

/// `dbus-daemon` carries 16 files in one message and drops the connection at the 17th.
#[test]
fn more_packages_than_the_bus_carries_are_refused_with_both_numbers() {
    let many: Vec<Rpm> = (0..17)
        .map(|number| Rpm::new(&format!("part-{number}")).file(&format!("/usr/share/part/{number}"), "\n"))
        .collect();
    let names: Vec<String> = many.iter().map(|rpm| rpm.name().to_owned()).collect();
    let mut offered = extensions(Release::First);
    let like = offered.iter().find(|one| one.name == "usbguard").unwrap().clone();
    offered.push(Extension { name: "many", packages: names, rpms: many, ..like });
    let payload = Payload::with(Release::First, &offered).build();
    let (host, _) = host_and_payload();
    wish(&host, &["many"], &payload.reference());
    assert_refused(&host, &host.agent().apply(), 31, "TooManyPackagesForBus", &["17", "16", "dbus-broker"]);
}

#[test]
fn a_broken_document_and_an_absent_bus_leave_what_is_known_of_the_host() {
    let (host, payload) = host_and_payload();
    wish(&host, &["sysstat"], &payload.reference());
    let mut agent = host.agent().set("reconcile", "dwell", "0s").run_daemon();
    agent.await_notice("a reboot to be pending", |notice| notice.starts_with("STATUS=RebootPending"));
    let told = |reason: &str| {
        let metrics = host.metrics();
        let blocked = format!("extensions_agent_blocked{{reason=\"{reason}\"}} 1");
        wait::until_true("the metrics to say why", || host.metrics().contains(&blocked));
        for line in ["reboot_pending 1", "extension_staged{extension=\"sysstat\"} 1"] {
            let line = format!("extensions_agent_{line}");
            assert!(host.metrics().contains(&line), "{line} after {reason}; before that:\n{metrics}");
        }
    };
    host.machine_config("99-broken", "kind: MachineConfig\nspec: [");
    told("InvalidMachineConfig");
    host.stop_bus();
    wish(&host, &["sysstat", "usbguard"], &payload.reference());
    host.remove_machine_config("99-broken");
    told("BusUnavailable");
    host.start_bus();
    wait::until_true("the rest to be staged", || staged(&host) == Some(union(&["sysstat", "usbguard"])));
    assert!(agent.stop().success());
}
