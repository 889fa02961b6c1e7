//! Where each extension stands, read from the wish, the ledger and what the host says. Pure.

use std::collections::{BTreeMap, BTreeSet};

use extensions_manifest::{ExtensionName, Nevra};

use super::pass_report::ExtensionState;
use crate::desired::Desired;
use crate::host::{Deployment, Observed};
use crate::plan::{self, Aim, Ledger, Owned, Share};

/// Where each extension stands that is wanted, that the last decision put on the host, or that is leaving it.
pub fn extension_states(
    desired: Option<&Desired>,
    ledger: &Ledger,
    observed: Option<&Observed>,
) -> BTreeMap<ExtensionName, ExtensionState> {
    let mut states = BTreeMap::new();
    let aim = ledger.aim.as_ref();
    let has_all = |deployment: Option<&Deployment>, share: &Share| {
        deployment.is_some_and(|deployment| {
            let proved = |aim: &Aim| aim.is_proved_on(&deployment.base_checksum);
            has_packages(deployment, &share.packages) && (share.in_base.is_empty() || aim.is_some_and(proved))
        })
    };
    for (name, share) in shares(ledger) {
        states.insert(
            name.clone(),
            ExtensionState {
                // Where the wish cannot be read, the last one that was acted upon is what is known of it.
                desired: desired.is_none() && aim.is_some_and(|aim| aim.extensions.contains_key(&name)),
                staged: has_all(observed.and_then(Observed::pending_or_booted), &share),
                booted: has_all(observed.and_then(Observed::booted), &share),
                version: share.version,
                requested_by: BTreeSet::new(),
                packages: share.packages,
                in_base: share.in_base,
            },
        );
    }
    for (name, requested_by) in desired.map(plan::wanted).unwrap_or_default() {
        let state = states.entry(name).or_insert_with(|| ExtensionState {
            desired: true,
            staged: false,
            booted: false,
            version: None,
            requested_by: BTreeSet::new(),
            packages: BTreeSet::new(),
            in_base: BTreeSet::new(),
        });
        state.desired = true;
        state.requested_by = requested_by;
    }
    states
}

/// What was decided last, and what is leaving: that is shown until the booted deployment is rid of it.
fn shares(ledger: &Ledger) -> BTreeMap<ExtensionName, Share> {
    let mut shares = ledger.aim.as_ref().map(|aim| aim.extensions.clone()).unwrap_or_default();
    let mut leaving: BTreeMap<&ExtensionName, Vec<&Owned>> = BTreeMap::new();
    for owned in ledger.owned.iter().filter(|owned| owned.leaving) {
        for name in owned.extensions.iter().filter(|name| !shares.contains_key(name)) {
            leaving.entry(name).or_default().push(owned);
        }
    }
    let leaving = leaving.into_iter().map(|(name, owned)| {
        let main = owned.iter().find(|owned| owned.nevra.name().as_str() == name.as_str());
        let share = Share {
            version: main.map(|owned| owned.nevra.evr().to_string()),
            packages: owned.iter().map(|owned| owned.nevra.clone()).collect(),
            in_base: BTreeSet::new(),
        };
        (name.clone(), share)
    });
    shares.extend(leaving.collect::<Vec<_>>());
    shares
}

fn has_packages(deployment: &Deployment, packages: &BTreeSet<Nevra>) -> bool {
    packages.iter().all(|nevra| deployment.local_packages.iter().any(|local| local.nevra == *nevra))
}
