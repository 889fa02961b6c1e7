//! What the rules of a fleet count by: the version of an extension, and what a reason asks for.

use std::collections::BTreeMap;

use extensions_manifest::{ExtensionName, limits};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::catalogue::{self, register};
use crate::apply::ExtensionState;
use crate::error::Class;
use crate::text::one_line;

/// Longest version in a label.
const VERSION: usize = 64;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ExtensionVersion {
    extension: String,
    version: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ClassLabel {
    class: &'static str,
}

/// Gauges that say no more than others do, in a form that can be counted over many nodes.
#[derive(Debug)]
pub(super) struct Grouping {
    version: Family<ExtensionVersion, Gauge>,
    class: Family<ClassLabel, Gauge>,
}

impl Grouping {
    pub(super) fn new(all: &mut Registry) -> Self {
        Self {
            version: register(all, catalogue::EXTENSION_VERSION, Family::default()),
            class: register(all, catalogue::BLOCKED_CLASS, Family::default()),
        }
    }

    /// Replaces what is known of versions.
    pub(super) fn versions(&self, states: &BTreeMap<ExtensionName, ExtensionState>) {
        self.version.clear();
        for (name, state) in states.iter().take(2 * limits::EXTENSIONS) {
            let version = (state.staged || state.booted).then(|| version(name, state)).flatten();
            if let Some(version) = version {
                let label = ExtensionVersion { extension: name.to_string(), version };
                self.version.get_or_create(&label).set(1);
            }
        }
    }

    /// Replaces what the last pass is blocked by.
    pub(super) fn blocked(&self, class: Option<Class>) {
        self.class.clear();
        if let Some(class) = class {
            self.class.get_or_create(&ClassLabel { class: word(class) }).set(1);
        }
    }
}

/// The version that the payload gives the extension; else that of the package of its name, else of its first package.
fn version(name: &ExtensionName, state: &ExtensionState) -> Option<String> {
    let named = state.packages.iter().find(|package| package.name().as_str() == name.as_str());
    let package = named.or_else(|| state.packages.iter().next());
    let found = state.version.clone().or_else(|| package.map(|package| package.evr().to_string()));
    found.map(|version| one_line(&version, VERSION))
}

const fn word(class: Class) -> &'static str {
    match class {
        Class::Retry => "retry",
        Class::Wait => "wait",
        Class::Refuse => "refuse",
        Class::Bug => "bug",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_version_is_the_payloads_or_that_of_the_package_of_the_name() {
        let state = |version: Option<&str>, packages: &[&str]| ExtensionState {
            desired: true,
            staged: true,
            booted: false,
            version: version.map(str::to_owned),
            requested_by: BTreeSet::new(),
            packages: packages.iter().map(|nevra| nevra.parse().unwrap()).collect(),
            in_base: BTreeSet::new(),
        };
        let usbguard = "usbguard".parse().unwrap();
        let both = ["libqb-2.0.6-1.el9.x86_64", "usbguard-1.0.0-15.el9.x86_64"];
        for (state, expected) in [
            (state(Some("418.9"), &both), Some("418.9")),
            (state(None, &both), Some("1.0.0-15.el9")),
            (state(None, &["libqb-2.0.6-1.el9.x86_64"]), Some("2.0.6-1.el9")),
            (state(None, &[]), None),
        ] {
            assert_eq!(version(&usbguard, &state).as_deref(), expected);
        }
    }

    #[test]
    fn a_class_is_written_as_everywhere_else() {
        for class in [Class::Retry, Class::Wait, Class::Refuse, Class::Bug] {
            assert_eq!(serde_json::to_value(class).unwrap(), word(class));
        }
    }
}
