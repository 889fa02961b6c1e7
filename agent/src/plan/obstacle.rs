//! What the resolver found in the way, in words: what is missing, who wants it, what would cure it.

use std::collections::BTreeSet;

use extensions_manifest::{ExtensionName, Obstacle};

use super::PlanInputs;
use super::refusal::Objection;
use crate::error::Reason;

/// Puts one obstacle into words for an admin.
pub(super) fn objection(obstacle: Obstacle, inputs: &PlanInputs<'_>) -> Objection {
    let (reason, message, cure, extensions) = words(obstacle);
    Objection {
        reason,
        message,
        cure: cure.or_else(|| reason.cure().map(str::to_owned)),
        requested_by: inputs.requested_by(&extensions),
        extensions,
    }
}

/// Names for a sentence: `` `a`, `b` ``.
pub(super) fn names(extensions: &BTreeSet<ExtensionName>) -> String {
    list(extensions.iter().map(ExtensionName::as_str))
}

fn list<'a>(items: impl Iterator<Item = &'a str>) -> String {
    let quoted: Vec<String> = items.map(|item| format!("`{item}`")).collect();
    if quoted.is_empty() { "nothing".to_owned() } else { quoted.join(", ") }
}

fn one(extension: ExtensionName) -> BTreeSet<ExtensionName> {
    BTreeSet::from([extension])
}

type Words = (Reason, String, Option<String>, BTreeSet<ExtensionName>);

fn words(obstacle: Obstacle) -> Words {
    match obstacle {
        Obstacle::UnknownExtension { extension, offered } => (
            Reason::UnknownExtension,
            format!("the payload offers no extension `{extension}`; it offers {}", names(&offered)),
            Some(format!("remove `{extension}` from `extensions:`, or use a payload that offers it")),
            one(extension),
        ),
        Obstacle::NotForHosts { extension } => (
            Reason::UnknownExtension,
            format!("`{extension}` of the payload is for development and is not layered on hosts"),
            Some(format!("remove `{extension}` from `extensions:`")),
            one(extension),
        ),
        Obstacle::OtherArchitecture { extension, host, offered } => (
            Reason::WrongArchitecture,
            format!(
                "`{extension}` is offered for {}, this host is `{host}`",
                list(offered.iter().map(String::as_str))
            ),
            None,
            one(extension),
        ),
        Obstacle::PackageMissing { extension, package } => (
            Reason::InconsistentPayload,
            format!(
                "the payload's map names `{package}` for `{extension}`, and the payload does not hold it"
            ),
            None,
            one(extension),
        ),
        Obstacle::Unsatisfied { requirement, package, extensions, near } => {
            let near =
                if near.is_empty() { String::new() } else { format!("; there is {}", near.join(", ")) };
            (
                Reason::UnmetRequirement,
                format!(
                    "nothing in payload or base provides `{requirement}`, which `{package}` requires for {}{near}",
                    names(&extensions)
                ),
                None,
                extensions,
            )
        }
        Obstacle::OtherVersionInBase { package, base, extensions } => (
            Reason::VersionConflict,
            format!(
                "{} needs `{package}`, and the base has `{base}`, which is not replaced",
                names(&extensions)
            ),
            Some("use the payload that was built for the booted release".to_owned()),
            extensions,
        ),
        other @ (Obstacle::Conflict { .. }
        | Obstacle::SeveralVersions { .. }
        | Obstacle::TooComplex { .. }
        | Obstacle::DuplicateNevra { .. }
        | Obstacle::BaseMismatch { .. }) => words_of_the_payload(other),
    }
}

/// Obstacles that lie in the payload itself rather than in what is wanted from it.
fn words_of_the_payload(obstacle: Obstacle) -> Words {
    match obstacle {
        Obstacle::Conflict { package, conflict, other, obsoletes } => {
            let verb = if obsoletes { "obsoletes" } else { "conflicts with" };
            (
                Reason::PackageConflict,
                format!("`{package}` {verb} `{conflict}`, and `{other}` is that"),
                Some(
                    "do not ask for both, or use the payload that was built for the booted release"
                        .to_owned(),
                ),
                BTreeSet::new(),
            )
        }
        Obstacle::SeveralVersions { package, other, extensions } => (
            Reason::PackageConflict,
            format!("{} needs `{other}` beside `{package}`, and only one can be layered", names(&extensions)),
            Some("do not ask for both, or report it to whoever built the payload".to_owned()),
            extensions,
        ),
        Obstacle::TooComplex { steps } => (
            Reason::LimitExceeded,
            format!("resolving takes more than {steps} steps"),
            Some("ask for fewer extensions, or report it to whoever built the payload".to_owned()),
            BTreeSet::new(),
        ),
        Obstacle::DuplicateNevra { package } => (
            Reason::InconsistentPayload,
            format!("two different files of the payload are `{package}`"),
            None,
            BTreeSet::new(),
        ),
        Obstacle::BaseMismatch { extension, base_package, base, payload } => (
            Reason::VersionConflict,
            format!(
                "`{extension}` was built for `{base_package}` {payload}, and the base has {}",
                base.as_deref().unwrap_or("none")
            ),
            Some("use the payload that was built for the booted release".to_owned()),
            one(extension),
        ),
        Obstacle::UnknownExtension { .. }
        | Obstacle::NotForHosts { .. }
        | Obstacle::OtherArchitecture { .. }
        | Obstacle::PackageMissing { .. }
        | Obstacle::Unsatisfied { .. }
        | Obstacle::OtherVersionInBase { .. } => words(obstacle),
    }
}
