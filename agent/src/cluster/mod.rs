//! The way to the API server: one client, one node name, one place that says what an answer means.
//!
//! Decides: whether a kubeconfig may be used, and which class an API error has. Must not: know what is read or written.
//! Input: a kubeconfig file, untrusted like any other.

mod error;
mod kubeconfig;
mod person;

use kube::Client;

pub use error::ClusterError;
pub use kubeconfig::read;
pub use person::person;

use crate::settings::ClusterSettings;
use crate::text::one_line;

/// The API group of our objects, and the prefix of every annotation and label that is ours.
pub const GROUP: &str = "extensions.agent";
/// How we are called as a field manager and as the source of Events.
pub const MANAGER: &str = "extensions-agent";

/// A client that speaks for one node.
#[derive(Clone)]
pub struct Connection {
    /// The client. Its requests carry the identity of this node.
    pub client: Client,
    /// The name of the Node object.
    pub node: String,
    /// The namespace of leases.
    pub namespace: String,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Connection").field("node", &self.node).finish_non_exhaustive()
    }
}

/// Makes the client; nothing is sent yet. None where the settings name no cluster.
///
/// # Errors
/// When the kubeconfig cannot be used, or the node has no usable name.
pub fn connect(settings: &ClusterSettings) -> Result<Option<Connection>, ClusterError> {
    let Some(path) = &settings.kubeconfig else { return Ok(None) };
    let config = kubeconfig::read(path)?;
    let client =
        Client::try_from(config).map_err(|source| ClusterError::Client { source: Box::new(source) })?;
    let node = match &settings.node {
        Some(name) => name.clone(),
        None => host_name()?,
    };
    Ok(Some(Connection { client, node, namespace: settings.namespace.clone() }))
}

fn host_name() -> Result<String, ClusterError> {
    let name = nix::unistd::gethostname().map_err(|errno| ClusterError::HostName { source: errno.into() })?;
    let name = name.to_string_lossy().to_lowercase();
    let usable = !name.is_empty() && name.len() <= 253 && name == one_line(&name, 253);
    if usable {
        Ok(name)
    } else {
        Err(ClusterError::HostName { source: std::io::Error::other("it is empty") })
    }
}
