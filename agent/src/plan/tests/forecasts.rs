//! What is said of nodes before they are upgraded.

use super::*;
use crate::error::Reason;
use crate::plan::{Forecast, ForecastNode, Next, Objection, Outcome, forecast};

fn node(name: &str, arch: &str, extensions: &[&str]) -> ForecastNode {
    ForecastNode {
        name: name.to_owned(),
        pool: Some("worker".to_owned()),
        arch: arch.to_owned(),
        kernel_type: KernelType::Default,
        extensions: names(extensions),
    }
}

fn missing() -> Objection {
    Objection {
        reason: Reason::WrongArchitecture,
        message: "no payload for it".to_owned(),
        cure: None,
        extensions: BTreeSet::new(),
        requested_by: BTreeSet::new(),
    }
}

fn ask(nodes: &[ForecastNode], payload: &Payload, base: Option<&Base>) -> Forecast {
    forecast(nodes, &BTreeMap::from([("x86_64".to_owned(), Next::Payload { payload, base })]), &missing())
}

/// Each extension of each group with its outcome and the reasons.
fn told(forecast: &Forecast) -> Vec<(String, Outcome, Vec<Reason>)> {
    let extensions = forecast.groups.iter().flat_map(|group| &group.extensions);
    extensions
        .map(|(name, one)| {
            (name.to_string(), one.outcome, one.problems.iter().map(|problem| problem.reason).collect())
        })
        .collect()
}

#[test]
fn without_a_base_what_neither_has_is_the_bases_to_provide() {
    let payload = release();
    let forecast = ask(&[node("a", "x86_64", &["usbguard"])], &payload, None);
    assert_eq!(told(&forecast), [("usbguard".to_owned(), Outcome::Offered, vec![])]);
    assert_eq!(forecast.groups[0].needed_of_base, BTreeSet::from(["glibc".to_owned()]));
    assert_eq!((forecast.nodes, forecast.blocked), (1, 0));
}

#[test]
fn on_a_base_that_is_known_it_is_proved_or_blocked() {
    let (payload, nodes) = (release(), [node("a", "x86_64", &["usbguard"])]);
    let known = ask(&nodes, &payload, Some(&small_base()));
    assert_eq!(told(&known), [("usbguard".to_owned(), Outcome::Resolves, vec![])]);
    assert!(known.groups[0].needed_of_base.is_empty());
    let poor = ask(&nodes, &payload, Some(&base(&["bash-5.1-1.x86_64"])));
    // usbguard and libqb each want glibc.
    let unmet = vec![Reason::UnmetRequirement; 2];
    assert_eq!(told(&poor), [("usbguard".to_owned(), Outcome::Blocked, unmet)]);
}

#[test]
fn one_extension_that_is_gone_does_not_hide_how_the_others_fare() {
    let payload = next_release();
    let nodes = [
        node("a", "x86_64", &["usbguard"]),
        node("b", "x86_64", &["two-node-ha", "usbguard"]),
        node("c", "x86_64", &["two-node-ha", "usbguard"]),
        node("d", "x86_64", &[]),
    ];
    let forecast = ask(&nodes, &payload, None);
    assert_eq!((forecast.nodes, forecast.blocked, forecast.groups.len()), (4, 2, 3));
    let first = &forecast.groups[0];
    assert_eq!(first.nodes.iter().map(|node| node.name.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    assert_eq!(
        told(&forecast)[..2],
        [
            ("two-node-ha".to_owned(), Outcome::Blocked, vec![Reason::UnknownExtension]),
            ("usbguard".to_owned(), Outcome::Offered, vec![]),
        ]
    );
    let problem = &first.extensions[&name("two-node-ha")].problems[0];
    assert!(problem.message.contains("`two-node-ha`") && problem.cure.is_some(), "{problem:?}");
}

#[test]
fn what_the_payload_has_in_a_version_that_does_not_do_is_no_matter_of_the_base() {
    let payload = payload(
        "odd",
        &[(USBGUARD, &["libqb >= 3.0", "glibc"]), (LIBQB, &[])],
        &[("usbguard", &["usbguard"])],
    );
    let forecast = ask(&[node("a", "x86_64", &["usbguard"])], &payload, None);
    assert_eq!(told(&forecast), [("usbguard".to_owned(), Outcome::Blocked, vec![Reason::UnmetRequirement])]);
    assert!(forecast.groups[0].extensions[&name("usbguard")].problems[0].message.contains("libqb >= 3.0"));
}

#[test]
fn files_and_conditions_are_asked_of_the_base_too() {
    let rich = payload(
        "rich",
        &[(USBGUARD, &["/usr/bin/sh", "(selinux if policy)", "(a or b)"])],
        &[("usbguard", &["usbguard"])],
    );
    let forecast = ask(&[node("a", "x86_64", &["usbguard"])], &rich, None);
    assert_eq!(told(&forecast), [("usbguard".to_owned(), Outcome::Offered, vec![])]);
    let needed: Vec<&str> = forecast.groups[0].needed_of_base.iter().map(String::as_str).collect();
    assert_eq!(needed, ["(a or b)", "/usr/bin/sh"]);
}

#[test]
fn an_architecture_without_a_payload_is_blocked_with_its_reason() {
    let payload = release();
    let nodes = [node("a", "x86_64", &["usbguard"]), node("b", "s390x", &["usbguard"])];
    let forecast = ask(&nodes, &payload, None);
    assert_eq!(forecast.blocked, 1);
    assert_eq!(forecast.groups[0].arch, "s390x");
    assert_eq!(
        told(&forecast)[0],
        ("usbguard".to_owned(), Outcome::Blocked, vec![Reason::WrongArchitecture])
    );
}

#[test]
fn a_kernel_that_the_payload_lacks_is_blocked_by_its_own_name() {
    let payload = release();
    let realtime = ForecastNode {
        kernel_type: KernelType::Realtime,
        ..node("a", "x86_64", &["kernel-devel", "usbguard"])
    };
    let forecast = ask(&[realtime], &payload, None);
    assert_eq!(
        told(&forecast),
        [
            ("kernel-devel".to_owned(), Outcome::Blocked, vec![Reason::KernelTypeConflict]),
            ("kernel-type-realtime".to_owned(), Outcome::Blocked, vec![Reason::KernelTypeConflict]),
            ("usbguard".to_owned(), Outcome::Offered, vec![]),
        ]
    );
}

#[test]
fn neither_the_order_of_nodes_nor_their_number_changes_an_answer() {
    let payload = release();
    let many: Vec<ForecastNode> = (0..500)
        .map(|number| {
            let extensions: &[&str] = if number % 2 == 0 { &["usbguard"] } else { &["nonsense"] };
            node(&format!("node-{number:03}"), "x86_64", extensions)
        })
        .collect();
    let mut back = many.clone();
    back.reverse();
    let forecast = ask(&many, &payload, None);
    assert_eq!(forecast, ask(&back, &payload, None));
    assert_eq!((forecast.nodes, forecast.blocked, forecast.groups.len()), (500, 250, 2));
}
