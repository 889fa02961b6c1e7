//! The visible top level is fixed, and every room is entered through a door.

use std::collections::BTreeSet;

use crate::tree;

const TOP: &[&str] =
    &["Cargo.lock", "Cargo.toml", "README.md", "agent", "ci", "extensions-manifest", "systemd", "tests"];
const LEGAL: &[&str] = &["CHANGELOG.md", "LICENSE-APACHE", "LICENSE-MIT"];

fn strangers(paths: &[String]) -> Vec<String> {
    let tops: BTreeSet<&str> = paths.iter().filter_map(|path| path.split('/').next()).collect();
    let known = |top: &&str| top.starts_with('.') || TOP.contains(top) || LEGAL.contains(top);
    tops.into_iter().filter(|top| !known(top)).map(str::to_owned).collect()
}

/// Rust files that no `mod` line names.
fn orphans(paths: &[String], text_of: impl Fn(&str) -> String) -> Vec<String> {
    let rust: Vec<&String> = paths.iter().filter(|path| tree::shipped(path)).collect();
    let named: BTreeSet<String> = rust
        .iter()
        .flat_map(|path| {
            let text = text_of(path);
            let names: Vec<String> = text
                .lines()
                .filter_map(|line| line.trim().split_once("mod ")?.1.strip_suffix(';').map(str::to_owned))
                .collect();
            names
        })
        .collect();
    let module = |path: &str| {
        let stem = path.trim_end_matches("/mod.rs").trim_end_matches(".rs");
        stem.rsplit('/').next().unwrap_or(stem).to_owned()
    };
    rust.into_iter()
        .filter(|path| !path.ends_with("/lib.rs") && !path.ends_with("/main.rs"))
        .filter(|path| !named.contains(&module(path)))
        .cloned()
        .collect()
}

#[test]
fn the_visible_top_level_is_the_fixed_one() {
    tree::assert_none("not part of the layout", &strangers(&tree::paths()));
}

#[test]
fn every_rust_file_is_part_of_its_crate() {
    let read = |path: &str| std::fs::read_to_string(tree::top().join(path)).unwrap_or_default();
    tree::assert_none("no `mod` line names these", &orphans(&tree::paths(), read));
}

/// Decision records that are too long, name no existing place of the code, or are not linked from the README.
fn unsettled(path: &str, text: &str, readme: &str, exists: impl Fn(&str) -> bool) -> Vec<String> {
    const LINES: usize = 60;
    let head = text.lines().nth(2).unwrap_or_default();
    let mut found = Vec::new();
    if text.lines().count() > LINES {
        found.push(format!("{path}: over {LINES} lines"));
    }
    let places: Vec<&str> = head.split('`').skip(1).step_by(2).collect();
    if places.is_empty() || !places.iter().all(|place| exists(place)) {
        found.push(format!("{path}: its third line names no place of the code that is there"));
    }
    if !readme.contains(&format!("({path})")) {
        found.push(format!("{path}: not linked from the README"));
    }
    found
}

#[test]
fn every_decision_is_short_linked_and_says_where_it_lives() {
    let records = tree::sources(|path| path.starts_with("agent/docs/decisions/"));
    assert!(records.len() >= 10, "the records are there");
    let readme = std::fs::read_to_string(tree::top().join("README.md")).unwrap();
    let exists = |place: &str| tree::top().join(place).exists();
    let found: Vec<String> =
        records.iter().flat_map(|record| unsettled(&record.path, &record.text, &readme, exists)).collect();
    tree::assert_none("decision records", &found);
    let lost = unsettled("x.md", "# X\n\n2026 `gone.rs`\n", "(y.md)", |_| false);
    assert_eq!(lost.len(), 2, "{lost:?}");
}

#[test]
fn a_stranger_and_an_orphan_are_noticed() {
    let paths = vec!["Makefile".to_owned(), "agent/src/lib.rs".to_owned(), "agent/src/lost.rs".to_owned()];
    assert_eq!(strangers(&paths), ["Makefile"]);
    assert_eq!(orphans(&paths, |_| "pub mod found;".to_owned()), ["agent/src/lost.rs"]);
}

/// What is only part of a program, not of a library: `cargo test` builds it once and runs no test in it.
const PROGRAMS: &[&str] = &[
    "agent/src/main.rs",
    "ci/src/main.rs",
    "tests/benches/",
    "tests/support/rpmostreed/main.rs",
    "tests/support/story/",
];

fn never_run(path: &str, text: &str) -> Option<String> {
    let test = text.lines().any(|line| line.trim().starts_with("#[") && line.contains("test]"));
    (test && PROGRAMS.iter().any(|place| path.starts_with(place))).then(|| {
        format!("{path}: a program is built without its tests (`test = false`); move the code to the library")
    })
}

#[test]
fn no_test_stands_where_none_is_run() {
    let found: Vec<String> = tree::sources(|path| path.ends_with(".rs"))
        .iter()
        .filter_map(|source| never_run(&source.path, &source.text))
        .collect();
    tree::assert_none("tests that nobody runs", &found);
    assert!(never_run("ci/src/main.rs", "    #[tokio::test]\n").is_some());
    assert!(never_run("ci/src/lib.rs", "#[test]\n").is_none());
}
