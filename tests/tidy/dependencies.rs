//! The dependency policy: the resolved graph held against `.deny.toml`, without a network.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{Metadata, MetadataCommand, Package};
use serde::Deserialize;

use crate::tree;

#[derive(Deserialize)]
struct Policy {
    graph: Graph,
    licenses: Licenses,
    bans: Bans,
}

#[derive(Deserialize)]
struct Graph {
    targets: Vec<String>,
}

#[derive(Deserialize)]
struct Licenses {
    allow: Vec<String>,
}

#[derive(Deserialize)]
struct Bans {
    skip: Vec<Skip>,
    deny: Vec<Denied>,
}

#[derive(Deserialize)]
struct Skip {
    #[serde(rename = "crate")]
    spec: String,
    reason: String,
}

#[derive(Deserialize)]
struct Denied {
    #[serde(rename = "crate")]
    name: String,
    reason: String,
}

fn policy() -> Policy {
    let text = std::fs::read_to_string(tree::top().join(".deny.toml")).expect("the policy file is there");
    toml::from_str(&text).expect("the policy file is TOML of the known shape")
}

fn graph(target: &str) -> Metadata {
    MetadataCommand::new()
        .manifest_path(tree::top().join("Cargo.toml"))
        .other_options(["--locked".to_owned(), "--filter-platform".to_owned(), target.to_owned()])
        .exec()
        .expect("cargo metadata reads the locked graph")
}

/// The packages that are built for one target, our own left out.
fn foreign(metadata: &Metadata) -> Vec<&Package> {
    let built: BTreeSet<_> =
        metadata.resolve.as_ref().expect("a resolved graph").nodes.iter().map(|node| &node.id).collect();
    metadata
        .packages
        .iter()
        .filter(|package| built.contains(&package.id) && package.source.is_some())
        .collect()
}

fn unlicensed(name: &str, license: Option<&str>, allow: &[String]) -> Option<String> {
    let Some(text) = license else { return Some(format!("{name}: names no licence")) };
    // Old manifests write `MIT/Apache-2.0` where the standard has `OR`.
    let expression = match spdx::Expression::parse_mode(text, spdx::ParseMode::LAX) {
        Ok(expression) => expression,
        Err(error) => return Some(format!("{name}: `{text}` is not a licence expression: {error}")),
    };
    let allowed = |requirement: &spdx::LicenseReq| allow.contains(&requirement.to_string());
    (!expression.evaluate(allowed)).then(|| format!("{name}: `{text}` is not allowed"))
}

fn duplicates<'a>(packages: impl Iterator<Item = (&'a str, String)>, skip: &[Skip]) -> Vec<String> {
    let mut versions: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, version) in packages {
        versions.entry(name).or_default().insert(version);
    }
    versions
        .into_iter()
        .filter_map(|(name, mut found)| {
            found.retain(|version| !skip.iter().any(|line| line.spec == format!("{name}@{version}")));
            (found.len() > 1).then(|| format!("{name}: {}", found.into_iter().collect::<Vec<_>>().join(", ")))
        })
        .collect()
}

#[test]
fn the_dependency_graph_follows_the_policy() {
    let policy = policy();
    for target in &policy.graph.targets {
        let metadata = graph(target);
        let packages = foreign(&metadata);
        assert!(packages.len() > 50, "the graph for {target} cannot be this small");
        let mut found: Vec<String> = packages
            .iter()
            .filter_map(|package| {
                unlicensed(&package.name, package.license.as_deref(), &policy.licenses.allow)
            })
            .collect();
        for package in &packages {
            let source = package.source.as_ref().expect("foreign packages have a source").to_string();
            if !source.starts_with("registry+") || !source.ends_with("/crates.io-index") {
                found.push(format!("{}: comes from `{source}`", package.name));
            }
            if let Some(denied) = policy.bans.deny.iter().find(|denied| *package.name == denied.name) {
                found.push(format!("{}: {}", package.name, denied.reason));
            }
        }
        let versions = packages.iter().map(|package| (package.name.as_str(), package.version.to_string()));
        found.extend(duplicates(versions, &policy.bans.skip));
        tree::assert_none(&format!("the policy for {target}"), &found);
    }
}

#[test]
fn every_exception_has_a_reason_and_is_still_needed() {
    let policy = policy();
    let locked = std::fs::read_to_string(tree::top().join("Cargo.lock")).expect("the lock file is there");
    let stale = |skip: &&Skip| {
        let (name, version) = skip.spec.split_once('@').expect("an exception is written `name@version`");
        skip.reason.len() < 10 || !locked.contains(&format!("name = \"{name}\"\nversion = \"{version}\""))
    };
    let found: Vec<String> = policy.bans.skip.iter().filter(stale).map(|skip| skip.spec.clone()).collect();
    tree::assert_none("exceptions without reason or need", &found);
}

#[test]
fn every_line_of_the_version_table_says_what_it_saves() {
    let text =
        std::fs::read_to_string(tree::top().join("Cargo.toml")).expect("the workspace manifest is there");
    let table = text.split("[workspace.dependencies]").nth(1).expect("there is a version table");
    let table = table.split("\n[").next().unwrap_or(table);
    let lines: Vec<&str> = table.lines().collect();
    let bare: Vec<String> = lines
        .windows(2)
        .filter_map(|pair| match pair {
            [before, line] => {
                (line.contains(" = ") && !line.contains("path = ") && !before.starts_with("# "))
                    .then(|| (*line).to_owned())
            }
            _ => None,
        })
        .collect();
    tree::assert_none("dependencies without a why", &bare);
}

#[test]
fn a_bad_licence_and_a_second_version_are_noticed() {
    let allow = ["MIT".to_owned()];
    assert!(unlicensed("a", Some("GPL-3.0-only"), &allow).is_some());
    assert!(unlicensed("a", None, &allow).is_some());
    assert!(unlicensed("a", Some("MIT/Apache-2.0"), &allow).is_none());
    let twice = [("a", "1.0.0".to_owned()), ("a", "2.0.0".to_owned())];
    assert_eq!(duplicates(twice.clone().into_iter(), &[]), ["a: 1.0.0, 2.0.0"]);
    let skip = [Skip { spec: "a@1.0.0".to_owned(), reason: "upstream".to_owned() }];
    assert!(duplicates(twice.into_iter(), &skip).is_empty());
}
