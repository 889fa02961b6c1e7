//! The names in a configuration, each parsed once and trusted afterwards.
//!
//! Decides: which names are possible. Must not: know which key a word stands under. Input: scalars of
//! a file that an operator wrote.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Most characters of a name: room is left for what is added to it, below the 63 of a DNS label.
const NAME: usize = 40;

/// A name that can stand in names of objects: a DNS label of at most 40 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Name {
    /// One of our own defaults.
    pub(super) fn known(text: &'static str) -> Self {
        Name(text.to_owned())
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let inner = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        let ends = !text.starts_with('-') && !text.ends_with('-');
        if inner && ends && (1..=NAME).contains(&text.len()) {
            Ok(Name(text))
        } else {
            Err(format!("a name must be 1 to {NAME} of `a-z`, `0-9` and inner `-`"))
        }
    }
}

impl std::str::FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Name::try_from(text.to_owned())
    }
}

impl From<Name> for String {
    fn from(name: Name) -> Self {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// An image reference: not empty, no white space, at most 512 characters. What it means is the kubelet's affair.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Image(String);

impl Image {
    /// The reference as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Image {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if (1..=512).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Image(text))
        } else {
            Err("an image is 1 to 512 printable characters without white space".to_owned())
        }
    }
}

impl From<Image> for String {
    fn from(image: Image) -> Self {
        image.0
    }
}

/// The name of an object that others made: a DNS name of at most 253 characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct ObjectName(String);

impl ObjectName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// One of our own defaults.
    pub(super) fn known(text: &'static str) -> Self {
        ObjectName(text.to_owned())
    }
}

impl fmt::Display for ObjectName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl TryFrom<String> for ObjectName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let part = |part: &str| {
            !part.is_empty()
                && !part.starts_with('-')
                && !part.ends_with('-')
                && part.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
        };
        if text.len() <= 253 && text.split('.').all(part) {
            Ok(ObjectName(text))
        } else {
            Err("the name of an object is `a-z`, `0-9`, inner `-` and `.`, at most 253 characters".to_owned())
        }
    }
}

/// An absolute path of a directory inside a container, other than `/`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Directory(String);

impl Directory {
    /// The path as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Our own default.
    pub(super) fn workspace() -> Self {
        Directory("/workspace".to_owned())
    }
}

impl TryFrom<String> for Directory {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let steps = text.strip_prefix('/').unwrap_or_default();
        let step = |step: &str| {
            !matches!(step, "" | "." | "..")
                && step.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
        };
        if text.len() <= 200 && steps.split('/').all(step) {
            Ok(Directory(text))
        } else {
            Err("a directory is an absolute path of letters, digits, `-`, `_` and `.`, and not `/`"
                .to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_short_dns_label() {
        for good in ["a", "payload-builder", "0"] {
            assert!(good.parse::<Name>().is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "A", "a.b", "a_b", "ä", &"a".repeat(NAME + 1)] {
            assert!(bad.parse::<Name>().is_err(), "{bad}");
        }
    }

    #[test]
    fn an_image_has_no_gaps() {
        assert!(Image::try_from("a b".to_owned()).is_err() && Image::try_from(String::new()).is_err());
    }

    #[test]
    fn a_directory_is_absolute_and_plain() {
        for good in ["/workspace", "/a/b.c/d_e-f"] {
            assert!(Directory::try_from(good.to_owned()).is_ok(), "{good}");
        }
        for bad in
            ["", "/", "a", "/a/", "//a", "/a/../b", "/a:b", "/a b", "/ä", &format!("/{}", "x".repeat(200))]
        {
            assert!(Directory::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }
}
