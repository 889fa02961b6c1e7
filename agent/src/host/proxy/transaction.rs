//! `org.projectatomic.rpmostree1.Transaction`, which is not on the bus but on a private socket.
//!
//! Written by hand: a generated proxy puts a destination into each call, and there is no bus here to read it. All
//! functions take a peer connection, of which there is one for each look at a transaction.

use zbus::fdo;
use zbus::message::{Message, Type};
use zbus::{Connection, OwnedVariant};

const PATH: &str = "/";
const INTERFACE: &str = "org.projectatomic.rpmostree1.Transaction";

/// What the transaction says while it runs. `TaskEnd`, `ProgressEnd`, `DownloadProgress` and `SignatureProgress` carry
/// nothing that is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::host) enum Signal {
    /// `TaskBegin`: a task has begun.
    TaskBegin(String),
    /// `Message`: a text to show.
    Message(String),
    /// `PercentProgress`: a text and a number.
    PercentProgress(String, u32),
    /// `Finished`: the transaction is done; whether it worked, and the error if it did not.
    Finished(bool, String),
}

/// Starts the transaction. True when this call started it, false when it was started, or done, before.
pub(in crate::host) async fn start(peer: &Connection) -> zbus::Result<bool> {
    let reply = peer.call_method(None::<&str>, PATH, Some(INTERFACE), "Start", &()).await?;
    reply.body().deserialize()
}

/// The `Title` property: a description of the transaction, `new-deployment` until it runs.
pub(in crate::host) async fn title(peer: &Connection) -> zbus::Result<String> {
    let properties = Some("org.freedesktop.DBus.Properties");
    let reply = peer.call_method(None::<&str>, PATH, properties, "Get", &(INTERFACE, "Title")).await?;
    String::try_from(reply.body().deserialize::<OwnedVariant>()?)
}

/// Reads one message of the socket: a signal that is used, or nothing.
///
/// # Errors
/// When a signal that is used carries something else than upstream's interface says.
pub(in crate::host) fn signal(message: &Message) -> zbus::Result<Option<Signal>> {
    let header = message.header();
    let ours = header.interface().is_some_and(|interface| interface.as_str() == INTERFACE);
    if message.message_type() != Type::Signal || !ours {
        return Ok(None);
    }
    let body = message.body();
    Ok(match header.member().map(|member| member.as_str()) {
        Some("TaskBegin") => Some(Signal::TaskBegin(body.deserialize()?)),
        Some("Message") => Some(Signal::Message(body.deserialize()?)),
        Some("PercentProgress") => {
            let (text, number) = body.deserialize()?;
            Some(Signal::PercentProgress(text, number))
        }
        Some("Finished") => {
            let (success, error) = body.deserialize()?;
            Some(Signal::Finished(success, error))
        }
        Some(_) | None => None,
    })
}

/// The uid of the process at the other end of the socket, where the kernel tells.
pub(in crate::host) async fn peer_uid(peer: &Connection) -> fdo::Result<Option<u32>> {
    let credentials = peer.peer_creds().await.map_err(|error| fdo::Error::IOError(error.to_string()))?;
    Ok(credentials.unix_user_id())
}
