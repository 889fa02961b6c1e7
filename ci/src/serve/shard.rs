//! Splits the work among several controllers: each provider is the affair of whoever holds its Lease.
//!
//! Decides: who takes one up. Must not: be relied on for soundness; each write compares versions, so two at once are a waste
//! and no harm. Input: a Lease a provider, in the hub's namespace.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;

use crate::cluster::ClusterError;
use crate::config::{Name, OURS};
use crate::drive::Desk;

/// For how many seconds a controller is believed to be alive without a word.
pub(super) const BELIEVED: i64 = 30;

/// What a controller may do with the Lease of a provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// It is ours: say so again.
    Renew,
    /// Nobody has it.
    Take,
    /// Another has it.
    Leave,
}

fn claim(lease: Option<&Lease>, me: &str, now: Timestamp) -> Claim {
    let spec = lease.and_then(|lease| lease.spec.as_ref());
    let holder = spec.and_then(|spec| spec.holder_identity.as_deref()).filter(|holder| !holder.is_empty());
    let renewed = spec.and_then(|spec| spec.renew_time.as_ref()).map(|time| time.0);
    // By our own clock, as everywhere: one that is wrong makes two work at once, which is sound.
    let silent = renewed.is_none_or(|at| now.duration_since(at) > SignedDuration::from_secs(BELIEVED));
    match holder {
        Some(holder) if holder == me => Claim::Renew,
        Some(_) if !silent => Claim::Leave,
        Some(_) | None => Claim::Take,
    }
}

/// The Leases that this controller holds.
#[derive(Debug, Default)]
pub(super) struct Shards {
    held: BTreeMap<Name, Lease>,
}

impl Shards {
    /// The providers that are ours.
    pub(super) fn mine(&self) -> BTreeSet<Name> {
        self.held.keys().cloned().collect()
    }

    /// Renews what is ours, and takes up one more that nobody has. Only one each time, so that controllers that begin together
    /// share.
    ///
    /// # Errors
    /// When the hub refuses or is away; nothing is ours then.
    pub(super) async fn renew(&mut self, desk: &Desk<'_>) -> Result<(), ClusterError> {
        let mut held = std::mem::take(&mut self.held);
        let mut taken = false;
        for provider in order(desk) {
            let known = match held.remove(&provider) {
                Some(lease) => Some(lease),
                None => read(desk, &provider).await?,
            };
            let claim = claim(known.as_ref(), &desk.me, (desk.clock)());
            if claim == Claim::Leave || (claim == Claim::Take && taken) {
                continue;
            }
            taken |= claim == Claim::Take;
            if let Some(lease) = write(desk, &provider, known.as_ref(), Some(&desk.me)).await? {
                self.held.insert(provider, lease);
            }
        }
        Ok(())
    }

    /// Gives all of them back, so that another need not wait for us to be silent long enough. Best effort.
    pub(super) async fn give_back(&mut self, desk: &Desk<'_>) {
        for (provider, lease) in std::mem::take(&mut self.held) {
            let _ = write(desk, &provider, Some(&lease), None).await; // its time runs out by itself
        }
    }
}

/// Every controller begins at another provider.
fn order(desk: &Desk<'_>) -> Vec<Name> {
    let mut all: Vec<Name> = desk.clusters.providers.keys().cloned().collect();
    let seed = desk.me.bytes().fold(0_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    let first = seed % all.len().max(1);
    all.rotate_left(first);
    all
}

fn name(desk: &Desk<'_>, provider: &Name) -> String {
    format!("serve-{}-{provider}", desk.config.system)
}

async fn read(desk: &Desk<'_>, provider: &Name) -> Result<Option<Lease>, ClusterError> {
    let name = name(desk, provider);
    let found = desk.store.leases().get_opt(&name).await;
    found.map_err(|error| ClusterError::of(format!("get leases/{name}"), &error))
}

/// Writes over the version that is known; none when another was faster.
async fn write(
    desk: &Desk<'_>,
    provider: &Name,
    known: Option<&Lease>,
    holder: Option<&str>,
) -> Result<Option<Lease>, ClusterError> {
    let name = name(desk, provider);
    let lease = Lease {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            // Not the label of the system: it is no record.
            labels: Some(BTreeMap::from([(format!("{OURS}serve"), desk.config.system.to_string())])),
            resource_version: known.and_then(|lease| lease.metadata.resource_version.clone()),
            ..ObjectMeta::default()
        },
        spec: Some(LeaseSpec {
            holder_identity: holder.map(str::to_owned),
            renew_time: Some(MicroTime((desk.clock)())),
            lease_duration_seconds: i32::try_from(BELIEVED).ok(),
            ..LeaseSpec::default()
        }),
    };
    let leases = desk.store.leases();
    let done = match known {
        Some(_) => leases.replace(&name, &PostParams::default(), &lease).await,
        None => leases.create(&PostParams::default(), &lease).await,
    };
    match done {
        Ok(lease) => Ok(Some(lease)),
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(None),
        Err(error) => Err(ClusterError::of(format!("update leases/{name}"), &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::tests::at;

    #[test]
    fn row_06_a_provider_belongs_to_one_controller_until_it_falls_silent() {
        let lease = |holder: Option<&str>, renewed: i64| Lease {
            spec: Some(LeaseSpec {
                holder_identity: holder.map(str::to_owned),
                renew_time: Some(MicroTime(at(renewed))),
                ..LeaseSpec::default()
            }),
            ..Lease::default()
        };
        for (lease, now, wanted) in [
            (None, 0, Claim::Take),
            (Some(lease(Some("me"), 0)), 1_000, Claim::Renew),
            (Some(lease(Some("other"), 0)), BELIEVED, Claim::Leave),
            (Some(lease(Some("other"), 0)), BELIEVED + 1, Claim::Take),
            (Some(lease(None, 0)), 0, Claim::Take),
            (Some(lease(Some(""), 0)), 0, Claim::Take),
        ] {
            assert_eq!(claim(lease.as_ref(), "me", at(now)), wanted, "{lease:?} at {now}");
        }
    }
}
