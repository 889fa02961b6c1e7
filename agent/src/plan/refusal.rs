//! Every reason for not acting, who wants what cannot be had, and what would cure it.

use std::collections::BTreeSet;
use std::fmt;

use extensions_manifest::ExtensionName;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Failure, Reason};

/// One thing that stands in the way.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Objection {
    /// What it is, in one closed word.
    pub reason: Reason,
    /// What exactly is missing or in the way, and who needs it.
    pub message: String,
    /// What would cure it.
    pub cure: Option<String>,
    /// The extensions that it concerns.
    pub extensions: BTreeSet<ExtensionName>,
    /// The MachineConfigs that asked for them.
    pub requested_by: BTreeSet<String>,
}

/// Why nothing is done: everything that stands in the way, sorted, never only the first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    first: Objection,
    others: Vec<Objection>,
}

impl Refusal {
    /// Collects objections; none when there is none.
    pub fn of(objections: impl IntoIterator<Item = Objection>) -> Option<Self> {
        let mut sorted = objections.into_iter().collect::<BTreeSet<_>>().into_iter();
        let first = sorted.next()?;
        Some(Self { first, others: sorted.collect() })
    }

    /// What stands in the way, sorted; at least one.
    pub fn objections(&self) -> impl Iterator<Item = &Objection> {
        std::iter::once(&self.first).chain(&self.others)
    }
}

impl From<Objection> for Refusal {
    fn from(first: Objection) -> Self {
        Self { first, others: Vec::new() }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.first.message)?;
        self.others.iter().try_for_each(|objection| write!(out, "; {}", objection.message))
    }
}

impl std::error::Error for Refusal {}

impl Failure for Refusal {
    fn reason(&self) -> Reason {
        self.first.reason
    }

    fn cure(&self) -> Option<String> {
        self.first.cure.clone()
    }
}
