//! How many connections to one cluster there may be at a time.
//!
//! Decides: how the bound is shared out. Must not: open a connection. Input: the bound.
//!
//! A session keeps a connection of its own, and so does each small request that is on its way; a client keeps those of its
//! requests for a while. One in eight is for requests, the rest is for sessions, so that together they stay below the bound.

use std::sync::Arc;

use tokio::sync::{Semaphore, SemaphorePermit};

/// The bound of one cluster, shared by all that speak with it.
#[derive(Debug, Clone)]
pub struct Sessions {
    streams: Arc<Semaphore>,
    requests: Arc<Semaphore>,
}

impl Sessions {
    /// At most so many connections at a time, and not fewer than three: one for a command, one that can end it meanwhile, and
    /// one for requests.
    pub fn new(most: usize) -> Self {
        let requests = (most / 8).max(1);
        let streams = most.saturating_sub(requests).max(2);
        Sessions { streams: Arc::new(Semaphore::new(streams)), requests: Arc::new(Semaphore::new(requests)) }
    }

    /// Waits for room for one session. It ends when what is returned is dropped.
    pub async fn stream(&self) -> Option<SemaphorePermit<'_>> {
        self.streams.acquire().await.ok() // it is never closed
    }

    /// Waits for room for one request.
    pub async fn request(&self) -> Option<SemaphorePermit<'_>> {
        self.requests.acquire().await.ok()
    }
}

impl Default for Sessions {
    fn default() -> Self {
        Sessions::new(64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_17_sessions_and_requests_together_stay_below_the_bound() {
        for most in [3, 8, 64, 1000] {
            let sessions = Sessions::new(most);
            let both = sessions.streams.available_permits() + sessions.requests.available_permits();
            assert_eq!(both, most, "{most}");
        }
        assert_eq!(Sessions::new(0).streams.available_permits(), 2, "a command, and what ends it");
    }
}
