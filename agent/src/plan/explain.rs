//! Why a package is here: from the MachineConfig that asked, over the extension, down to the package.

use std::collections::BTreeSet;

use extensions_manifest::{ExtensionName, Nevra};

use super::{Plan, PlanInputs, Resolution};

/// The path to `nevra`, one line a step; none when the plan has no such package.
pub fn explain(inputs: &PlanInputs<'_>, plan: &Plan, nevra: &Nevra) -> Option<Vec<String>> {
    let resolution = match plan {
        Plan::Nothing(basis) => basis.resolution.as_ref(),
        Plan::Change(change) => change.basis.resolution.as_ref(),
        Plan::Refuse(_) => None,
    };
    let resolution = resolution?;
    resolution.packages.contains_key(nevra).then(|| path(inputs, resolution, nevra))
}

/// The path to a package of the closure.
pub(super) fn path(inputs: &PlanInputs<'_>, resolution: &Resolution, nevra: &Nevra) -> Vec<String> {
    let member = resolution.closure.members().get(nevra);
    let extensions = member.into_iter().flat_map(|member| &member.extensions);
    let mut lines: Vec<String> = extensions.flat_map(|extension| asked(inputs, extension)).collect();
    lines.extend(resolution.closure.explain(nevra));
    lines
}

fn asked(inputs: &PlanInputs<'_>, extension: &ExtensionName) -> Vec<String> {
    let asked = inputs.requested_by(&BTreeSet::from([extension.clone()]));
    asked.iter().map(|config| format!("MachineConfig `{config}` asks for `{extension}`")).collect()
}
