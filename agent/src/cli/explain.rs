//! `explain`: why a package is, or would be, on this node.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use extensions_manifest::{ExtensionName, Nevra};
use schemars::JsonSchema;
use serde::Serialize;

use super::context::Context;
use super::gather::Gathered;
use super::inputs::InputError;
use super::render::{Answer, Screen};
use super::stop::Stop;
use crate::apply::Problem;
use crate::plan::{API_VERSION, Basis, Plan, PlanInputs, Refusal};

/// Why packages are here.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Explanation {
    /// Always `extensions.agent/v1`.
    pub api_version: &'static str,
    /// Always `Explanation`.
    pub kind: &'static str,
    /// From a MachineConfig down to each package, one line a step.
    pub packages: BTreeMap<Nevra, Vec<String>>,
    /// What extensions name but the base has already.
    pub in_base: BTreeMap<ExtensionName, BTreeSet<Nevra>>,
    /// Why there is no plan, if there is none.
    #[serde(skip)]
    refusal: Option<Refusal>,
}

/// Why what is called `name` is here; everything when there is no name.
///
/// # Errors
/// When wish, payload or host cannot be had, or nothing of that name is planned.
pub(super) async fn explain(
    context: &Context,
    name: Option<&str>,
    observed: Option<&Path>,
) -> Result<Explanation, Stop> {
    let gathered = Gathered::new(context, observed).await?;
    let inputs = gathered.inputs();
    let explanation = of(&inputs, &crate::plan::plan(&inputs), name);
    match name {
        Some(name) if explanation.is_empty() => {
            Err(InputError::NotPlanned { name: name.escape_default().to_string() }.into())
        }
        Some(_) | None => Ok(explanation),
    }
}

fn of(inputs: &PlanInputs<'_>, plan: &Plan, name: Option<&str>) -> Explanation {
    let (basis, refusal) = match plan {
        Plan::Nothing(basis) => (Some(basis.as_ref()), None),
        Plan::Change(change) => (Some(&change.basis), None),
        Plan::Refuse(refusal) => (None, Some(refusal.clone())),
    };
    let mut explanation = Explanation {
        api_version: API_VERSION,
        kind: "Explanation",
        packages: BTreeMap::new(),
        in_base: BTreeMap::new(),
        refusal,
    };
    if let Some(basis) = basis {
        fill(&mut explanation, basis, name, |nevra| crate::plan::explain(inputs, plan, nevra));
    }
    explanation
}

fn fill(
    explanation: &mut Explanation,
    basis: &Basis,
    name: Option<&str>,
    path: impl Fn(&Nevra) -> Option<Vec<String>>,
) {
    let Some(resolution) = &basis.resolution else { return };
    let is_meant = |nevra: &Nevra, extensions: &BTreeSet<ExtensionName>| {
        name.is_none_or(|name| {
            name == nevra.name().as_str()
                || name == nevra.to_string()
                || extensions.iter().any(|extension| extension.as_str() == name)
        })
    };
    for (nevra, member) in resolution.closure().members() {
        if is_meant(nevra, &member.extensions) {
            explanation.packages.insert(nevra.clone(), path(nevra).unwrap_or_default());
        }
    }
    for (extension, packages) in resolution.closure().in_base() {
        let of_extension = BTreeSet::from([extension.clone()]);
        let meant: BTreeSet<Nevra> =
            packages.iter().filter(|nevra| is_meant(nevra, &of_extension)).cloned().collect();
        if !meant.is_empty() {
            explanation.in_base.insert(extension.clone(), meant);
        }
    }
}

impl Explanation {
    fn is_empty(&self) -> bool {
        self.packages.is_empty() && self.in_base.is_empty() && self.refusal.is_none()
    }
}

impl Answer for Explanation {
    fn text(&self, _screen: Screen) -> String {
        let mut text = String::new();
        for (nevra, path) in &self.packages {
            text += &format!("{nevra}\n");
            for step in path {
                text += &format!("  {step}\n");
            }
        }
        for (extension, packages) in &self.in_base {
            for nevra in packages {
                text += &format!("{nevra}\n  `{extension}` names it, and the base has it already\n");
            }
        }
        if text.is_empty() && self.refusal.is_none() {
            text += "No extension is wanted, so no package is needed.\n";
        }
        text
    }

    fn problem(&self) -> Option<Problem> {
        self.refusal.as_ref().map(Problem::of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Ledger;
    use crate::plan::tests::{booted, release, small_base, wish};

    fn explained(extensions: &[&str], name: Option<&str>) -> Explanation {
        let (desired, payload, observed, base) = (wish(extensions), release(), booted(&[]), small_base());
        let ledger = Ledger::default();
        let inputs = PlanInputs {
            desired: &desired,
            payload: Some(&payload),
            observed: &observed,
            base: &base,
            ledger: &ledger,
            skew: crate::plan::SkewInputs::default(),
        };
        of(&inputs, &crate::plan::plan(&inputs), name)
    }

    fn packages(explanation: &Explanation) -> Vec<&str> {
        explanation.packages.keys().map(|nevra| nevra.name().as_str()).collect()
    }

    #[test]
    fn a_dependency_is_traced_to_the_machine_config_that_asked() {
        let explanation = explained(&["usbguard"], Some("libqb"));
        assert_eq!(packages(&explanation), ["libqb"]);
        let text = explanation.text(Screen { width: None });
        assert!(text.contains("asks for `usbguard`") && text.contains("requires"), "{text}");
    }

    #[test]
    fn an_extension_means_all_of_its_packages_and_no_name_means_everything() {
        let of_one = packages(&explained(&["usbguard"], Some("usbguard"))).len();
        assert!(of_one > 1);
        assert_eq!(packages(&explained(&["usbguard"], None)).len(), of_one);
    }

    #[test]
    fn a_name_that_is_not_planned_explains_nothing_and_a_refusal_is_its_own_answer() {
        assert!(explained(&["usbguard"], Some("bash")).is_empty());
        let refused = explained(&["nonsense"], Some("libqb"));
        assert!(!refused.is_empty() && refused.problem().is_some());
    }
}
