//! Whether whoever depends on a change may go on with its image.
//!
//! Decides: that, and what is said where not. Must not: ask a registry. Input: provenance that was read, and the trees of
//! whoever asks.

use std::fmt;

use super::provenance::{Image, Outcome, Provenance, Tree};
use crate::artifact::Digest;
use crate::error::shown;

/// Most repositories that one message names.
const NAMED: usize = 3;

/// Why a change has no image for whoever asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Nothing was promoted for it.
    Missing,
    /// What stands there is none of ours.
    Unreadable(String),
    /// Its build failed.
    Failed {
        /// Which one.
        build: String,
        /// Of which buildset.
        buildset: Option<String>,
    },
    /// The registry has lost the image.
    Gone(Digest),
    /// It was built from other trees: of these repositories, what was built and what is wanted.
    OtherTrees(Vec<String>),
    /// None of the repositories of whoever asks was in its state.
    Unrelated,
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Refusal::Missing => out.write_str("has no image"),
            Refusal::Unreadable(why) => write!(out, "has a record that is none: {why}"),
            Refusal::Failed { build, buildset: None } => {
                write!(out, "failed in the build `{}`", shown(build))
            }
            Refusal::Failed { build, buildset: Some(set) } => {
                write!(out, "failed in the build `{}` of the buildset `{}`", shown(build), shown(set))
            }
            Refusal::Gone(digest) => write!(out, "had the image {digest}, which is gone"),
            Refusal::OtherTrees(all) => {
                let named = all.iter().take(NAMED).map(String::as_str).collect::<Vec<_>>().join(", ");
                write!(out, "was built from other trees: {named}")?;
                match all.len().saturating_sub(NAMED) {
                    0 => Ok(()),
                    more => write!(out, ", and {more} more"),
                }
            }
            Refusal::Unrelated => out.write_str("was built from none of the repositories of the manifest"),
        }
    }
}

impl Refusal {
    /// What to do.
    pub(super) fn cure(&self) -> &'static str {
        match self {
            Refusal::Missing => "wait for its build and `promote image`, or run it again",
            Refusal::Unreadable(_) | Refusal::Gone(_) => "run its build and `promote image` again",
            Refusal::Failed { .. } => "mend that change, or no longer depend on it",
            Refusal::OtherTrees(_) => "build it again from the state that is tested, then `promote image`",
            Refusal::Unrelated => "give the manifest of the state that both are tested in",
        }
    }
}

/// The image of a change, for whoever depends on it. With trees it is wanted from these: of the repositories that both know,
/// all must be the same.
///
/// # Errors
/// Why there is none.
pub fn judge<'a>(found: &'a Provenance, wanted: Option<&[Tree]>) -> Result<&'a Image, Refusal> {
    let image = match &found.outcome {
        Outcome::Built(image) => image,
        Outcome::Failed => {
            return Err(Refusal::Failed { build: found.build.clone(), buildset: found.buildset.clone() });
        }
    };
    let Some(wanted) = wanted else { return Ok(image) };
    let pair = |built: &'a Tree| Some((built, wanted.iter().find(|one| one.name == built.name)?));
    let common: Vec<(&Tree, &Tree)> = found.trees.iter().filter_map(pair).collect();
    if common.is_empty() {
        return Err(Refusal::Unrelated);
    }
    let other = common.iter().filter(|(built, wanted)| built.tree != wanted.tree);
    let other: Vec<String> = other
        .map(|(built, wanted)| format!("`{}` from {}, not {}", built.name, built.tree, wanted.tree))
        .collect();
    if other.is_empty() { Ok(image) } else { Err(Refusal::OtherTrees(other)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promote::provenance::tests::provenance;

    #[test]
    fn row_35_only_an_image_of_the_same_trees_is_handed_on() {
        let found = provenance();
        let Outcome::Built(image) = &found.outcome else { unreachable!() };
        assert_eq!(judge(&found, None), Ok(image));
        assert_eq!(judge(&found, Some(&found.trees)), Ok(image));
        // Another commit with the same files, and repositories that only one of both knows.
        let mut mine = found.trees[..1].to_vec();
        mine[0].commit = "d".repeat(40).parse().unwrap();
        mine.push(Tree { name: "example.org/mine".parse().unwrap(), ..mine[0].clone() });
        assert_eq!(judge(&found, Some(&mine)), Ok(image));
        mine[0].tree = "d".repeat(40).parse().unwrap();
        let refused = judge(&found, Some(&mine)).unwrap_err().to_string();
        let want = format!("`example.org/a` from {}, not {}", "a".repeat(40), "d".repeat(40));
        assert_eq!(refused, format!("was built from other trees: {want}"));
        assert_eq!(judge(&found, Some(&mine[1..])), Err(Refusal::Unrelated));
        assert_eq!(judge(&found, Some(&[])), Err(Refusal::Unrelated));
        let many = Refusal::OtherTrees(vec!["x".to_owned(); 5]).to_string();
        assert!(many.ends_with("x, x, x, and 2 more"), "{many}");
    }

    #[test]
    fn row_35_a_failed_build_is_named() {
        let found = Provenance { outcome: Outcome::Failed, ..provenance() };
        let refused = judge(&found, Some(&found.trees)).unwrap_err();
        assert_eq!(refused.to_string(), "failed in the build `build-1` of the buildset `set-1`");
    }
}
