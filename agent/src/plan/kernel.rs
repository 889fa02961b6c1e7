//! Another kernel than the base's: which base packages make way and which payload packages take their place.
//!
//! The wanted kernel is resolved like an extension, so that it is proved complete with everything else and travels in
//! the same call.

use std::collections::BTreeSet;

use extensions_manifest::ExtensionName;
use extensions_manifest::map::{Extension, PackageSpec};

use super::PlanInputs;
use super::refusal::Objection;
use crate::desired::KernelType;
use crate::error::Reason;
use crate::payload::Payload;

/// The base packages that make way, as far as the base has them.
const DEFAULT: &[&str] =
    &["kernel", "kernel-core", "kernel-modules", "kernel-modules-core", "kernel-modules-extra"];

/// The kernel without which the others are nothing, then what is taken as far as the payload has it.
const REALTIME: &[&str] =
    &["kernel-rt-core", "kernel-rt-modules", "kernel-rt-modules-core", "kernel-rt-modules-extra"];
const PAGES_64K: &[&str] =
    &["kernel-64k-core", "kernel-64k-modules", "kernel-64k-modules-core", "kernel-64k-modules-extra"];

/// The extension that carries headers of the default kernel.
const KERNEL_DEVEL: &str = "kernel-devel";

/// A kernel that takes the place of the base's.
pub(super) struct Swap {
    /// The name it goes by among the extensions.
    pub(super) name: ExtensionName,
    /// Its packages.
    pub(super) extension: Extension,
    /// The base packages that make way.
    pub(super) removed: BTreeSet<String>,
}

/// The name that a wanted kernel goes by among the extensions.
pub(super) fn name(kernel: KernelType) -> Option<&'static str> {
    match kernel {
        KernelType::Default => None,
        KernelType::Realtime => Some("kernel-type-realtime"),
        KernelType::Pages64k => Some("kernel-type-64k-pages"),
    }
}

/// The package without which the kernel that goes by `name` is nothing.
pub fn core(name: &ExtensionName) -> Option<&'static str> {
    let of = |kernel, packages: &'static [&'static str]| {
        (self::name(kernel) == Some(name.as_str())).then(|| packages.first().copied()).flatten()
    };
    of(KernelType::Realtime, REALTIME).or_else(|| of(KernelType::Pages64k, PAGES_64K))
}

/// `kernel-devel` carries the headers of the default kernel and fits no other.
pub(super) fn devel_beside_another_kernel(inputs: &PlanInputs<'_>) -> Option<Objection> {
    let kernel = name(inputs.desired.kernel_type)?;
    let asked = inputs.desired.extensions.keys().find(|name| name.as_str() == KERNEL_DEVEL)?;
    let extensions = BTreeSet::from([asked.clone()]);
    let mut objection = conflict(
        inputs,
        format!("`{KERNEL_DEVEL}` fits the default kernel only, and `{kernel}` is wanted"),
        Reason::KernelTypeConflict.cure().unwrap_or_default(),
    );
    objection.requested_by.append(&mut inputs.requested_by(&extensions));
    objection.extensions = extensions;
    Some(objection)
}

/// The swap that the wanted kernel takes on this base; none for the base's own kernel.
pub(super) fn swap(inputs: &PlanInputs<'_>, payload: &Payload) -> Result<Option<Swap>, Objection> {
    let (names, arch) = match inputs.desired.kernel_type {
        KernelType::Default => return Ok(None),
        KernelType::Realtime => (REALTIME, "x86_64"),
        KernelType::Pages64k => (PAGES_64K, "aarch64"),
    };
    let Some(name) = name(inputs.desired.kernel_type) else { return Ok(None) };
    if inputs.observed.arch != arch {
        let message = format!("`{name}` exists for `{arch}`, this host is `{}`", inputs.observed.arch);
        return Err(conflict(inputs, message, "set `kernelType: default` for this node"));
    }
    let held = |wanted: &str| {
        payload.packages.iter().any(|package| package.get().facts.nevra.name().as_str() == wanted)
    };
    let specs: Vec<PackageSpec> =
        names.iter().filter(|wanted| held(wanted)).filter_map(|wanted| wanted.parse().ok()).collect();
    if !names.first().is_some_and(|kernel| held(kernel)) {
        let message = format!("the payload holds no `{}` for `{name}`", names.first().unwrap_or(&name));
        return Err(conflict(
            inputs,
            message,
            "use a payload with that kernel, or set `kernelType: default`",
        ));
    }
    let label =
        name.parse::<ExtensionName>().ok().filter(|label| !payload.map.extensions.contains_key(label));
    let Some(label) = label else {
        let message = format!("the payload has an extension `{name}`, which is the name of a kernel here");
        return Err(Objection { reason: Reason::InconsistentPayload, ..conflict(inputs, message, "") });
    };
    let in_base =
        |wanted: &&&str| inputs.base.packages.iter().any(|package| package.nevra.name().as_str() == **wanted);
    let removed = DEFAULT.iter().filter(in_base).map(|name| (*name).to_owned()).collect();
    Ok(Some(Swap { name: label, extension: Extension::new(specs), removed }))
}

fn conflict(inputs: &PlanInputs<'_>, message: String, cure: &str) -> Objection {
    Objection {
        reason: Reason::KernelTypeConflict,
        message,
        cure: (!cure.is_empty()).then(|| cure.to_owned()),
        extensions: BTreeSet::new(),
        requested_by: inputs.desired.kernel_type_from.iter().cloned().collect(),
    }
}
