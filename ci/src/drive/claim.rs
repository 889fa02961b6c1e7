//! Makes this process the driver of a request: a new record, or one whose driver is gone.
//!
//! Decides: who drives. Must not: make or delete anything but records. Input: a request.

use jiff::Timestamp;

use super::{DRIVER, Desk, Stop};
use crate::request::{self, Request};
use crate::state::{Phase, Record, StateError, Until};

impl Desk<'_> {
    /// A record that this process drives, or one that is ready already.
    ///
    /// A record of which the driver is silent for too long is taken over where it stood. One that has lapsed, or is being
    /// released, begins anew under new names, because the cleaner may be deleting what it had.
    pub(super) async fn claim(&self, request: Request, wait: Until) -> Result<Record, Stop> {
        let id = request::id(&self.config.system, &request.build);
        let mut round = 0;
        loop {
            let found = self.store.read(&id).await?;
            if found.as_ref().is_some_and(|record| !record.body.request.same_as(&request)) {
                return Err(Stop::Different(request.build));
            }
            // Before there is a record: whatever has one is known to its buildset.
            let set = self.join(&id, &request).await?;
            let end = self.latest(&request, set.as_ref());
            let Some(record) = found else {
                match self.store.create(&self.fresh(&id, &request, (end, wait))).await? {
                    Some(made) => return Ok(made),
                    None => continue, // somebody was faster; look again
                }
            };
            let now = (self.clock)();
            if record.body.phase == Phase::Ready && !record.lapsed(now) {
                return Ok(record);
            }
            let driven =
                record.holder.as_ref().is_some_and(|holder| *holder != self.me) && !record.lapsed(now);
            if !driven {
                match self.write(self.resumed(record, end)).await {
                    Err(Stop::State(StateError::Overtaken(_))) => {}
                    other => return other,
                }
            }
            self.pause(round, || Stop::Busy(request.build.clone())).await?;
            round += 1;
        }
    }

    /// Takes over for a release: whatever the phase, unless somebody is at it.
    pub(super) async fn claim_for_release(&self, build: &str) -> Result<Record, Stop> {
        let mut round = 0;
        loop {
            let mut record = self.find(build).await?;
            let now = (self.clock)();
            let driven =
                record.holder.as_ref().is_some_and(|holder| *holder != self.me) && !record.lapsed(now);
            if !driven {
                record.body.phase = Phase::Releasing;
                match self.write(record).await {
                    Err(Stop::State(StateError::Overtaken(_))) => {}
                    other => return other,
                }
            }
            self.pause(round, || Stop::Busy(build.to_owned())).await?;
            round += 1;
        }
    }

    fn fresh(&self, id: &str, request: &Request, (end, wait): (Timestamp, Until)) -> Record {
        let mut record = Record::new(id.to_owned(), request.clone(), end, (self.clock)());
        record.holder = Some(self.me.clone());
        record.duration = DRIVER;
        record.body.wait = wait;
        record
    }

    fn resumed(&self, mut record: Record, end: Timestamp) -> Record {
        match record.body.phase {
            Phase::Waiting => {}
            // Its driver fell silent while the cleaner may have begun: namespaces that are there are looked at before use.
            Phase::Making => {}
            Phase::Ready | Phase::Releasing => {
                for at in 0..record.body.attempts.len() {
                    record.next_attempt(at);
                }
                record.body.phase = if record.body.spot.is_some() { Phase::Making } else { Phase::Waiting };
            }
        }
        if record.lapsed((self.clock)()) {
            record.body.tried.clear(); // all of it may be well again
            record.body.until = record.body.until.max(end);
        }
        record
    }
}
