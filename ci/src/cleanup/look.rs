//! Sees every holder of our system, provider by provider.
//!
//! Decides: how long a provider may take to answer. Must not: let one that is away hide the others. Input: the clusters.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::timeout;

use super::{Report, Scope};
use crate::cluster::ClusterError;
use crate::config::Name;
use crate::drive::{Desk, Found, Holders};

/// Most objects in one answer; more come in further ones.
pub(super) const PAGE: u32 = 500;
/// How long a provider may take for all of them.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

/// The holders at each provider that answered.
pub(super) type Seen = BTreeMap<Name, Vec<Found>>;

impl Desk<'_> {
    /// Looks at the providers of this part, all at once; those that are away are written into the report.
    pub(super) async fn look(&self, scope: &Scope, report: &mut Report) -> Seen {
        let wanted = self.clusters.providers.iter().filter(|(name, _)| scope.has(name));
        let asked = wanted.map(|(name, cluster)| async move {
            let found =
                within(PATIENCE, "looking", Holders::of(cluster).list(&self.config.system, None)).await;
            (name.clone(), found)
        });
        let mut seen = Seen::new();
        for (name, found) in join_all(asked).await {
            match found {
                Ok(found) => drop(seen.insert(name, found)),
                Err(error) => report.away(&name, &error),
            }
        }
        seen
    }
}

/// The answer, or that there was none in time.
pub(crate) async fn within<T, E: From<ClusterError>>(
    patience: Duration,
    operation: &str,
    asked: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match timeout(patience, asked).await {
        Ok(answer) => answer,
        Err(_) => Err(ClusterError::Away {
            operation: operation.to_owned(),
            problem: format!("no answer within {} s", patience.as_secs()),
        }
        .into()),
    }
}
