//! What is wanted, as packages of the payload: the closure, and what stands in its way.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use extensions_manifest::closure::{self, Because, Closure, Offer};
use extensions_manifest::{Base, ExtensionMap, ExtensionName, Nevra, PackageFacts, Sha256Digest, limits};

use super::kernel::{self, Swap};
use super::obstacle;
use super::refusal::Objection;
use super::{PlanInputs, Share};
use crate::error::Reason;
use crate::payload::Payload;
use crate::rpm::{Package, Verified};

/// What is wanted, resolved: the packages, the proof that they are enough, and the base packages that make way.
#[derive(Debug, Clone)]
pub struct Resolution {
    pub(super) packages: BTreeMap<Nevra, Verified<Package>>,
    pub(super) closure: Closure,
    pub(super) removals: BTreeSet<String>,
    pub(super) shares: BTreeMap<ExtensionName, Share>,
    pub(super) payload: Sha256Digest,
}

impl Resolution {
    /// The packages that are needed, why, and who meets which requirement.
    pub fn closure(&self) -> &Closure {
        &self.closure
    }
}

/// The question that the closure answers. Built anew where it is asked again, so that a check does not trust the first.
pub(super) struct Question<'a> {
    facts: Vec<&'a PackageFacts>,
    map: Cow<'a, ExtensionMap>,
    base: Cow<'a, Base>,
    arch: &'a str,
    /// The extensions to resolve; a wanted kernel counts as one.
    pub(super) wanted: BTreeSet<ExtensionName>,
    /// The base packages that make way for the wanted kernel.
    pub(super) removals: BTreeSet<String>,
}

impl<'a> Question<'a> {
    /// Puts the question for these inputs.
    pub(super) fn new(inputs: &PlanInputs<'a>, payload: &'a Payload) -> Result<Self, Objection> {
        let mut wanted: BTreeSet<ExtensionName> = inputs.desired.extensions.keys().cloned().collect();
        let mut map = Cow::Borrowed(&payload.map);
        let mut base = Cow::Borrowed(inputs.base);
        let mut removals = BTreeSet::new();
        if let Some(Swap { name, extension, removed }) = kernel::swap(inputs, payload)? {
            map.to_mut().extensions.insert(name.clone(), extension);
            base.to_mut().packages.retain(|package| !removed.contains(package.nevra.name().as_str()));
            wanted.insert(name);
            removals = removed;
        }
        let facts = payload.packages.iter().map(|package| &package.get().facts).collect();
        Ok(Self { facts, map, base, arch: &inputs.observed.arch, wanted, removals })
    }

    /// What the payload offers to the resolver.
    pub(super) fn offer(&self) -> Offer<'_> {
        Offer { packages: &self.facts, map: &self.map, arch: self.arch }
    }

    /// The base without what makes way.
    pub(super) fn base(&self) -> &Base {
        &self.base
    }
}

/// Resolves what is wanted in the payload and on the base. `None` when nothing is wanted.
pub(super) fn resolve(inputs: &PlanInputs<'_>) -> Result<Option<Resolution>, Vec<Objection>> {
    if !inputs.wants_anything() {
        return Ok(None);
    }
    let early: Vec<Objection> =
        [too_many(inputs), kernel::devel_beside_another_kernel(inputs)].into_iter().flatten().collect();
    if !early.is_empty() {
        return Err(early);
    }
    let payload = inputs.payload.ok_or_else(|| vec![no_payload(inputs)])?;
    let question = Question::new(inputs, payload).map_err(|objection| vec![objection])?;
    let closure = closure::resolve(&question.wanted, question.offer(), question.base()).map_err(|found| {
        found.into_iter().map(|obstacle| obstacle::objection(obstacle, inputs)).collect::<Vec<_>>()
    })?;
    let package = |index: usize| payload.packages.get(index).cloned();
    let packages = closure
        .members()
        .iter()
        .filter_map(|(nevra, member)| Some((nevra.clone(), package(member.index)?)))
        .collect();
    let shares = shares(&question, &closure);
    let digest = payload.pinned.digest();
    Ok(Some(Resolution { packages, closure, removals: question.removals, shares, payload: digest }))
}

fn too_many(inputs: &PlanInputs<'_>) -> Option<Objection> {
    let found = inputs.desired.extensions.len();
    (found > limits::EXTENSIONS).then(|| Objection {
        reason: Reason::LimitExceeded,
        message: format!("{found} extensions are wanted, the limit is {}", limits::EXTENSIONS),
        cure: Some("ask for fewer extensions".to_owned()),
        extensions: BTreeSet::new(),
        requested_by: inputs.desired.extensions.values().flatten().cloned().collect(),
    })
}

fn no_payload(inputs: &PlanInputs<'_>) -> Objection {
    let extensions: BTreeSet<ExtensionName> = inputs.desired.extensions.keys().cloned().collect();
    Objection {
        reason: Reason::NoPayload,
        message: format!("no payload is named to take {} from", obstacle::names(&extensions)),
        cure: Reason::NoPayload.cure().map(str::to_owned),
        requested_by: inputs.requested_by(&extensions),
        extensions,
    }
}

fn shares(question: &Question<'_>, closure: &Closure) -> BTreeMap<ExtensionName, Share> {
    let share = |name: &ExtensionName| {
        let members = closure.members().iter().filter(|(_, member)| member.extensions.contains(name));
        let named = members
            .clone()
            .filter(|(_, member)| member.because.contains(&Because::Extension(name.clone())))
            .map(|(nevra, _)| nevra);
        let in_base = closure.in_base().get(name).cloned().unwrap_or_default();
        let candidates: Vec<&Nevra> = named.chain(&in_base).collect();
        let specs = question.map.extensions.get(name).into_iter().flat_map(|extension| &extension.packages);
        let first = specs
            .filter_map(|spec| {
                candidates.iter().find(|nevra| spec.is_name_of(nevra) || spec.is_version_of(nevra))
            })
            .next();
        Share {
            version: first.or(candidates.first()).map(|nevra| nevra.evr().to_string()),
            packages: members.map(|(nevra, _)| nevra.clone()).collect(),
            in_base,
        }
    };
    question.wanted.iter().map(|name| (name.clone(), share(name))).collect()
}
