//! The record of one buildset: who belongs to it, where its builds lie, what they returned, and until when it lives.
//!
//! Decides: who may join, which provider is the buildset's, what may be returned. Must not: read a clock or write a Lease.
//! Input: a Lease.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};

use super::{Artifact, StateError};
use crate::config::{Name, OURS, label_value};
use crate::error::{Failure, Reason, shown};
use crate::objects::Key;
use crate::request::{Keep, Request, buildset_id, is_default};

/// Most builds of one buildset.
const MEMBERS: usize = 500;
/// Longest name of one returned value.
const KEY: usize = 64;
/// Largest record, in bytes. The API takes 256 KiB of annotations.
pub(super) const BYTES: usize = 240_000;
/// What Ansible evaluates. A value with one of these would be run where the child's Ansible runs.
const TEMPLATES: &[&str] = &["{{", "{%", "{#"];
/// Names that mean something to Ansible or to us.
const RESERVED: &[&str] =
    &["zuul", "nodepool", "groups", "group_names", "hostvars", "inventory_hostname", "omit", "vars"];

/// Why a buildset does not do what was asked of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BuildsetError {
    /// It has ended, or is too old.
    #[error("the buildset `{}` has ended", shown(.0))]
    Ended(String),
    /// There is none of that name.
    #[error("there is no buildset `{}`", shown(.0))]
    Unknown(String),
    /// The build belongs to none.
    #[error("the build `{}` belongs to no buildset", shown(.0))]
    Alone(String),
    /// A build that is inherited from does not belong to it.
    #[error("the build `{}` is not in the buildset `{}`", shown(parent), shown(buildset))]
    NoParent {
        /// The build that is named.
        parent: String,
        /// The buildset.
        buildset: String,
    },
    /// It has too many builds.
    #[error("the buildset `{}` has {MEMBERS} builds already", shown(.0))]
    Crowded(String),
    /// A value cannot have that name.
    #[error("`{}` cannot be returned: {why}", shown(key))]
    Refused {
        /// Its name.
        key: String,
        /// Why.
        why: &'static str,
    },
    /// The provider that the buildset lies on can never hold the request.
    #[error("the buildset lies on provider `{provider}`, which cannot hold this request")]
    Elsewhere {
        /// The provider.
        provider: Name,
    },
}

impl Failure for BuildsetError {
    fn reason(&self) -> Reason {
        match self {
            BuildsetError::Ended(_)
            | BuildsetError::Alone(_)
            | BuildsetError::Crowded(_)
            | BuildsetError::Refused { .. } => Reason::Usage,
            BuildsetError::Unknown(_) => Reason::Unknown,
            BuildsetError::NoParent { .. } => Reason::Dependency,
            BuildsetError::Elsewhere { .. } => Reason::Unservable,
        }
    }

    fn cure(&self) -> Option<String> {
        let text = match self {
            BuildsetError::Ended(_) => "give the new builds a buildset of another name",
            BuildsetError::Unknown(_) => "a buildset is there from the first request that names it",
            BuildsetError::Alone(_) => "request the build with `--buildset`",
            BuildsetError::NoParent { .. } => "request the parent first, with the same `--buildset`",
            BuildsetError::Crowded(_) => "end it, and begin another",
            BuildsetError::Refused { .. } => {
                "put text of other kinds into a file, and return it with `--secret KEY=@FILE`"
            }
            BuildsetError::Elsewhere { .. } => {
                "offer the labels there too, or say `affinity: preferred` for buildsets"
            }
        };
        Some(text.to_owned())
    }
}

/// One build of a buildset. It stays when its nodes are given back, because what it returned stays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// The build.
    pub build: String,
    /// How long its nodes live.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keep: Keep,
    /// The builds that it inherits from, as they were asked for.
    #[serde(default, skip_serializing_if = "is_default")]
    pub inherits: Vec<String>,
    /// The provider that its nodes were placed on.
    #[serde(default, skip_serializing_if = "is_default")]
    pub placed: Option<Name>,
    /// What it returned.
    #[serde(default, skip_serializing_if = "is_default")]
    pub data: BTreeMap<String, String>,
    /// The names of the secrets that it returned; they lie in a Secret.
    #[serde(default, skip_serializing_if = "is_default")]
    pub secrets: BTreeSet<String>,
    /// The large files that it returned; they lie in a registry.
    #[serde(default, skip_serializing_if = "is_default")]
    pub artifacts: BTreeMap<String, Artifact>,
}

/// What stands in the annotation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    name: String,
    until: Timestamp,
    #[serde(default, skip_serializing_if = "is_default")]
    ended: bool,
    #[serde(default, skip_serializing_if = "is_default")]
    provider: Option<Name>,
    members: BTreeMap<String, Member>,
}

/// The record of one buildset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Buildset {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// When it ends at the latest.
    pub until: Timestamp,
    /// Whether somebody ended it.
    pub ended: bool,
    /// The provider that its first build was placed on.
    pub provider: Option<Name>,
    /// Its builds, by the id of their requests.
    pub members: BTreeMap<String, Member>,
    /// The UID of its Lease; empty before there is one.
    pub uid: String,
    /// The version that a change is compared with.
    pub version: Option<String>,
}

impl Buildset {
    /// A buildset without builds.
    pub fn new(system: &Name, name: &str, until: Timestamp) -> Self {
        Buildset {
            id: buildset_id(system, name),
            name: name.to_owned(),
            until,
            ended: false,
            provider: None,
            members: BTreeMap::new(),
            uid: String::new(),
            version: None,
        }
    }

    /// Whether nothing may join it and nothing of it is kept any more.
    pub fn over(&self, now: Timestamp) -> bool {
        self.ended || now > self.until
    }

    /// Takes a build in; returns whether that changed anything.
    ///
    /// # Errors
    /// When the buildset is over or full, or a parent is not in it.
    pub fn join(&mut self, id: &str, request: &Request, now: Timestamp) -> Result<bool, BuildsetError> {
        if self.over(now) {
            return Err(BuildsetError::Ended(self.name.clone()));
        }
        if let Some(parent) = request.inherits.iter().find(|parent| self.member(parent).is_none()) {
            return Err(BuildsetError::NoParent { parent: parent.clone(), buildset: self.name.clone() });
        }
        let full = self.members.len() >= MEMBERS;
        let Some(member) = self.members.get_mut(id) else {
            if full {
                return Err(BuildsetError::Crowded(self.name.clone()));
            }
            let member = Member {
                build: request.build.clone(),
                keep: request.keep,
                inherits: request.inherits.clone(),
                placed: None,
                data: BTreeMap::new(),
                secrets: BTreeSet::new(),
                artifacts: BTreeMap::new(),
            };
            self.members.insert(id.to_owned(), member);
            return Ok(true);
        };
        let same = member.keep == request.keep && member.inherits == request.inherits;
        member.keep = request.keep;
        member.inherits.clone_from(&request.inherits);
        Ok(!same)
    }

    /// The build of that name, with its id.
    pub fn member(&self, build: &str) -> Option<(&String, &Member)> {
        self.members.iter().find(|(_, member)| member.build == build)
    }

    /// The builds in the order in which they are released: each before those that it inherits from.
    pub fn layers(&self) -> Vec<Vec<String>> {
        let mut left: BTreeMap<&str, &Member> =
            self.members.values().map(|member| (member.build.as_str(), member)).collect();
        let mut layers = Vec::new();
        while !left.is_empty() {
            let wanted: BTreeSet<&str> =
                left.values().flat_map(|member| member.inherits.iter().map(String::as_str)).collect();
            let mut layer: Vec<String> = left
                .keys()
                .filter(|build| !wanted.contains(*build))
                .map(|build| (*build).to_owned())
                .collect();
            if layer.is_empty() {
                // Two that were asked for anew and now name each other: no order is right, and all must go.
                layer = left.keys().map(|build| (*build).to_owned()).collect();
            }
            left.retain(|build, _| !layer.iter().any(|gone| gone == build));
            layers.push(layer);
        }
        layers
    }

    /// Remembers what a build returned; a name that it used before gets the new value.
    ///
    /// # Errors
    /// When the build is not in it, or a value cannot be handed to children.
    pub fn give(
        &mut self,
        id: &str,
        data: &BTreeMap<String, String>,
        secrets: &BTreeSet<String>,
    ) -> Result<(), BuildsetError> {
        for key in data.keys().chain(secrets) {
            check_key(key)?;
        }
        for (key, value) in data {
            check_value(key, value)?;
        }
        let name = &self.name;
        let member = self.members.get_mut(id).ok_or_else(|| BuildsetError::Unknown(name.clone()))?;
        member.artifacts.retain(|key, _| !data.contains_key(key));
        member.data.extend(data.clone());
        member.secrets.extend(secrets.iter().cloned());
        Ok(())
    }

    /// Remembers where the files lie that a build returned; a name that it used before means the new file.
    ///
    /// # Errors
    /// When the build is not in it, or a name cannot be handed to children.
    pub fn give_artifacts(
        &mut self,
        id: &str,
        artifacts: &BTreeMap<String, Artifact>,
    ) -> Result<(), BuildsetError> {
        for key in artifacts.keys() {
            check_key(key)?;
        }
        let name = &self.name;
        let member = self.members.get_mut(id).ok_or_else(|| BuildsetError::Unknown(name.clone()))?;
        member.data.retain(|key, _| !artifacts.contains_key(key));
        member.artifacts.extend(artifacts.clone());
        Ok(())
    }

    /// The name of its Lease and of its Secret.
    pub fn object_name(&self) -> String {
        format!("bs-{}", self.id)
    }

    /// The Lease that says it.
    ///
    /// # Errors
    /// When it is too large.
    pub fn to_lease(&self, system: &Name) -> Result<Lease, StateError> {
        let body = Body {
            name: self.name.clone(),
            until: self.until,
            ended: self.ended,
            provider: self.provider.clone(),
            members: self.members.clone(),
        };
        let text = serde_json::to_string(&body).map_err(|error| StateError::Bug(error.to_string()))?;
        if text.len() > BYTES {
            return Err(StateError::Large {
                what: format!("the record of the buildset `{}`", shown(&self.name)),
                bytes: text.len(),
                most: BYTES,
            });
        }
        let labels = BTreeMap::from([
            (Key::System.text(), system.to_string()),
            (Key::Buildset.text(), label_value(&self.name)),
        ]);
        Ok(Lease {
            metadata: ObjectMeta {
                name: Some(self.object_name()),
                labels: Some(labels),
                annotations: Some(BTreeMap::from([(annotation(), text)])),
                resource_version: self.version.clone(),
                ..ObjectMeta::default()
            },
            ..Lease::default()
        })
    }

    /// Whether a Lease is one of a buildset.
    pub fn is(lease: &Lease) -> bool {
        lease.metadata.annotations.as_ref().is_some_and(|map| map.contains_key(&annotation()))
    }

    /// What a Lease says.
    ///
    /// # Errors
    /// When it is no buildset's, or says what we would not have written.
    pub fn from_lease(lease: &Lease) -> Result<Self, StateError> {
        let name = lease.metadata.name.as_deref().unwrap_or_default();
        let malformed = |problem: String| StateError::Malformed { lease: name.to_owned(), problem };
        let text = lease
            .metadata
            .annotations
            .as_ref()
            .and_then(|map| map.get(&annotation()))
            .ok_or_else(|| malformed("it is no buildset's".to_owned()))?;
        let body: Body = serde_json::from_str(text).map_err(|error| malformed(error.to_string()))?;
        for (key, value) in body.members.values().flat_map(|member| &member.data) {
            check_key(key)
                .and_then(|()| check_value(key, value))
                .map_err(|error| malformed(error.to_string()))?;
        }
        for (key, artifact) in body.members.values().flat_map(|member| &member.artifacts) {
            check_key(key).map_err(|error| malformed(error.to_string()))?;
            artifact.check().map_err(|error| malformed(error.to_owned()))?;
        }
        Ok(Buildset {
            id: name
                .strip_prefix("bs-")
                .ok_or_else(|| malformed("its name is no buildset's".to_owned()))?
                .to_owned(),
            name: body.name,
            until: body.until,
            ended: body.ended,
            provider: body.provider,
            members: body.members,
            uid: lease.metadata.uid.clone().unwrap_or_default(),
            version: lease.metadata.resource_version.clone(),
        })
    }
}

fn annotation() -> String {
    format!("{OURS}buildset-record")
}

/// A returned value becomes a variable of the child.
pub(crate) fn check_key(key: &str) -> Result<(), BuildsetError> {
    let refused = |why| Err(BuildsetError::Refused { key: key.to_owned(), why });
    let first = key.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic() || byte == b'_');
    let inner = key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    if !first || !inner || key.len() > KEY {
        return refused("a name is at most 64 letters, digits and `_`, and begins with no digit");
    }
    if key.starts_with("ansible") || RESERVED.contains(&key) {
        return refused("the name is reserved");
    }
    Ok(())
}

fn check_value(key: &str, value: &str) -> Result<(), BuildsetError> {
    if TEMPLATES.iter().any(|template| value.contains(template)) {
        let why = "Ansible would evaluate `{{`, `{%` and `{#` in it";
        return Err(BuildsetError::Refused { key: key.to_owned(), why });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
