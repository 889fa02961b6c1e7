//! Small rooms: bounds on files, a header on every module.

use crate::tree;

const LINES: usize = 400;

fn too_long(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (lines > LINES).then(|| format!("{path}: {lines} lines, the bound is {LINES}: split it by idea"))
}

fn no_header(path: &str, text: &str) -> Option<String> {
    let first = text.lines().find(|line| !line.starts_with("#!"))?;
    (!first.starts_with("//!")).then(|| format!("{path}: the first line must be a `//!` header"))
}

#[test]
fn no_source_file_is_longer_than_the_bound() {
    let code =
        |path: &str| [".rs", ".sh", ".py", ".go"].iter().any(|end| path.ends_with(end)) || is_script(path);
    let found: Vec<String> =
        tree::sources(code).iter().filter_map(|source| too_long(&source.path, &source.text)).collect();
    tree::assert_none("files over the bound", &found);
}

#[test]
fn every_rust_file_says_what_it_is_for() {
    let found: Vec<String> = tree::sources(|path| path.ends_with(".rs"))
        .iter()
        .filter_map(|source| no_header(&source.path, &source.text))
        .collect();
    tree::assert_none("modules without a header", &found);
}

fn is_script(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    !name.contains('.') && (path.starts_with("tests/") || path.starts_with(".ci/"))
}

#[test]
fn a_long_file_and_a_missing_header_are_noticed() {
    assert!(too_long("a.rs", &"x\n".repeat(LINES + 1)).is_some());
    assert!(too_long("a.rs", &"x\n".repeat(LINES)).is_none());
    assert!(no_header("a.rs", "use std::fs;\n").is_some());
    assert!(no_header("a.rs", "//! Why.\n").is_none());
}
