//! Who asks for what: a build, and the nodes it wants.
//!
//! Decides: the id of a request, and the names of everything that is made for it. Must not: know what is in use. Input:
//! arguments of a caller, untrusted.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Name;
use crate::error::{Failure, Reason};

/// Most nodes of one request.
pub(crate) const NODES: usize = 50;
/// Longest text of one field, in bytes.
const TEXT: usize = 256;

/// Most builds that one build inherits from.
const PARENTS: usize = 50;
/// Which request goes first unless it says another number; the lower number is first.
pub const PRIORITY: u32 = 100;

/// How long the nodes of a build live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Keep {
    /// Until the build gives them back, or ceases to say that it wants them.
    #[default]
    Job,
    /// Until the buildset ends. No process need say that they are wanted.
    Buildset,
}

/// What a request says beside its nodes; all of it has a default.
#[derive(Debug, Clone, Default)]
pub struct Wish {
    /// How long the nodes live.
    pub keep: Keep,
    /// The builds of the same buildset whose resources and data it gets.
    pub inherits: Vec<String>,
    /// Which request goes first; none stands for [`PRIORITY`].
    pub priority: Option<u32>,
    /// All the sets of nodes of which one is taken, the one that is tried first first; none where there is no choice.
    pub alternatives: Vec<Vec<Node>>,
}
/// Most users who may look on at one request.
pub const VIEWERS: usize = 20;

/// One node that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Node {
    /// What the job calls it.
    pub name: Name,
    /// What it shall be.
    pub label: Name,
}

/// Who asks for what. Only [`Request::new`] and a record make one.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The build; one build has one request.
    pub build: String,
    /// The buildset that the build belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buildset: Option<String>,
    /// The change that is tested.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub change: Option<String>,
    /// The nodes, in the order of the inventory.
    pub nodes: Vec<Node>,
    /// How long they live.
    #[serde(default, skip_serializing_if = "is_default")]
    pub keep: Keep,
    /// The builds of the same buildset whose resources and data it gets, the one that wins last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub inherits: Vec<String>,
    /// Which request goes first: the lower number.
    #[serde(default = "usual", skip_serializing_if = "is_usual")]
    pub priority: u32,
    /// All the sets of nodes of which one is taken: `nodes` is the one that is tried now. Empty where there is no choice.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub alternatives: Vec<Vec<Node>>,
    /// Users of the cluster who may look on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub viewers: Vec<String>,
}

const fn usual() -> u32 {
    PRIORITY
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
const fn is_usual(priority: &u32) -> bool {
    *priority == PRIORITY
}

pub(crate) fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Why a request is refused before anything is asked of a cluster.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// It asks for nothing, or for too much.
    #[error("a request has 1 to {NODES} nodes, this one has {0}")]
    Count(usize),
    /// Two nodes have one name.
    #[error("two nodes are called `{0}`")]
    Twice(Name),
    /// There are too many viewers, or one is no user.
    #[error("at most {VIEWERS} viewers, each of 1 to {TEXT} characters, without control characters")]
    Viewers,
    /// A text is empty, too long or has control characters.
    #[error("the {0} must be 1 to {TEXT} characters, without control characters")]
    Text(&'static str),
    /// It speaks of a buildset and belongs to none.
    #[error("`{0}` needs a buildset")]
    NoBuildset(&'static str),
    /// It inherits from too many builds, or from itself.
    #[error("a build inherits from at most {PARENTS} others, and not from itself")]
    Parents,
}

impl Failure for RequestError {
    fn reason(&self) -> Reason {
        Reason::Usage
    }
}

impl Request {
    /// A request within bounds.
    ///
    /// # Errors
    /// When it asks for nothing, for too much, or with unusable names.
    pub fn new(
        build: String,
        buildset: Option<String>,
        change: Option<String>,
        nodes: Vec<Node>,
    ) -> Result<Self, RequestError> {
        check_nodes(&nodes)?;
        let fields = [("build", Some(&build)), ("buildset", buildset.as_ref()), ("change", change.as_ref())];
        for (what, text) in fields {
            if text.is_some_and(|text| !is_text(text)) {
                return Err(RequestError::Text(what));
            }
        }
        Ok(Request {
            build,
            buildset,
            change,
            nodes,
            keep: Keep::Job,
            inherits: Vec::new(),
            priority: PRIORITY,
            alternatives: Vec::new(),
            viewers: Vec::new(),
        })
    }

    /// The same with users who may look on.
    ///
    /// # Errors
    /// When there are too many, or one is no user.
    pub fn seen_by(self, viewers: Vec<String>) -> Result<Self, RequestError> {
        if viewers.len() > VIEWERS || !viewers.iter().all(|name| is_user(name)) {
            return Err(RequestError::Viewers);
        }
        Ok(Request { viewers, ..self })
    }

    /// The same with what it wishes beside its nodes.
    ///
    /// # Errors
    /// When it speaks of a buildset and belongs to none, or names what no build can be called.
    pub fn wishing(mut self, wish: Wish) -> Result<Self, RequestError> {
        if self.buildset.is_none() {
            if wish.keep == Keep::Buildset {
                return Err(RequestError::NoBuildset("--keep buildset"));
            }
            if !wish.inherits.is_empty() {
                return Err(RequestError::NoBuildset("--inherits"));
            }
        }
        if wish.inherits.len() > PARENTS || wish.inherits.contains(&self.build) {
            return Err(RequestError::Parents);
        }
        if wish.inherits.iter().any(|name| !is_text(name)) {
            return Err(RequestError::Text("inherited build"));
        }
        for nodes in &wish.alternatives {
            check_nodes(nodes)?;
        }
        self.alternatives = if wish.alternatives.len() > 1 { wish.alternatives } else { Vec::new() };
        self.keep = wish.keep;
        self.inherits = wish.inherits;
        self.priority = wish.priority.unwrap_or(PRIORITY);
        Ok(self)
    }

    /// Whether both ask for the same, whichever of the alternatives is tried now.
    pub fn same_as(&self, other: &Request) -> bool {
        let chosen = |one: &Request| Request { nodes: other.nodes.clone(), ..one.clone() };
        if self.alternatives.is_empty() { self == other } else { chosen(self) == *other }
    }

    /// The sets of nodes of which one is taken.
    pub fn choices(&self) -> &[Vec<Node>] {
        if self.alternatives.is_empty() { std::slice::from_ref(&self.nodes) } else { &self.alternatives }
    }
}

fn check_nodes(nodes: &[Node]) -> Result<(), RequestError> {
    if nodes.is_empty() || nodes.len() > NODES {
        return Err(RequestError::Count(nodes.len()));
    }
    for (at, node) in nodes.iter().enumerate() {
        if nodes.iter().take(at).any(|other| other.name == node.name) {
            return Err(RequestError::Twice(node.name.clone()));
        }
    }
    Ok(())
}

fn is_text(text: &str) -> bool {
    !text.is_empty() && text.len() <= TEXT && !text.chars().any(char::is_control)
}

/// Whether this can be a user of a cluster.
pub fn is_user(name: &str) -> bool {
    is_text(name)
}

/// The id of a build's request: the same build always has the same, so that every name that is made of it can be found
/// again without having been written down.
pub fn id(system: &Name, build: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(system.as_str());
    digest.update([0]);
    digest.update(build);
    short(digest)
}

/// The id of a buildset, likewise; no build has the same.
pub fn buildset_id(system: &Name, buildset: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(system.as_str());
    digest.update([0, 0]);
    digest.update(buildset);
    short(digest)
}

fn short(digest: Sha256) -> String {
    let text = hex::encode(digest.finalize());
    text.get(..12).unwrap_or(&text).to_owned()
}

/// Reads `LABEL` or `LABEL=NAME`.
///
/// # Errors
/// When one of them is no name.
pub fn node(text: &str) -> Result<Node, String> {
    let (label, name) = text.split_once('=').unwrap_or((text, text));
    Ok(Node { name: name.parse()?, label: label.parse()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(build: &str, nodes: &[&str]) -> Result<Request, RequestError> {
        Request::new(build.to_owned(), None, None, nodes.iter().map(|text| node(text).unwrap()).collect())
    }

    #[test]
    fn a_request_is_bounded() {
        assert!(asking("b", &["builder=one", "builder=two"]).is_ok());
        assert!(matches!(asking("b", &[]), Err(RequestError::Count(0))));
        assert!(matches!(asking("b", &["builder"; 51]), Err(RequestError::Count(51))));
        assert!(matches!(asking("b", &["x=a", "y=a"]), Err(RequestError::Twice(_))));
        for build in ["", "a\nb", &"x".repeat(257)] {
            assert!(matches!(asking(build, &["x"]), Err(RequestError::Text("build"))), "{build:?}");
        }
    }

    #[test]
    fn a_wish_needs_the_buildset_that_it_speaks_of() {
        let kept = || Wish { keep: Keep::Buildset, ..Wish::default() };
        let heir = |name: &str| Wish { inherits: vec![name.to_owned()], ..Wish::default() };
        let alone = || asking("b", &["x"]).unwrap();
        let of_one = || Request { buildset: Some("s".to_owned()), ..alone() };
        assert!(matches!(alone().wishing(kept()), Err(RequestError::NoBuildset("--keep buildset"))));
        assert!(matches!(alone().wishing(heir("a")), Err(RequestError::NoBuildset("--inherits"))));
        assert!(matches!(of_one().wishing(heir("b")), Err(RequestError::Parents)));
        assert!(matches!(of_one().wishing(heir("a\n")), Err(RequestError::Text(_))));
        let asked = of_one().wishing(Wish { priority: Some(7), ..heir("a") }).unwrap();
        assert_eq!(
            (asked.priority, asked.keep, asked.inherits.as_slice()),
            (7, Keep::Job, &["a".to_owned()][..])
        );
    }

    #[test]
    fn the_same_request_may_stand_at_another_alternative() {
        let sets = || vec![vec![node("x").unwrap()], vec![node("y").unwrap()]];
        let wish = || Wish { alternatives: sets(), ..Wish::default() };
        let asked = asking("b", &["x"]).unwrap().wishing(wish()).unwrap();
        let moved = Request { nodes: sets().remove(1), ..asked.clone() };
        assert!(moved.same_as(&asked) && asked.same_as(&moved) && moved.choices().len() == 2);
        assert!(!asking("b", &["y"]).unwrap().same_as(&asking("b", &["x"]).unwrap()));
        assert_eq!(asking("b", &["x"]).unwrap().choices().len(), 1);
        let empty = Wish { alternatives: vec![Vec::new(), Vec::new()], ..Wish::default() };
        assert!(matches!(asking("b", &["x"]).unwrap().wishing(empty), Err(RequestError::Count(0))));
    }

    #[test]
    fn what_has_its_default_is_not_written_down() {
        let plain = asking("b", &["x"]).unwrap();
        let text = serde_json::to_string(&plain).unwrap();
        assert_eq!(text, r#"{"build":"b","nodes":[{"name":"x","label":"x"}]}"#);
        assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), plain);
    }

    #[test]
    fn row_43_viewers_are_few_and_have_names() {
        let seen_by = |names: &[&str]| {
            asking("b", &["x"]).unwrap().seen_by(names.iter().map(|name| (*name).to_owned()).collect())
        };
        assert_eq!(seen_by(&["ann", "bob@example.org"]).unwrap().viewers.len(), 2);
        assert!(seen_by(&[""]).is_err() && seen_by(&["a\nb"]).is_err() && seen_by(&["a"; 21]).is_err());
    }

    #[test]
    fn the_id_belongs_to_the_build_and_to_the_system() {
        let one: Name = "one".parse().unwrap();
        let two: Name = "two".parse().unwrap();
        assert_eq!(id(&one, "b"), id(&one, "b"));
        assert_ne!(id(&one, "b"), id(&one, "c"));
        assert_ne!(id(&one, "b"), id(&two, "b"));
        assert_ne!(id(&one, "b"), buildset_id(&one, "b"));
        assert_eq!(id(&one, "b").len(), 12);
    }

    #[test]
    fn a_node_is_a_label_and_perhaps_a_name() {
        assert_eq!(node("builder").unwrap().name.as_str(), "builder");
        assert_eq!(node("builder=one").unwrap().name.as_str(), "one");
        for bad in ["", "=", "a=", "A", "a=b=c"] {
            assert!(node(bad).is_err(), "{bad}");
        }
    }
}
