//! The closure of packages that a set of extensions needs, with its proof and its explanation.
//!
//! Decides: which packages of a payload to layer on a base, or why none can be. Must not: know a host beyond [`Base`],
//! nor weigh alternatives against each other. Input: package facts and a map that were checked before.
//!
//! There is no solver. A requirement is met by the first that does, in this order:
//!
//! 1. the base, which is never changed;
//! 2. a package that is in the closure already, the requiring one included;
//! 3. the only package of the payload that can;
//! 4. when all such needs are met, and one at a time: of several, the package of the required name, else the one of the
//!    highest version, else the first by name.
//!
//! Nothing is taken back, so the order of work is fixed too: by NEVRA, then by requirement. Then every requirement of
//! every member is *proved* to be met, members that no proof needs are dropped, and what is left unmet is an
//! [`Obstacle`]. [`verify_proof`] checks the result once more, with none of this code.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::map::ExtensionMap;
use crate::name::ExtensionName;
use crate::nevra::Nevra;
use crate::package::{Base, PackageFacts};

mod clash;
mod explain;
mod obstacle;
mod pool;
mod prove;
mod roots;
mod search;
#[cfg(test)]
mod tests;
mod verify;

pub use obstacle::Obstacle;
pub use verify::{Flaw, verify_proof};

use pool::Pool;
use prove::Proof;
use search::Chosen;

/// What a payload offers to the resolver.
#[derive(Debug, Clone, Copy)]
pub struct Offer<'a> {
    /// The payload's packages. Indexes into this slice are stable. References, because facts may take megabytes.
    pub packages: &'a [&'a PackageFacts],
    /// The payload's map.
    pub map: &'a ExtensionMap,
    /// The architecture of the host, in rpm's words (`x86_64`).
    pub arch: &'a str,
}

/// Why a package is in the closure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase")]
pub enum Because {
    /// An extension names it.
    Extension(ExtensionName),
    /// Another member of the closure requires it.
    RequiredBy {
        /// Who requires it.
        package: Nevra,
        /// The requirement it meets, as rpm writes it.
        requirement: String,
    },
}

/// Who meets a requirement.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Provider {
    /// A package of the base.
    Base(Nevra),
    /// A file of the base.
    BaseFile(String),
    /// Another member of the closure, or the package itself.
    Member(Nevra),
    /// rpm itself (`rpmlib(…)`).
    Rpm,
    /// Nobody has to: a rich dependency whose condition does not hold.
    NotNeeded,
}

/// One line of the proof: this requirement of this package is met by that. A rich dependency has a line for each
/// package that it takes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct ProofLine {
    /// Whose requirement it is.
    pub package: Nevra,
    /// The requirement, as rpm writes it.
    pub requirement: String,
    /// Who meets it.
    pub provider: Provider,
}

/// One package of the closure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its place in [`Offer::packages`].
    pub index: usize,
    /// Every direct reason for it to be here, sorted.
    pub because: BTreeSet<Because>,
    /// The extensions that need it, directly or through others.
    pub extensions: BTreeSet<ExtensionName>,
}

/// A set of payload packages that is complete on the given base, with the proof of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closure {
    members: BTreeMap<Nevra, Member>,
    proof: Vec<ProofLine>,
    in_base: BTreeMap<ExtensionName, BTreeSet<Nevra>>,
}

/// Finds the packages that `wanted` needs and proves the set complete on `base`.
///
/// The result depends on the sets alone: the order of `offer.packages` and of the lists inside it changes nothing.
///
/// # Errors
/// Every obstacle that was found, sorted, never only the first.
pub fn resolve(
    wanted: &BTreeSet<ExtensionName>,
    offer: Offer<'_>,
    base: &Base,
) -> Result<Closure, Vec<Obstacle>> {
    let duplicates = duplicates(offer.packages);
    if !duplicates.is_empty() {
        return Err(duplicates.into_iter().map(|package| Obstacle::DuplicateNevra { package }).collect());
    }
    let pool = Pool::new(offer, base);
    let mut roots = roots::find(wanted, &pool);
    let mut obstacles = std::mem::take(&mut roots.obstacles);
    let Some((chosen, proof)) = settle(&pool, &roots) else {
        return Err(too_complex());
    };
    let extensions = proof.extensions(&roots);
    obstacles.extend(roots.several_versions(&chosen));
    obstacles.extend(proof.obstacles(&pool, &chosen, &extensions));
    obstacles.extend(clash::find(&pool, &chosen));
    if pool.is_exhausted() {
        // What was found on the way is half an answer, and half an answer may be wrong.
        return Err(too_complex());
    }
    if !obstacles.is_empty() {
        return Err(obstacles.into_iter().collect());
    }
    let mut because = proof.because(&roots);
    let mut members = BTreeMap::new();
    for (index, package) in offer.packages.iter().enumerate() {
        if chosen.holds(package) {
            let because = because.remove(&package.nevra).unwrap_or_default();
            let extensions = extensions.get(&package.nevra).cloned().unwrap_or_default();
            members.insert(package.nevra.clone(), Member { index, because, extensions });
        }
    }
    Ok(Closure { members, proof: proof.into_lines(), in_base: roots.in_base })
}

/// Searches and proves until every member is needed by the proof. `None` when that takes too much work.
fn settle<'a>(pool: &Pool<'a>, roots: &roots::Roots<'a>) -> Option<(Chosen<'a>, Proof<'a>)> {
    let mut chosen = search::run(pool, roots.packages());
    // A second round is rare: a choice was made for a requirement that a later member meets by a better rule. Each
    // round starts smaller; the bound stops rich dependencies that keep asking for what was dropped.
    for _ in 0..8 {
        if pool.is_exhausted() {
            return None;
        }
        let proof = Proof::of(pool, &chosen);
        let needed = proof.needed(roots, &chosen);
        // What is not proved is refused, and then all that was tried helps to say why.
        if !proof.is_complete() || needed.len() == chosen.len() {
            return Some((chosen, proof));
        }
        chosen = search::run(pool, needed.into_iter());
    }
    None
}

fn too_complex() -> Vec<Obstacle> {
    vec![Obstacle::TooComplex { steps: crate::limits::CLOSURE_STEPS }]
}

fn duplicates(packages: &[&PackageFacts]) -> BTreeSet<Nevra> {
    let mut seen = std::collections::HashSet::new();
    let twice = packages.iter().filter(|package| !seen.insert(&package.nevra));
    twice.map(|package| package.nevra.clone()).collect()
}

impl Closure {
    /// The packages to layer, by NEVRA.
    pub fn members(&self) -> &BTreeMap<Nevra, Member> {
        &self.members
    }

    /// Every requirement of every member, and who meets it.
    pub fn proof(&self) -> &[ProofLine] {
        &self.proof
    }

    /// Packages that an extension names but the base has already, in the same version.
    pub fn in_base(&self) -> &BTreeMap<ExtensionName, BTreeSet<Nevra>> {
        &self.in_base
    }
}
