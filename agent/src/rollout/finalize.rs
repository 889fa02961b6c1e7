//! The one call that ends in a reboot. Nothing else in the agent finalizes a deployment.

use std::time::Duration;

use tokio::time::timeout;

use super::error::RolloutError;
use crate::host::{FinalizeRequest, Host, HostError, Outcome};
use crate::text::one_line;

/// How long the call is followed. What it asked for goes on without us.
const LIMIT: Duration = Duration::from_secs(60);

/// What the call came to.
#[derive(Debug)]
pub(super) enum Requested {
    /// The reboot was requested, or may have been.
    Yes,
    /// Somebody else's transaction holds the host.
    Busy(HostError),
}

/// Finalizes what is staged and reboots into it. The host compares the base; who calls has compared the rest just before.
///
/// Safe to repeat: the second call finds the host rebooting.
///
/// # Errors
/// When no reboot was requested, with what rpm-ostree said.
pub(super) async fn request<H: Host>(
    host: &H,
    request: FinalizeRequest,
    deployment: &str,
) -> Result<Requested, RolloutError> {
    let failed = |problem: String| RolloutError::Finalize {
        deployment: one_line(deployment, 256),
        problem: one_line(&problem, 512),
    };
    match timeout(LIMIT, host.finalize(request)).await {
        // Without an answer it may have been requested or not; what is booted later tells.
        Err(_) | Ok(Ok(Outcome::Finished | Outcome::Lost | Outcome::NotOurs) | Err(HostError::Rebooting)) => {
            Ok(Requested::Yes)
        }
        Ok(Err(busy @ HostError::Busy { .. })) => Ok(Requested::Busy(busy)),
        Ok(Ok(Outcome::Failed { message } | Outcome::Cancelled { message })) => Err(failed(message)),
        Ok(Err(error)) => Err(failed(crate::error::chain(&error))),
    }
}
