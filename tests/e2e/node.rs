//! What every story starts from: a host, a payload, and ways to look at both from outside.

use std::collections::BTreeSet;

use proof::images::{Layout, Payload};
use proof::packages::{Release, Rpm};
use proof::process::Finished;
use proof::sandbox::{Call, Hand, Sandbox, Wish};
use serde_json::Value;

/// The MachineConfig that the stories write.
pub(crate) const CONFIG: &str = "50-worker-extensions";

/// A fresh host, and what the first release offers as an OCI layout.
pub(crate) fn host_and_payload() -> (Sandbox, Layout) {
    (Sandbox::start(), Payload::of(Release::First).build())
}

/// Asks for these extensions from that payload.
pub(crate) fn wish(host: &Sandbox, names: &[&str], payload: &str) {
    host.wish(CONFIG, &Wish::extensions(names.iter().copied()).from(payload));
}

/// Asks, applies, and expects it to work.
#[track_caller]
pub(crate) fn apply(host: &Sandbox, names: &[&str], payload: &str) -> Finished {
    wish(host, names, payload);
    host.agent().apply().expect_success()
}

/// The NEVRAs of these packages, out of what a release offers for an extension.
pub(crate) fn nevras(release: Release, extension: &str) -> BTreeSet<String> {
    let all = proof::packages::extensions(release);
    let found = all.iter().find(|offered| offered.name == extension).expect("the release offers it");
    found.rpms.iter().map(Rpm::nevra).collect()
}

/// The NEVRAs of one extension of the first release and of another, together.
pub(crate) fn union(extensions: &[&str]) -> BTreeSet<String> {
    extensions.iter().flat_map(|extension| nevras(Release::First, extension)).collect()
}

/// The deployments as the bus shows them: boot order, plain JSON.
pub(crate) fn deployments(host: &Sandbox) -> Vec<Value> {
    Hand::at(&host.bus_address()).deployments()
}

/// The NEVRAs layered from files in the staged deployment; none without one.
pub(crate) fn staged(host: &Sandbox) -> Option<BTreeSet<String>> {
    deployments(host).iter().find(|deployment| deployment["staged"] == true).map(local_packages)
}

/// The NEVRAs layered from files in the booted deployment.
pub(crate) fn booted(host: &Sandbox) -> BTreeSet<String> {
    local_packages(
        deployments(host).iter().find(|deployment| deployment["booted"] == true).expect("a booted one"),
    )
}

fn local_packages(deployment: &Value) -> BTreeSet<String> {
    let list = deployment["requested-local-packages"].as_array().cloned().unwrap_or_default();
    list.iter().map(|nevra| nevra.as_str().expect("a NEVRA").to_owned()).collect()
}

/// The calls that ask for layering, among all calls that ask for a change.
#[track_caller]
pub(crate) fn only_update(calls: &[Call]) -> &Call {
    assert_eq!(calls.len(), 1, "exactly one mutating call: {calls:#?}");
    assert_eq!(calls[0].member, "UpdateDeployment");
    &calls[0]
}

/// The strings in one list of a call's `a{sv}`.
pub(crate) fn strings(dictionary: &Value, key: &str) -> BTreeSet<String> {
    let list = dictionary[key].as_array().cloned().unwrap_or_default();
    list.iter().map(|text| text.as_str().expect("a string").to_owned()).collect()
}

/// What a refused command must look like: its exit code, its reason, words that help, and an untouched host.
#[track_caller]
pub(crate) fn assert_refused(host: &Sandbox, done: &Finished, code: i32, reason: &str, words: &[&str]) {
    assert_eq!(done.code(), Some(code), "{done:#?}");
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(said.contains(reason), "the reason `{reason}` is missing in {done:#?}");
    for word in words {
        assert!(said.contains(word), "`{word}` is missing in {done:#?}");
    }
    assert!(said.contains("cure: "), "nothing says what would fix it: {done:#?}");
    assert_eq!(host.mutating_calls(), [], "the host was touched");
}
