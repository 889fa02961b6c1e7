//! An image of a build's own registry, for changes that depend on the one that it was built for.

use std::fs;

use proof::images::{Image, Layer};
use serde_json::json;

use crate::bed::arg;
use crate::intermediate::Intermediate;
use crate::kubelet::registry::{bed, skopeo, told};

#[test]
fn row_35_an_image_outlives_its_build_and_is_found_by_its_change() {
    let Some(bed) = bed() else { return };
    let there = Intermediate::start();
    let words = there.arguments("ci/payload");
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let out = bed.path("out");
    let args =
        ["request", "--build", "producer", "--buildset", "set", "--change", "1234,5", "--label", "space"];
    bed.run(&[&args[..], &["--wait", "ready", "--out", arg(&out)]].concat()).expect_success();

    let own = told(&out, "producer");
    let layout = Image::new("amd64").layer(Layer::new().file("payload", b"of 1234,5")).build();
    let (to, creds) =
        (format!("docker://{}/team/payload:1", own.address), format!("{}:{}", own.user, own.password));
    let trust = own.trust.path().to_str().unwrap();
    let flags = ["copy", "--preserve-digests", "--dest-creds", &creds, "--dest-cert-dir", trust];
    // From this machine the way leads through kube-proxy, which hears of a new Service a moment later.
    proof::wait::until("the registry to take the image", || {
        let (done, said) = skopeo(&own, &[&flags[..], &[&layout.reference(), &to]].concat());
        if done { Ok(()) } else { Err(said) }
    });

    let manifest = bed.path("manifest.json");
    let entry = json!([{"name": "a", "commit": "1".repeat(40), "tree": "2".repeat(40)}]);
    fs::write(&manifest, entry.to_string()).unwrap();
    let image = format!("team/payload@{}", layout.digest());
    let args = ["promote", "image", "producer", &image, "--manifest", arg(&manifest)];
    let (first, again) = (bed.json(&[&args[..], &words].concat()), bed.json(&[&args[..], &words].concat()));
    assert_eq!(first, again);
    // What is not there is not promoted, and changes nothing.
    let other = format!("team/payload@sha256:{}", "0".repeat(64));
    let none = bed.run(&[&["promote", "image", "producer", &other][..], &words].concat());
    assert!(none.code() == Some(66) && none.stderr.contains(&"0".repeat(64)), "{none:#?}");
    bed.run(&["release", "producer", "--wait"]).expect_success();

    let find = |change: &str| {
        let args = ["--output", "json", "promote", "find", change, "--manifest", arg(&manifest)];
        bed.run(&[&args[..], &words].concat())
    };
    let found = find("1234,5").expect_success().json();
    assert_eq!(found[0], first);
    assert_eq!(found[0]["digest"], layout.digest());
    assert_eq!((&found[0]["build"], &found[0]["buildset"]), (&json!("producer"), &json!("set")));
    there.pull("ci/payload", &layout.digest());

    // The producer fails: who depends on it is refused.
    let failed = ["promote", "failed", "producer", "--buildset", "set", "--change", "1234,6"];
    bed.run(&[&failed[..], &words].concat()).expect_success();
    let refused = find("1234,6");
    assert!(
        refused.code() == Some(6) && refused.stderr.contains("failed in the build `producer`"),
        "{refused:#?}"
    );
}
