//! A status of the daemon, and what else is known of the node → the status that the cluster sees. Pure.

use jiff::{Timestamp, Unit};

use super::bound::{self, cut};
use super::conditions::conditions;
use super::told::Told;
use super::types::{
    EXTENSIONS, MESSAGE, NAME, NodeExtension, NodeExtensionsStatus, NodePayload, NodeRollout, PACKAGES,
    REFERENCE, REQUESTERS, Summary,
};
use crate::report::Status;
use crate::report::status::{DeploymentStatus, ExtensionStatus, PayloadStatus};
use crate::rollout::RolloutStatus;

/// Digits of a checksum that are shown.
const DIGITS: usize = 12;

/// The status of the object. Times of transitions are taken over from `previous`, so that an answer that stays keeps its
/// time, also over a restart of the agent.
pub fn build(told: &Told, previous: Option<&NodeExtensionsStatus>, now: Timestamp) -> NodeExtensionsStatus {
    let Told { status, config, node, rollout, owner } = told;
    let now = seconds(now);
    let wish = status.wish.map(|wish| wish.to_string());
    let short = |text: &Option<String>| text.as_ref().map(|text| cut(text, NAME));
    let pool = node.as_ref().and_then(|node| node.pool.as_ref()).map(|pool| cut(&pool.name, NAME));
    let built = NodeExtensionsStatus {
        observed_config: config.clone().or(wish).map(|name| cut(&name, NAME)),
        revision: previous.map_or(1, |previous| previous.revision.saturating_add(1)),
        agent_version: status.agent_version.clone(),
        arch: short(&status.arch),
        base_version: status.booted.as_ref().and_then(|booted| short(&booted.version)),
        kernel_type: status.kernel_type,
        pool: pool.or_else(|| rollout.as_ref().and_then(|rollout| short(&rollout.pool))),
        payload: status.payload.as_ref().map(|found| payload(found, previous)),
        booted: status.booted.as_ref().map(deployment),
        next: status.next.as_ref().map(deployment),
        reboot_pending: status.reboot_pending,
        owner: *owner,
        rollout: rollout.as_ref().map(NodeRollout::from),
        summary: summary(status),
        conditions: conditions(told, previous, now),
        extensions: extensions(status),
        shortened: status.extensions.len() > EXTENSIONS
            || status.extensions.values().any(|extension| extension.packages.len() > PACKAGES),
    };
    bound::to_size(built)
}

/// Whether both say the same, whenever and for the how manyth time it came to be so.
pub fn same(one: &NodeExtensionsStatus, other: &NodeExtensionsStatus) -> bool {
    timeless(one) == timeless(other)
}

fn timeless(status: &NodeExtensionsStatus) -> NodeExtensionsStatus {
    let mut status = status.clone().for_generation(None);
    status.revision = 0;
    for condition in &mut status.conditions {
        condition.last_transition_time = Timestamp::UNIX_EPOCH;
    }
    if let Some(rollout) = &mut status.rollout {
        rollout.since = Timestamp::UNIX_EPOCH;
    }
    status
}

/// Whole seconds, as the API server keeps times.
fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second())
        .unwrap_or_else(|_| time.round(Unit::Second).unwrap_or(Timestamp::UNIX_EPOCH))
}

/// A pass with nothing to do does not look at the payload; what an earlier one saw of the same image still holds.
fn payload(payload: &PayloadStatus, previous: Option<&NodeExtensionsStatus>) -> NodePayload {
    let reference = cut(&payload.reference, REFERENCE);
    let before = previous.and_then(|previous| previous.payload.as_ref());
    let before = before.filter(|before| before.reference == reference);
    let version = payload.version.as_ref().map(|version| cut(version, NAME));
    let digest = payload.digest.map(|digest| digest.to_string());
    NodePayload {
        version: version.or_else(|| before.and_then(|before| before.version.clone())),
        digest: digest.or_else(|| before.and_then(|before| before.digest.clone())),
        requested_by: payload.requested_by.as_ref().map(|name| cut(name, NAME)),
        reference,
    }
}

/// `fedora-coreos-0123456789ab.0`
fn deployment(deployment: &DeploymentStatus) -> String {
    let shorter = || {
        let (front, serial) = deployment.id.rsplit_once('.')?;
        let (name, checksum) = front.rsplit_once('-')?;
        Some(format!("{name}-{}.{serial}", checksum.get(..DIGITS)?))
    };
    cut(&shorter().unwrap_or_else(|| deployment.id.clone()), NAME)
}

impl From<&RolloutStatus> for NodeRollout {
    fn from(rollout: &RolloutStatus) -> Self {
        Self {
            strategy: cut(&rollout.strategy, 32),
            step: rollout.step,
            pool: rollout.pool.as_ref().map(|pool| cut(pool, NAME)),
            since: seconds(rollout.since),
            message: cut(&rollout.message, MESSAGE),
        }
    }
}

fn summary(status: &Status) -> Summary {
    let names = |has: fn(&ExtensionStatus) -> bool| {
        let names = status.extensions.iter().filter(|(_, extension)| has(extension));
        let names: Vec<&str> = names.map(|(name, _)| name.as_str()).collect();
        if names.is_empty() { "-".to_owned() } else { cut(&names.join(","), MESSAGE) }
    };
    Summary {
        desired: names(|extension| extension.desired),
        staged: names(|extension| extension.staged),
        booted: names(|extension| extension.booted),
    }
}

/// What is wanted comes first where not all fit; in each half they stay in the order of their names.
fn extensions(status: &Status) -> Vec<NodeExtension> {
    let mut named: Vec<_> = status.extensions.iter().collect();
    named.sort_by_key(|(_, extension)| !extension.desired);
    named.truncate(EXTENSIONS);
    named.sort_by_key(|(name, _)| *name);
    named.into_iter().map(|(name, extension)| entry(name.as_str(), extension)).collect()
}

fn entry(name: &str, extension: &ExtensionStatus) -> NodeExtension {
    let problem = extension.problems.first();
    NodeExtension {
        name: name.to_owned(),
        stage: extension.stage,
        desired: extension.desired,
        staged: extension.staged,
        booted: extension.booted,
        version: extension.version.as_ref().map(|version| cut(version, NAME)),
        requested_by: extension.requested_by.iter().take(REQUESTERS).map(|name| cut(name, NAME)).collect(),
        packages: extension
            .packages
            .iter()
            .take(PACKAGES)
            .map(|nevra| cut(&nevra.to_string(), NAME))
            .collect(),
        reason: problem.map(|problem| problem.reason.code().to_owned()),
        message: problem.map(|problem| cut(&problem.message, MESSAGE)),
        cure: problem.and_then(|problem| problem.cure.as_ref()).map(|cure| cut(cure, MESSAGE)),
    }
}
