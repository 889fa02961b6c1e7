//! `plan` on a machine without rpm-ostree and D-Bus: documents in, one document out.

use std::fs;

use proof::scratch::Scratch;

use crate::node::{host_and_payload, nevras, wish};
use proof::packages::Release;

#[test]
fn a_plan_is_made_from_files_alone_and_twice_the_same() {
    let (host, payload) = host_and_payload();
    wish(&host, &["usbguard"], &payload.reference());
    let observed = host.agent().run(["observe"]).expect_success();

    // Another place: no bus, no sysroot, no state, no settings of the sandbox.
    let place = Scratch::new("offline-");
    let file = place.path().join("observed.json");
    fs::write(&file, &observed.stdout).unwrap();
    fs::create_dir_all(place.path().join("home")).unwrap();
    fs::create_dir_all(place.path().join("tmp")).unwrap();
    let configs = host.dir().join("etc/machineconfigs");
    let arguments = [
        "plan",
        "--machine-config",
        configs.to_str().unwrap(),
        "--payload",
        &payload.reference(),
        "--observed",
        file.to_str().unwrap(),
        "-o",
        "json",
    ];
    let nowhere = |section: &str| place.path().join("nowhere").join(section).display().to_string();
    let agent = proof::sandbox::Agent::of(place.path())
        .set("host", "bus", format!("unix:path={}", nowhere("bus")))
        .set("host", "sysroot", nowhere("sysroot"))
        .set("state", "directory", nowhere("state"))
        .set("store", "directory", nowhere("store"));
    let first = agent.run(arguments).expect_success();
    let second = agent.run(arguments).expect_success();
    assert_eq!(first.stdout, second.stdout, "two runs give the same bytes");

    let plan = first.json();
    let schema =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../agent/schema/plan.json")).unwrap();
    let schema = jsonschema::validator_for(&serde_json::from_str(&schema).unwrap()).unwrap();
    let errors: Vec<String> = schema.iter_errors(&plan).map(|error| error.to_string()).collect();
    assert_eq!(errors, Vec::<String>::new());
    let planned: std::collections::BTreeSet<String> = plan["install"]
        .as_array()
        .unwrap()
        .iter()
        .map(|line| line["nevra"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(planned, nevras(Release::First, "usbguard"));
    assert_eq!(host.mutating_calls(), [], "planning changes nothing");

    let mut broken = plan.clone();
    broken["decision"] = "perhaps".into();
    assert!(!schema.is_valid(&broken), "the schema says no to what is wrong");
}
