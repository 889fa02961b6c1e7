//! The way into a node of a build, with the rights of that build and no more.
//!
//! Decides: which container is meant. Must not: run anything there. Input: a ready record.

use super::{Desk, Stop};
use crate::config::Kind;
use crate::exec::Target;
use crate::state::Phase;

impl Desk<'_> {
    /// A container of a node, and a client that speaks with a new token of the build. Without a container, the one that is
    /// the machine.
    ///
    /// # Errors
    /// When there is no such build or node, it is not ready or no pod, or the cluster refuses or is away.
    pub async fn target(&self, build: &str, node: &str, container: Option<&str>) -> Result<Target, Stop> {
        let record = self.find(build).await?;
        if record.body.phase != Phase::Ready || record.lapsed((self.clock)()) {
            return Err(Stop::NotReady { build: build.to_owned(), phase: record.body.phase });
        }
        let nodes = self.nodes(&record)?;
        let found = nodes.into_iter().find(|one| one.name.as_str() == node);
        let found = found.ok_or_else(|| Stop::NoNode { build: build.to_owned(), node: node.to_owned() })?;
        match found.kind {
            Kind::Pod => {}
            Kind::Namespace | Kind::Project => return Err(Stop::NoPod(found.name)),
        }
        let container = container.or_else(|| found.containers.first().map(String::as_str));
        let container = container.ok_or_else(|| Stop::NoPod(found.name.clone()))?.to_owned();
        let cluster = self.cluster(&record)?;
        let granted = {
            let _permit = cluster.sessions.request().await;
            self.grant(cluster, &found, self.left(record.body.until)).await?
        };
        Ok(Target {
            client: cluster.with_token(&granted.token)?,
            pod: found.pod,
            namespace: found.namespace,
            container,
            sessions: cluster.sessions.clone(),
        })
    }
}
