//! Whether payload and base belong to one build of the operating system.
//!
//! Only what both sides say of themselves counts: an image without labels cannot be judged, and is not.

use std::collections::BTreeSet;

use super::PlanInputs;
use super::refusal::Objection;
use crate::error::Reason;
use crate::host::Deployment;
use crate::payload::Labels;
use crate::settings;

/// What judging skew takes beside the host and the payload.
#[derive(Debug, Clone, Copy, Default)]
pub struct SkewInputs<'a> {
    /// What is done about it.
    pub policy: settings::Skew,
    /// The labels of the OS image that the MachineConfigs name.
    pub os_image: Option<&'a Labels>,
}

/// What is known of the base.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BaseBuild<'a> {
    /// The version of its deployment.
    pub version: Option<&'a str>,
    /// The checksum of its commit.
    pub checksum: Option<&'a str>,
    /// The labels of the image that the node should boot.
    pub image: Option<&'a Labels>,
}

/// Two builds that do not belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Skew {
    /// The base's.
    pub base: String,
    /// The payload's.
    pub payload: String,
}

/// Holds what the base and the payload say of their builds against each other; none where they agree or cannot be
/// compared.
pub fn skew(base: BaseBuild<'_>, payload: &Labels) -> Option<Skew> {
    let differ = |base: Option<&str>, payload: Option<&str>| match (base, payload) {
        (Some(base), Some(payload)) if base != payload => {
            Some(Skew { base: base.to_owned(), payload: payload.to_owned() })
        }
        (_, _) => None,
    };
    if base.checksum.is_some() && base.checksum == payload.commit.as_deref() {
        return None;
    }
    let version = payload.machine_os.as_deref();
    let of_image = base.image.and_then(|image| image.version.as_deref());
    let same_scheme = |base: &&str| version.is_some_and(|payload| scheme(base) == scheme(payload));
    let version_of_base = base.version.filter(same_scheme).or(of_image.filter(same_scheme));
    differ(version_of_base, version)
        .or_else(|| {
            // Equal versions are one build; only where there are none the commits have to say it.
            let commit = base.image.and_then(|image| image.commit.as_deref());
            differ(commit.filter(|_| version_of_base.is_none()), payload.commit.as_deref())
        })
        .or_else(|| differ(base.image.and_then(|image| image.stream.as_deref()), payload.stream.as_deref()))
}

/// The form of a version: `418.94.202411210000-0` and `9.6.20250523-0` are builds by different rules, and which of them
/// is which cannot be told. A version with less than three parts names a product, not a build.
fn scheme(version: &str) -> Option<(usize, usize)> {
    let parts: Vec<&str> = version.split('.').collect();
    let digits = parts.first().filter(|first| first.bytes().all(|byte| byte.is_ascii_digit()))?.len();
    (parts.len() >= 3).then_some((parts.len(), digits))
}

/// The skew between the payload of these inputs and the base that a call would start from.
pub(super) fn of(inputs: &PlanInputs<'_>, start: &Deployment) -> Option<Skew> {
    let payload = inputs.payload.filter(|_| inputs.wants_anything())?;
    let base = BaseBuild {
        version: start.version.as_deref(),
        checksum: Some(&start.base_checksum),
        image: inputs.skew.os_image,
    };
    skew(base, &payload.labels)
}

/// The skew in words.
pub(super) fn objection(inputs: &PlanInputs<'_>, skew: &Skew) -> Objection {
    let Skew { base, payload } = skew;
    Objection {
        reason: Reason::ReleaseSkew,
        message: format!(
            "the payload was built for another base: it belongs to `{payload}`, the base is `{base}`"
        ),
        cure: Reason::ReleaseSkew.cure().map(str::to_owned),
        extensions: BTreeSet::new(),
        requested_by: inputs.desired.payload_from.iter().cloned().collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(version: &str) -> Labels {
        Labels { machine_os: Some(version.to_owned()), ..Labels::default() }
    }

    fn shown(base: BaseBuild<'_>, payload: &Labels) -> Option<(String, String)> {
        skew(base, payload).map(|skew| (skew.base, skew.payload))
    }

    #[test]
    fn the_version_of_the_base_is_held_against_the_build_of_the_payload() {
        let payload = build("418.94.202411210000-0");
        for (base, skewed) in [
            ("418.94.202411210000-0", false),
            ("418.94.202412050000-0", true),
            ("416.94.202411210000-0", true),
            // Built by other rules, or no build at all: nothing is claimed.
            ("9.4.202411210000-0", false),
            ("39.20240112.3.0", false),
            ("418.94", false),
            ("", false),
            ("rolling", false),
        ] {
            let base = BaseBuild { version: Some(base), ..BaseBuild::default() };
            assert_eq!(skew(base, &payload).is_some(), skewed, "{base:?}");
        }
        let none = BaseBuild::default();
        assert_eq!(skew(none, &payload), None, "nothing is known of the base");
        let base = BaseBuild { version: Some("418.94.1-0"), ..none };
        let inherited = Labels { version: Some("418.94.2-0".to_owned()), ..Labels::default() };
        assert_eq!(skew(base, &inherited), None, "a label that may be another image's");
    }

    #[test]
    fn the_labels_of_the_named_os_image_speak_where_the_deployment_does_not() {
        let labels = |version: Option<&str>, commit: &str, stream: &str| Labels {
            version: version.map(str::to_owned),
            machine_os: version.map(str::to_owned),
            commit: Some(commit.to_owned()),
            stream: Some(stream.to_owned()),
            bootable: false,
        };
        let payload = labels(Some("418.94.1-0"), "aa", "rhel-9");
        let pair = |base: &str, payload: &str| Some((base.to_owned(), payload.to_owned()));
        for (os, expected) in [
            (labels(Some("418.94.1-0"), "bb", "rhel-9"), None),
            (labels(Some("418.94.2-0"), "aa", "rhel-9"), pair("418.94.2-0", "418.94.1-0")),
            (labels(None, "bb", "rhel-9"), pair("bb", "aa")),
            (labels(None, "aa", "rhel-10"), pair("rhel-10", "rhel-9")),
            (Labels::default(), None),
        ] {
            let base = BaseBuild { image: Some(&os), ..BaseBuild::default() };
            assert_eq!(shown(base, &payload), expected, "{os:?}");
        }
        let os = labels(Some("418.94.2-0"), "bb", "rhel-9");
        let runs = BaseBuild { version: Some("418.94.1-0"), image: Some(&os), ..BaseBuild::default() };
        assert_eq!(shown(runs, &payload), None, "what runs is what is layered on");
        let same = BaseBuild { version: Some("418.94.2-0"), checksum: Some("aa"), image: None };
        assert_eq!(shown(same, &payload), None, "the very commit");
    }
}
