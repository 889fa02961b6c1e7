//! The page `docs/configuration.md` tells of every key that a configuration may have, and of no other.

use std::collections::BTreeSet;

use serde::de::DeserializeOwned;

use super::*;

const PAGE: &str = include_str!("../../docs/configuration.md");

/// The keys of a type, which it names when it is given another.
fn keys<T: DeserializeOwned>() -> BTreeSet<String> {
    let refused = serde_json::from_str::<T>(r#"{"?": 0}"#).err().map(|error| error.to_string());
    let text = refused.expect("no type takes any key");
    let (_, known) = text.split_once("expected").unwrap_or_else(|| panic!("{text}"));
    known.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The keys of the table below a heading.
fn told(heading: &str) -> BTreeSet<String> {
    let after = PAGE.split_once(&format!("# {heading}\n")).unwrap_or_else(|| panic!("no `{heading}`")).1;
    let section = after.split("\n#").next().unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        assert_eq!(row.matches(" |").count(), 4, "four columns: {row}");
        row.split('`').next().unwrap().to_owned()
    })
    .collect()
}

#[test]
fn the_page_tells_of_every_key_and_of_no_other() {
    for (heading, keys) in [
        ("Top level", keys::<Config>()),
        ("`hub`", keys::<Hub>()),
        ("`leases`", keys::<Leases>()),
        ("`buildset`", keys::<Buildsets>()),
        ("`labels[]`", keys::<Asked>()),
        ("`nodesets[]`", keys::<Nodeset>()),
        ("`providers[]`", keys::<Provider>()),
        ("`providers[].pools[]`", keys::<Pool>()),
        ("`providers[].pools[].labels[]`", keys::<Label>()),
        ("`workspace`", keys::<Workspace>()),
        ("`quota`", keys::<NamespaceQuota>()),
    ] {
        let told = told(heading);
        let untold: Vec<_> = keys.difference(&told).collect();
        let unknown: Vec<_> = told.difference(&keys).collect();
        assert!(
            untold.is_empty() && unknown.is_empty(),
            "{heading} of docs/configuration.md: add rows for {untold:?}, take out {unknown:?}"
        );
    }
}

#[test]
fn the_page_names_every_placeholder() {
    for placeholder in PLACEHOLDERS {
        assert!(PAGE.contains(&format!("`{{{placeholder}}}`")), "{placeholder}");
    }
}
