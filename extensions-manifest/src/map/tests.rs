//! Maps of every layout, and every way in which one is refused.

use super::{ExtensionMap, Kind, MapOrigin, PackageSpec};
use crate::limits;
use crate::nevra::Nevra;

/// As the composer writes it, with a field that it no longer writes and one that nobody knows.
const INNER: &str = r#"{
  "repos": ["rhel-9-baseos"],
  "extensions": {
    "usbguard": {"packages": ["usbguard"], "kind": "os-extension"},
    "kernel-devel": {"packages": ["kernel-devel-5.14.0-427.el9", "kernel-headers"], "match-base-evr": "kernel",
                     "kind": "os-extension"},
    "kernel-rt": {"packages": ["kernel-rt-core"], "architectures": ["x86_64"], "repos": null, "modules": {}},
    "kernel": {"packages": ["kernel"], "kind": "development", "architectures": null, "new-field": [1, true, 1.5]}
  }
}"#;

fn decode(text: &str) -> Result<ExtensionMap, String> {
    ExtensionMap::from_inner_json(text.as_bytes()).map_err(|error| error.to_string())
}

fn listed(map: &ExtensionMap) -> Vec<String> {
    let line =
        |packages: &[PackageSpec]| packages.iter().map(PackageSpec::as_str).collect::<Vec<_>>().join(" ");
    map.extensions.iter().map(|(name, extension)| format!("{name}: {}", line(&extension.packages))).collect()
}

#[test]
fn the_map_of_the_composer_is_read() {
    let map = decode(INNER).unwrap();
    assert_eq!(map.origin, MapOrigin::Payload);
    assert_eq!(
        listed(&map),
        [
            "kernel: kernel",
            "kernel-devel: kernel-devel-5.14.0-427.el9 kernel-headers",
            "kernel-rt: kernel-rt-core",
            "usbguard: usbguard",
        ]
    );
    let of = |name: &str| &map.extensions[&name.parse().unwrap()];
    assert_eq!(of("kernel").kind, Kind::Development);
    assert_eq!(of("kernel-rt").kind, Kind::OsExtension);
    assert!(!of("kernel-rt").is_for("aarch64") && of("usbguard").is_for("aarch64"));
    assert_eq!(of("kernel-devel").match_base_evr.as_ref().unwrap().as_str(), "kernel");
    let offered: Vec<String> = map.offered("aarch64").iter().map(ToString::to_string).collect();
    assert_eq!(offered, ["kernel-devel", "usbguard"]);
    let json = serde_json::to_string(&map).unwrap();
    assert_eq!(serde_json::from_str::<ExtensionMap>(&json).unwrap(), map);
}

#[test]
fn a_map_that_is_wrong_is_refused_at_the_place() {
    let body = |body: &str| format!(r#"{{"extensions": {{"usbguard": {body}}}}}"#);
    let cases = [
        ("", "document: not JSON"),
        ("{\"extensions\": {}", "document: not JSON"),
        ("{\"extensions\": {}} x", "document: not JSON"),
        ("[]", "document: an object is expected here, not a list"),
        ("{}", "document: there is no `extensions`"),
        ("{\"extensions\": null}", "extensions: an object is expected here, not null"),
        ("{\"extensions\": {}, \"extensions\": {}}", "extensions: this key is there twice"),
        (
            "{\"extensions\": {\"a\": {\"packages\": [\"a\"]}, \"a\": {}}}",
            "extensions.a: this key is there twice",
        ),
        (
            "{\"extensions\": {\"A b\": {\"packages\": [\"a\"]}}}",
            "extensions.A b: `A b` is not an extension name",
        ),
        (&body("7"), "extensions.usbguard: an object is expected here, not a number"),
        (&body("{}"), "extensions.usbguard: it names no package"),
        (&body("{\"packages\": []}"), "extensions.usbguard: it names no package"),
        (
            &body("{\"packages\": \"a\"}"),
            "extensions.usbguard.packages: a list is expected here, not a string",
        ),
        (&body("{\"packages\": [\"a\", 1]}"), "extensions.usbguard.packages[1]: a string is expected here"),
        (&body("{\"packages\": [\"--now\"]}"), "extensions.usbguard.packages[0]: `--now` is not a package"),
        (&body("{\"packages\": [\"@core\"]}"), "extensions.usbguard.packages[0]: `@core` is not a package"),
        (
            &body("{\"packages\": [\"a\"], \"packages\": []}"),
            "extensions.usbguard.packages: this key is there twice",
        ),
        (
            &body("{\"packages\": [\"a\"], \"kind\": \"new\"}"),
            "extensions.usbguard.kind: `new` is not a kind",
        ),
        (
            &body("{\"packages\": [\"a\"], \"architectures\": [\"x/y\"]}"),
            "extensions.usbguard.architectures[0]: `x/y`",
        ),
        (
            &body("{\"packages\": [\"a\"], \"match-base-evr\": \"\"}"),
            "extensions.usbguard.match-base-evr: `` is not",
        ),
    ];
    for (text, start) in cases {
        let said = decode(text).unwrap_err();
        assert!(said.starts_with(start), "{text}\n said {said:?}\n not  {start:?}");
    }
}

#[test]
fn the_list_of_versions_of_the_same_file_name_is_not_a_map() {
    for list in
        [r#"{"usbguard": "1.0.0-15.el9.x86_64"}"#, r#"{"extensions": "1-1.noarch", "a": "2-1.noarch"}"#]
    {
        let said = decode(list).unwrap_err();
        assert!(
            said.contains("list of package versions") && said.contains("inside that directory"),
            "{said}"
        );
    }
}

#[test]
fn more_than_a_bound_allows_is_refused() {
    let many =
        |count: usize, item: &dyn Fn(usize) -> String| (0..count).map(item).collect::<Vec<_>>().join(",");
    let extensions =
        many(limits::OFFERED_EXTENSIONS + 1, &|n| format!("\"e{n}\": {{\"packages\": [\"a\"]}}"));
    let packages = many(limits::PACKAGES_PER_EXTENSION + 1, &|n| format!("\"p{n}\""));
    for text in [
        " ".repeat(limits::MAP_BYTES + 1),
        format!("{{\"x\": [{}[]]}}", "[0],".repeat(limits::MAP_VALUES / 2)),
        format!("{{\"extensions\": {{{extensions}}}}}"),
        format!("{{\"extensions\": {{\"a\": {{\"packages\": [{packages}]}}}}}}"),
    ] {
        let said = decode(&text).unwrap_err();
        assert!(said.contains("is over the limit of"), "{said}");
    }
    let said = decode(&"[".repeat(10_000)).unwrap_err();
    assert!(said.contains("recursion limit"), "{said}");
}

#[test]
fn hostile_text_is_shown_escaped() {
    let said = decode("{\"extensions\": {\"\\u001b[31m\": {}}}").unwrap_err();
    assert!(!said.contains('\u{1b}'), "{said}");
}

#[test]
fn directories_are_a_map() {
    let map = ExtensionMap::from_directories([
        "./usbguard/usbguard-0.7.8-7.el8.x86_64.rpm",
        "kernel-devel/kernel-devel-4.18.0-240.el8.x86_64.rpm",
        "kernel-devel/kernel-headers-4.18.0-240.el8.x86_64.rpm",
        "kernel-devel/README",
        "dependencies/libqb-1.0.3-12.el8.x86_64.rpm",
        "repodata/odd-1-1.noarch.rpm",
        "repodata/repomd.xml",
        "flat-1-1.noarch.rpm",
        "a/b/deep-1-1.noarch.rpm",
        "docs/README",
    ])
    .unwrap();
    assert_eq!(map.origin, MapOrigin::Directories);
    assert_eq!(
        listed(&map),
        [
            "kernel-devel: kernel-devel-4.18.0-240.el8 kernel-headers-4.18.0-240.el8",
            "usbguard: usbguard-0.7.8-7.el8",
        ]
    );
}

#[test]
fn directories_that_make_no_map_are_refused_with_the_path() {
    for (paths, start) in [
        (&[][..], "extensions: no directory holds a package"),
        (&["a-1-1.noarch.rpm", "dependencies/b-1-1.noarch.rpm"], "extensions: no directory holds a package"),
        (&["Upper/a-1-1.noarch.rpm"], "Upper/a-1-1.noarch.rpm: `Upper` is not an extension name"),
        (&["../a-1-1.noarch.rpm"], "../a-1-1.noarch.rpm: `..` is not an extension name"),
        (&["a/x y.noarch.rpm"], "a/x y.noarch.rpm: `x y` is not a package name"),
        (&["a/junk.rpm"], "a/junk.rpm: the file name has no architecture"),
    ] {
        let said = ExtensionMap::from_directories(paths.iter().copied()).unwrap_err().to_string();
        assert!(said.starts_with(start), "{said:?} not {start:?}");
    }
    let many: Vec<String> =
        (0..=limits::PAYLOAD_PACKAGES).map(|n| format!("e{}/p{n}-1-1.noarch.rpm", n % 100)).collect();
    let said = ExtensionMap::from_directories(many.iter().map(String::as_str)).unwrap_err().to_string();
    assert!(said.contains("over the limit"), "{said}");
}

#[test]
fn a_spec_means_a_name_or_else_a_name_with_a_version() {
    let nevras: Vec<Nevra> = [
        "kernel-devel-5.14.0-427.el9.x86_64",
        "kernel-devel-5.14.0-500.el9.x86_64",
        "kernel-5.14.0-427.el9.x86_64",
        "bind-32:9.16-1.x86_64",
        "bind-9-1-1-1.noarch",
    ]
    .map(|text| text.parse().unwrap())
    .to_vec();
    let cases: [(&str, &[usize]); 10] = [
        ("kernel-devel", &[0, 1]),
        ("kernel-devel-5.14.0-427.el9", &[0]),
        ("kernel-devel-0:5.14.0-427.el9", &[0]),
        ("kernel-devel-1:5.14.0-427.el9", &[]),
        ("kernel-devel-5.14.0", &[]),
        ("kernel-dev", &[]),
        ("bind-9.16-1", &[3]),
        ("bind-32:9.16-1", &[3]),
        ("bind-9:9.16-1", &[]),
        ("bind-9-1", &[4]),
    ];
    for (spec, places) in cases {
        let spec: PackageSpec = spec.parse().unwrap();
        let meant: Vec<&Nevra> = places.iter().map(|place| &nevras[*place]).collect();
        assert_eq!(spec.select(nevras.iter(), |nevra| nevra), meant, "{spec}");
    }
}
