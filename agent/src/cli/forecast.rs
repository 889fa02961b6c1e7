//! How an upgrade to the next release would go for many nodes, before any of them is touched.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use extensions_manifest::Base;
use serde::{Serialize, Serializer};

use super::context::{Context, read_document};
use super::gather::ObservedDocument;
use super::inputs::InputError;
use super::render::{Answer, Screen, list};
use super::stop::Stop;
use crate::error::Reason;
use crate::payload::{Payload, Reference};
use crate::plan::{self, Forecast, ForecastGroup, ForecastNode, Next, Objection, Outcome};

/// Exit code of `--detailed-exitcode` when a node would be blocked.
const BLOCKED: u8 = 2;
/// Most nodes that are named in one line of text.
const NAMED: usize = 5;

/// What is asked beside the nodes.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// The payload of the next release.
    pub payload: &'a str,
    /// A document of `observe` from a host that runs the next release: what it has proves the answer.
    pub observed: Option<&'a Path>,
    /// Whether the exit code tells of nodes that would be blocked.
    pub detailed: bool,
}

/// A forecast, and how it ends the command.
#[derive(Debug)]
pub struct ForecastAnswer {
    forecast: Forecast,
    detailed: bool,
}

/// Says how an upgrade to the payload would go for these nodes.
///
/// # Errors
/// When the payload or the document cannot be had. A node that would be blocked is an answer.
pub async fn forecast(
    context: &Context,
    nodes: &[ForecastNode],
    question: Question<'_>,
) -> Result<ForecastAnswer, Stop> {
    let reference: Reference = question.payload.parse()?;
    let observed: Option<ObservedDocument> = question.observed.map(read_observed).transpose()?;
    let fetching = context.fetching()?;
    let mut payloads: BTreeMap<String, Result<Payload, Objection>> = BTreeMap::new();
    for arch in nodes.iter().map(|node| &node.arch).collect::<BTreeSet<_>>() {
        let loaded = match context.load(&fetching.loader, &reference, arch).await {
            Ok(payload) => Ok(payload),
            Err(stop) => Err(not_for_this(stop)?),
        };
        payloads.insert(arch.clone(), loaded);
    }
    let base = |arch: &str| {
        let document = observed.as_ref().filter(|document| document.host.observed.arch == arch);
        document.map(|document| &document.host.base)
    };
    let next = payloads.iter().map(|(arch, payload)| (arch.clone(), next(payload, base(arch)))).collect();
    let mut forecast = plan::forecast(nodes, &next, &unasked());
    forecast.warnings = observed.iter().filter_map(|document| skewed(document, &payloads)).collect();
    Ok(ForecastAnswer { forecast, detailed: question.detailed })
}

fn read_observed(path: &Path) -> Result<ObservedDocument, InputError> {
    read_document(path).map_err(|source| InputError::Observed { path: path.to_owned(), source })
}

fn next<'a>(payload: &'a Result<Payload, Objection>, base: Option<&'a Base>) -> Next<'a> {
    match payload {
        Ok(payload) => Next::Payload { payload, base },
        Err(objection) => Next::Nothing(objection.clone()),
    }
}

/// A payload that is not built for an architecture is an answer for its nodes; everything else ends the command.
fn not_for_this(stop: Stop) -> Result<Objection, Stop> {
    let problem = stop.problem();
    if problem.reason != Reason::WrongArchitecture {
        return Err(stop);
    }
    Ok(Objection {
        reason: problem.reason,
        message: problem.message.clone(),
        cure: problem.cure.clone(),
        extensions: BTreeSet::new(),
        requested_by: BTreeSet::new(),
    })
}

fn unasked() -> Objection {
    Objection {
        reason: Reason::Internal,
        message: "the payload was not loaded for this architecture".to_owned(),
        cure: None,
        extensions: BTreeSet::new(),
        requested_by: BTreeSet::new(),
    }
}

/// The host of the document does not run the release that is asked about: then its base proves little.
fn skewed(
    document: &ObservedDocument,
    payloads: &BTreeMap<String, Result<Payload, Objection>>,
) -> Option<Objection> {
    let observed = &document.host.observed;
    let payload = payloads.get(&observed.arch)?.as_ref().ok()?;
    let runs = observed.pending_or_booted()?;
    let base = plan::BaseBuild {
        version: runs.version.as_deref(),
        checksum: Some(&runs.base_checksum),
        image: None,
    };
    let skew = plan::skew(base, &payload.labels)?;
    Some(Objection {
        reason: Reason::ReleaseSkew,
        message: format!(
            "the observed host has the base `{}`, and the payload was built for `{}`: its base proves nothing about \
             that release",
            skew.base, skew.payload
        ),
        cure: Some("write the document with `extensions-agent observe` on a host of that release".to_owned()),
        extensions: BTreeSet::new(),
        requested_by: BTreeSet::new(),
    })
}

impl Serialize for ForecastAnswer {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        self.forecast.serialize(out)
    }
}

impl Answer for ForecastAnswer {
    fn text(&self, screen: Screen) -> String {
        text(&self.forecast, screen)
    }

    fn exit_code(&self) -> u8 {
        if self.detailed && self.forecast.blocked > 0 { BLOCKED } else { 0 }
    }
}

fn text(forecast: &Forecast, screen: Screen) -> String {
    let mut text = String::new();
    for (arch, payload) in &forecast.payloads {
        let version = payload.version.as_deref().unwrap_or("unknown");
        text += &format!("Payload:  {}\n          for {arch}, version {version}\n", payload.reference);
    }
    text += &format!("Nodes:    {}, {} would be blocked\n", forecast.nodes, forecast.blocked);
    for warning in &forecast.warnings {
        text += &format!("\nwarning: {}: {}\n", warning.reason.code(), warning.message);
    }
    let rows: Vec<[String; 5]> = forecast.groups.iter().flat_map(rows).collect();
    if !rows.is_empty() {
        text += "\n";
        text += &screen.table(["OUTCOME", "EXTENSION", "ARCH", "NODES", "WHY"], rows);
    }
    let problems = forecast.groups.iter().flat_map(|group| group.extensions.values());
    let problems: BTreeSet<&Objection> = problems.flat_map(|one| &one.problems).collect();
    for problem in problems {
        text += &format!("\n{}: {}\n", problem.reason.code(), problem.message);
        text += &problem.cure.iter().map(|cure| format!("  cure: {cure}\n")).collect::<String>();
    }
    text
}

/// One row for each extension of a group, those that are blocked first.
fn rows(group: &ForecastGroup) -> Vec<[String; 5]> {
    let mut extensions: Vec<_> = group.extensions.iter().collect();
    extensions.sort_by_key(|(_, one)| one.outcome);
    let row = |(name, one): (&extensions_manifest::ExtensionName, &plan::ExtensionForecast)| {
        let (word, why) = match one.outcome {
            Outcome::Blocked => ("blocked", list(one.problems.iter().map(|problem| problem.reason.code()))),
            Outcome::Offered => {
                ("offered", format!("complete, if the base provides {} things", group.needed_of_base.len()))
            }
            Outcome::Resolves => ("resolves", "proved on the observed base".to_owned()),
        };
        [word.to_owned(), name.to_string(), group.arch.clone(), named(group), why]
    };
    extensions.into_iter().map(row).collect()
}

fn named(group: &ForecastGroup) -> String {
    let names: Vec<&str> = group.nodes.iter().take(NAMED).map(|node| node.name.as_str()).collect();
    match group.nodes.len().saturating_sub(NAMED) {
        0 => list(names),
        more => format!("{} and {more} more", list(names)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desired::KernelType;
    use crate::plan::tests::{next_release, small_base};

    fn answer(nodes: &[(&str, &[&str])], base: Option<&Base>) -> ForecastAnswer {
        let node = |(name, extensions): &(&str, &[&str])| ForecastNode {
            name: (*name).to_owned(),
            pool: Some("worker".to_owned()),
            arch: "x86_64".to_owned(),
            kernel_type: KernelType::Default,
            extensions: extensions.iter().map(|name| name.parse().unwrap()).collect(),
        };
        let nodes: Vec<ForecastNode> = nodes.iter().map(node).collect();
        let payload = Ok(next_release());
        let next = BTreeMap::from([("x86_64".to_owned(), next(&payload, base))]);
        ForecastAnswer { forecast: plan::forecast(&nodes, &next, &unasked()), detailed: true }
    }

    #[test]
    fn what_would_be_blocked_stands_first_with_its_reason_and_its_cure() {
        let answer = answer(&[("a", &["usbguard"]), ("b", &["two-node-ha", "usbguard"])], None);
        let text = answer.text(Screen { width: None });
        assert!(text.contains("Nodes:    2, 1 would be blocked\n"), "{text}");
        let outcomes: Vec<&str> = text
            .lines()
            .filter_map(|line| line.split_whitespace().next())
            .filter(|word| ["blocked", "offered"].contains(word))
            .collect();
        assert_eq!(outcomes, ["blocked", "offered", "offered"], "{text}");
        assert!(text.contains("UnknownExtension: ") && text.contains("\n  cure: "), "{text}");
        assert_eq!(answer.exit_code(), 2);
    }

    #[test]
    fn a_fleet_that_would_go_through_ends_well() {
        let answer = answer(&[("a", &["usbguard"])], Some(&small_base()));
        assert_eq!(answer.exit_code(), 0);
        assert!(answer.text(Screen { width: None }).contains("resolves"));
    }

    #[test]
    fn only_a_few_nodes_are_named() {
        let nodes: Vec<String> = (0..9).map(|number| format!("n{number}")).collect();
        let nodes: Vec<(&str, &[&str])> =
            nodes.iter().map(|name| (name.as_str(), &["usbguard"][..])).collect();
        let text = answer(&nodes, None).text(Screen { width: None });
        assert!(text.contains("n4 and 4 more") && !text.contains("n5"), "{text}");
    }
}
