//! What has been heard of the cluster, and what follows from it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::super::node::{self, NodeView};
use super::super::object::{Meta, decode};
use super::super::pools::{self, Pool};
use super::super::{DesiredError, PoolView};
use super::request::Kind;
use crate::settings::Source;

/// Most objects of one kind.
pub(super) const OBJECTS: usize = 4_096;

/// What one follower heard.
#[derive(Debug)]
pub(super) struct News {
    /// Of which kind.
    pub(super) kind: Kind,
    /// What it heard.
    pub(super) what: What,
}

/// What a follower heard.
#[derive(Debug)]
pub(super) enum What {
    /// All there is, as of a version.
    Listed(Vec<Item>, u64),
    /// An object was made or changed.
    Changed(Item, u64),
    /// The object of that name is gone.
    Removed(String, u64),
    /// Nothing else happened up to this version.
    AsOf(u64),
    /// The server cannot be asked. What was heard before stays.
    Trouble(DesiredError),
}

/// One object, or what is wrong with it.
#[derive(Debug)]
pub(super) struct Item {
    name: String,
    content: Result<Content, String>,
}

#[derive(Debug)]
enum Content {
    Node(Box<NodeView>, u64),
    Pool(Box<Pool>),
    Head(Meta),
}

impl Item {
    /// Reads the object in `bytes`. One that cannot be used is news too.
    pub(super) fn of(kind: Kind, bytes: &[u8]) -> Self {
        let content = match kind {
            Kind::Nodes => node::parse(bytes).map(|(view, version)| Content::Node(Box::new(view), version)),
            Kind::Pools => pools::parse(bytes).map(|pool| Content::Pool(Box::new(pool))),
            Kind::Configs => pools::parse_head(bytes).map(Content::Head),
        };
        Self { name: name(bytes), content }
    }
}

/// The name of the object in `bytes`; empty where it has none.
pub(super) fn name(bytes: &[u8]) -> String {
    decode::<serde::de::IgnoredAny>(bytes).map(|object| object.meta.name).unwrap_or_default()
}

/// What the node should have, as far as names say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Not everything has been heard yet.
    Unknown,
    /// What this rendered MachineConfig says.
    Rendered(String),
    /// What these MachineConfigs of its pool say together: name, uid and version of each.
    Selected(BTreeSet<(String, String, u64)>),
    /// What it had: the pool is paused.
    Paused(String),
}

/// What has been heard of the cluster.
#[derive(Debug, Default)]
pub(super) struct Picture {
    node: Option<Result<NodeView, String>>,
    node_version: u64,
    pools: BTreeMap<String, Result<Pool, String>>,
    heads: BTreeMap<String, Result<Meta, String>>,
    versions: BTreeMap<Kind, u64>,
    trouble: BTreeMap<Kind, std::sync::Arc<DesiredError>>,
}

impl Picture {
    /// Takes in what a follower heard.
    pub(super) fn hear(&mut self, news: News) {
        let kind = news.kind;
        let version = match news.what {
            What::Trouble(error) => {
                self.trouble.insert(kind, error.into());
                return;
            }
            What::Listed(items, version) => {
                self.clear(kind);
                items.into_iter().for_each(|item| self.put(kind, item));
                version
            }
            What::Changed(item, version) => {
                self.put(kind, item);
                version
            }
            What::Removed(name, version) => {
                self.remove(kind, &name);
                version
            }
            What::AsOf(version) => version,
        };
        self.trouble.remove(&kind);
        self.versions.insert(kind, version);
    }

    fn clear(&mut self, kind: Kind) {
        match kind {
            Kind::Nodes => self.node = None,
            Kind::Pools => self.pools.clear(),
            Kind::Configs => self.heads.clear(),
        }
    }

    fn put(&mut self, kind: Kind, item: Item) {
        let Item { name, content } = item;
        match (kind, content) {
            (_, Ok(Content::Node(node, version))) => {
                self.node = Some(Ok(*node));
                self.node_version = version;
            }
            (_, Ok(Content::Pool(pool))) => drop(self.pools.insert(name, Ok(*pool))),
            (_, Ok(Content::Head(head))) => drop(self.heads.insert(name, Ok(head))),
            (Kind::Nodes, Err(problem)) => self.node = Some(Err(problem)),
            (Kind::Pools, Err(problem)) => drop(self.pools.insert(name, Err(problem))),
            (Kind::Configs, Err(problem)) => drop(self.heads.insert(name, Err(problem))),
        }
    }

    fn remove(&mut self, kind: Kind, name: &str) {
        match kind {
            Kind::Nodes => self.node = None,
            Kind::Pools => drop(self.pools.remove(name)),
            Kind::Configs => drop(self.heads.remove(name)),
        }
    }

    /// The version of what is known of that kind; none before it was listed.
    pub(super) fn version(&self, kind: Kind) -> Option<u64> {
        self.versions.get(&kind).copied()
    }

    /// The uid and version of each object that a wish can come from: the Node and the MachineConfigs that can be read.
    pub(super) fn states(&self) -> impl Iterator<Item = (&str, u64)> {
        let node = self.uid().map(|uid| (uid, self.node_version));
        let heads = self.heads.values().flatten().map(|head| (head.uid.as_str(), head.version));
        node.into_iter().chain(heads)
    }

    /// Why the server cannot be asked at the moment.
    pub(super) fn trouble(&self) -> Option<&std::sync::Arc<DesiredError>> {
        self.trouble.values().next()
    }

    /// The uid of the Node.
    pub(super) fn uid(&self) -> Option<&str> {
        self.node.as_ref()?.as_ref().ok().map(|node| node.uid.as_str())
    }

    /// The Node with its pool, where they are known.
    pub(super) fn node(&self, source: Source) -> Option<NodeView> {
        let node = self.node.as_ref()?.as_ref().ok()?;
        let pool = if self.joins(source) { self.pool(node).ok().cloned() } else { node.pool.clone() };
        Some(NodeView { pool, ..node.clone() })
    }

    fn pool(&self, node: &NodeView) -> Result<&PoolView, DesiredError> {
        self.pool_of(node).map(|pool| &pool.view)
    }

    fn pool_of(&self, node: &NodeView) -> Result<&Pool, DesiredError> {
        let mut pools = Vec::new();
        for (name, pool) in &self.pools {
            // A pool that cannot be read may be the one that selects the node.
            pools.push(pool.as_ref().map_err(|problem| unusable(Kind::Pools, name, problem))?);
        }
        pools::pool_of(&node.name, &node.labels, pools)
    }

    /// Whether the agent joins the MachineConfigs itself.
    pub(super) fn joins(&self, source: Source) -> bool {
        match (source, &self.node) {
            (Source::Operator, _) | (Source::Auto, None | Some(Err(_))) => false,
            (Source::Pools, _) => true,
            (Source::Auto, Some(Ok(node))) => node.desired_config.is_none(),
        }
    }

    /// What the node called `name` should have.
    ///
    /// # Errors
    /// When it is not there, or its pool is not, or they cannot be read.
    pub(super) fn wanted(&self, name: &str, source: Source) -> Result<Wanted, DesiredError> {
        let node = match &self.node {
            None if self.version(Kind::Nodes).is_none() => return Ok(Wanted::Unknown),
            None => return Err(DesiredError::NoNode { name: name.to_owned() }),
            Some(Err(problem)) => return Err(unusable(Kind::Nodes, name, problem)),
            Some(Ok(node)) => node,
        };
        if self.joins(source) {
            return self.selected(node, source);
        }
        match &node.desired_config {
            Some(rendered) => Ok(Wanted::Rendered(rendered.clone())),
            None => Err(DesiredError::NotAnnotated { node: name.to_owned() }),
        }
    }

    fn selected(&self, node: &NodeView, source: Source) -> Result<Wanted, DesiredError> {
        if [Kind::Pools, Kind::Configs].iter().any(|kind| self.version(*kind).is_none()) {
            return Ok(Wanted::Unknown);
        }
        let pool = self.pool_of(node)?;
        if pool.rendered && source == Source::Auto {
            // The operator decides when a node gets what it has rendered; it has not decided yet.
            return Err(DesiredError::NotAnnotated { node: node.name.clone() });
        }
        if pool.view.paused {
            return Ok(Wanted::Paused(pool.view.name.clone()));
        }
        let mut selected = BTreeSet::new();
        for (name, head) in &self.heads {
            let head = head.as_ref().map_err(|problem| unusable(Kind::Configs, name, problem))?;
            if pool.selects(&head.labels) {
                selected.insert((head.name.clone(), head.uid.clone(), head.version));
            }
        }
        Ok(Wanted::Selected(selected))
    }
}

fn unusable(kind: Kind, name: &str, problem: &str) -> DesiredError {
    DesiredError::Object { object: format!("{}/{name}", kind.word()), problem: problem.to_owned() }
}

#[cfg(test)]
mod tests;
