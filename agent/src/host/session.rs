//! A connection to the bus on which rpm-ostreed has been found, checked and greeted.
//!
//! Decides: that the owner of the name is to be trusted, and when it must be looked for again. Calls go to the *unique*
//! name of the owner that was checked, so that a process which takes the name later gets none of them, and a restart of
//! the daemon is noticed at the next call.

use std::io;
use std::time::Duration;

use tokio::time::timeout;
use zbus::connection::Builder;
use zbus::fdo::DBusProxy;
use zbus::names::{OwnedUniqueName, WellKnownName};
use zbus::proxy::CacheProperties;
use zbus::{Connection, fdo};

use super::HostError;
use super::proxy::NAME;
use super::proxy::os::OsProxy;
use super::proxy::sysroot::{ClientOptions, SysrootProxy};
use super::reply;
use crate::text::shown;

/// How `rpm-ostree status` and the journal call us.
const CLIENT: &str = "extensions-agent";

/// What is expected of the daemon and its bus. A host has the defaults; tests shorten the waits.
#[derive(Debug, Clone)]
pub(super) struct Expectations {
    /// Who must own the name of the daemon and its sockets.
    pub(super) owner: u32,
    /// For an answer to a plain call.
    pub(super) answer: Duration,
    /// For the title of somebody's transaction, which is good to know and not needed.
    pub(super) glance: Duration,
    /// For the daemon to start. Its unit may take minutes after an upgrade.
    pub(super) start: Duration,
    /// For a call that makes a transaction: polkit and the sysroot lock are asked before the answer.
    pub(super) make: Duration,
    /// How often a call is made when the daemon goes away under it. Its activation has known races.
    pub(super) attempts: u32,
    /// The pause after the first attempt; doubled after each further one, up to two seconds.
    pub(super) pause: Duration,
    /// How often a running transaction is looked at, should no signal arrive.
    pub(super) look: Duration,
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            owner: 0,
            answer: Duration::from_secs(30),
            glance: Duration::from_secs(5),
            start: Duration::from_secs(300),
            make: Duration::from_secs(300),
            attempts: 8,
            pause: Duration::from_millis(100),
            look: Duration::from_secs(10),
        }
    }
}

impl Expectations {
    /// The pause before the next attempt.
    pub(super) fn pause_after(&self, attempt: u32) -> Duration {
        let doubled = self.pause.saturating_mul(2_u32.saturating_pow(attempt.min(16)));
        doubled.min(Duration::from_secs(2))
    }
}

/// Why something did not work, and whether trying again at once may help.
#[derive(Debug)]
pub(super) struct Trouble {
    /// The other side went away, or was not up yet.
    pub(super) again: bool,
    /// What to say when it does not help.
    pub(super) error: HostError,
}

impl Trouble {
    /// What a call came back with.
    pub(super) fn of(operation: &'static str, error: &zbus::Error) -> Self {
        Self { again: reply::vanished(error), error: reply::error(operation, error) }
    }

    /// What cannot be helped.
    pub(super) fn certain(error: HostError) -> Self {
        Self { again: false, error }
    }
}

/// The daemon, found on a bus.
#[derive(Debug, Clone)]
pub(super) struct Session {
    connection: Connection,
    owner: OwnedUniqueName,
}

/// Connects to the bus at `address`, or to the system bus.
///
/// # Errors
/// [`HostError::Bus`].
pub(super) async fn bus(address: Option<&str>, limit: Duration) -> Result<Connection, HostError> {
    let refused = |error: zbus::Error| HostError::Bus {
        address: shown(address.unwrap_or("system")),
        source: Box::new(error),
    };
    let builder = address.map_or_else(Builder::system, Builder::address);
    let built = timeout(limit, builder.build()).await;
    built.map_err(|late| refused(io::Error::new(io::ErrorKind::TimedOut, late).into()))?.map_err(refused)
}

impl Session {
    /// Finds the daemon, starting it if need be; checks who it is; registers as its client, which holds off its idle
    /// exit for as long as this connection lives.
    ///
    /// # Errors
    /// [`HostError::Daemon`] when nobody owns the name and nobody can be started, [`HostError::ForeignOwner`].
    pub(super) async fn open(connection: Connection, expected: &Expectations) -> Result<Self, Trouble> {
        const LOOKING: &str = "looking for rpm-ostreed";
        const REGISTERING: &str = "registering with rpm-ostreed";
        let found = timeout(expected.start, find(&connection)).await;
        let (owner, uid) = found.map_err(|_| late(LOOKING, expected.start))??;
        if uid != expected.owner {
            return Err(Trouble::certain(HostError::ForeignOwner { uid }));
        }
        let session = Self { connection, owner };
        let options = ClientOptions { id: CLIENT };
        let registering = async { session.sysroot().await?.register_client(&options).await };
        let registered = timeout(expected.answer, registering).await;
        registered
            .map_err(|_| late(REGISTERING, expected.answer))?
            .map_err(|error| Trouble::of(REGISTERING, &error))?;
        Ok(session)
    }

    /// The connection to the bus.
    pub(super) fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Whether two sessions speak to one process over one connection.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.owner == other.owner && self.connection.unique_name() == other.connection.unique_name()
    }

    /// `Sysroot` of the owner that was checked.
    pub(super) async fn sysroot(&self) -> zbus::Result<SysrootProxy<'static>> {
        SysrootProxy::builder(&self.connection)
            .destination(self.owner.clone())
            .cache_properties(CacheProperties::No)
            .build()
            .await
    }

    /// `OS` at `path`, of the owner that was checked.
    pub(super) async fn os(&self, path: zbus::OwnedObjectPath) -> zbus::Result<OsProxy<'static>> {
        OsProxy::builder(&self.connection)
            .destination(self.owner.clone())
            .path(path)
            .cache_properties(CacheProperties::No)
            .build()
            .await
    }
}

/// The unique name and the uid of the daemon. It is started only when its name has no owner: `StartServiceByName` knows
/// activatable names only, and a daemon may run without being one.
async fn find(connection: &Connection) -> Result<(OwnedUniqueName, u32), Trouble> {
    let trouble = |error: zbus::Error| Trouble::of("looking for rpm-ostreed", &error);
    let bus = DBusProxy::new(connection).await.map_err(trouble)?;
    let name = WellKnownName::from_static_str(NAME).map_err(trouble)?;
    let owner = match bus.get_name_owner(name.clone().into()).await {
        Err(fdo::Error::NameHasNoOwner(_)) => {
            bus.start_service_by_name(name.clone(), 0).await.map_err(|error| not_started(error.into()))?;
            bus.get_name_owner(name.into()).await
        }
        other => other,
    };
    let owner = owner.map_err(|error| trouble(error.into()))?;
    let uid = bus.get_connection_unix_user(owner.clone().into()).await;
    Ok((owner, uid.map_err(|error| trouble(error.into()))?))
}

/// Why the daemon could not be started. A name that nobody could ever own is final; a start that failed may work the next
/// time, for activation has known races.
fn not_started(error: zbus::Error) -> Trouble {
    const STARTING: &str = "starting rpm-ostreed";
    let (again, denied) = if let zbus::Error::FDO(inner) = &error {
        let unknown = matches!(**inner, fdo::Error::ServiceUnknown(_));
        (!unknown, matches!(**inner, fdo::Error::AccessDenied(_)))
    } else {
        // systemd's own errors of a unit that does not come up.
        (matches!(error, zbus::Error::MethodError(..)), false)
    };
    if denied {
        return Trouble::certain(reply::error(STARTING, &error));
    }
    Trouble { again, error: HostError::Daemon { operation: STARTING, problem: shown(&error.to_string()) } }
}

fn late(operation: &'static str, limit: Duration) -> Trouble {
    Trouble::certain(HostError::TimedOut { operation, limit })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::{Failure as _, Reason};

    #[test]
    fn only_a_start_that_may_work_the_next_time_is_tried_again() {
        let said = || "said".to_owned();
        let table = [
            (fdo::Error::ServiceUnknown(said()), false, Reason::DaemonUnavailable),
            (fdo::Error::AccessDenied(said()), false, Reason::NotAuthorized),
            (fdo::Error::SpawnChildExited(said()), true, Reason::DaemonUnavailable),
            (fdo::Error::TimedOut(said()), true, Reason::DaemonUnavailable),
        ];
        for (error, again, reason) in table {
            let trouble = not_started(zbus::Error::FDO(Box::new(error)));
            assert_eq!((trouble.again, trouble.error.reason()), (again, reason), "{}", trouble.error);
        }
    }

    #[test]
    fn pauses_grow_up_to_a_bound() {
        let expected = Expectations::default();
        let pauses: Vec<u128> = (0..7).map(|attempt| expected.pause_after(attempt).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 2000, 2000]);
        assert_eq!(expected.pause_after(u32::MAX).as_millis(), 2000);
    }
}
