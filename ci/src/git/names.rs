//! Names of repositories, refs and objects: parsed once, trusted afterwards.
//!
//! Decides: which names are possible. Must not: ask git or a cluster. Input: arguments of a caller, what a local
//! repository calls its branches, and what the far side answers; all untrusted.

use std::fmt;

use serde::Serialize;

/// Longest name of a repository, in bytes.
const REPOSITORY: usize = 200;
/// Most folders that a repository lies in.
const DEPTH: usize = 8;
/// Longest name of a ref, in bytes.
const REF: usize = 240;

/// The name of a repository: folders below the sources, such as `example.org/group/project`. It can stand in a path, in
/// a line and in a shell word.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Repository(String);

impl Repository {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether one of the two lies in the other.
    pub fn overlaps(&self, other: &Repository) -> bool {
        let within = |outer: &str, inner: &str| {
            inner.strip_prefix(outer).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        within(&self.0, &other.0) || within(&other.0, &self.0)
    }
}

impl std::str::FromStr for Repository {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if folders(text) {
            Ok(Repository(text.to_owned()))
        } else {
            Err(format!(
                "a repository is called by 1 to {DEPTH} folders of `A-Z a-z 0-9 . _ + ~ -` that do not begin with `-` and \
                 are not `.`, `..` or `.git`, at most {REPOSITORY} bytes"
            ))
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// Whether a text is a path of plain folders, relative and without a way out.
pub(super) fn folders(text: &str) -> bool {
    let plain = |folder: &str| {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._+~-".contains(&byte);
        let reserved = matches!(folder, "" | "." | "..") || folder.eq_ignore_ascii_case(".git");
        folder.bytes().all(known) && !folder.starts_with('-') && !reserved
    };
    text.len() <= REPOSITORY && text.split('/').count() <= DEPTH && text.split('/').all(plain)
}

/// A whole ref below `refs/heads/` or `refs/tags/`, by git's own rules and a bound; only what is printable and plain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RefName(String);

impl RefName {
    /// The branch of this name.
    ///
    /// # Errors
    /// When it could not be one.
    pub fn branch(short: &str) -> Result<Self, String> {
        format!("refs/heads/{short}").parse()
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name without `refs/heads/`; none for what is no branch.
    pub fn as_branch(&self) -> Option<&str> {
        self.0.strip_prefix("refs/heads/")
    }
}

impl std::str::FromStr for RefName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let short = text.strip_prefix("refs/heads/").or_else(|| text.strip_prefix("refs/tags/"));
        let whole = short.is_some_and(|short| !short.starts_with('-') && short != "HEAD" && short != "@");
        let folder = |name: &str| {
            !name.is_empty() && !name.starts_with('.') && !name.ends_with('.') && !name.ends_with(".lock")
        };
        let sound =
            |char: char| !char.is_control() && !char.is_whitespace() && !"~^:?*[\\\u{7f}".contains(char);
        let rules = text.len() <= REF
            && text.split('/').all(folder)
            && text.chars().all(sound)
            && !text.contains("..")
            && !text.contains("@{");
        if whole && rules {
            Ok(RefName(text.to_owned()))
        } else {
            Err(format!("that could not be a branch or a tag of at most {REF} bytes"))
        }
    }
}

impl fmt::Display for RefName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// The id of a commit or a tree, whole and in lower case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Id(String);

impl Id {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Id {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        if digits && matches!(text.len(), 40 | 64) {
            Ok(Id(text.to_owned()))
        } else {
            Err("an id is 40 or 64 digits in lower case".to_owned())
        }
    }
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// How a repository names its objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// The usual one.
    Sha1,
    /// The longer one.
    Sha256,
}

impl Format {
    /// The word of git.
    pub const fn as_str(self) -> &'static str {
        match self {
            Format::Sha1 => "sha1",
            Format::Sha256 => "sha256",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_13_a_repository_cannot_be_named_out_of_its_place() {
        for good in ["a", "example.org/group/project", ".github", "lib+c~1", "a-b/c_d", "..."] {
            assert!(good.parse::<Repository>().is_ok(), "{good}");
        }
        let deep = ["a"; 9].join("/");
        let long = "x".repeat(201);
        for bad in [
            "",
            "/a",
            "a/",
            "a//b",
            ".",
            "..",
            "a/../b",
            "../a",
            "-x",
            "a/-x",
            "a b",
            "a\nb",
            "$(x)",
            "a;b",
            "a'b",
            "ä",
            ".git",
            "a/.GIT/hooks",
            "a\0",
            &deep,
            &long,
        ] {
            assert!(bad.parse::<Repository>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn row_13_what_could_not_be_a_ref_is_refused() {
        for good in ["main", "stable/2026.1", "a@b", "überall", "x-", "feature#1"] {
            assert!(RefName::branch(good).is_ok(), "{good}");
        }
        let long = "x".repeat(240);
        for bad in [
            "", "-x", "a..b", "a b", "a\tb", "a\nb", "a~1", "a^", "a:b", "a?", "a*", "a[b", "a\\b", "a@{1}",
            "@", "/a", "a/", "a//b", ".a", "a/.b", "a.", "a.lock", "a.lock/b", "HEAD", "a\u{85}b", &long,
        ] {
            assert!(RefName::branch(bad).is_err(), "{bad:?}");
        }
        for bad in ["HEAD", "refs/heads/", "refs/notes/x", "refs/remotes/o/x", "refs/replace/x"] {
            assert!(bad.parse::<RefName>().is_err(), "{bad:?}");
        }
        assert!("refs/tags/1.0".parse::<RefName>().unwrap().as_branch().is_none());
    }

    #[test]
    fn an_id_is_whole_and_lower_case() {
        let id = "0123456789abcdef0123456789abcdef01234567";
        assert!(id.parse::<Id>().is_ok());
        for bad in ["", "0123", &id.to_uppercase(), &format!("{id} "), &"g".repeat(40)] {
            assert!(bad.parse::<Id>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn repositories_overlap_by_whole_folders() {
        let name = |text: &str| text.parse::<Repository>().unwrap();
        assert!(
            name("a").overlaps(&name("a"))
                && name("a").overlaps(&name("a/b"))
                && name("a/b").overlaps(&name("a"))
        );
        assert!(!name("a").overlaps(&name("ab")) && !name("a/b").overlaps(&name("a/c")));
    }
}
