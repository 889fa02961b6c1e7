//! Large files between builds: from a parent to its child, and to nobody else.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::bed::arg;
use crate::kubelet::bed::NodeBed;
use crate::kubelet::registry::{bed, skopeo, told};
use crate::size;

/// A file no two pieces of which are alike.
fn large(bed: &NodeBed) -> PathBuf {
    let mib = size::RETURNED.now();
    let mut state = 1_u64;
    let words = (0..mib << 17).flat_map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state ^ (state >> 29)).to_le_bytes()
    });
    let path = bed.path("packages.tar");
    fs::write(&path, words.collect::<Vec<u8>>()).unwrap();
    path
}

fn request(bed: &NodeBed, build: &str, more: &[&str]) -> PathBuf {
    let out = bed.path(build);
    let args = ["request", "--build", build, "--buildset", "set", "--label", "space", "--out", arg(&out)];
    bed.run(&[&args[..], more].concat()).expect_success();
    out
}

fn vars(out: &Path) -> Value {
    let inventory: Value = serde_json::from_slice(&fs::read(out.join("inventory.json")).unwrap()).unwrap();
    inventory["all"]["vars"].clone()
}

#[test]
fn row_20_a_large_file_goes_from_a_parent_to_its_child_and_to_nobody_else() {
    let Some(bed) = bed() else { return };
    let file = large(&bed);
    let parent = request(&bed, "parent", &["--keep", "buildset"]);
    let given = format!("packages=@{}", arg(&file));
    for _ in 0..2 {
        // The second time all of it is there already.
        bed.run(&["return", "parent", "--artifact", &given]).expect_success();
    }
    bed.run(&["release", "parent", "--wait"]).expect_success();

    let child = request(&bed, "child", &["--inherits", "parent"]);
    let said = &vars(&child)["packages"];
    let got = bed.path("got");
    let answer = bed.json(&["artifact", "get", "child", "packages", arg(&got)]);
    assert_eq!(fs::read(&got).unwrap(), fs::read(&file).unwrap());
    assert_eq!(said["size"], fs::metadata(&file).unwrap().len());
    assert_eq!((&said["sha256"], &said["image"]), (&answer["sha256"], &answer["image"]));

    // It is an artifact that any client understands.
    let open = told(&parent, "parent");
    let (there, who) =
        (format!("docker://{}", said["image"].as_str().unwrap()), format!("{}:{}", open.user, open.password));
    let trust = open.trust.path().to_str().unwrap();
    let (done, raw) = skopeo(&open, &["inspect", "--raw", "--creds", &who, "--cert-dir", trust, &there]);
    assert!(done, "{raw}");
    let manifest: Value = serde_json::from_str(&raw).unwrap();
    let layer = &manifest["layers"][0];
    assert_eq!(layer["digest"], format!("sha256:{}", said["sha256"].as_str().unwrap()));
    assert_eq!(layer["annotations"]["org.opencontainers.image.title"], "packages.tar");

    // Who did not ask to inherit gets nothing, and neither does a bound that is too small.
    let stranger = request(&bed, "stranger", &[]);
    assert!(vars(&stranger).get("packages").is_none());
    let none = bed.path("none");
    let refused = bed.run(&["artifact", "get", "stranger", "packages", arg(&none)]);
    assert_eq!(refused.code(), Some(6), "{refused:#?}");
    let bounded = bed.run(&["artifact", "get", "child", "packages", arg(&none), "--max-bytes", "5"]);
    assert_eq!(bounded.code(), Some(73), "{bounded:#?}");
    assert!(!none.exists());
    // Nothing of the stranger's outlives it, so it has nothing to put a file into.
    let homeless = bed.run(&["return", "stranger", "--artifact", &given]);
    assert_eq!(homeless.code(), Some(64), "{homeless:#?}");

    for build in ["child", "stranger"] {
        bed.run(&["release", build, "--wait"]).expect_success();
    }
    bed.run(&["buildset", "end", "set", "--wait"]).expect_success();
}
