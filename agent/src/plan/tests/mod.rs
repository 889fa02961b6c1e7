//! The pure half on values: a small payload, a base, deployments, and what is decided for them.

mod decisions;
mod documents;
mod forecasts;
mod kernels;
mod ledgers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use extensions_manifest::dependency::Requirement;
use extensions_manifest::map::{Extension, PackageSpec};
use extensions_manifest::package::BasePackage;
use extensions_manifest::{Base, ExtensionMap, ExtensionName, MapOrigin, Nevra, PackageFacts, Sha256Digest};

use super::{Change, Ledger, Plan, PlanInputs, Refusal, SkewInputs, check, plan};
use crate::desired::{Desired, KernelType};
use crate::host::{Deployment, LocalPackage, Observed};
use crate::payload::{Labels, Layout, Payload, Pinned};
use crate::rpm::{Package, Signature, restore_from_checked_record};
use crate::settings;

pub(crate) fn nevra(text: &str) -> Nevra {
    text.parse().unwrap()
}

fn name(text: &str) -> ExtensionName {
    text.parse().unwrap()
}

fn names(texts: &[&str]) -> BTreeSet<ExtensionName> {
    texts.iter().map(|text| name(text)).collect()
}

/// The header digest of a file: its NEVRA and which build of it.
fn head(text: &str, build: &str) -> Sha256Digest {
    Sha256Digest::of(format!("head of {text} {build}").as_bytes())
}

/// A package as it lies on a host.
pub(crate) fn local(text: &str, build: &str) -> LocalPackage {
    LocalPackage { nevra: nevra(text), head: Some(head(text, build)) }
}

/// A payload: each line is a NEVRA and what it requires; each extension a name and the packages it names.
pub(crate) fn payload(build: &str, packages: &[(&str, &[&str])], extensions: &[(&str, &[&str])]) -> Payload {
    let package = |(text, requires): &(&str, &[&str])| {
        let mut facts = PackageFacts::new(nevra(text));
        facts.requires =
            requires.iter().map(|text| Requirement::try_from((*text).to_owned()).unwrap()).collect();
        let file = Sha256Digest::of(format!("file of {text} {build}").as_bytes());
        restore_from_checked_record(Package {
            facts,
            file,
            head: head(text, build),
            size: 1_000,
            installed_size: 3_000,
            signature: Signature::NotChecked,
        })
    };
    let extension = |(text, packages): &(&str, &[&str])| {
        let specs = packages.iter().map(|text| text.parse::<PackageSpec>().unwrap()).collect();
        (name(text), Extension::new(specs))
    };
    Payload {
        pinned: Pinned {
            display: format!("registry.test/extensions@{build}"),
            digest: Sha256Digest::of(build.as_bytes()),
        },
        layout: Layout::ExtensionsContainer,
        map: ExtensionMap {
            origin: MapOrigin::Payload,
            extensions: extensions.iter().map(extension).collect(),
        },
        packages: Arc::new(packages.iter().map(package).collect()),
        labels: Labels { version: Some("9.4".to_owned()), ..Labels::default() },
    }
}

pub(crate) const USBGUARD: &str = "usbguard-1.0-1.x86_64";
pub(crate) const LIBQB: &str = "libqb-2.0-1.x86_64";
pub(crate) const PROTOBUF: &str = "protobuf-3.14-1.x86_64";
pub(crate) const PACEMAKER: &str = "pacemaker-2.1-1.x86_64";
pub(crate) const USBGUARD_NEWER: &str = "usbguard-1.1-1.x86_64";
pub(crate) const LIBQB_NEWER: &str = "libqb-2.1-1.x86_64";

/// usbguard and pacemaker share libqb.
pub(crate) fn release() -> Payload {
    payload(
        "one",
        &[
            (USBGUARD, &["libqb >= 2.0", "protobuf", "glibc"]),
            (LIBQB, &["glibc"]),
            (PROTOBUF, &[]),
            (PACEMAKER, &["libqb"]),
        ],
        &[("usbguard", &["usbguard"]), ("two-node-ha", &["pacemaker"])],
    )
}

/// The next release: all of usbguard's packages but one are newer.
pub(crate) fn next_release() -> Payload {
    payload(
        "two",
        &[(USBGUARD_NEWER, &["libqb >= 2.1", "protobuf"]), (LIBQB_NEWER, &["glibc"]), (PROTOBUF, &[])],
        &[("usbguard", &["usbguard"])],
    )
}

pub(crate) fn base(packages: &[&str]) -> Base {
    let packages = packages.iter().map(|text| BasePackage::new(nevra(text))).collect();
    Base { packages, files: BTreeSet::new() }
}

pub(crate) fn small_base() -> Base {
    base(&["glibc-2.34-1.x86_64", "bash-5.1-1.x86_64"])
}

/// A deployment of base `b` with these packages layered.
pub(crate) fn deployment(id: &str, packages: &[LocalPackage]) -> Deployment {
    Deployment {
        id: id.to_owned(),
        osname: "fedora-coreos".to_owned(),
        checksum: id.to_owned(),
        serial: 0,
        base_checksum: "b".to_owned(),
        version: Some("39.1".to_owned()),
        booted: false,
        staged: false,
        pinned: false,
        local_packages: packages.iter().cloned().collect(),
        requested_packages: BTreeSet::new(),
        base_removals: BTreeSet::new(),
        other: BTreeMap::new(),
    }
}

pub(crate) fn booted(packages: &[LocalPackage]) -> Observed {
    let booted = Deployment { booted: true, ..deployment("booted", packages) };
    Observed { deployments: vec![booted], transaction: None, arch: "x86_64".to_owned() }
}

/// The booted deployment without anything layered, and a staged one before it.
pub(crate) fn staged(packages: &[LocalPackage]) -> Observed {
    let mut observed = booted(&[]);
    observed.deployments.insert(0, Deployment { staged: true, ..deployment("staged", packages) });
    observed
}

pub(crate) fn wish(extensions: &[&str]) -> Desired {
    let asked = |text: &&str| (name(text), BTreeSet::from([format!("99-{text}")]));
    Desired {
        extensions: extensions.iter().map(asked).collect(),
        kernel_type: KernelType::Default,
        kernel_type_from: None,
        payload: Some("registry.test/extensions@".to_owned() + &Sha256Digest::of(b"one").to_string()),
        payload_from: Some("99-payload".to_owned()),
        os_image: None,
        rendered: None,
    }
}

/// One question to `plan`, with an answer for everything that a test does not care about.
struct Case {
    desired: Desired,
    payload: Option<Payload>,
    observed: Observed,
    base: Base,
    ledger: Ledger,
    skew: settings::Skew,
}

impl Case {
    fn wants(extensions: &[&str]) -> Self {
        Self {
            desired: wish(extensions),
            payload: Some(release()),
            observed: booted(&[]),
            base: small_base(),
            ledger: Ledger::default(),
            skew: settings::Skew::Refuse,
        }
    }

    fn on(mut self, observed: Observed) -> Self {
        self.observed = observed;
        self
    }

    fn from(mut self, payload: Payload) -> Self {
        self.payload = Some(payload);
        self
    }

    /// With the ledger that a node has which layered and booted `extensions` from `payload`.
    fn having_layered(mut self, extensions: &[&str], payload: Payload) -> Self {
        let before = Case::wants(extensions).from(payload);
        self.ledger = before.change().basis.ledger;
        self
    }

    fn inputs(&self) -> PlanInputs<'_> {
        PlanInputs {
            desired: &self.desired,
            payload: self.payload.as_ref(),
            observed: &self.observed,
            base: &self.base,
            ledger: &self.ledger,
            skew: SkewInputs { policy: self.skew, os_image: None },
        }
    }

    fn plan(&self) -> Plan {
        plan(&self.inputs())
    }

    /// The change that is decided; it must pass every check.
    fn change(&self) -> Change {
        match self.plan() {
            Plan::Change(change) => {
                check(change.clone(), &self.inputs()).expect("a plan of ours passes its checks");
                *change
            }
            other @ (Plan::Nothing(_) | Plan::Refuse(_)) => panic!("a change was expected: {other:?}"),
        }
    }

    fn refusal(&self) -> Refusal {
        match self.plan() {
            Plan::Refuse(refusal) => refusal,
            other @ (Plan::Nothing(_) | Plan::Change(_)) => panic!("a refusal was expected: {other:?}"),
        }
    }
}

fn installs(change: &Change) -> Vec<String> {
    change.install.keys().map(ToString::to_string).collect()
}

fn uninstalls(change: &Change) -> Vec<String> {
    change.uninstall.iter().map(|gone| gone.nevra.to_string()).collect()
}
