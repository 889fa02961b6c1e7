//! What a record says beside how far it came: who holds it, whether it is empty, and what was warm before.
//!
//! Decides: the shape of each. Must not: act on it. Input: none.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How far a request shall come before it is handed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Until {
    /// The objects are there.
    Created,
    /// The pods are ready, and the job's token may use them.
    #[default]
    Ready,
}

/// Who keeps a build for looking at, beyond its own life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// How long.
    pub until: Timestamp,
}

/// Since when namespaces have been empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Empty {
    /// Since when.
    pub since: Timestamp,
    /// The versions of what was looked at: while they are the same, no pod has come or gone.
    pub seen: String,
}

/// A warm node that a request has taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Warm {
    /// The id of the record that it had.
    pub id: String,
    /// The name of its holder.
    pub holder: String,
}

/// What makes a record that of a warm node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stock {
    /// What its label meant when it was made, in one word.
    pub meaning: String,
    /// The id of the request that has taken it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taken: Option<String>,
}
