//! Provides, requires, conflicts and obsoletes, and rpm's rule for when one meets another.

use serde::{Deserialize, Serialize};

use crate::error::ManifestError;

/// How a version in a dependency relates to the versions that meet it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Relation {
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `=`
    Equal,
    /// `>=`
    GreaterOrEqual,
    /// `>`
    Greater,
}

/// The version half of a dependency. A missing release is a wildcard; a missing epoch is promoted as rpm does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bound {
    pub(crate) relation: Relation,
    pub(crate) epoch: Option<u32>,
    pub(crate) version: String,
    pub(crate) release: Option<String>,
}

/// A name with an optional version bound: `libqb(x86-64) >= 2.0-1`. What a package provides, conflicts with or
/// obsoletes, and the plain form of what it requires.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Capability {
    pub(crate) name: String,
    pub(crate) bound: Option<Bound>,
}

/// What a package requires.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Requirement {
    /// A capability or a file path.
    Plain(Capability),
    /// A boolean dependency such as `(a if b)`, kept as a tree.
    Rich(Box<Rich>),
}

/// A boolean ("rich") dependency, see `rpm-dependency-generators` and rpm's `boolean dependencies`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rich {
    /// A plain capability inside a rich dependency.
    Plain(Capability),
    /// `(a and b …)`
    And(Vec<Rich>),
    /// `(a or b …)`
    Or(Vec<Rich>),
    /// `(a if b)` and `(a if b else c)`
    If(Box<Rich>, Box<Rich>, Option<Box<Rich>>),
    /// `(a unless b)` and `(a unless b else c)`
    Unless(Box<Rich>, Box<Rich>, Option<Box<Rich>>),
    /// `(a with b …)`: one package meets all.
    With(Vec<Rich>),
    /// `(a without b)`: one package meets a and not b.
    Without(Box<Rich>, Box<Rich>),
}

impl TryFrom<String> for Capability {
    type Error = ManifestError;

    fn try_from(text: String) -> Result<Self, ManifestError> {
        Err(ManifestError::Dependency { text, problem: "not yet" })
    }
}

impl From<Capability> for String {
    fn from(capability: Capability) -> String {
        capability.name
    }
}

impl TryFrom<String> for Requirement {
    type Error = ManifestError;

    fn try_from(text: String) -> Result<Self, ManifestError> {
        Ok(Self::Plain(text.try_into()?))
    }
}

impl From<Requirement> for String {
    fn from(_requirement: Requirement) -> String {
        String::new()
    }
}

impl Capability {
    /// Builds a capability from header values: a name and, where the flags say so, a relation and an EVR string.
    ///
    /// # Errors
    /// When the name is empty, too long or holds control characters, or the EVR cannot be read.
    pub fn new(_name: &str, _bound: Option<(Relation, &str)>) -> Result<Self, ManifestError> {
        Err(ManifestError::Dependency { text: String::new(), problem: "not yet" })
    }

    /// The name, or the path, that is provided or required.
    pub fn name(&self) -> &str {
        &self.name
    }
}
