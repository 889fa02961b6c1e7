//! Names that are parsed once and trusted afterwards.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{ManifestError, excerpt};
use crate::limits;

/// The name an admin writes under `extensions:`. Grammar: `[a-z0-9][a-z0-9-]{0,62}`.
///
/// The grammar leaves no room for options, paths, globs, groups or shell text, so a name can be shown, used as a
/// metric label and compared without escaping.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct ExtensionName(#[schemars(regex(pattern = r"^[a-z0-9][a-z0-9-]{0,62}$"))] String);

/// The name of an RPM package, as its header says it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(String);

impl ExtensionName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl PackageName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExtensionName {
    type Err = ManifestError;

    fn from_str(text: &str) -> Result<Self, ManifestError> {
        let lower_or_digit = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        let mut bytes = text.bytes();
        let well_formed = bytes.next().is_some_and(lower_or_digit)
            && bytes.all(|byte| lower_or_digit(byte) || byte == b'-')
            && text.len() <= limits::EXTENSION_NAME_BYTES;
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(ManifestError::ExtensionName { name: excerpt(text) })
        }
    }
}

impl FromStr for PackageName {
    type Err = ManifestError;

    fn from_str(text: &str) -> Result<Self, ManifestError> {
        let mut bytes = text.bytes();
        let well_formed = bytes.next().is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
            && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte))
            && text.len() <= limits::PACKAGE_NAME_BYTES;
        if well_formed {
            Ok(Self(text.to_owned()))
        } else {
            Err(ManifestError::PackageName { name: excerpt(text) })
        }
    }
}

macro_rules! text_newtype {
    ($name:ident) => {
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = ManifestError;

            fn try_from(text: String) -> Result<Self, ManifestError> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }
    };
}

text_newtype!(ExtensionName);
text_newtype!(PackageName);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_extension_name_is_a_plain_lower_case_label() {
        for good in ["usbguard", "kernel-devel", "two-node-ha", "0ad", &"a".repeat(63)] {
            assert_eq!(good.parse::<ExtensionName>().unwrap().as_str(), good);
        }
        for bad in [
            "",
            "-x",
            "--now",
            "Usbguard",
            "a b",
            "a/b",
            "@group",
            "a*",
            "é",
            "a\n",
            "$(id)",
            &"a".repeat(64),
        ] {
            assert!(bad.parse::<ExtensionName>().is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn a_package_name_follows_rpm_and_nothing_more() {
        for good in ["gcc-c++", "openvswitch3.5-ipsec", "python3.11", "_x"] {
            assert_eq!(good.parse::<PackageName>().unwrap().as_str(), good);
        }
        for bad in ["", "-x", "a b", "a/b", "a\0", "ü"] {
            assert!(bad.parse::<PackageName>().is_err(), "{bad:?} must be refused");
        }
    }

    #[test]
    fn an_error_shows_hostile_text_escaped_and_cut() {
        let shown = "\x1b[31m".parse::<ExtensionName>().unwrap_err().to_string();
        assert!(!shown.contains('\x1b'), "{shown}");
        assert!("x ".repeat(1000).parse::<ExtensionName>().unwrap_err().to_string().len() < 300);
    }
}
