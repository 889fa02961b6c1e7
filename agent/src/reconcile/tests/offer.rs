//! A payload source that counts, and a clock that is set.

use std::collections::BTreeMap;
use std::io::{Seek, Write};
use std::os::fd::OwnedFd;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

use super::super::Clock;
use crate::apply::PayloadSource;
use crate::payload::{
    FetchProgress, FetchStats, Labels, Payload, PayloadError, Reference, Release, ReleaseError,
};
use crate::rpm::{Package, Verified};

/// A source with one payload, which counts how often it is asked.
pub(super) struct FakeSource {
    pub(super) payload: Mutex<Option<Payload>>,
    pub(super) loads: AtomicU32,
    /// What its release images name.
    pub(super) release: Mutex<Option<Release>>,
    /// The labels of its other images, by reference.
    pub(super) labels: Mutex<BTreeMap<String, Labels>>,
}

impl PayloadSource for FakeSource {
    async fn load(
        &self,
        reference: &Reference,
        _: &str,
        _: &(dyn Fn(FetchProgress) + Send + Sync),
    ) -> Result<(Payload, FetchStats), PayloadError> {
        self.loads.fetch_add(1, Ordering::Relaxed);
        let payload = self.payload.lock().unwrap().clone();
        Ok((payload.ok_or_else(|| refused(reference))?, FetchStats::default()))
    }

    async fn release(&self, reference: &Reference, _: &str) -> Result<Release, ReleaseError> {
        let release = self.release.lock().unwrap().clone();
        release.ok_or_else(|| ReleaseError::Fetch {
            release: reference.to_string(),
            source: Box::new(refused(reference)),
        })
    }

    async fn labels(&self, reference: &Reference, _: &str) -> Result<Labels, PayloadError> {
        let labels = self.labels.lock().unwrap().get(&reference.to_string()).cloned();
        labels.ok_or_else(|| refused(reference))
    }

    fn open_package(&self, package: &Verified<Package>) -> Result<OwnedFd, PayloadError> {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(package.get().head.to_string().as_bytes()).unwrap();
        file.rewind().unwrap();
        Ok(file.into())
    }
}

fn refused(reference: &Reference) -> PayloadError {
    PayloadError::Unavailable {
        operation: "asking for",
        object: format!("{reference:?}"),
        source: "connection refused".into(),
    }
}

/// A clock that moves one millisecond each time it is read.
#[derive(Default)]
pub(super) struct FakeClock(AtomicU64);

impl Clock for FakeClock {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.fetch_add(1, Ordering::Relaxed))
    }
}
