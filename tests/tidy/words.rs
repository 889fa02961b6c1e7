//! Words that do not belong into the project: places of one machine, promises without an issue, tests that are off.

use crate::tree;

/// Text that gives away a machine or a registry of packages. Split so that this file does not match itself.
const PLACES: &[&[&str]] = &[
    &["/", "work", "/"],
    &["/root", "/."],
    &["/home", "/"],
    &["index.", "crates.io"],
    &["static.", "crates.io"],
    &["proxy.", "golang.org"],
    &["registry.", "npmjs.org"],
    &["files.", "pythonhosted.org"],
    &["deb.", "debian.org"],
];

fn places(path: &str, text: &str) -> Vec<String> {
    PLACES
        .iter()
        .map(|parts| parts.concat())
        .filter(|place| text.contains(place.as_str()))
        .map(|place| format!("{path}: `{place}` belongs to one machine or registry"))
        .collect()
}

/// `TODO` and its kin must name an issue: `TODO(#12)`.
fn promises(path: &str, text: &str) -> Vec<String> {
    let words = [["TO", "DO"].concat(), ["FIX", "ME"].concat(), ["X", "XX"].concat()];
    text.lines()
        .enumerate()
        .filter(|(_, line)| {
            words.iter().any(|word| line.contains(word.as_str()) && !line.contains(&format!("{word}(#")))
        })
        .map(|(number, _)| format!("{path}:{}: a promise without an issue", number + 1))
        .collect()
}

fn ignored(path: &str, text: &str) -> Vec<String> {
    let bare = ["#[ign", "ore]"].concat();
    text.lines()
        .enumerate()
        .filter(|(_, line)| line.contains(&bare))
        .map(|(number, _)| format!("{path}:{}: an ignored test must say why: `ignore = \"…\"`", number + 1))
        .collect()
}

fn text_files(path: &str) -> bool {
    path != "Cargo.lock" && !path.starts_with("LICENSE")
}

#[test]
fn no_file_speaks_of_one_machine() {
    let found: Vec<String> =
        tree::sources(text_files).iter().flat_map(|source| places(&source.path, &source.text)).collect();
    tree::assert_none("places of one machine", &found);
}

#[test]
fn every_promise_names_its_issue_and_every_ignored_test_its_reason() {
    let found: Vec<String> = tree::sources(text_files)
        .iter()
        .flat_map(|source| {
            [promises(&source.path, &source.text), ignored(&source.path, &source.text)].concat()
        })
        .collect();
    tree::assert_none("loose ends", &found);
}

#[test]
fn a_machine_path_a_loose_promise_and_an_ignored_test_are_noticed() {
    assert_eq!(places("a", &["see /wo", "rk/x"].concat()).len(), 1);
    assert_eq!(promises("a", &["// TO", "DO later"].concat()).len(), 1);
    assert!(promises("a", &["// TO", "DO(#7) later"].concat()).is_empty());
    assert_eq!(ignored("a", &["#[ign", "ore]"].concat()).len(), 1);
}
