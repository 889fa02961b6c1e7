//! What somebody else layered by name: the machine-config-daemon asks for the packages of an extension, not for files.
//! Pure.

use std::collections::{BTreeMap, BTreeSet};

use extensions_manifest::map::PackageSpec;
use extensions_manifest::{Base, ExtensionMap, ExtensionName, Nevra};

use super::pass_report::ExtensionState;
use crate::desired::Desired;
use crate::host::{Deployment, Observed};
use crate::plan;

/// Where each extension stands that is wanted or of which everything is layered, whoever did it.
///
/// `map` is the payload's, where it is known; `base` what the next boot has, for the versions.
pub fn layered_by_name(
    map: Option<&ExtensionMap>,
    desired: Option<&Desired>,
    observed: &Observed,
    base: &Base,
) -> BTreeMap<ExtensionName, ExtensionState> {
    let wanted = desired.map(plan::wanted).unwrap_or_default();
    let (booted, next) = (observed.booted(), observed.pending_or_booted());
    let mut states = BTreeMap::new();
    for (name, specs) in named(map, &wanted, observed) {
        let has = |deployment: Option<&Deployment>| {
            deployment.is_some_and(|deployment| specs.iter().all(|spec| asks_for(deployment, spec)))
        };
        let state = ExtensionState {
            desired: wanted.contains_key(&name),
            staged: has(next),
            booted: has(booted),
            ..there(&name, &specs, base)
        };
        if state.desired || state.staged || state.booted {
            let requested_by = wanted.get(&name).cloned().unwrap_or_default();
            states.insert(name, ExtensionState { requested_by, ..state });
        }
    }
    states
}

/// `ours` with what was layered by name. What is ours in the ledger is known better than that.
pub fn with_by_name(
    mut ours: BTreeMap<ExtensionName, ExtensionState>,
    by_name: BTreeMap<ExtensionName, ExtensionState>,
) -> BTreeMap<ExtensionName, ExtensionState> {
    ours.retain(|name, state| !by_name.contains_key(name) || !state.packages.is_empty());
    for (name, state) in by_name {
        ours.entry(name).or_insert(state);
    }
    ours
}

/// The packages that each extension names. Where no payload says it, our own table does, as far as all of a row is
/// layered: the newest of them.
fn named(
    map: Option<&ExtensionMap>,
    wanted: &BTreeMap<ExtensionName, BTreeSet<String>>,
    observed: &Observed,
) -> BTreeMap<ExtensionName, Vec<PackageSpec>> {
    let layered = |name: &str| {
        let deployments = [observed.booted(), observed.pending_or_booted()];
        deployments.into_iter().flatten().any(|deployment| deployment.requested_packages.contains(name))
    };
    let version = observed.booted().and_then(|booted| booted.version.as_deref());
    // The table is proved readable by its own test.
    let own = || ExtensionMap::built_in(version, layered).ok();
    let map = map.cloned().or_else(own);
    let mut named: BTreeMap<ExtensionName, Vec<PackageSpec>> = map
        .map(|map| map.extensions.into_iter().map(|(name, extension)| (name, extension.packages)).collect())
        .unwrap_or_default();
    for name in wanted.keys() {
        if let Some(core) = plan::kernel_core(name).and_then(|core| core.parse().ok()) {
            named.insert(name.clone(), vec![core]);
        }
    }
    named.retain(|_, specs| !specs.is_empty());
    named
}

fn asks_for(deployment: &Deployment, spec: &PackageSpec) -> bool {
    deployment.requested_packages.contains(spec.as_str())
        || deployment.local_packages.iter().any(|package| spec.is_name_of(&package.nevra))
}

/// What of it the next boot has, with the version of the package that is called as the extension is, or of the first.
fn there(name: &ExtensionName, specs: &[PackageSpec], base: &Base) -> ExtensionState {
    let installed = base.packages.iter().map(|package| &package.nevra);
    let packages: BTreeSet<Nevra> =
        installed.filter(|nevra| specs.iter().any(|spec| spec.is_name_of(nevra))).cloned().collect();
    let main = packages.iter().find(|nevra| nevra.name().as_str() == name.as_str());
    let main = main.or_else(|| packages.iter().next());
    ExtensionState {
        desired: false,
        staged: false,
        booted: false,
        version: main.map(|nevra| nevra.evr().to_string()),
        requested_by: BTreeSet::new(),
        packages,
        in_base: BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::deployment;
    use extensions_manifest::package::BasePackage;

    fn observed(booted: &[&str], next: Option<&[&str]>) -> Observed {
        let asking = |id: &str, is_booted, names: &[&str]| {
            let requested = names.iter().map(|name| (*name).to_owned()).collect();
            Deployment { requested_packages: requested, ..deployment(id, is_booted, &[]) }
        };
        let mut deployments: Vec<Deployment> =
            next.map(|names| asking("next", false, names)).into_iter().collect();
        deployments.push(asking("booted", true, booted));
        Observed { deployments, transaction: None, arch: "x86_64".to_owned() }
    }

    fn wish(names: &[&str]) -> Desired {
        let extensions =
            names.iter().map(|name| (name.parse().unwrap(), BTreeSet::from(["80-x".to_owned()])));
        Desired {
            os_image: None,
            rendered: None,
            extensions: extensions.collect(),
            kernel_type: crate::desired::KernelType::Default,
            kernel_type_from: None,
            payload: None,
            payload_from: None,
        }
    }

    fn facts(observed: &Observed, wish: &Desired) -> Vec<(String, [bool; 3])> {
        let states = layered_by_name(None, Some(wish), observed, &Base::default());
        let line = |(name, state): (ExtensionName, ExtensionState)| {
            (name.to_string(), [state.desired, state.staged, state.booted])
        };
        states.into_iter().map(line).collect()
    }

    #[test]
    fn what_the_daemon_layered_by_name_is_staged_and_booted() {
        let kerberos = &["krb5-workstation", "libkadm5"][..];
        let told = |name: &str, facts| (name.to_owned(), facts);
        let both = observed(&["usbguard"], Some(&["usbguard", "krb5-workstation", "libkadm5"]));
        assert_eq!(
            facts(&both, &wish(&["kerberos", "usbguard"])),
            [told("kerberos", [true, true, false]), told("usbguard", [true, true, true])]
        );
        let leaving = observed(kerberos, Some(&[]));
        assert_eq!(facts(&leaving, &wish(&[])), [told("kerberos", [false, false, true])]);
        let half = observed(&["libkadm5"], None);
        assert_eq!(facts(&half, &wish(&[])), []);
    }

    #[test]
    fn versions_come_from_what_the_next_boot_has() {
        let nevra: Nevra = "usbguard-1.0.0-15.el9.x86_64".parse().unwrap();
        let base = Base { packages: vec![BasePackage::new(nevra.clone())], ..Base::default() };
        let states = layered_by_name(None, None, &observed(&["usbguard"], None), &base);
        let state = &states[&"usbguard".parse().unwrap()];
        assert_eq!((state.version.as_deref(), state.packages.len()), (Some("1.0.0-15.el9"), 1));
        assert!(state.packages.contains(&nevra) && !state.desired);
    }

    #[test]
    fn the_map_of_the_payload_goes_before_our_table() {
        let map =
            ExtensionMap::from_inner_json(br#"{"extensions":{"guard":{"packages":["usbguard"]}}}"#).unwrap();
        let observed = observed(&["usbguard"], None);
        let states = layered_by_name(Some(&map), None, &observed, &Base::default());
        assert_eq!(states.keys().map(ExtensionName::as_str).collect::<Vec<_>>(), ["guard"]);
    }

    #[test]
    fn a_swapped_kernel_is_known_by_its_core() {
        let wish = Desired { kernel_type: crate::desired::KernelType::Realtime, ..wish(&[]) };
        let told = facts(&observed(&["kernel-rt-core", "kernel-rt-modules"], None), &wish);
        assert_eq!(told, [("kernel-type-realtime".to_owned(), [true, true, true])]);
    }
}
