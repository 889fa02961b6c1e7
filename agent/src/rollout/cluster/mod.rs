//! The part of the roll-out that speaks to the API server: slots, the cordon, the drain.
//!
//! Decides: nothing that [`super::step`] decides. Must not: touch what is not ours: a cordon of an admin stays. Every
//! request is bounded in time and may be repeated.

mod cordon;
mod drain;
mod lease;

use std::time::Duration;

pub(super) use cordon::{cordon, uncordon};
pub(super) use drain::drain;
pub(super) use lease::{Asked, Pool, When, ask, give_back};

use crate::cluster::ClusterError;

/// How long one request may take.
const LIMIT: Duration = Duration::from_secs(4);

/// What a request comes to, in time.
async fn bounded<T>(
    operation: impl Fn() -> String,
    request: impl Future<Output = kube::Result<T>>,
) -> Result<T, ClusterError> {
    match tokio::time::timeout(LIMIT, request).await {
        Ok(answer) => answer.map_err(|error| ClusterError::of(operation(), &error)),
        Err(_) => {
            Err(ClusterError::Away { operation: operation(), problem: format!("no answer within {LIMIT:?}") })
        }
    }
}
