//! The release decides which payload belongs to it; an image of another build is seen by its labels.

use proof::images::{Payload, ReleaseImage};
use proof::packages::Release;
use proof::registry::Registry;
use proof::sandbox::{Agent, Sandbox, Wish};

use crate::node::{CONFIG, assert_refused, nevras, staged, wish};

/// A host that trusts the registry, and its agent with that release.
fn host_with(registry: &Registry, release: &str) -> (Sandbox, Agent) {
    let host = Sandbox::start();
    host.use_registry(registry);
    let agent = host.agent().set("payload", "release", release);
    (host, agent)
}

#[test]
fn the_releases_own_payload_is_used_where_no_machine_config_names_one() {
    let registry = Registry::start();
    let first = registry.push(&Payload::of(Release::First).build(), "release/extensions");
    let list =
        ReleaseImage::new("4.18.1").names("cli", "whatever is here").names("rhel-coreos-extensions", &first);
    let release = registry.push(&list.build(), "release/release");
    let (host, agent) = host_with(&registry, &release);
    host.wish(CONFIG, &Wish::extensions(["usbguard"]));
    agent.apply().expect_success();
    assert_eq!(staged(&host), Some(nevras(Release::First, "usbguard")));

    // The same release again is known: nothing is asked of the registry.
    let before = registry.relay().connections();
    agent.run(["plan"]).expect_success();
    assert_eq!(registry.relay().connections(), before);
}

#[test]
fn a_payload_that_the_release_does_not_name_is_refused_before_it_is_fetched() {
    let registry = Registry::start();
    let first = registry.push(&Payload::of(Release::First).build(), "release/extensions");
    let other = registry.push(&Payload::of(Release::Second).build(), "other/extensions");
    let list = ReleaseImage::new("4.18.1").names("rhel-coreos-extensions", &first);
    let release = registry.push(&list.build(), "release/release");
    let (host, agent) = host_with(&registry, &release);
    wish(&host, &["usbguard"], &other);
    assert_refused(&host, &agent.apply(), 63, "PayloadNotInRelease", &[&other, &first, "4.18.1", "cure: "]);
    let fetched = registry
        .requests()
        .iter()
        .any(|request| request.method == "GET" && request.path.contains("/other/extensions/blobs/"));
    assert!(!fetched, "{:#?}", registry.requests());
    wish(&host, &["usbguard"], &first);
    agent.apply().expect_success();
}

#[test]
fn an_image_that_is_no_release_is_said_to_be_none() {
    let registry = Registry::start();
    let first = registry.push(&Payload::of(Release::First).build(), "release/extensions");
    let (host, agent) = host_with(&registry, &first);
    wish(&host, &["usbguard"], &first);
    assert_refused(&host, &agent.apply(), 64, "InvalidRelease", &["image-references", "cure: "]);
}

#[test]
fn an_extensions_image_of_another_build_is_refused_or_said() {
    let (next, here) = (Release::Second.version(), Release::First.version());
    let payload = Payload::of(Release::First).built_for(next).build().reference();
    let host = Sandbox::start();
    wish(&host, &["usbguard"], &payload);
    assert_refused(&host, &host.agent().apply(), 65, "ReleaseSkew", &[next, here, "payload.skew"]);
    let allowing = host.agent().set("payload", "skew", "allow");
    let plan = allowing.run(["plan", "-o", "json"]).expect_success().json();
    assert_eq!(plan["warnings"][0]["reason"], "ReleaseSkew");
    allowing.apply().expect_success();
    let fitting = Payload::of(Release::First).built_for(here).build().reference();
    wish(&host, &["usbguard", "sysstat"], &fitting);
    host.agent().apply().expect_success();
}
