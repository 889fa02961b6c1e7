//! From a decision to its document.

use std::collections::{BTreeMap, BTreeSet};

use super::change::{Basis, Change};
use super::document::{
    API_VERSION, Decision, InstallLine, KeepLine, PayloadLine, PlanDocument, StartLine, UninstallLine,
};
use super::{Plan, PlanInputs, explain, wanted, warnings};
use crate::host::Deployment;
use crate::payload::Payload;

/// The document of what `plan` decided for `inputs`.
pub fn document(inputs: &PlanInputs<'_>, plan: &Plan) -> PlanDocument {
    let mut document = blank(inputs);
    match plan {
        Plan::Nothing(basis) => rest(&mut document, basis),
        Plan::Change(change) => {
            document.decision = Decision::Change;
            document.reboot_needed = true;
            actions(&mut document, inputs, change);
            rest(&mut document, &change.basis);
        }
        Plan::Refuse(refusal) => {
            document.decision = Decision::Refuse;
            document.refusals = refusal.objections().cloned().collect();
        }
    }
    document
}

fn blank(inputs: &PlanInputs<'_>) -> PlanDocument {
    PlanDocument {
        api_version: API_VERSION.to_owned(),
        kind: "Plan".to_owned(),
        decision: Decision::Nothing,
        generation: inputs.desired.generation(),
        requested_by: wanted(inputs.desired),
        kernel_type: inputs.desired.kernel_type,
        payload: inputs.payload.map(payload),
        start: inputs.observed.pending_or_booted().map(start),
        install: Vec::new(),
        uninstall: Vec::new(),
        keep: Vec::new(),
        override_remove: BTreeSet::new(),
        override_reset: BTreeSet::new(),
        in_base: BTreeMap::new(),
        proof: Vec::new(),
        refusals: Vec::new(),
        warnings: warnings(inputs),
        bytes: 0,
        installed_bytes: 0,
        reboot_needed: false,
    }
}

/// The payload, as documents show it.
pub(super) fn payload(payload: &Payload) -> PayloadLine {
    PayloadLine {
        reference: payload.pinned.to_string(),
        digest: payload.pinned.digest(),
        version: payload.labels.version.clone(),
        map: payload.map.origin,
        packages: payload.packages.len(),
    }
}

fn start(deployment: &Deployment) -> StartLine {
    StartLine {
        deployment: deployment.id.clone(),
        booted: deployment.booted,
        base_checksum: deployment.base_checksum.clone(),
        version: deployment.version.clone(),
    }
}

fn actions(document: &mut PlanDocument, inputs: &PlanInputs<'_>, change: &Change) {
    document.install = change
        .install
        .iter()
        .map(|(nevra, install)| {
            let package = install.package.get();
            let resolution = change.basis.resolution.as_ref();
            let member = resolution.and_then(|found| found.closure.members().get(nevra));
            InstallLine {
                nevra: nevra.clone(),
                file: package.file,
                head: package.head,
                size: package.size,
                installed_size: package.installed_size,
                replaces: install.replaces.clone(),
                because: member.into_iter().flat_map(|member| member.because.clone()).collect(),
                extensions: member.map(|member| member.extensions.clone()).unwrap_or_default(),
                path: resolution.map(|found| explain::path(inputs, found, nevra)).unwrap_or_default(),
            }
        })
        .collect();
    let uninstalls = change.uninstall.iter().map(|gone| UninstallLine {
        nevra: gone.nevra.clone(),
        head: gone.head,
        replaced_by: gone.replaced_by.clone(),
    });
    document.uninstall = uninstalls.collect();
    document.override_remove = change.override_remove.clone();
    document.override_reset = change.override_reset.clone();
    let total =
        |size: fn(&InstallLine) -> u64| document.install.iter().map(size).fold(0, u64::saturating_add);
    (document.bytes, document.installed_bytes) = (total(|line| line.size), total(|line| line.installed_size));
}

fn rest(document: &mut PlanDocument, basis: &Basis) {
    let Some(resolution) = &basis.resolution else { return };
    let members = resolution.closure.members();
    let keep = basis.keep.iter().map(|(nevra, ours)| KeepLine {
        nevra: nevra.clone(),
        ours: *ours,
        extensions: members.get(nevra).map(|member| member.extensions.clone()).unwrap_or_default(),
    });
    document.keep = keep.collect();
    document.in_base = resolution.closure.in_base().clone();
    document.proof = resolution.closure.proof().to_vec();
}
