//! What the labels of an image say of the build that it belongs to. Pure.
//!
//! Labels are inherited: an extensions image on a UBI carries that one's `version` too. So only labels that are written
//! for the operating system itself count as a build; the others are good enough to be shown.

use extensions_manifest::excerpt;
use serde::{Deserialize, Serialize};

/// The labels of a config that mean anything here; the others may be many, and are not kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub(super) struct RawLabels {
    #[serde(rename = "io.openshift.build.versions")]
    builds: Option<String>,
    version: Option<String>,
    #[serde(rename = "org.opencontainers.image.version")]
    image_version: Option<String>,
    #[serde(rename = "com.coreos.ostree-commit")]
    commit: Option<String>,
    #[serde(rename = "io.openshift.os.streamclass")]
    stream: Option<String>,
    #[serde(rename = "containers.bootc")]
    bootc: Option<String>,
    #[serde(rename = "ostree.bootable")]
    bootable: Option<String>,
    #[serde(rename = "ostree.final-diffid")]
    encapsulated: Option<String>,
}

/// Which build of the operating system an image belongs to, as far as its labels say.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labels {
    /// The version to show, as the first label says that has one.
    pub version: Option<String>,
    /// The version of the operating system, from `machine-os=` of `io.openshift.build.versions`.
    pub machine_os: Option<String>,
    /// The commit of the operating system, from `com.coreos.ostree-commit`.
    pub commit: Option<String>,
    /// The stream of the operating system, from `io.openshift.os.streamclass`.
    pub stream: Option<String>,
    /// Whether hosts boot from the image itself: then it holds an operating system and no extensions.
    pub bootable: bool,
}

impl Labels {
    /// Whether it is an image of releases up to 4.12, which held the operating system and its extensions in one.
    pub fn is_machine_os_content(&self) -> bool {
        self.commit.is_some() && !self.bootable
    }
}

impl From<RawLabels> for Labels {
    fn from(raw: RawLabels) -> Self {
        let builds = raw.builds.iter().flat_map(|text| text.split(','));
        let machine_os = builds.filter_map(|part| part.trim().strip_prefix("machine-os=")).next();
        let machine_os = machine_os.filter(|version| !version.is_empty()).map(excerpt);
        let others = raw.version.as_deref().or(raw.image_version.as_deref()).map(excerpt);
        let text = |label: Option<String>| label.filter(|text| !text.is_empty()).map(|text| excerpt(&text));
        let yes = |label: &Option<String>| label.as_deref().is_some_and(|text| text == "1" || text == "true");
        Self {
            version: machine_os.clone().or(others),
            bootable: yes(&raw.bootc) || yes(&raw.bootable) || raw.encapsulated.is_some(),
            machine_os,
            commit: text(raw.commit),
            stream: text(raw.stream),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        let all: serde_json::Map<_, _> =
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
        serde_json::from_value::<RawLabels>(all.into()).unwrap().into()
    }

    #[test]
    fn the_build_is_only_what_was_written_for_the_operating_system() {
        let inherited = labels(&[("version", "9.4"), ("org.opencontainers.image.version", "1")]);
        assert_eq!((inherited.version.as_deref(), inherited.machine_os), (Some("9.4"), None));
        let own = labels(&[
            ("version", "9.4"),
            ("io.openshift.build.versions", "kubectl=1.29.1, machine-os=416.94.202404301731-0"),
        ]);
        assert_eq!(own.version, own.machine_os);
        assert_eq!(own.machine_os.as_deref(), Some("416.94.202404301731-0"));
        assert_eq!(labels(&[]), Labels::default());
        assert_eq!(labels(&[("io.openshift.build.versions", "machine-os=")]).machine_os, None);
    }

    #[test]
    fn an_image_that_hosts_boot_from_holds_no_extensions() {
        let commit = ("com.coreos.ostree-commit", "0123");
        assert!(labels(&[commit]).is_machine_os_content());
        for other in [("containers.bootc", "1"), ("ostree.bootable", "true"), ("ostree.final-diffid", "x")] {
            assert!(!labels(&[commit, other]).is_machine_os_content(), "{other:?}");
        }
        assert!(!labels(&[("version", "9.4")]).is_machine_os_content());
    }

    #[test]
    fn a_label_is_escaped_and_cut() {
        let shown = labels(&[("version", &"\u{1b}[31m".repeat(1000))]).version.unwrap();
        assert!(shown.chars().count() < 600 && !shown.contains('\u{1b}'), "{shown}");
    }
}
