//! Who asks for what: a build, and the nodes it wants.
//!
//! Decides: the id of a request, and the names of everything that is made for it. Must not: know what is in use. Input:
//! arguments of a caller, untrusted.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::config::Name;
use crate::error::{Failure, Reason};

/// Most nodes of one request.
const NODES: usize = 50;
/// Longest text of one field, in bytes.
const TEXT: usize = 256;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// A text is empty, too long or has control characters.
    #[error("the {0} must be 1 to {TEXT} characters, without control characters")]
    Text(&'static str),
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
        if nodes.is_empty() || nodes.len() > NODES {
            return Err(RequestError::Count(nodes.len()));
        }
        for (at, node) in nodes.iter().enumerate() {
            if nodes.iter().take(at).any(|other| other.name == node.name) {
                return Err(RequestError::Twice(node.name.clone()));
            }
        }
        let fields = [("build", Some(&build)), ("buildset", buildset.as_ref()), ("change", change.as_ref())];
        for (what, text) in fields {
            if text.is_some_and(|text| {
                text.is_empty() || text.len() > TEXT || text.chars().any(char::is_control)
            }) {
                return Err(RequestError::Text(what));
            }
        }
        Ok(Request { build, buildset, change, nodes })
    }
}

/// The id of a build's request: the same build always has the same, so that every name that is made of it can be found
/// again without having been written down.
pub fn id(system: &Name, build: &str) -> String {
    let mut digest = Sha256::new();
    digest.update(system.as_str());
    digest.update([0]);
    digest.update(build);
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
    fn the_id_belongs_to_the_build_and_to_the_system() {
        let one: Name = "one".parse().unwrap();
        let two: Name = "two".parse().unwrap();
        assert_eq!(id(&one, "b"), id(&one, "b"));
        assert_ne!(id(&one, "b"), id(&one, "c"));
        assert_ne!(id(&one, "b"), id(&two, "b"));
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
