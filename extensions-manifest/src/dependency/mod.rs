//! Provides, requires, conflicts and obsoletes, and rpm's rule for when one meets another.
//!
//! Decides: what a dependency says and whether a provide meets it. Must not: know which packages there are. Input: names
//! and versions of untrusted headers, or the same as text.

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{ManifestError, excerpt};
use crate::limits;
use crate::nevra::{Evr, Nevra, compare_versions};

mod overlap;
mod rich;
#[cfg(test)]
mod tests;

pub use rich::Rich;

/// What each text on the heap takes beside its own bytes.
const HEAP_BYTES: usize = 16;

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

/// The version half of a dependency. A missing release is a wildcard; a missing epoch counts as 0.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bound {
    relation: Relation,
    epoch: u32,
    version: String,
    release: Option<String>,
}

/// A name with an optional version bound: `libqb(x86-64) >= 2.0-1`. What a package provides, conflicts with or
/// obsoletes, and the plain form of what it requires.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Capability {
    name: String,
    bound: Option<Bound>,
}

/// What a package requires, or what it refuses to stand beside.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Requirement {
    /// A capability or a file path.
    Plain(Capability),
    /// A boolean dependency such as `(a if b)`, kept as a tree.
    Rich(Box<Rich>),
}

impl Capability {
    /// Builds a capability from header values: a name and, where the flags say so, a relation and an EVR string.
    ///
    /// An empty EVR string is no bound at all: rpm lets it meet everything, whatever the flags say.
    ///
    /// # Errors
    /// When the name is empty, too long or holds blanks or control characters, or the EVR cannot be read.
    pub fn new(name: &str, bound: Option<(Relation, &str)>) -> Result<Self, ManifestError> {
        if name.starts_with('(') {
            let problem = "a rich dependency stands where one capability is expected";
            return Err(ManifestError::Dependency { text: excerpt(name), problem });
        }
        let bound = match bound {
            Some((relation, evr)) if !evr.is_empty() => Some(Bound::new(relation, checked(evr)?)?),
            Some(_) | None => None,
        };
        Ok(Self { name: checked(name)?.to_owned(), bound })
    }

    /// What every package provides of itself: `name = evr`.
    pub fn exactly(nevra: &Nevra) -> Self {
        let evr = nevra.evr();
        let bound = Bound {
            relation: Relation::Equal,
            epoch: evr.epoch(),
            version: evr.version().to_owned(),
            release: Some(evr.release().to_owned()),
        };
        Self { name: nevra.name().to_string(), bound: Some(bound) }
    }

    /// The name, or the path, that is provided or required.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The versions that are meant; `None` means all of them.
    pub fn bound(&self) -> Option<&Bound> {
        self.bound.as_ref()
    }

    /// Roughly how many bytes of memory it takes: for bounds on what many of them may take together.
    pub fn weight(&self) -> usize {
        let texts = self.bound.as_ref().map_or(0, |bound| {
            let release = bound.release.as_ref().map_or(0, |release| release.len() + HEAP_BYTES);
            bound.version.len() + HEAP_BYTES + release
        });
        size_of::<Self>() + self.name.len() + HEAP_BYTES + texts
    }

    /// Whether the name is a file path.
    pub fn is_path(&self) -> bool {
        self.name.starts_with('/')
    }

    /// Whether rpm itself is asked for a feature (`rpmlib(…)`).
    pub fn is_rpm_feature(&self) -> bool {
        self.name.starts_with("rpmlib(")
    }

    /// Whether this, as a provide, meets `wanted`: the names are equal and the version ranges overlap.
    ///
    /// An unversioned side meets every version of the other. rpm and libsolv agree on that, although packaging guides
    /// say otherwise of unversioned provides.
    pub fn meets(&self, wanted: &Capability) -> bool {
        self.name == wanted.name && self.overlaps(wanted)
    }

    fn overlaps(&self, other: &Capability) -> bool {
        match (&self.bound, &other.bound) {
            (Some(left), Some(right)) => overlap::overlap(left, right),
            (None, _) | (_, None) => true,
        }
    }

    /// Whether a package of exactly this name and version is meant: how rpm matches `Obsoletes`, which never looks at
    /// what else a package provides.
    pub fn names(&self, nevra: &Nevra) -> bool {
        self.name == nevra.name().as_str() && Capability::exactly(nevra).overlaps(self)
    }
}

impl Bound {
    fn new(relation: Relation, evr: &str) -> Result<Self, ManifestError> {
        let refused = |problem| ManifestError::Dependency { text: excerpt(evr), problem };
        // rpm takes leading digits before `:` for an epoch, and what follows the last `-` for a release.
        let (epoch, rest) = match evr.split_once(':') {
            Some((digits, rest)) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                let epoch = match digits {
                    "" => 0,
                    _ => digits.parse().map_err(|_| refused("the epoch is too large"))?,
                };
                (epoch, rest)
            }
            Some(_) | None => (0, evr),
        };
        let (version, release) = match rest.rsplit_once('-') {
            Some((version, release)) => (version, Some(release).filter(|text| !text.is_empty())),
            None => (rest, None),
        };
        Ok(Self { relation, epoch, version: version.to_owned(), release: release.map(str::to_owned) })
    }

    /// How the version relates to those that meet it.
    pub fn relation(&self) -> Relation {
        self.relation
    }

    /// rpm's order of the two versions that are named, whatever the relations; a missing release is no difference.
    pub fn order(&self, other: &Self) -> Ordering {
        let order =
            self.epoch.cmp(&other.epoch).then_with(|| compare_versions(&self.version, &other.version));
        match (&self.release, &other.release) {
            (Some(left), Some(right)) => order.then_with(|| compare_versions(left, right)),
            (None, _) | (_, None) => order,
        }
    }

    /// Whether this names exactly the version `evr`, release included.
    pub fn is_exactly(&self, evr: &Evr) -> bool {
        self.relation == Relation::Equal
            && self.epoch == evr.epoch()
            && self.version == evr.version()
            && self.release.as_deref() == Some(evr.release())
    }
}

impl Requirement {
    /// Builds a requirement from header values. A name that starts with `(` is a rich dependency and holds all of it.
    ///
    /// # Errors
    /// As [`Capability::new`]; also when a rich dependency does not follow rpm's grammar or is nested too deep.
    pub fn new(name: &str, bound: Option<(Relation, &str)>) -> Result<Self, ManifestError> {
        if !name.starts_with('(') {
            return Ok(Self::Plain(Capability::new(name, bound)?));
        }
        let rich = Rich::parse(name)?;
        // `(foo)` says no more than `foo`; one form for both keeps text and value one to one.
        if let Rich::Plain(capability) = rich {
            return Ok(Self::Plain(capability));
        }
        Ok(Self::Rich(Box::new(rich)))
    }

    /// Every capability that is mentioned, conditions included.
    pub fn capabilities(&self) -> Vec<&Capability> {
        match self {
            Requirement::Plain(capability) => vec![capability],
            Requirement::Rich(rich) => rich.capabilities(),
        }
    }

    /// Every file path that is mentioned.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.capabilities().into_iter().filter(|capability| capability.is_path()).map(Capability::name)
    }
}

/// A name or version of a dependency: rpm allows nearly anything, but nothing that could fake a second line, hide text
/// or split into several words.
fn checked(text: &str) -> Result<&str, ManifestError> {
    let refused = |problem| ManifestError::Dependency { text: excerpt(text), problem };
    let hides = |c: char| matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    if text.is_empty() {
        Err(refused("a name is missing"))
    } else if text.len() > limits::DEPENDENCY_BYTES {
        Err(refused("it is too long"))
    } else if text.chars().any(|c| c.is_control() || c.is_whitespace() || hides(c)) {
        Err(refused("a name or version holds blanks or invisible characters"))
    } else {
        Ok(text)
    }
}

impl Relation {
    /// The relation as rpm writes it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Relation::Less => "<",
            Relation::LessOrEqual => "<=",
            Relation::Equal => "=",
            Relation::GreaterOrEqual => ">=",
            Relation::Greater => ">",
        }
    }

    /// Reads a relation, also in the old spellings that rpm still takes.
    fn parse(text: &str) -> Option<Self> {
        match text {
            "<" => Some(Relation::Less),
            "<=" | "=<" => Some(Relation::LessOrEqual),
            "=" | "==" => Some(Relation::Equal),
            ">=" | "=>" => Some(Relation::GreaterOrEqual),
            ">" => Some(Relation::Greater),
            _ => None,
        }
    }
}

impl FromStr for Capability {
    type Err = ManifestError;

    fn from_str(text: &str) -> Result<Self, ManifestError> {
        let refused = |problem| ManifestError::Dependency { text: excerpt(text), problem };
        let mut words = text.split_ascii_whitespace();
        let name = words.next().ok_or_else(|| refused("it is empty"))?;
        let bound = match (words.next(), words.next()) {
            (None, _) => None,
            (Some(relation), Some(evr)) => {
                let relation = Relation::parse(relation).ok_or_else(|| refused("the relation is unknown"))?;
                Some((relation, evr))
            }
            (Some(_), None) => return Err(refused("the version is missing")),
        };
        match words.next() {
            Some(_) => Err(refused("there is text after the version")),
            None => Self::new(name, bound),
        }
    }
}

impl FromStr for Requirement {
    type Err = ManifestError;

    fn from_str(text: &str) -> Result<Self, ManifestError> {
        if text.starts_with('(') { Self::new(text, None) } else { Ok(Self::Plain(text.parse()?)) }
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ", self.relation.as_str())?;
        // An epoch of zero is worth a word only where the version itself would read as one.
        if self.epoch != 0 || self.version.contains(':') {
            write!(out, "{}:", self.epoch)?;
        }
        out.write_str(&self.version)?;
        match &self.release {
            Some(release) => write!(out, "-{release}"),
            // Without the last `-` a part of the version would read as the release, or nothing as no version at all.
            None if self.version.is_empty() || self.version.contains('-') => out.write_str("-"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Capability {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.bound {
            Some(bound) => write!(out, "{} {bound}", self.name),
            None => out.write_str(&self.name),
        }
    }
}

impl fmt::Display for Requirement {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Requirement::Plain(capability) => capability.fmt(out),
            Requirement::Rich(rich) => rich.fmt(out),
        }
    }
}

macro_rules! serde_as_text {
    ($name:ident) => {
        impl TryFrom<String> for $name {
            type Error = ManifestError;

            fn try_from(text: String) -> Result<Self, ManifestError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.to_string()
            }
        }
    };
}

serde_as_text!(Capability);
serde_as_text!(Requirement);
