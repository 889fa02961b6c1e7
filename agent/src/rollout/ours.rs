//! Whether a deployment may be finalized by us. Pure.
//!
//! Decides: that what waits for the reboot was staged by the agent, for the wish of now, and brings nobody else's change.
//! An update of the base is always somebody else's: the agent never moves the base. Whoever staged it, or an admin, asks
//! for that reboot, and gets our extensions with it.

use std::collections::BTreeSet;

use extensions_manifest::Sha256Digest;

use crate::host::{Deployment, LocalPackage, Observed};
use crate::plan::Ledger;

/// Whether `deployment`, which is what the next boot takes, is ours to boot for the wish of `generation`.
pub(super) fn is_ours(
    ledger: &Ledger,
    generation: Sha256Digest,
    observed: &Observed,
    deployment: &str,
) -> bool {
    let staged = observed.pending_or_booted().filter(|next| next.id == deployment && next.staged);
    let (Some(next), Some(booted), Some(staging)) = (staged, observed.booted(), &ledger.staging) else {
        return false;
    };
    staging.generation == generation
        && staging.base_checksum == next.base_checksum
        && !staging.before.contains(&next.id)
        && next.base_checksum == booted.base_checksum
        && foreign(ledger, next) == foreign(ledger, booted)
}

type Foreign<'a> = (BTreeSet<&'a LocalPackage>, &'a BTreeSet<String>, BTreeSet<&'a String>);

/// What others changed in a deployment.
fn foreign<'a>(ledger: &'a Ledger, deployment: &'a Deployment) -> Foreign<'a> {
    let local = deployment.local_packages.iter().filter(|package| !ledger.owns(package, deployment));
    let removals = deployment.base_removals.difference(&ledger.removals);
    (local.collect(), &deployment.requested_packages, removals.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::Staging;
    use crate::sample;

    fn host(change: impl FnOnce(&mut Deployment)) -> Observed {
        let mut next = sample::deployment("next", false, &[]);
        change(&mut next);
        let deployments = vec![next, sample::deployment("booted", true, &[])];
        Observed { deployments, transaction: None, arch: "x86_64".to_owned() }
    }

    fn wish() -> Sha256Digest {
        Sha256Digest::of(b"wish")
    }

    fn ledger(change: impl FnOnce(&mut Staging)) -> Ledger {
        let mut staging = Staging {
            generation: wish(),
            payload: None,
            base_checksum: "base".to_owned(),
            before: BTreeSet::from(["booted".to_owned()]),
            times: 1,
            locked_in: None,
        };
        change(&mut staging);
        Ledger { staging: Some(staging), ..Ledger::default() }
    }

    #[test]
    fn what_we_staged_for_this_wish_is_ours() {
        assert!(is_ours(&ledger(|_| {}), wish(), &host(|_| {}), "next"));
    }

    #[test]
    fn what_somebody_else_staged_or_changed_is_not() {
        let foreign: LocalPackage =
            LocalPackage { nevra: "vim-9-1.x86_64".parse().unwrap(), head: Some(wish()) };
        let hosts = [
            ("another base", host(|next| next.base_checksum = "update".to_owned())),
            ("a request of theirs", host(|next| next.requested_packages = ["vim".to_owned()].into())),
            ("a package of theirs", host(|next| next.local_packages = [foreign].into())),
            ("a removal of theirs", host(|next| next.base_removals = ["nano".to_owned()].into())),
            ("one that is not staged", host(|next| next.staged = false)),
            ("another deployment", host(|next| next.id = "theirs".to_owned())),
        ];
        for (what, host) in hosts {
            assert!(!is_ours(&ledger(|_| {}), wish(), &host, "next"), "{what}");
        }
        let ledgers = [
            ("an earlier wish", ledger(|staging| staging.generation = Sha256Digest::of(b"old"))),
            ("there before", ledger(|staging| staging.before = ["next".to_owned()].into())),
            ("staged on another base", ledger(|staging| staging.base_checksum = "older".to_owned())),
            ("nothing staged", Ledger::default()),
        ];
        for (what, ledger) in ledgers {
            assert!(!is_ours(&ledger, wish(), &host(|_| {}), "next"), "{what}");
        }
    }
}
