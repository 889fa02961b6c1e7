//! Lists the `NodeExtensions`, page by page; of each only what is counted is kept.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::api::{DynamicObject, ListParams};
use kube::core::ApiResource;
use kube::{Api, Client};
use tokio::time::timeout;

use crate::cluster::ClusterError;
use crate::desired::KernelType;
use crate::report::resource::{NodeExtension, NodeExtensions, NodeExtensionsStatus};

/// Objects in one answer.
const PAGE: u32 = 250;
/// Most nodes that are read; clusters have up to five thousand.
const NODES: usize = 20_000;
/// How long one page may take.
const LIMIT: Duration = Duration::from_secs(30);
/// How often the list is begun anew when it took longer than the server keeps it.
const RESTARTS: u32 = 2;

/// The nodes that were found.
#[derive(Debug, Default)]
pub(in crate::cli) struct Found {
    /// Those that report, by name.
    pub nodes: BTreeMap<String, FleetNode>,
    /// Those whose object says nothing that this version can read.
    pub silent: Vec<String>,
    /// Whether there are more than were read.
    pub more: bool,
}

/// One node, as far as it is counted; also what a forecast for another release starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::cli) struct FleetNode {
    /// Its pool, where one is known.
    pub pool: Option<String>,
    /// Its architecture.
    pub arch: Option<String>,
    /// The kernel that is wanted.
    pub kernel_type: Option<KernelType>,
    /// The version of its base.
    pub base_version: Option<String>,
    /// Its extensions, without packages.
    pub extensions: Vec<NodeExtension>,
    /// The short answers that are counted.
    pub standing: Standing,
}

/// The short answers of a node.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::cli) struct Standing {
    /// Whether it runs what is wanted.
    pub ready: bool,
    /// Whether it waits for a reboot.
    pub reboot_pending: bool,
    /// Why it is stuck: the reason and the message of `Degraded`, or of a reboot that is held up.
    pub problem: Option<(String, String)>,
}

/// All nodes of the cluster, or of one pool.
///
/// # Errors
/// When the API server cannot be asked.
pub(in crate::cli) async fn nodes(client: Client, pool: Option<&str>) -> Result<Found, ClusterError> {
    let resource = ApiResource::erase::<NodeExtensions>(&());
    let objects: Api<DynamicObject> = Api::all_with(client, &resource);
    let (mut found, mut restarts) = (Found::default(), 0);
    let mut page = ListParams::default().limit(PAGE);
    loop {
        let list = match list(&objects, &page).await {
            // The server has forgotten the list that the pages were of.
            Err(error) if error.code() == Some(410) && restarts < RESTARTS => {
                restarts += 1;
                (found, page.continue_token) = (Found::default(), None);
                continue;
            }
            list => list?,
        };
        for object in list.items {
            found.add(object, pool);
        }
        match list.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(_) if found.nodes.len() + found.silent.len() >= NODES => {
                found.more = true;
                return Ok(found);
            }
            Some(token) => page = page.continue_token(&token),
            None => return Ok(found),
        }
    }
}

async fn list(
    objects: &Api<DynamicObject>,
    page: &ListParams,
) -> Result<kube::core::ObjectList<DynamicObject>, ClusterError> {
    let operation = "list nodeextensions";
    let answer = timeout(LIMIT, objects.list(page)).await.map_err(|_| ClusterError::Away {
        operation: operation.to_owned(),
        problem: format!("no answer within {} s", LIMIT.as_secs()),
    })?;
    answer.map_err(|error| ClusterError::of(operation, &error))
}

impl Found {
    fn add(&mut self, mut object: DynamicObject, pool: Option<&str>) {
        let Some(name) = object.metadata.name else { return };
        let status = object.data.get_mut("status").map(serde_json::Value::take);
        match status.and_then(|status| serde_json::from_value::<NodeExtensionsStatus>(status).ok()) {
            Some(status) if pool.is_none_or(|pool| status.pool.as_deref() == Some(pool)) => {
                self.nodes.insert(name, FleetNode::from(status));
            }
            Some(_) => {}
            // Its pool is not known; it may be the one that is asked for.
            None => self.silent.push(name),
        }
    }
}

impl From<NodeExtensionsStatus> for FleetNode {
    fn from(status: NodeExtensionsStatus) -> Self {
        let standing = Standing::of(&status);
        let bare = |extension: NodeExtension| NodeExtension { packages: Vec::new(), ..extension };
        Self {
            pool: status.pool,
            arch: status.arch,
            kernel_type: status.kernel_type,
            base_version: status.base_version,
            extensions: status.extensions.into_iter().map(bare).collect(),
            standing,
        }
    }
}
