//! The page `ci/docs/rows.md`: what is promised, which tests hold it, and what is missing. Written from the tests' names.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::size::{self, Size};

/// Number, feature, and what no test shows; empty where the whole acceptance is tried, if need be by `./tests/run full`.
type Row = (u8, &'static str, &'static str);

/// The rows; one without a test is not done, whatever stands here. No test asserts a time: those are printed or measured.
const ROWS: &[Row] = &[
    (1, "Pod label", ""),
    (2, "Process 1 of a pod", ""),
    (3, "Side-car with shared repositories", ""),
    (4, "Usable when handed over", ""),
    (5, "Unique names", ""),
    (6, "Crash-safe creation", ""),
    (7, "Fail fast", ""),
    (8, "Lost pod", ""),
    (9, "Protection from eviction", ""),
    (10, "Quota", ""),
    (11, "Enforcement in the cluster", ""),
    (12, "git push over exec", ""),
    (13, "Speculative state of many repositories", ""),
    (14, "Streaming output", ""),
    (15, "Surviving disconnects", ""),
    (16, "True exit code", ""),
    (17, "Many execs in parallel", ""),
    (18, "Artifacts out", ""),
    (19, "Data to children", ""),
    (20, "Large data to children", ""),
    (21, "Release", ""),
    (22, "Leases and lifetimes", ""),
    (23, "Safe cleaner", ""),
    (24, "Cleaning at scale", ""),
    (25, "Inventory", ""),
    (26, "Credentials", ""),
    (27, "SSH variant", ""),
    (28, "Co-location of nodes", ""),
    (29, "Lifetime of a buildset", ""),
    (30, "Choice of isolation", ""),
    (31, "Secrets kept out of output", ""),
    (32, "Image builds", ""),
    (33, "Namespace label", ""),
    (
        34,
        "Registry of a build",
        "another build's password is unknown to the registry and gets 401, not 403, which only its token gets from the API server; the cluster of the tests enforces no network policies, so that it is closed without `kubelet-pull` is shown of the objects only",
    ),
    (35, "Intermediate registry", ""),
    (36, "OpenShift project (a stand-in makes them)", ""),
    (37, "Shared namespace", ""),
    (38, "Provider affinity", ""),
    (39, "Fallback to another provider", ""),
    (40, "Several nodes, all or nothing", ""),
    (41, "Warm resources", ""),
    (42, "Hold for debugging", ""),
    (43, "Access for authors", ""),
    (44, "Metadata", ""),
    (45, "Configuration check", ""),
    (46, "Observability", ""),
    (47, "API manners", ""),
    (48, "Windows and other shells", ""),
];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn sources(place: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(place).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|end| end == "rs") {
            found.push(path);
        }
    }
}

/// The tests of each row: tier and name.
fn tests(
    sources: impl Iterator<Item = (&'static str, String)>,
) -> BTreeMap<u8, BTreeSet<(&'static str, String)>> {
    let mut rows: BTreeMap<u8, BTreeSet<_>> = BTreeMap::new();
    for (tier, text) in sources {
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        for pair in lines.windows(2) {
            let name = pair[1]
                .trim_start_matches("async ")
                .strip_prefix("fn ")
                .and_then(|rest| rest.split('(').next());
            let number = name.and_then(|name| name.strip_prefix("row_")?.split('_').next()?.parse().ok());
            if let (Some(name), Some(number), "#[test]" | "#[tokio::test]") = (name, number, pair[0]) {
                rows.entry(number).or_default().insert((tier, name.to_owned()));
            }
        }
    }
    rows
}

fn page(tests: &BTreeMap<u8, BTreeSet<(&'static str, String)>>) -> String {
    let mut text = String::from(
        "# Rows\n\nWhat build resources promise, row by row, and which test holds it. Written from the tests' names by\n\
         `BLESS=1 cargo test -p proof --test ci rows`; a test keeps it true. T0 needs no cluster; T2 is a real API server with its\n\
         controllers, without a kubelet; T4 is a whole cluster that runs containers. A test that is named here is part of `./tests/run`, which\n\
         fails when it fails; where that takes less than the row asks for, `./tests/run full` takes all. No test asserts a time.\n\n\
         | # | Feature | State | Tests |\n| --- | --- | --- | --- |\n",
    );
    let none = BTreeSet::new();
    for (number, feature, missing) in ROWS {
        let own = tests.get(number).unwrap_or(&none);
        let mut state = match (own.is_empty(), missing.is_empty()) {
            (true, _) => "**not done**".to_owned(),
            (false, true) => "done".to_owned(),
            (false, false) => format!("in part: {missing}"),
        };
        let sizes: Vec<String> =
            size::ALL.iter().filter(|size| size.row == *number).map(Size::said).collect();
        if !sizes.is_empty() {
            let _ = write!(state, "; `./tests/run` takes {}", sizes.join(", "));
        }
        let names: Vec<String> = own.iter().map(|(tier, name)| format!("{tier} `{name}`")).collect();
        let _ = writeln!(text, "| {number} | {feature} | {state} | {} |", names.join("<br>"));
    }
    text
}

fn found() -> BTreeMap<u8, BTreeSet<(&'static str, String)>> {
    let mut paths = Vec::new();
    sources(&top().join("ci/src"), &mut paths);
    sources(&top().join("tests/ci"), &mut paths);
    tests(paths.into_iter().map(|path| (tier(&path), fs::read_to_string(path).unwrap())))
}

/// Which parts the tests of a file need.
fn tier(path: &Path) -> &'static str {
    if path.starts_with(top().join("ci/src")) || path == top().join("tests/ci/promote.rs") {
        "T0"
    } else if path.starts_with(top().join("tests/ci/kubelet")) {
        "T4"
    } else {
        "T2"
    }
}

#[test]
fn the_page_of_rows_says_what_the_tests_say() {
    let path = top().join("ci/docs/rows.md");
    let text = page(&found());
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, &text).unwrap();
    }
    assert_eq!(text, fs::read_to_string(&path).unwrap_or_default(), "BLESS=1 rewrites ci/docs/rows.md");
}

#[test]
fn every_test_of_a_row_belongs_to_a_row_and_a_row_without_a_test_is_not_done() {
    let numbers: BTreeSet<u8> = ROWS.iter().map(|(number, _, _)| *number).collect();
    assert_eq!(numbers, (1..=48).collect());
    assert!(found().keys().all(|number| numbers.contains(number)));
    assert!(page(&BTreeMap::new()).matches("**not done**").count() == ROWS.len());
    let one = tests([("T0", "#[test]\nfn row_01_x() {\nfn row_02_no_test() {".to_owned())].into_iter());
    assert_eq!(one.keys().copied().collect::<Vec<_>>(), [1]);
}
