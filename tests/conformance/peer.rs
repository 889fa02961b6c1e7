//! The private side of the suite's own client: one peer on the socket of a transaction, and what it hears there.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use zbus::message::Type;
use zbus::{Connection, Message, MessageStream, OwnedVariant};

use crate::client::{CallError, Dict, TRANSACTION_INTERFACE};
use crate::verdict::{Stop, fail};

/// A signal of the Transaction interface.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Event {
    /// The end, with the text of the error.
    Finished(bool, String),
    /// A line for a human.
    Message(String),
    /// A piece of work begins.
    TaskBegin(String),
    /// It is over; the text is always `done`.
    TaskEnd(String),
    /// Counted work.
    Percent(String, u32),
    /// Counted work is over.
    ProgressEnd,
    /// The title changed.
    Title(String),
    /// Any other signal, by its member name.
    Other(String),
}

/// One connection to the private socket.
pub(crate) struct Peer {
    connection: Connection,
    stream: MessageStream,
    /// Everything heard so far, in order.
    pub(crate) events: Vec<Event>,
    limit: Duration,
}

impl Peer {
    /// Connects to the address that a method returned. When the daemon lives in another mount namespace, the socket is
    /// looked for below `/proc/PID/root` too.
    pub(crate) async fn connect(address: &str, daemon: Option<u32>, limit: Duration) -> Result<Self, Stop> {
        let stream = open(address, daemon)?;
        let builder = zbus::connection::Builder::unix_stream(stream);
        let builder = builder.p2p().method_timeout(limit).max_queued(QUEUE);
        let connection = builder.build().await?;
        let stream = MessageStream::from(&connection);
        Ok(Peer { connection, stream, events: Vec::new(), limit })
    }

    async fn call<B>(&self, interface: &str, member: &str, body: &B) -> Result<Message, CallError>
    where
        B: serde::Serialize + zbus::wire::DynamicType,
    {
        // No destination: there is no bus on this socket, and nobody said Hello.
        Ok(self.connection.call_method(None::<&str>, "/", Some(interface), member, body).await?)
    }

    /// Starts the transaction: true when this call did it.
    pub(crate) async fn start(&self) -> Result<bool, Stop> {
        let reply = self.call(TRANSACTION_INTERFACE, "Start", &()).await?;
        Ok(reply.body().deserialize::<bool>()?)
    }

    /// Cancels the transaction.
    pub(crate) async fn cancel(&self) -> Result<(), Stop> {
        self.call(TRANSACTION_INTERFACE, "Cancel", &()).await?;
        Ok(())
    }

    /// Reads a property of the transaction.
    pub(crate) async fn property(&self, name: &str) -> Result<OwnedVariant, Stop> {
        let body = (TRANSACTION_INTERFACE, name);
        let reply = self.call("org.freedesktop.DBus.Properties", "Get", &body).await?;
        Ok(reply.body().deserialize::<OwnedVariant>()?)
    }

    /// The title.
    pub(crate) async fn title(&self) -> Result<String, Stop> {
        Ok(String::try_from(self.property("Title").await?)?)
    }

    /// What the object says of itself.
    pub(crate) async fn introspect(&self) -> Result<String, Stop> {
        let reply = self.call("org.freedesktop.DBus.Introspectable", "Introspect", &()).await?;
        Ok(reply.body().deserialize::<String>()?)
    }

    /// The next signal; `None` when the daemon closed the socket.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Stop> {
        loop {
            let Ok(item) = tokio::time::timeout(self.limit, self.stream.next()).await else {
                return fail(format!("no signal within {:?}; heard {:?}", self.limit, self.events));
            };
            let Some(Ok(message)) = item else {
                return Ok(None);
            };
            if let Some(event) = decode(&message)? {
                self.events.push(event.clone());
                return Ok(Some(event));
            }
        }
    }

    /// Listens until a signal is the one that is waited for.
    pub(crate) async fn until(&mut self, what: &str, wanted: impl Fn(&Event) -> bool) -> Result<Event, Stop> {
        while let Some(event) = self.next().await? {
            if wanted(&event) {
                return Ok(event);
            }
            if let Event::Finished(success, text) = event {
                return fail(format!(
                    "Finished({success}, `{text}`) came before {what}; heard {:?}",
                    self.events
                ));
            }
        }
        fail(format!("the private socket was closed before {what}; heard {:?}", self.events))
    }

    /// Listens to the end.
    pub(crate) async fn finished(&mut self) -> Result<(bool, String), Stop> {
        let end = self.until("Finished", |event| matches!(event, Event::Finished(..))).await?;
        let Event::Finished(success, text) = end else {
            return fail(format!("{end:?} is not Finished"));
        };
        Ok((success, text))
    }

    /// Everything that had been sent before this call; one round trip makes sure of it.
    pub(crate) async fn drain(&mut self) -> Result<Vec<Event>, Stop> {
        self.title().await?;
        let before = self.events.len();
        while let Some(Some(Ok(message))) = self.stream.next().now_or_never() {
            self.events.extend(decode(&message)?);
        }
        Ok(self.events[before..].to_vec())
    }

    /// How often the end was told.
    pub(crate) fn ends(&self) -> usize {
        self.events.iter().filter(|event| matches!(event, Event::Finished(..))).count()
    }

    /// Leaves.
    pub(crate) async fn close(self) {
        drop(self.stream);
        // The daemon may have closed it first; either way it is gone.
        let _ = self.connection.close().await;
    }
}

const QUEUE: std::num::NonZeroUsize = std::num::NonZeroUsize::new(8192).unwrap();

fn open(address: &str, daemon: Option<u32>) -> Result<UnixStream, Stop> {
    let Some(rest) = address.strip_prefix("unix:") else {
        return fail(format!("`{address}` is not a unix address"));
    };
    let value = |key: &str| rest.split(',').find_map(|pair| pair.strip_prefix(key)?.strip_prefix('='));
    if let Some(name) = value("abstract") {
        use std::os::linux::net::SocketAddrExt;
        let address = std::os::unix::net::SocketAddr::from_abstract_name(name);
        return address
            .and_then(|address| UnixStream::connect_addr(&address))
            .map_err(|error| Stop::Fail(format!("connecting to abstract socket `{name}`: {error}")));
    }
    let Some(path) = value("path") else {
        return fail(format!("`{address}` has neither path nor abstract"));
    };
    let direct = match UnixStream::connect(path) {
        Ok(stream) => return Ok(stream),
        Err(error) => error,
    };
    if let Some(pid) = daemon {
        let inside = PathBuf::from(format!("/proc/{pid}/root{path}"));
        if let Ok(stream) = UnixStream::connect(inside) {
            return Ok(stream);
        }
    }
    fail(format!("connecting to `{path}`: {direct}"))
}

fn decode(message: &Message) -> Result<Option<Event>, Stop> {
    if message.message_type() != Type::Signal {
        return Ok(None);
    }
    let header = message.header();
    let member = header.member().map(ToString::to_string).unwrap_or_default();
    let body = message.body();
    Ok(Some(match member.as_str() {
        "Finished" => {
            let (success, text) = body.deserialize::<(bool, String)>()?;
            Event::Finished(success, text)
        }
        "Message" => Event::Message(body.deserialize()?),
        "TaskBegin" => Event::TaskBegin(body.deserialize()?),
        "TaskEnd" => Event::TaskEnd(body.deserialize()?),
        "PercentProgress" => {
            let (text, percent) = body.deserialize::<(String, u32)>()?;
            Event::Percent(text, percent)
        }
        "ProgressEnd" => Event::ProgressEnd,
        "PropertiesChanged" => {
            let (_, changed, _) = body.deserialize::<(String, Dict, Vec<String>)>()?;
            let title = changed.get("Title").and_then(|title| <&str>::try_from(title).ok());
            title.map_or_else(|| Event::Other(member.clone()), |title| Event::Title(title.to_owned()))
        }
        _ => Event::Other(member),
    }))
}
