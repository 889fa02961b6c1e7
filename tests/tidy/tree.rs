//! The tracked files of the checkout, read once a rule.

use std::path::{Path, PathBuf};
use std::process::Command;

/// One tracked text file.
pub(crate) struct Source {
    /// Path from the top of the checkout.
    pub(crate) path: String,
    /// Its text.
    pub(crate) text: String,
}

/// The top of the checkout.
pub(crate) fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the crate lies in the checkout").to_owned()
}

/// Every tracked path; files that are new and not ignored count as tracked.
pub(crate) fn paths() -> Vec<String> {
    let listing = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard", "-z"])
        .current_dir(top())
        .output()
        .expect("git lists the tracked files");
    assert!(listing.status.success(), "git ls-files failed: {}", String::from_utf8_lossy(&listing.stderr));
    let text = String::from_utf8(listing.stdout).expect("paths are UTF-8");
    let mut paths: Vec<String> = text.split_terminator('\0').map(str::to_owned).collect();
    paths.retain(|path| top().join(path).exists());
    paths.sort();
    paths.dedup();
    assert!(paths.len() > 20, "a checkout with so few files is not ours");
    paths
}

/// Every tracked text file whose path satisfies `wanted`.
pub(crate) fn sources(wanted: impl Fn(&str) -> bool) -> Vec<Source> {
    paths()
        .into_iter()
        .filter(|path| wanted(path))
        .filter_map(|path| std::fs::read_to_string(top().join(&path)).ok().map(|text| Source { path, text }))
        .collect()
}

/// Whether a path is Rust of the shipped crates.
pub(crate) fn shipped(path: &str) -> bool {
    ["agent/src/", "ci/src/", "extensions-manifest/src/"].iter().any(|crate_| path.starts_with(crate_))
        && path.ends_with(".rs")
}

/// The text up to its in-file test module: what is shipped of it.
pub(crate) fn without_tests(text: &str) -> &str {
    text.find("#[cfg(test)]").and_then(|end| text.get(..end)).unwrap_or(text)
}

/// Fails with every violation, or not at all.
pub(crate) fn assert_none(rule: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{rule}:\n  {}", violations.join("\n  "));
}
