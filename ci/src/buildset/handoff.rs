//! What one build leaves to another: values, secrets, and the nodes that are kept.
//!
//! Decides: what a child is handed. Must not: hand anything to a build that did not name the parent, or show a secret.
//! Input: a build's arguments, and the records of its parents.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crate::drive::{Desk, Granted, Stop};
use crate::request::Keep;
use crate::state::{Artifact, BuildsetError, Member, Phase, Record};

/// What a build returns to those that inherit from it.
#[derive(Clone, Default)]
pub struct Returned {
    /// Values that everybody may see.
    pub data: BTreeMap<String, String>,
    /// Values that only children are shown.
    pub secrets: BTreeMap<String, String>,
    /// Files that lie in a registry already.
    pub artifacts: BTreeMap<String, Artifact>,
}

/// What a child is handed of one parent.
#[derive(Clone)]
pub struct Inherited {
    /// The parent.
    pub build: String,
    /// What it returned.
    pub data: BTreeMap<String, String>,
    /// The secrets that it returned.
    pub secrets: BTreeMap<String, String>,
    /// The files that it returned.
    pub artifacts: BTreeMap<String, Artifact>,
    /// Credentials for its nodes, where those are kept for the buildset.
    pub granted: Vec<Granted>,
}

impl fmt::Debug for Inherited {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("Inherited").field("build", &self.build).finish_non_exhaustive()
    }
}

impl Desk<'_> {
    /// Remembers what a build returns. Secrets first: a name that stands in the buildset has its value.
    ///
    /// # Errors
    /// When there is no such build, it belongs to no buildset, or the values cannot be kept.
    pub async fn give(&self, build: &str, returned: &Returned) -> Result<(), Stop> {
        let record = self.find(build).await?;
        let Some(name) = &record.body.request.buildset else {
            return Err(BuildsetError::Alone(build.to_owned()).into());
        };
        let names: BTreeSet<String> = returned.secrets.keys().cloned().collect();
        let mut round = 0;
        loop {
            let found = self.store.buildset(name).await?;
            let mut set = found.ok_or_else(|| BuildsetError::Unknown(name.clone()))?;
            if set.over((self.clock)()) {
                return Err(BuildsetError::Ended(name.clone()).into());
            }
            set.give(&record.id, &returned.data, &names)?;
            set.give_artifacts(&record.id, &returned.artifacts)?;
            set.to_lease(&self.config.system)?; // too large is said before any secret is written
            let kept = returned.secrets.is_empty()
                || self.store.add_secrets(&set, &record.id, &returned.secrets).await?;
            if kept && self.store.write_buildset(&set).await?.is_some() {
                return Ok(());
            }
            self.pause(round, || Stop::Busy(name.clone())).await?;
            round += 1;
        }
    }

    /// What a build is handed of those that it inherits from, in its own order. Waits for parents that are being made.
    ///
    /// # Errors
    /// When a parent is gone that should be there, or the cluster refuses or is away.
    pub async fn inherited(&self, record: &Record) -> Result<Vec<Inherited>, Stop> {
        let request = &record.body.request;
        let Some(name) = request.buildset.as_ref().filter(|_| !request.inherits.is_empty()) else {
            return Ok(Vec::new());
        };
        let set = self.store.buildset(name).await?;
        let set = set.ok_or_else(|| BuildsetError::Unknown(name.clone()))?;
        let members: Vec<&Member> = request
            .inherits
            .iter()
            .map(|parent| {
                let missing = || BuildsetError::NoParent { parent: parent.clone(), buildset: name.clone() };
                set.member(parent).map(|(_, member)| member).ok_or_else(missing)
            })
            .collect::<Result<_, _>>()?;
        let any = members.iter().any(|member| !member.secrets.is_empty());
        let secrets = if any { self.store.secrets(&set).await? } else { BTreeMap::new() };
        let mut all = Vec::new();
        for member in members {
            let id = crate::request::id(&self.config.system, &member.build);
            let own = |(owner, key): &(String, String)| *owner == id && member.secrets.contains(key);
            all.push(Inherited {
                build: member.build.clone(),
                data: member.data.clone(),
                secrets: secrets
                    .iter()
                    .filter(|(key, _)| own(key))
                    .map(|((_, key), text)| (key.clone(), text.clone()))
                    .collect(),
                artifacts: member.artifacts.clone(),
                granted: self.granted_by(member, record).await?,
            });
        }
        Ok(all)
    }

    /// Credentials for the nodes of a parent that are kept. They end with the child.
    async fn granted_by(&self, member: &Member, child: &Record) -> Result<Vec<Granted>, Stop> {
        if member.keep == Keep::Job {
            return Ok(Vec::new()); // its nodes end with it, whenever that is
        }
        let mut round = 0;
        loop {
            let mut parent = match self.find(&member.build).await {
                Err(Stop::Unknown(_)) => return Ok(Vec::new()),
                other => other?,
            };
            let not_ready = || Stop::NotReady { build: member.build.clone(), phase: parent.body.phase };
            match parent.body.phase {
                Phase::Releasing => return Ok(Vec::new()),
                Phase::Ready if parent.lapsed((self.clock)()) => return Ok(Vec::new()),
                Phase::Ready => {
                    parent.body.until = parent.body.until.min(child.body.until);
                    return self.grant_all(&parent).await;
                }
                Phase::Waiting | Phase::Making => self.pause(round, not_ready).await?,
            }
            round += 1;
        }
    }
}
