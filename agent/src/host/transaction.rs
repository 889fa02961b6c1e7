//! One transaction, from the call that makes it to exactly one outcome.
//!
//! ```text
//!  own bus connection ─► UpdateDeployment ─► address ─► private socket ─► subscribe ─► Start ─► … Finished ─► close
//!         └── closed on any failure up to Start: the daemon then cancels what nobody started
//! ```
//!
//! Decides: whose transaction it was and how it ended, by what the socket says. Must not: believe that the change is
//! made; the deployment is the truth.
//!
//! What happens when this process dies is the daemon's business. Before `Start`, our bus name vanishes and it cancels the
//! transaction; after `Start`, the transaction belongs to nobody and runs to its end. Either way the next pass finds the
//! truth in the deployments. Dropping the future of [`layer`] does the same as dying.

use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::time::error::Elapsed;
use tokio::time::timeout;
use zbus::connection::Builder;
use zbus::{Connection, MessageStream};

use super::proxy::os::{FinalizeOptions, Modifiers, Options, OsProxy};
use super::proxy::transaction::{self as proxy, Signal};
use super::session::{Expectations, Session, Trouble, bus};
use super::{FinalizeRequest, HostError, LayerRequest, Outcome, Progress};
use super::{bus as buses, files, progress as steps, reply};
use crate::text::shown;

/// Where and how to reach the daemon.
#[derive(Debug, Clone, Copy)]
pub(super) struct Way<'a> {
    /// The address of the bus; none means the system bus.
    pub(super) bus: Option<&'a str>,
    /// What is expected of daemon and bus.
    pub(super) expected: &'a Expectations,
}

/// Makes the one call and follows its transaction.
///
/// **Trap:** a transaction that was made and never started holds the host *for ever*, for as long as its maker stays on
/// the bus. So each has a connection of its own, which is closed when anything goes wrong before `Start`, a timeout of
/// the call itself included.
///
/// # Errors
/// Whatever means that no transaction of ours was started.
pub(super) async fn layer(
    way: Way<'_>,
    request: LayerRequest,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Outcome, HostError> {
    let connection = bus(way.bus, way.expected.answer).await?;
    let outcome = on(&connection, way.expected, Ask::Layer(request), progress).await;
    close(connection).await;
    outcome
}

/// The same for the call that ends in a reboot.
///
/// # Errors
/// Whatever means that no transaction of ours was started.
pub(super) async fn finalize(way: Way<'_>, request: FinalizeRequest) -> Result<Outcome, HostError> {
    let connection = bus(way.bus, way.expected.answer).await?;
    let outcome = on(&connection, way.expected, Ask::Finalize(request), &mut |_| {}).await;
    close(connection).await;
    outcome
}

/// What is asked of the host.
enum Ask {
    Layer(LayerRequest),
    Finalize(FinalizeRequest),
}

async fn on(
    connection: &Connection,
    expected: &Expectations,
    ask: Ask,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Outcome, HostError> {
    if let Ask::Layer(request) = &ask {
        let limit = descriptors(connection, expected).await?;
        if request.install.len() > limit {
            return Err(HostError::TooManyFiles { files: request.install.len(), limit });
        }
    }
    let session = open(connection, expected).await?;
    let address = match ask {
        Ask::Layer(request) => make(&session, expected, request).await?,
        Ask::Finalize(request) => unlock(&session, expected, request).await?,
    };
    let peer = connect(&address, expected.owner, expected.answer).await?;
    let outcome = follow(&peer, expected, progress).await;
    // **Trap:** the transaction stays "in progress", and every other call gets "busy", until all its peers have gone or
    // 30 seconds have passed. So this comes before anything else.
    close(peer).await;
    outcome
}

/// How many descriptors a message on this bus may carry.
///
/// # Errors
/// [`HostError::TimedOut`], or what the bus said.
pub(super) async fn descriptors(
    connection: &Connection,
    expected: &Expectations,
) -> Result<usize, HostError> {
    const OPERATION: &str = "asking the bus what it is";
    match timeout(expected.answer, buses::descriptors(connection)).await {
        Ok(answer) => answer.map_err(|error| reply::error(OPERATION, &error)),
        Err(_) => Err(HostError::TimedOut { operation: OPERATION, limit: expected.answer }),
    }
}

/// Finds the daemon, again if it is just leaving or coming.
async fn open(connection: &Connection, expected: &Expectations) -> Result<Session, HostError> {
    let mut attempt = 0;
    loop {
        match Session::open(connection.clone(), expected).await {
            Ok(session) => return Ok(session),
            Err(Trouble { again: true, .. })
                if attempt + 1 < expected.attempts && !connection.is_closed() =>
            {
                tokio::time::sleep(expected.pause_after(attempt)).await;
                attempt += 1;
            }
            Err(trouble) => return Err(trouble.error),
        }
    }
}

/// The one mutating call. It is never repeated here: an error means that nothing was started, and whoever asked decides.
///
/// **Trap:** the daemon joins a call to a running one with *equal parameters*, and compares files by their index in the
/// message, not by content: two installs of one file each are equal. The nonce makes ours unlike any other.
async fn make(
    session: &Session,
    expected: &Expectations,
    request: LayerRequest,
) -> Result<String, HostError> {
    const OPERATION: &str = "asking rpm-ostree for the transaction";
    let files = files::checked(request.install)?;
    let some = |list: Vec<String>| Some(list).filter(|list| !list.is_empty());
    let modifiers = Modifiers {
        install_local_packages: Some(files.into_iter().map(Into::into).collect::<Vec<_>>())
            .filter(|list| !list.is_empty()),
        uninstall_packages: some(request.uninstall.iter().map(ToString::to_string).collect()),
        override_remove_packages: some(request.override_remove),
        override_reset_packages: some(request.override_reset),
    };
    let options = Options {
        no_pull_base: true,
        lock_finalization: request.lock_finalization.then_some(true),
        initiating_command_line: format!("extensions-agent apply {}", request.nonce),
    };
    let calling = async {
        let Some(os) = booted_os(session).await? else { return Ok(None) };
        os.update_deployment(&modifiers, &options).await.map(Some)
    };
    made(OPERATION, expected.make, timeout(expected.make, calling).await)
}

/// The call that ends in a reboot. Safe to repeat: a host that is rebooting already says so.
async fn unlock(
    session: &Session,
    expected: &Expectations,
    request: FinalizeRequest,
) -> Result<String, HostError> {
    const OPERATION: &str = "asking rpm-ostree to finalize and reboot";
    let options = FinalizeOptions {
        checksum: request.base_checksum,
        allow_unlocked: true,
        initiating_command_line: format!("extensions-agent finalize {}", request.nonce),
    };
    let calling = async {
        let Some(os) = booted_os(session).await? else { return Ok(None) };
        os.finalize_deployment(&options).await.map(Some)
    };
    made(OPERATION, expected.make, timeout(expected.make, calling).await)
}

/// The stateroot that is booted, if one is.
async fn booted_os(session: &Session) -> zbus::Result<Option<OsProxy<'static>>> {
    let booted = session.sysroot().await?.booted().await?;
    if booted.as_str() == "/" { Ok(None) } else { session.os(booted).await.map(Some) }
}

/// The address of the transaction that was made.
fn made(
    operation: &'static str,
    limit: Duration,
    answer: Result<zbus::Result<Option<String>>, Elapsed>,
) -> Result<String, HostError> {
    match answer {
        Ok(Ok(Some(address))) => Ok(address),
        Ok(Ok(None)) => Err(HostError::NotBooted),
        Ok(Err(error)) => Err(reply::error(operation, &error)),
        Err(_) => Err(HostError::TimedOut { operation, limit }),
    }
}

/// Connects to the private socket of a transaction: SASL EXTERNAL, no `Hello`, nobody but the daemon at the other end.
async fn connect(address: &str, owner: u32, limit: Duration) -> Result<Connection, HostError> {
    const OPERATION: &str = "connecting to the transaction";
    let away = |problem: &str| HostError::Daemon { operation: OPERATION, problem: shown(problem) };
    // Always a local socket; anything else would lead off the host.
    if !address.starts_with("unix:") || address.contains(';') {
        return Err(HostError::Malformed {
            operation: OPERATION,
            key: "address".to_owned(),
            problem: format!("`{}` is not the address of a local socket", shown(address)),
        });
    }
    let building = async {
        let peer = Builder::address(address).p2p().build().await?;
        let uid = proxy::peer_uid(&peer).await?;
        zbus::Result::Ok((peer, uid))
    };
    match timeout(limit, building).await {
        Ok(Ok((peer, uid))) if uid.is_none_or(|uid| uid == owner) => Ok(peer),
        Ok(Ok((_, uid))) => Err(HostError::ForeignOwner { uid: uid.unwrap_or_default() }),
        Ok(Err(error)) => Err(away(&error.to_string())),
        Err(_) => Err(HostError::TimedOut { operation: OPERATION, limit }),
    }
}

/// Starts the transaction and listens until it has ended.
///
/// **Trap:** `Start` answering *false* means that somebody else started it: the call was joined to theirs, and a
/// `Finished(true)` that follows is about their packages. Nothing heard on the socket counts before that answer.
///
/// **Trap:** when the daemon dies, there is no `Finished`; the socket just ends. Then the outcome is not known here.
///
/// There is no limit on how long it may run: the daemon has none either, and to leave early would change nothing.
async fn follow(
    peer: &Connection,
    expected: &Expectations,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Outcome, HostError> {
    // Subscribed before `Start`, for the first signals may come before its answer.
    let mut messages = MessageStream::from(peer);
    let start = timeout(expected.answer, proxy::start(peer));
    tokio::pin!(start);
    let (mut ours, mut heard, mut open) = (false, Heard::default(), true);
    loop {
        if ours {
            heard.steps.drain(..).for_each(&mut *progress);
            if heard.ended.is_some() || !open {
                return Ok(heard.ended.unwrap_or(Outcome::Lost));
            }
        }
        // Cancel-safe: `start` lives outside of the loop, and `next` takes a message only when it returns it. Both are
        // polled side by side because a queue that fills up would hold back the answer to `Start`.
        tokio::select! {
            biased;
            answer = &mut start, if !ours => match answer {
                Ok(Ok(true)) => ours = true,
                Ok(Ok(false)) => return Ok(Outcome::NotOurs),
                Ok(Err(error)) if !reply::vanished(&error) => {
                    return Err(reply::error("starting the transaction", &error));
                }
                // It may have been started or not.
                Ok(Err(_)) | Err(_) => return Ok(Outcome::Lost),
            },
            message = messages.next(), if open => match message {
                Some(Ok(message)) => heard.take(&message),
                Some(Err(_)) | None => open = false,
            },
        }
    }
}

/// Most steps that are kept until it is known whose they are.
const STEPS: usize = 1_024;

/// What the socket said and nobody was told yet.
#[derive(Debug, Default)]
struct Heard {
    steps: Vec<Progress>,
    ended: Option<Outcome>,
}

impl Heard {
    fn take(&mut self, message: &zbus::Message) {
        match proxy::signal(message) {
            Ok(Some(Signal::Finished(success, error))) => self.ended = Some(reply::outcome(success, &error)),
            Ok(Some(signal)) if self.steps.len() < STEPS => self.steps.extend(steps::progress(&signal)),
            Ok(Some(_) | None) => {}
            // Should it have been `Finished`, the daemon ends the socket in the end, and the outcome is not known.
            Err(error) => tracing::warn!(%error, "a signal of the transaction cannot be read"),
        }
    }
}

/// The title of the transaction at `address`, read as a passer-by: it is not started, and left at once, because each peer
/// that stays keeps it "in progress".
pub(super) async fn title(address: &str, expected: &Expectations) -> Option<String> {
    let peer = match connect(address, expected.owner, expected.glance).await {
        Ok(peer) => peer,
        Err(error) => {
            tracing::debug!(%error, "the running transaction cannot be looked at");
            return None;
        }
    };
    let title = timeout(expected.glance, proxy::title(&peer)).await;
    close(peer).await;
    title.ok()?.ok().map(|title| shown(&title))
}

/// Closes a connection now, whoever else still holds it.
pub(super) async fn close(connection: Connection) {
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "a connection was gone before it was closed");
    }
}
