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

#[test]
fn a_stranger_and_an_orphan_are_noticed() {
    let paths = vec!["Makefile".to_owned(), "agent/src/lib.rs".to_owned(), "agent/src/lost.rs".to_owned()];
    assert_eq!(strangers(&paths), ["Makefile"]);
    assert_eq!(orphans(&paths, |_| "pub mod found;".to_owned()), ["agent/src/lost.rs"]);
}
