//! What shall be where: sources, the refs that are wanted of each, and what is left to send.
//!
//! Decides: which refs go where, and what a manifest says. Must not: run git. Input: arguments of a caller, facts of local
//! repositories, and what the node has.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::GitError;
use super::names::{Format, Id, RefName, Repository};
use crate::error::shown;

/// Most repositories of one sync.
const REPOSITORIES: usize = 500;
/// What a commit is called over there that no branch stands for here.
const DETACHED: &str = "speculative";

/// One local repository, and what of it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// What it is called over there; none means like its directory.
    pub name: Option<Repository>,
    /// Where it lies here.
    pub path: PathBuf,
    /// The branch, tag or commit; none means what is checked out.
    pub reference: Option<String>,
}

/// Reads `[NAME=]PATH[#REF]`.
///
/// # Errors
/// When the name is none, or the ref could be an option.
pub fn source(text: &str) -> Result<Source, String> {
    let (rest, reference) = match text.rsplit_once('#') {
        Some((rest, reference)) => (rest, Some(reference)),
        None => (text, None),
    };
    let (name, path) = match rest.split_once('=') {
        Some((name, path)) => (Some(name.parse()?), path),
        None => (None, rest),
    };
    let odd = |text: &str| text.is_empty() || text.starts_with('-') || text.chars().any(char::is_control);
    if path.is_empty() || reference.is_some_and(|reference| odd(reference) || reference.len() > 240) {
        return Err("`[NAME=]PATH[#REF]` is wanted, and a ref that does not begin with `-`".to_owned());
    }
    Ok(Source { name, path: PathBuf::from(path), reference: reference.map(str::to_owned) })
}

/// What a local repository says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The whole name of the ref that is wanted; none for a commit that has none.
    pub full_name: Option<String>,
    /// The commit that it means.
    pub commit: Id,
    /// The tree of that commit.
    pub tree: Id,
    /// How objects are named.
    pub format: Format,
    /// Whether the history is cut off.
    pub shallow: bool,
    /// Whether files were changed and not committed.
    pub dirty: bool,
    /// All branches and tags, where they are wanted.
    pub others: Vec<(Id, RefName)>,
}

/// What shall be over there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// The repository.
    pub name: Repository,
    /// Where it lies here.
    pub path: PathBuf,
    /// The branch that is checked out.
    pub head: RefName,
    /// Its commit.
    pub commit: Id,
    /// The tree of that commit.
    pub tree: Id,
    /// How objects are named.
    pub format: Format,
    /// More refs.
    pub others: BTreeMap<RefName, Id>,
}

/// What a repository over there has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The commit that is checked out.
    pub commit: Id,
    /// Its tree.
    pub tree: Id,
}

/// How a cache in the image is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cache {
    /// Its objects are used where they lie. Every user must see them there.
    Borrow,
    /// Its objects are copied, so that containers with other images can use the repository.
    Copy,
}

/// One entry of a manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// The repository.
    pub name: Repository,
    /// Where it lies on the node.
    pub path: String,
    /// The branch that is checked out.
    pub branch: String,
    /// The commit that is checked out.
    pub commit: Id,
    /// Its tree.
    pub tree: Id,
}

impl Wanted {
    /// What shall be of one local repository.
    ///
    /// # Errors
    /// When its branch could not be one over there.
    pub fn of(name: Repository, path: PathBuf, facts: Facts) -> Result<Self, GitError> {
        let head = head(facts.full_name.as_deref())
            .map_err(|why| GitError::Source { path: path.clone(), why: format!("of its branch: {why}") })?;
        let mut others: BTreeMap<RefName, Id> =
            facts.others.into_iter().map(|(id, name)| (name, id)).collect();
        others.remove(&head);
        let (commit, tree, format) = (facts.commit, facts.tree, facts.format);
        Ok(Wanted { name, path, head, commit, tree, format, others })
    }

    /// The branch without `refs/heads/`.
    pub fn branch(&self) -> &str {
        self.head.as_branch().unwrap_or(DETACHED)
    }

    /// Whether something is left to send. More refs are always compared by git itself.
    pub fn is_missing(&self, there: Option<&Id>) -> bool {
        there != Some(&self.commit) || !self.others.is_empty()
    }

    /// What git is told to push. Refs over there are moved, never deleted: the job may have made its own.
    pub fn refspecs(&self) -> Vec<String> {
        let head = [(&self.head, &self.commit)];
        head.into_iter().chain(&self.others).map(|(name, id)| format!("+{id}:{name}")).collect()
    }

    /// The entry of the manifest, once the node has what was sent.
    ///
    /// # Errors
    /// When it has something else.
    pub fn verified(&self, root: &str, found: Option<Found>) -> Result<Entry, GitError> {
        let show = |commit: &Id, tree: &Id| format!("commit {commit} with tree {tree}");
        match found {
            Some(found) if found.commit == self.commit && found.tree == self.tree => Ok(Entry {
                name: self.name.clone(),
                path: format!("{root}/{}", self.name),
                branch: self.branch().to_owned(),
                commit: found.commit,
                tree: found.tree,
            }),
            other => Err(GitError::Differs {
                name: self.name.to_string(),
                wanted: show(&self.commit, &self.tree),
                found: other.map_or("nothing".to_owned(), |found| show(&found.commit, &found.tree)),
            }),
        }
    }
}

/// The branch over there: the local one; of a remote's branch its name there; for a commit or a tag one of our own.
fn head(full_name: Option<&str>) -> Result<RefName, String> {
    let remote = |name: &str| {
        name.strip_prefix("refs/remotes/")
            .and_then(|rest| rest.split_once('/'))
            .map(|(_, branch)| branch.to_owned())
    };
    match full_name {
        Some(name) if name.starts_with("refs/heads/") => name.parse(),
        Some(name) => RefName::branch(&remote(name).unwrap_or_else(|| DETACHED.to_owned())),
        None => RefName::branch(DETACHED),
    }
}

/// What the user must know of a source, though it is used.
pub(super) fn warnings(name: &Repository, facts: &Facts) -> Vec<String> {
    let mut all = Vec::new();
    if facts.dirty {
        all.push(format!("`{name}` has changes that are not committed; only commits are sent"));
    }
    if facts.shallow {
        all.push(format!("`{name}` is shallow; its history ends on the node where it ends here"));
    }
    all
}

/// What a repository is called when nobody said it: like its directory, without `.git`.
///
/// # Errors
/// When that is no name.
pub(super) fn name_of(path: &std::path::Path) -> Result<Repository, GitError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.strip_suffix(".git").unwrap_or(&name).parse().map_err(|why: String| GitError::Refused {
        what: "name",
        text: shown(&name),
        why: format!("{why}; say another as NAME=PATH"),
    })
}

/// Refuses too many repositories, and two in one place.
///
/// # Errors
/// When there are.
pub(super) fn apart(wanted: &[Wanted]) -> Result<(), GitError> {
    let refused =
        |text: String, why: &str| Err(GitError::Refused { what: "repositories", text, why: why.to_owned() });
    if wanted.is_empty() || wanted.len() > REPOSITORIES {
        return refused(wanted.len().to_string(), &format!("1 to {REPOSITORIES} are wanted"));
    }
    for (at, one) in wanted.iter().enumerate() {
        if let Some(other) = wanted.iter().take(at).find(|other| other.name.overlaps(&one.name)) {
            return refused(
                format!("{}, {}", other.name, one.name),
                "one would lie in the other; say NAME=PATH",
            );
        }
    }
    Ok(())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn id(digit: char) -> Id {
        digit.to_string().repeat(40).parse().unwrap()
    }

    fn facts(full_name: Option<&str>) -> Facts {
        Facts {
            full_name: full_name.map(str::to_owned),
            commit: id('1'),
            tree: id('2'),
            format: Format::Sha1,
            shallow: false,
            dirty: false,
            others: Vec::new(),
        }
    }

    pub(in crate::git) fn wanted(name: &str) -> Wanted {
        Wanted::of(name.parse().unwrap(), PathBuf::from("/x"), facts(Some("refs/heads/main"))).unwrap()
    }

    #[test]
    fn row_13_a_source_has_perhaps_a_name_and_perhaps_a_ref() {
        let read = |text: &str| {
            let one = source(text).unwrap();
            (one.name.map(|name| name.to_string()), one.path.display().to_string(), one.reference)
        };
        assert_eq!(read("../a"), (None, "../a".to_owned(), None));
        assert_eq!(
            read("example.org/a=/srv/a b#stable/1"),
            (Some("example.org/a".to_owned()), "/srv/a b".to_owned(), Some("stable/1".to_owned()))
        );
        for bad in ["", "=a", "../x=a", "a=", "a#", "#x", "a#-x", "a#x\ny", "-x=a"] {
            assert!(source(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn row_13_the_checked_out_branch_has_the_name_that_it_has_here() {
        for (full, branch) in [
            (Some("refs/heads/main"), "main"),
            (Some("refs/heads/stable/1"), "stable/1"),
            (Some("refs/remotes/origin/stable/1"), "stable/1"),
            (Some("refs/tags/1.0"), DETACHED),
            (None, DETACHED),
        ] {
            let one = Wanted::of("a".parse().unwrap(), PathBuf::new(), facts(full)).unwrap();
            assert_eq!(one.branch(), branch, "{full:?}");
        }
        let odd = Wanted::of("a".parse().unwrap(), PathBuf::new(), facts(Some("refs/heads/a..b")));
        assert!(odd.is_err());
    }

    #[test]
    fn row_13_only_what_is_missing_is_sent_and_the_wanted_commit_wins() {
        let mut one = wanted("a");
        assert!(one.is_missing(None) && one.is_missing(Some(&id('3'))) && !one.is_missing(Some(&id('1'))));
        let mut more = facts(Some("refs/heads/main"));
        more.others =
            vec![(id('9'), "refs/heads/main".parse().unwrap()), (id('4'), "refs/tags/v".parse().unwrap())];
        one = Wanted::of("a".parse().unwrap(), PathBuf::new(), more).unwrap();
        assert!(one.is_missing(Some(&id('1'))));
        assert_eq!(
            one.refspecs(),
            [format!("+{}:refs/heads/main", id('1')), format!("+{}:refs/tags/v", id('4'))]
        );
    }

    #[test]
    fn row_13_a_manifest_says_what_the_node_has_or_nothing() {
        let one = wanted("a/b");
        let entry = one.verified("/w/src", Some(Found { commit: id('1'), tree: id('2') })).unwrap();
        assert_eq!(
            serde_json::to_value(&entry).unwrap(),
            serde_json::json!({"name": "a/b", "path": "/w/src/a/b", "branch": "main", "commit": id('1'), "tree": id('2')})
        );
        for found in [
            None,
            Some(Found { commit: id('1'), tree: id('3') }),
            Some(Found { commit: id('3'), tree: id('2') }),
        ] {
            assert!(matches!(one.verified("/w", found), Err(GitError::Differs { .. })));
        }
    }

    #[test]
    fn row_13_no_two_repositories_in_one_place() {
        assert!(apart(&[wanted("a"), wanted("b/a")]).is_ok());
        for bad in [vec![], vec![wanted("a"), wanted("a")], vec![wanted("a/b"), wanted("a")]] {
            assert!(apart(&bad).is_err());
        }
        assert_eq!(name_of(std::path::Path::new("/x/tool.git")).unwrap().as_str(), "tool");
        assert!(name_of(std::path::Path::new("/")).is_err());
    }
}
